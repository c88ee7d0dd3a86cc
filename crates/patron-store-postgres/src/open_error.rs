//! Why a store cannot be opened.

use patron::store::StoreError;
use tokio_postgres::error::SqlState;

use crate::errors::{ConnectError, Failed, NotConnected, Reason, chain};

/// Why a store cannot be opened. The texts say what to do, and never hold a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings cannot be used.
    #[error("{0}: correct --database-url or --read-url")]
    Settings(String),
    /// The database is away, starting, or has no connection to spare.
    #[error("the database does not answer ({0}): see whether it runs and can be reached from here")]
    Away(String),
    /// The database does not let us in, or does not have what we ask for.
    #[error("the database refuses: {0}")]
    Refused(String),
    /// The database holds tables of another program.
    #[error("the database holds tables that are not Patron's: give it a database of its own")]
    Foreign,
    /// A newer version, with which this one cannot work any more, was here.
    #[error("the schema is a newer version's: use that version of Patron, or a newer one")]
    NewerSchema,
    /// A migration that was run is not the one that this program knows.
    #[error(
        "migration {number} ({name}) is another one than this program's: use the version of \
             Patron that ran it"
    )]
    MigrationChanged {
        /// Its number.
        number: i64,
        /// Its name.
        name: &'static str,
    },
    /// The tables are to be spread over a cluster, and there is none.
    #[error(
        "the database is not a Citus cluster's coordinator: CREATE EXTENSION citus there, add its \
             workers, and try again"
    )]
    NoCitus,
    /// What is asked for cannot be had with a cluster.
    #[error(
        "--read-url cannot be combined with Citus, whose servers have no common order of commits: \
             leave it out"
    )]
    ReplicaOfCitus,
    /// The database acknowledges what it has not stored.
    #[error(
        "synchronous_commit is off in this database, so that it would lose what it has \
             acknowledged: ALTER DATABASE … SET synchronous_commit = on"
    )]
    Unsafe,
    /// Something in between gives sessions other settings than they ask for, and so other connections, too.
    #[error(
        "what stands between the program and the database does not keep sessions apart, as pgbouncer \
             does not: give --pooler transaction"
    )]
    Pooled,
    /// A thread cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
}

impl OpenError {
    /// Whether trying again later may help.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::Settings(_)
            | Self::Refused(_)
            | Self::Foreign
            | Self::NewerSchema
            | Self::MigrationChanged { .. }
            | Self::NoCitus
            | Self::ReplicaOfCitus
            | Self::Unsafe
            | Self::Pooled
            | Self::Thread(_) => false,
        }
    }
}

impl From<Failed> for OpenError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::NoConnection(NotConnected::Away(error)) => match &*error {
                ConnectError::Refused(Reason { state: Some(state), text }) => of_state(state, text),
                // A network that refuses may let us in later; TLS that does not fit will not.
                ConnectError::Refused(Reason { state: None, text }) if text.contains("TLS") => {
                    Self::Refused(text.clone())
                }
                ConnectError::Refused(_) | ConnectError::TimedOut => Self::Away(error.to_string()),
            },
            Failed::NoConnection(reason) => Self::Away(reason.to_string()),
            Failed::TimedOut => Self::Away("it took too long".to_owned()),
            Failed::Unknown(doubt) => Self::Away(doubt.to_string()),
            // It was there a moment before, and did not answer the first question.
            Failed::Refused(error @ StoreError::Unavailable(_)) => Self::Away(chain(&error)),
            Failed::Refused(error) => Self::Refused(error.to_string()),
            Failed::Database(error) => match error.as_db_error() {
                Some(said) => of_state(said.code(), said.message()),
                None => Self::Away(chain(&error)),
            },
        }
    }
}

fn of_state(state: &SqlState, text: &str) -> OpenError {
    // Poolers have one code for all that they refuse, most of which passes.
    if text.contains("unsupported startup parameter") {
        return OpenError::Pooled;
    }
    let said = format!("{text} ({})", state.code());
    let passes = ["08", "53", "57P"].iter().any(|class| state.code().starts_with(class))
        || *state == SqlState::READ_ONLY_SQL_TRANSACTION
        || *state == SqlState::LOCK_NOT_AVAILABLE
        || *state == SqlState::QUERY_CANCELED;
    if passes { OpenError::Away(said) } else { OpenError::Refused(said) }
}
