-- Searching by status, erasing, who looked at whom, and the people who look after customers. All of it is added: a
-- program that is made for the first schema goes on working.

-- Whoever has many customers makes these two before, while everybody goes on (docs/scale.md).
CREATE INDEX IF NOT EXISTS customer_by_status ON customer (merchant, status, created_ms, number)
    WHERE deleted_ms IS NULL AND status <> 0;
CREATE INDEX IF NOT EXISTS customer_by_verification ON customer (merchant, verification, created_ms, number)
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
