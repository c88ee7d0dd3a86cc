//! The settings of a database that stands beside the program, for every command.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values::{Secret, parse_secret};

/// What a URL of a database starts with.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Where the database is, when the data is not to be kept in the data directory.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Database")]
pub(crate) struct DatabaseSettings {
    /// PostgreSQL database for the data, shared by any number of processes:
    /// postgres://USER:PASSWORD@HOST:PORT/NAME [default: a file in the data directory].
    ///
    /// Takes an explicit --mode. A command line can be read by every user of a machine, so that a URL with
    /// a password belongs into the variable or the configuration file.
    #[arg(long, global = true, env = "PATRON_DATABASE_URL", value_name = "URL", hide_env_values = true, hide_default_value = true, value_parser = parse_secret)]
    pub(crate) database_url: Option<Secret>,

    /// What stands between the program and the database: `transaction` for pgbouncer with `pool_mode =
    /// transaction`.
    #[arg(long, global = true, env = "PATRON_POOLER", value_name = "KIND", default_value = "none")]
    pub(crate) pooler: Pooler,

    /// How long making a connection to the database may take, in milliseconds.
    #[arg(long, global = true, env = "PATRON_DATABASE_CONNECT_TIMEOUT_MS", value_name = "MS", default_value = "3000", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) database_connect_timeout_ms: u64,

    /// How long the database may take for one statement, in milliseconds.
    #[arg(long, global = true, env = "PATRON_DATABASE_STATEMENT_TIMEOUT_MS", value_name = "MS", default_value = "5000", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) database_statement_timeout_ms: u64,

    /// How long a statement may wait for a lock of another in the database, in milliseconds.
    #[arg(long, global = true, env = "PATRON_DATABASE_LOCK_TIMEOUT_MS", value_name = "MS", default_value = "3000", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) database_lock_timeout_ms: u64,

    /// How long a request waits for the database in all, repetitions included, in milliseconds.
    #[arg(long, global = true, env = "PATRON_DATABASE_WAIT_MS", value_name = "MS", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) database_wait_ms: u64,

    /// The size in MiB, indexes included, of the largest table of the database that is written anew so that nothing
    /// is left of customers that were erased. Requests wait meanwhile, for no longer than they would for a lock.
    /// Larger tables are copied, while requests go on.
    #[arg(long, global = true, env = "PATRON_DATABASE_REWRITE_MAX_MIB", value_name = "MIB", default_value = "64", value_parser = clap::value_parser!(u64).range(0..=1_048_576))]
    pub(crate) database_rewrite_max_mib: u64,

    /// The size in MiB, indexes included, of the largest table of the database that is copied so that nothing is left
    /// of customers that were erased. The database needs as much room beside the table until its copy has taken its
    /// place. There are no receipts for whom a larger table has held.
    #[arg(long, global = true, env = "PATRON_DATABASE_COPY_MAX_MIB", value_name = "MIB", default_value = "16384", value_parser = clap::value_parser!(u64).range(0..=1_073_741_824))]
    pub(crate) database_copy_max_mib: u64,
}

impl DatabaseSettings {
    /// How long making a connection may take.
    pub(crate) const fn connect_time_max(&self) -> Duration {
        Duration::from_millis(self.database_connect_timeout_ms)
    }

    /// How long a statement may run.
    pub(crate) const fn statement_time_max(&self) -> Duration {
        Duration::from_millis(self.database_statement_timeout_ms)
    }

    /// How long a statement may wait for another's lock.
    pub(crate) const fn lock_time_max(&self) -> Duration {
        Duration::from_millis(self.database_lock_timeout_ms)
    }

    /// How long a request waits in all.
    pub(crate) const fn wait_max(&self) -> Duration {
        Duration::from_millis(self.database_wait_ms)
    }

    /// The size of the largest table that is written anew.
    pub(crate) const fn rewrite_bytes_max(&self) -> u64 {
        self.database_rewrite_max_mib.saturating_mul(1 << 20)
    }

    /// The size of the largest table that is copied.
    pub(crate) const fn copy_bytes_max(&self) -> u64 {
        self.database_copy_max_mib.saturating_mul(1 << 20)
    }
}

/// What stands between the program and the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pooler {
    /// Nothing, or something that keeps a connection for each session.
    None,
    /// A pooler that gives each transaction another connection.
    Transaction,
}

/// Whether this is a URL of the kind of database that there is a store for.
pub(super) fn is_known(url: &Secret) -> bool {
    SCHEMES.iter().any(|scheme| url.expose().starts_with(scheme))
}
