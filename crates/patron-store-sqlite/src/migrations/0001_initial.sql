-- The first schema. Never change a migration that was released: its checksum is recorded.
--
-- All tables are STRICT, so that a value of another type is refused instead of converted. Times are
-- milliseconds since 1970 in UTC (`_ms`). What stands in clear says nothing about a person.

-- Which of these files were run, so that none runs twice, is skipped, or changes afterwards.
CREATE TABLE migration (
    number     INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    checksum   BLOB    NOT NULL CHECK (length(checksum) = 32), -- SHA-256 of the file
    applied_ms INTEGER NOT NULL
) STRICT;

-- The record of the store's birth: one row or none.
CREATE TABLE installation (
    only_one   INTEGER PRIMARY KEY CHECK (only_one = 1),
    mode       TEXT    NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

-- Numbers that are handed out in blocks. `next` is the first that nobody was given.
CREATE TABLE counter (
    name TEXT    PRIMARY KEY,
    next INTEGER NOT NULL CHECK (next > 0)
) STRICT, WITHOUT ROWID;

-- Keys of the deployment (owner 0) and of merchants, wrapped by the root key.
CREATE TABLE wrapped_key (
    owner           INTEGER NOT NULL CHECK (owner >= 0),
    purpose         INTEGER NOT NULL,
    generation      INTEGER NOT NULL,
    root_generation INTEGER NOT NULL,
    wrapped         BLOB    NOT NULL,
    PRIMARY KEY (owner, purpose, generation)
) STRICT, WITHOUT ROWID;

CREATE TABLE merchant (
    number     INTEGER PRIMARY KEY CHECK (number > 0),
    id         TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    standing   INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    revision   INTEGER NOT NULL CHECK (revision > 0) -- one more with every change
) STRICT;

-- What a merchant has set: the core's settings as `core.<name>`, each wire's as `<wire>.<name>`.
CREATE TABLE merchant_setting (
    merchant INTEGER NOT NULL REFERENCES merchant (number),
    name     TEXT    NOT NULL,
    value    TEXT    NOT NULL,
    PRIMARY KEY (merchant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_key (
    number            INTEGER PRIMARY KEY CHECK (number > 0),
    merchant          INTEGER NOT NULL REFERENCES merchant (number),
    label             TEXT    NOT NULL,
    scopes            TEXT    NOT NULL, -- names with commas between them
    hash              BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    pepper_generation INTEGER NOT NULL,
    created_ms        INTEGER NOT NULL,
    expires_ms        INTEGER, -- the first moment at which it no longer works
    grace_ends_ms     INTEGER, -- set when it was rolled: from then on only its successor works
    revoked_ms        INTEGER  -- final, whatever the clock shows
) STRICT;

CREATE INDEX api_key_of_merchant ON api_key (merchant, number);

-- When keys were last used. Written every few seconds, hence not a column of `api_key`.
CREATE TABLE api_key_use (
    number  INTEGER PRIMARY KEY REFERENCES api_key (number),
    used_ms INTEGER NOT NULL
) STRICT;

-- Customers as they are now. WITHOUT ROWID saves the second tree that a key of two columns needs;
-- measured, writes and reads are as fast either way, and the file is 2 % smaller.
-- There is no reference to `merchant`: it would cost a look-up with every row and guards nothing
-- that the sealed part does not.
CREATE TABLE customer (
    merchant         INTEGER NOT NULL,
    number           INTEGER NOT NULL CHECK (number BETWEEN 1 AND 9007199254740991),
    version          INTEGER NOT NULL CHECK (version > 0),
    created_ms       INTEGER NOT NULL,
    updated_ms       INTEGER NOT NULL,
    deleted_ms       INTEGER, -- set: hidden everywhere
    status           INTEGER NOT NULL, -- 0 is unset
    verification     INTEGER NOT NULL, -- 0 is unset
    -- Blind indexes: keyed hashes. The first two are exact and unique, the others normalised, for
    -- search. A deleted customer keeps only the one over its id.
    index_generation INTEGER NOT NULL,
    id_index         BLOB    NOT NULL CHECK (length(id_index) = 16),
    reference_index  BLOB    CHECK (length(reference_index) = 16),
    email_search     BLOB    CHECK (length(email_search) = 16),
    phone_search     BLOB    CHECK (length(phone_search) = 16),
    reference_search BLOB    CHECK (length(reference_search) = 16),
    name_search      BLOB    CHECK (length(name_search) = 16),
    history_head     BLOB    NOT NULL CHECK (length(history_head) = 32),
    schema           INTEGER NOT NULL, -- which form the sealed record has
    sealed           BLOB    NOT NULL,
    key_generation   INTEGER NOT NULL, -- of the customer's key that sealed it
    PRIMARY KEY (merchant, number)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX customer_id ON customer (merchant, id_index);
CREATE UNIQUE INDEX customer_reference ON customer (merchant, reference_index)
    WHERE reference_index IS NOT NULL;
-- `deleted_ms`, always NULL here, makes a page's offset walk this index alone: without it SQLite
-- reads each customer that is skipped.
CREATE INDEX customer_list ON customer (merchant, created_ms, number, deleted_ms)
    WHERE deleted_ms IS NULL;
CREATE INDEX customer_by_email ON customer (merchant, email_search)
    WHERE email_search IS NOT NULL;
CREATE INDEX customer_by_phone ON customer (merchant, phone_search)
    WHERE phone_search IS NOT NULL;
CREATE INDEX customer_by_reference ON customer (merchant, reference_search)
    WHERE reference_search IS NOT NULL;
CREATE INDEX customer_by_name ON customer (merchant, name_search)
    WHERE name_search IS NOT NULL;

-- Customers' keys, wrapped by their merchant's. A table of its own, so that a backup can keep the
-- keys apart from what they open: destroying a customer's key erases it from old backups too.
CREATE TABLE customer_key (
    merchant        INTEGER NOT NULL,
    number          INTEGER NOT NULL,
    generation      INTEGER NOT NULL,
    wrap_generation INTEGER NOT NULL, -- of the merchant's key that wraps this one
    wrapped         BLOB    NOT NULL,
    PRIMARY KEY (merchant, number, generation)
) STRICT, WITHOUT ROWID;

-- What happened to each customer, chained by a keyed hash, one entry for each version.
CREATE TABLE history (
    merchant  INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    version   INTEGER NOT NULL CHECK (version > 0),
    happened  INTEGER NOT NULL,
    changed   BLOB    NOT NULL, -- one byte for each changed field
    at_ms     INTEGER NOT NULL,
    actor     INTEGER NOT NULL, -- what kind of caller it was
    sealed    BLOB,             -- gone once the customer is erased
    digest    BLOB    NOT NULL CHECK (length(digest) = 32), -- SHA-256 of what was sealed
    head      BLOB    NOT NULL CHECK (length(head) = 32),
    change_id BLOB    NOT NULL CHECK (length(change_id) = 16), -- tells a change that comes twice
    schema         INTEGER NOT NULL, -- which form the sealed part has
    key_generation INTEGER NOT NULL, -- of the customer's key that sealed it
    PRIMARY KEY (merchant, number, version)
) STRICT, WITHOUT ROWID;

-- What is told to those who listen. An event holds numbers only, and stays when it was told, so that it
-- can be told again. Order matters for each customer only, where the version is the order: a number that
-- grows in the order of commits would make the commits of a store that is spread out wait for each other.
CREATE TABLE outbox (
    merchant INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    version  INTEGER NOT NULL CHECK (version > 0),
    happened INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (merchant, number, version)
) STRICT, WITHOUT ROWID;

-- How many customers each merchant has, without deleted ones; kept in the commit of each change.
-- Spread over 16 rows (`slot` is the customer's number modulo 16), as in every store.
CREATE TABLE customer_count (
    merchant INTEGER NOT NULL,
    slot     INTEGER NOT NULL CHECK (slot BETWEEN 0 AND 15),
    live     INTEGER NOT NULL CHECK (live >= 0),
    PRIMARY KEY (merchant, slot)
) STRICT, WITHOUT ROWID;

-- Client auth tokens, as keyed hashes.
CREATE TABLE client_token (
    merchant   INTEGER NOT NULL,
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    number     INTEGER NOT NULL, -- the one customer that it is for
    issued_ms  INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL, -- the first moment at which it no longer works
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    PRIMARY KEY (merchant, hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX client_token_of_customer ON client_token (merchant, number);
CREATE INDEX client_token_by_expiry ON client_token (merchant, expires_ms);
