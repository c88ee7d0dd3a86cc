-- Search over all that is indexed, erasure, the access log, operators and their sessions. A program that is made for
-- the first schema goes on working: it knows none of this, and does not search.

-- Each search index is now in the order of the list, so that a page is read by walking it, and a total by counting its
-- entries, however many customers have the same value. Whoever has many customers makes these before, while
-- everybody goes on (docs/scale.md).
CREATE INDEX IF NOT EXISTS customer_list_by_email ON customer (merchant, email_search, created_ms, number)
    WHERE deleted_ms IS NULL AND email_search IS NOT NULL;
CREATE INDEX IF NOT EXISTS customer_list_by_phone ON customer (merchant, phone_search, created_ms, number)
    WHERE deleted_ms IS NULL AND phone_search IS NOT NULL;
CREATE INDEX IF NOT EXISTS customer_list_by_reference ON customer (merchant, reference_search, created_ms, number)
    WHERE deleted_ms IS NULL AND reference_search IS NOT NULL;
CREATE INDEX IF NOT EXISTS customer_list_by_name ON customer (merchant, name_search, created_ms, number)
    WHERE deleted_ms IS NULL AND name_search IS NOT NULL;
-- What is unset is 0, and is not looked for.
CREATE INDEX IF NOT EXISTS customer_list_by_status ON customer (merchant, status, created_ms, number)
    WHERE deleted_ms IS NULL AND status <> 0;
CREATE INDEX IF NOT EXISTS customer_list_by_verification ON customer (merchant, verification, created_ms, number)
    WHERE deleted_ms IS NULL AND verification <> 0;

-- What is left of a customer that was erased, beside its history.
CREATE TABLE erased_customer (
    merchant     bigint NOT NULL,
    number       bigint NOT NULL CHECK (number BETWEEN 1 AND 9007199254740991),
    version      bigint NOT NULL CHECK (version > 0),
    erased_ms    bigint NOT NULL,
    purged_ms    bigint, -- when its bytes had gone from the live files
    history_head bytea  NOT NULL CHECK (length(history_head) = 32),
    mac          bytea  NOT NULL CHECK (length(mac) = 32), -- a keyed hash over all of the above
    PRIMARY KEY (merchant, number)
);
CREATE INDEX erased_customer_unpurged ON erased_customer (merchant, erased_ms) WHERE purged_ms IS NULL;

-- Who looked at whom.
CREATE TABLE access_log (
    merchant     bigint   NOT NULL,
    at_ms        bigint   NOT NULL,
    id           bytea    NOT NULL CHECK (length(id) = 16),
    accessed     smallint NOT NULL, -- what was done
    number       bigint,            -- the customer, where it is about one
    actor        smallint NOT NULL, -- what kind of caller it was
    actor_number bigint   NOT NULL,
    sealed       bytea    NOT NULL,
    PRIMARY KEY (merchant, at_ms, id)
);
ALTER TABLE access_log ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX access_log_of_customer ON access_log (merchant, number, at_ms, id)
    WHERE number IS NOT NULL;

-- The people who look after customers: a merchant's, or the deployment's.
CREATE TABLE operator (
    number      bigint   PRIMARY KEY CHECK (number > 0),
    merchant    bigint,            -- none: the deployment's
    role        smallint NOT NULL,
    created_ms  bigint   NOT NULL,
    disabled_ms bigint,            -- since when it may not sign in
    revision    bigint   NOT NULL CHECK (revision > 0), -- one more with every change
    credential  bigint   NOT NULL, -- the revision that last ended all sessions
    email_index bytea    NOT NULL CHECK (length(email_index) = 32),
    sealed      bytea    NOT NULL,
    password    text     NOT NULL  -- argon2id, in the PHC format
);
CREATE UNIQUE INDEX operator_email ON operator (email_index);
CREATE INDEX operator_of_merchant ON operator (merchant, number);

-- Sessions of operators, as keyed hashes.
CREATE TABLE session (
    hash       bytea    PRIMARY KEY CHECK (length(hash) = 32),
    operator   bigint   NOT NULL,
    credential bigint   NOT NULL, -- the operator's, when the session was opened
    purpose    smallint NOT NULL,
    issued_ms  bigint   NOT NULL,
    expires_ms bigint   NOT NULL  -- the first moment at which it no longer works
);
CREATE INDEX session_by_expiry ON session (expires_ms);

-- At the end, since nobody gets at the tables from here to the commit.
DROP INDEX customer_by_email, customer_by_phone, customer_by_reference, customer_by_name;

-- No statistics of what identifies customers: the server would keep a hundred values of each column, for ever, whoever
-- is erased. Where it has some of what opens customers, and of what is sealed, they go when a type is set, as which
-- it is already; nothing is written anew by that. (Where it has some of blind indexes, `patron verify` says so.)
ALTER TABLE customer_key ALTER COLUMN wrapped SET STATISTICS 0, ALTER COLUMN wrapped TYPE bytea;
ALTER TABLE history ALTER COLUMN sealed SET STATISTICS 0, ALTER COLUMN sealed TYPE bytea;
ALTER TABLE history ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE customer
    ALTER COLUMN sealed           SET STATISTICS 0, ALTER COLUMN sealed TYPE bytea,
    ALTER COLUMN id_index         SET STATISTICS 0,
    ALTER COLUMN reference_index  SET STATISTICS 0,
    ALTER COLUMN email_search     SET STATISTICS 0,
    ALTER COLUMN phone_search     SET STATISTICS 0,
    ALTER COLUMN reference_search SET STATISTICS 0,
    ALTER COLUMN name_search      SET STATISTICS 0;
ALTER TABLE customer ALTER COLUMN sealed SET STORAGE EXTERNAL;
