-- The first schema. Never change a migration that was released: its checksum is recorded.
--
-- The tables and columns are those of the embedded store. Times are milliseconds since 1970 in UTC (`_ms`). What
-- stands in clear says nothing about a person.
--
-- Whatever belongs to a merchant's customers begins each key with the merchant, so that Citus can spread it by
-- merchant (`patron migrate --citus`). Nothing is numbered by a sequence, and no foreign key leads from one customer's
-- rows to another table: each would be asked with every write.

-- The record of the store's birth: one row or none.
CREATE TABLE installation (
    only_one   smallint PRIMARY KEY CHECK (only_one = 1),
    mode       text     NOT NULL,
    created_ms bigint   NOT NULL
);

-- Grows with every change of merchants and keys. Every process asks for it several times a second.
CREATE TABLE management_epoch (
    only_one smallint PRIMARY KEY CHECK (only_one = 1),
    epoch    bigint   NOT NULL
);
INSERT INTO management_epoch (only_one, epoch) VALUES (1, 0);

-- Numbers that are handed out in blocks. `next` is the first that nobody was given.
CREATE TABLE counter (
    name text   PRIMARY KEY,
    next bigint NOT NULL CHECK (next > 0)
);

-- Who does which work in the background, and until when nobody else may.
CREATE TABLE job (
    name    text        PRIMARY KEY,
    holder  bytea       NOT NULL CHECK (length(holder) = 16),
    expires timestamptz NOT NULL
);

-- Keys of the deployment (owner 0) and of merchants, wrapped by the root key.
CREATE TABLE wrapped_key (
    owner           bigint   NOT NULL CHECK (owner >= 0),
    purpose         smallint NOT NULL,
    generation      bigint   NOT NULL,
    root_generation bigint   NOT NULL,
    wrapped         bytea    NOT NULL,
    PRIMARY KEY (owner, purpose, generation)
);

CREATE TABLE merchant (
    number     bigint   PRIMARY KEY CHECK (number > 0),
    id         text     COLLATE "C" NOT NULL,
    name       text     NOT NULL,
    standing   smallint NOT NULL,
    created_ms bigint   NOT NULL,
    revision   bigint   NOT NULL CHECK (revision > 0) -- one more with every change
);
CREATE UNIQUE INDEX merchant_id ON merchant (id);

-- What a merchant has set: the core's settings as `core.<name>`, each wire's as `<wire>.<name>`.
CREATE TABLE merchant_setting (
    merchant bigint NOT NULL,
    name     text   COLLATE "C" NOT NULL,
    value    text   NOT NULL,
    PRIMARY KEY (merchant, name)
);

CREATE TABLE api_key (
    number            bigint PRIMARY KEY CHECK (number > 0),
    merchant          bigint NOT NULL,
    label             text   NOT NULL,
    scopes            text   NOT NULL, -- names with commas between them
    hash              bytea  NOT NULL CHECK (length(hash) = 32),
    pepper_generation bigint NOT NULL,
    created_ms        bigint NOT NULL,
    expires_ms        bigint, -- the first moment at which it no longer works
    grace_ends_ms     bigint, -- set when it was rolled: from then on only its successor works
    revoked_ms        bigint  -- final, whatever the clock shows
);
CREATE UNIQUE INDEX api_key_hash ON api_key (hash);
CREATE INDEX api_key_of_merchant ON api_key (merchant, number);

-- When keys were last used. Written every few seconds, hence not a column of `api_key`.
CREATE TABLE api_key_use (
    number  bigint PRIMARY KEY,
    used_ms bigint NOT NULL
);

-- Customers as they are now. Room is left in each page, so that an update finds some beside the row that it
-- replaces and need not touch the indexes.
CREATE TABLE customer (
    merchant         bigint   NOT NULL,
    number           bigint   NOT NULL CHECK (number BETWEEN 1 AND 9007199254740991),
    version          bigint   NOT NULL CHECK (version > 0),
    created_ms       bigint   NOT NULL,
    updated_ms       bigint   NOT NULL,
    deleted_ms       bigint, -- set: hidden everywhere
    status           smallint NOT NULL, -- 0 is unset
    verification     smallint NOT NULL, -- 0 is unset
    -- Blind indexes: keyed hashes. The first two are exact and unique, the others normalised, for
    -- search. A deleted customer keeps only the one over its id.
    index_generation bigint   NOT NULL,
    id_index         bytea    NOT NULL CHECK (length(id_index) = 16),
    reference_index  bytea    CHECK (length(reference_index) = 16),
    email_search     bytea    CHECK (length(email_search) = 16),
    phone_search     bytea    CHECK (length(phone_search) = 16),
    reference_search bytea    CHECK (length(reference_search) = 16),
    name_search      bytea    CHECK (length(name_search) = 16),
    history_head     bytea    NOT NULL CHECK (length(history_head) = 32),
    schema           integer  NOT NULL, -- which form the sealed record has
    sealed           bytea    NOT NULL,
    key_generation   bigint   NOT NULL, -- of the customer's key that sealed it
    CONSTRAINT customer_number PRIMARY KEY (merchant, number)
) WITH (fillfactor = 85);

-- What is sealed does not shrink: trying to compress it is work for nothing.
ALTER TABLE customer ALTER COLUMN sealed SET STORAGE EXTERNAL;

CREATE UNIQUE INDEX customer_id ON customer (merchant, id_index);
CREATE UNIQUE INDEX customer_reference ON customer (merchant, reference_index)
    WHERE reference_index IS NOT NULL;
-- Not only of those that are not deleted: the planner would take such an index for much smaller than it is, and
-- look through all of a merchant's customers for one.
CREATE INDEX customer_list ON customer (merchant, created_ms, number) INCLUDE (deleted_ms);
CREATE INDEX customer_by_email ON customer (merchant, email_search) WHERE email_search IS NOT NULL;
CREATE INDEX customer_by_phone ON customer (merchant, phone_search) WHERE phone_search IS NOT NULL;
CREATE INDEX customer_by_reference ON customer (merchant, reference_search)
    WHERE reference_search IS NOT NULL;
CREATE INDEX customer_by_name ON customer (merchant, name_search) WHERE name_search IS NOT NULL;

-- Customers' keys, wrapped by their merchant's. A table of its own, so that a backup can keep the
-- keys apart from what they open: destroying a customer's key erases it from old backups too.
CREATE TABLE customer_key (
    merchant        bigint NOT NULL,
    number          bigint NOT NULL,
    generation      bigint NOT NULL,
    wrap_generation bigint NOT NULL, -- of the merchant's key that wraps this one
    wrapped         bytea  NOT NULL,
    PRIMARY KEY (merchant, number, generation)
);

-- What happened to each customer, chained by a keyed hash, one entry for each version.
CREATE TABLE history (
    merchant       bigint   NOT NULL,
    number         bigint   NOT NULL,
    version        bigint   NOT NULL CHECK (version > 0),
    happened       smallint NOT NULL,
    changed        bytea    NOT NULL, -- one byte for each changed field
    at_ms          bigint   NOT NULL,
    actor          smallint NOT NULL, -- what kind of caller it was
    sealed         bytea,             -- gone once the customer is erased
    digest         bytea    NOT NULL CHECK (length(digest) = 32), -- SHA-256 of what was sealed
    head           bytea    NOT NULL CHECK (length(head) = 32),
    change_id      bytea    NOT NULL CHECK (length(change_id) = 16), -- tells a change that comes twice
    schema         integer  NOT NULL, -- which form the sealed part has
    key_generation bigint   NOT NULL, -- of the customer's key that sealed it
    PRIMARY KEY (merchant, number, version)
);
ALTER TABLE history ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- What is told to those who listen, in the order of each customer's versions. An event holds numbers only, and
-- stays when it was told, so that it can be told again.
CREATE TABLE outbox (
    merchant bigint   NOT NULL,
    number   bigint   NOT NULL,
    version  bigint   NOT NULL,
    happened smallint NOT NULL,
    at_ms    bigint   NOT NULL,
    PRIMARY KEY (merchant, number, version)
);

-- How many customers each merchant has, without deleted ones: the sum of its rows, kept in the commit of each
-- change. Each connection counts in a row of its own, so that commits do not wait for each other; a row by
-- itself may well be negative.
CREATE TABLE customer_count (
    merchant bigint   NOT NULL,
    slot     smallint NOT NULL CHECK (slot BETWEEN 0 AND 63),
    live     bigint   NOT NULL,
    PRIMARY KEY (merchant, slot)
) WITH (fillfactor = 50);

-- Client auth tokens, as keyed hashes.
CREATE TABLE client_token (
    merchant   bigint NOT NULL,
    hash       bytea  NOT NULL CHECK (length(hash) = 32),
    number     bigint NOT NULL, -- the one customer that it is for
    issued_ms  bigint NOT NULL,
    expires_ms bigint NOT NULL, -- the first moment at which it no longer works
    uses_left  bigint NOT NULL CHECK (uses_left >= 0),
    PRIMARY KEY (merchant, hash)
) WITH (fillfactor = 85);
CREATE INDEX client_token_of_customer ON client_token (merchant, number);
CREATE INDEX client_token_by_expiry ON client_token (merchant, expires_ms);
