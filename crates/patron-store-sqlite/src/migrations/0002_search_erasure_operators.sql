-- Search over all that is indexed, erasure, the access log, operators and their sessions.

-- Each search index is now in the order of the lists, so that a page and a count walk the index alone,
-- however many customers have the same value. `deleted_ms` is there for the same reason as in `customer_list`.
DROP INDEX customer_by_email;
DROP INDEX customer_by_phone;
DROP INDEX customer_by_reference;
DROP INDEX customer_by_name;
CREATE INDEX customer_by_email ON customer (merchant, email_search, created_ms, number, deleted_ms)
    WHERE email_search IS NOT NULL AND deleted_ms IS NULL;
CREATE INDEX customer_by_phone ON customer (merchant, phone_search, created_ms, number, deleted_ms)
    WHERE phone_search IS NOT NULL AND deleted_ms IS NULL;
CREATE INDEX customer_by_reference ON customer (merchant, reference_search, created_ms, number, deleted_ms)
    WHERE reference_search IS NOT NULL AND deleted_ms IS NULL;
CREATE INDEX customer_by_name ON customer (merchant, name_search, created_ms, number, deleted_ms)
    WHERE name_search IS NOT NULL AND deleted_ms IS NULL;
-- What is unset is 0, and is not looked for.
CREATE INDEX customer_by_status ON customer (merchant, status, created_ms, number, deleted_ms)
    WHERE deleted_ms IS NULL AND status <> 0;
CREATE INDEX customer_by_verification ON customer (merchant, verification, created_ms, number, deleted_ms)
    WHERE deleted_ms IS NULL AND verification <> 0;

-- What is left of a customer that was erased, besides its history without values: its number, which
-- nobody else is ever given, and a keyed hash over the row.
CREATE TABLE erased_customer (
    merchant     INTEGER NOT NULL,
    number       INTEGER NOT NULL CHECK (number BETWEEN 1 AND 9007199254740991),
    version      INTEGER NOT NULL CHECK (version > 0), -- the one that its erasure made
    erased_ms    INTEGER NOT NULL,
    purged_ms    INTEGER, -- since when its bytes are gone from the live files
    history_head BLOB    NOT NULL CHECK (length(history_head) = 32),
    mac          BLOB    NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (merchant, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX erased_customer_unpurged ON erased_customer (merchant, erased_ms)
    WHERE purged_ms IS NULL;

-- Who looked at whom.
CREATE TABLE access_log (
    merchant     INTEGER NOT NULL,
    at_ms        INTEGER NOT NULL,
    id           BLOB    NOT NULL CHECK (length(id) = 16), -- random
    accessed     INTEGER NOT NULL, -- what was done
    number       INTEGER,          -- at whom
    actor        INTEGER NOT NULL, -- what kind of caller it was
    actor_number INTEGER NOT NULL, -- who of that kind
    sealed       BLOB    NOT NULL, -- the client's address and the request's id
    PRIMARY KEY (merchant, at_ms, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX access_log_of_customer ON access_log (merchant, number, at_ms, id)
    WHERE number IS NOT NULL;

-- People who look after customers: a merchant's, or the deployment's where there is no merchant.
CREATE TABLE operator (
    number      INTEGER PRIMARY KEY CHECK (number > 0),
    merchant    INTEGER REFERENCES merchant (number),
    role        INTEGER NOT NULL,
    created_ms  INTEGER NOT NULL,
    disabled_ms INTEGER, -- since when it may not sign in
    revision    INTEGER NOT NULL CHECK (revision > 0), -- one more with every change
    credential  INTEGER NOT NULL CHECK (credential > 0), -- sessions of an earlier one are over
    email_index BLOB    NOT NULL UNIQUE CHECK (length(email_index) = 32), -- a keyed hash
    sealed      BLOB    NOT NULL, -- email address and name
    password    TEXT    NOT NULL  -- argon2id
) STRICT;

CREATE INDEX operator_of_merchant ON operator (merchant, number);

-- Sessions of operators, as keyed hashes.
CREATE TABLE session (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    operator   INTEGER NOT NULL,
    credential INTEGER NOT NULL, -- the operator's when it was opened
    purpose    INTEGER NOT NULL,
    issued_ms  INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL -- the first moment at which it no longer works
) STRICT, WITHOUT ROWID;

CREATE INDEX session_by_expiry ON session (expires_ms);
