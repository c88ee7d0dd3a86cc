//! Where the database is, and how much of it may be used.

use std::time::Duration;

/// What stands between the program and the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or something that keeps a connection for each session.
    None,
    /// A pooler that gives each transaction another connection, such as pgbouncer with `pool_mode = transaction`.
    Transaction,
}

/// Where the database is, and how much of it may be used.
#[derive(Clone)]
pub struct Settings {
    /// `postgres://user:password@host:port,host:port/name?sslmode=…`. May hold a password.
    pub url: String,
    /// A replica for lists, in the same form.
    pub read_url: Option<String>,
    /// What stands in between.
    pub pooler: Pooler,
    /// The most connections of this process to the primary; as many again to the replica.
    pub connections_max: u32,
    /// How long making a connection may take.
    pub connect_time_max: Duration,
    /// How long a statement may run.
    pub statement_time_max: Duration,
    /// How long a statement may wait for another's lock.
    pub lock_time_max: Duration,
    /// How long a request waits for the database in all, repetitions included.
    pub wait_max: Duration,
}

impl Settings {
    /// The database without user and password, for messages: `host:port/name`.
    pub fn place(&self) -> String {
        String::new()
    }
}
