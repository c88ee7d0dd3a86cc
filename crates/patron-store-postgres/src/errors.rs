//! What PostgreSQL answers when it refuses, in the words of the store's contract.

use std::sync::Arc;

use patron::store::StoreError;
use tokio_postgres::error::SqlState;

/// What the database said. Details are left out: they quote rows.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the database says: {message} ({code})")]
pub(crate) struct Said {
    code: String,
    message: String,
}

/// Why something was not done. In each case but `Unknown` nothing was written.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The store's own answer: the transaction is rolled back, the connection can go on.
    Refused(StoreError),
    /// PostgreSQL refused a statement, or the connection was lost before the commit was sent.
    Database(tokio_postgres::Error),
    /// The statement or the transaction took too long, and its connection was given up.
    TimedOut,
    /// There is no connection.
    NoConnection(NotConnected),
    /// The commit was sent, and what became of it is not known.
    Unknown(Doubt),
}

/// Why there is no connection.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NotConnected {
    /// The last attempt failed, and the next one is not due yet.
    #[error("the database cannot be reached: {0}")]
    Away(Arc<ConnectError>),
    /// All connections are busy, and none came free in time.
    #[error("all connections to the database are busy")]
    Exhausted,
    /// There are connections, but none that may write.
    #[error("the database takes no writes")]
    ReadOnly,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The network or the server refused.
    #[error("{}", .0.reason())]
    Refused(Reason),
    /// No host answered in time.
    #[error("no answer in time")]
    TimedOut,
}

/// A refusal to connect, in words and as what it is.
#[derive(Debug)]
pub(crate) struct Reason {
    pub(crate) state: Option<SqlState>,
    pub(crate) text: String,
}

impl Reason {
    fn reason(&self) -> &str {
        &self.text
    }
}

/// Why the outcome of a commit is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Doubt {
    /// The connection was lost after the commit was sent.
    #[error("the connection was lost while the database committed")]
    Lost,
    /// PostgreSQL reports success, with a warning that the replica may not have it.
    #[error("the database committed with a warning that its replica may not have it")]
    Warned,
    /// No answer came in time.
    #[error("the database did not confirm a commit in time")]
    TimedOut,
}

/// Why the store does not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAnswering {
    /// The database refused.
    #[error(transparent)]
    Said(Said),
    /// The connection broke.
    #[error("the connection to the database broke: {0}")]
    Broken(String),
    /// It took too long.
    #[error("the database took too long")]
    TimedOut,
    /// There is no connection.
    #[error(transparent)]
    NoConnection(NotConnected),
    /// A commit whose outcome could not be found out in time.
    #[error("it is not known whether the change was made: {0}")]
    Unknown(Doubt),
    /// What is known of merchants and keys is too old.
    #[error("what is known of merchants and keys is older than a second")]
    Stale,
    /// The server confirms what it has not stored.
    #[error(
        "synchronous_commit is off or local in the database, so that it would lose what it acknowledges"
    )]
    Unsafe,
    /// The schema has moved beyond what this program understands.
    #[error("the schema of the database has become too new for this version of Patron: upgrade it")]
    SchemaTooNew,
    /// The server takes no writes any more.
    #[error("the database server has become a replica, which takes no writes")]
    Demoted,
    /// What only the tables' owner may do was not done.
    #[error(
        "the database vacuums with a warning, so that what was erased may still be there: the role of \
         --database-url has to own the tables"
    )]
    NotVacuumed,
    /// A table is too large, and its copy must not take its place.
    #[error(
        "what was erased cannot be made to go from the table {table}: {what} would be lost if a copy took its place. \
         Drop that, or have it written anew where it is, during which nobody gets at it (--database-rewrite-max-mib, \
         --database-lock-timeout-ms)"
    )]
    NotCopied { table: &'static str, what: String },
    /// A table is too large even to be copied.
    #[error(
        "what was erased is still in the files of the table {table}: with its {} MiB it is larger than \
         --database-copy-max-mib allows a copy to be. Allow more, where the database has room for it twice", .bytes >> 20
    )]
    TooLargeToCopy { table: &'static str, bytes: u64 },
    /// A copy of a table is not the same.
    #[error(
        "a copy of the table {table} is not the same as the table, and was thrown away: what was erased is still in \
         its files, and nothing was changed"
    )]
    CopyDiffers { table: &'static str },
    /// What was asked together with others failed for all of them.
    #[error(transparent)]
    Shared(Arc<StoreError>),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl From<NotAnswering> for StoreError {
    fn from(reason: NotAnswering) -> Self {
        Self::Unavailable(Box::new(reason))
    }
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl Failed {
    /// Whether the connection must not be used again.
    pub(crate) fn spoils_connection(&self) -> bool {
        match self {
            Self::Refused(_) | Self::NoConnection(NotConnected::ReadOnly) => false,
            Self::Database(error) => error.code().is_none_or(ends_session) || is_outdated(error),
            Self::TimedOut | Self::NoConnection(_) | Self::Unknown(_) => true,
        }
    }

    /// Whether an earlier statement of the transaction had failed.
    pub(crate) fn is_aftermath(&self) -> bool {
        match self {
            Self::Database(error) => error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION),
            Self::Refused(_) | Self::TimedOut | Self::NoConnection(_) | Self::Unknown(_) => false,
        }
    }

    /// Whether it waited too long for somebody else, or was told to stop waiting.
    pub(crate) fn waited_too_long(&self) -> bool {
        match self {
            Self::Database(error) => error.code().is_some_and(|code| {
                *code == SqlState::LOCK_NOT_AVAILABLE || *code == SqlState::QUERY_CANCELED
            }),
            Self::Refused(_) | Self::TimedOut | Self::NoConnection(_) | Self::Unknown(_) => false,
        }
    }

    /// Whether what was to be made is there.
    pub(crate) fn exists_already(&self) -> bool {
        match self {
            Self::Database(error) => error.code().is_some_and(|code| {
                [
                    SqlState::DUPLICATE_TABLE,
                    SqlState::DUPLICATE_FUNCTION,
                    SqlState::DUPLICATE_OBJECT,
                ]
                .contains(code)
            }),
            Self::Refused(_) | Self::TimedOut | Self::NoConnection(_) | Self::Unknown(_) => false,
        }
    }

    /// Whether it waited too long for a lock.
    pub(crate) fn is_locked_out(&self) -> bool {
        match self {
            Self::Database(error) => error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE),
            Self::Refused(_) | Self::TimedOut | Self::NoConnection(_) | Self::Unknown(_) => false,
        }
    }

    /// Whether the database itself is not there, and not only out of sorts with what it was asked.
    pub(crate) fn is_silence(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Database(error) => error.code().is_none_or(ends_session),
            Self::TimedOut | Self::NoConnection(_) | Self::Unknown(_) => true,
        }
    }

    /// Whether the session may write nothing.
    pub(crate) fn is_read_only(&self) -> bool {
        match self {
            Self::Database(error) => error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION),
            Self::Refused(_) | Self::TimedOut | Self::NoConnection(_) | Self::Unknown(_) => false,
        }
    }

    /// Whether the same may well succeed when it is done again at once, on another connection where this
    /// one is spoilt.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Refused(_) | Self::TimedOut | Self::NoConnection(_) | Self::Unknown(_) => false,
            Self::Database(error) => match error.code() {
                None => true,
                Some(code) => ends_session(code) || is_conflict(code) || is_outdated(error),
            },
        }
    }
}

/// From PostgreSQL 17 on.
const TRANSACTION_TIMEOUT: &str = "25P04";

/// States after which the session is over, or useless: it ended, or its server only reads now.
fn ends_session(code: &SqlState) -> bool {
    code.code().starts_with("08")
        || code.code().starts_with("57P")
        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
        || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        || code.code() == TRANSACTION_TIMEOUT
        // A pooler says this when it has lost its own connection, or prepared statements under our feet.
        || *code == SqlState::PROTOCOL_VIOLATION
        || *code == SqlState::INVALID_SQL_STATEMENT_NAME
}

/// A statement was prepared before a migration changed what it answers. The state says less than the words.
fn is_outdated(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| {
        *said.code() == SqlState::FEATURE_NOT_SUPPORTED
            && said.message() == "cached plan must not change result type"
    })
}

/// Others were at it at the same time, and one of them had to give way.
fn is_conflict(code: &SqlState) -> bool {
    *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(error) => error,
            Failed::Database(error) => from_database(&error),
            Failed::TimedOut => NotAnswering::TimedOut.into(),
            Failed::NoConnection(reason) => NotAnswering::NoConnection(reason).into(),
            Failed::Unknown(doubt) => NotAnswering::Unknown(doubt).into(),
        }
    }
}

/// An error that no statement of this store expects.
fn from_database(error: &tokio_postgres::Error) -> StoreError {
    let Some(said) = error.as_db_error() else {
        return NotAnswering::Broken(chain(error)).into();
    };
    // Every conflict that may happen is found out beforehand, so that this one is between rows that do
    // not belong together. A value that no column takes is none that we write.
    if said.code().code().starts_with("23") || said.code().code().starts_with("22") {
        return StoreError::Corrupt { table: "(database)", column: "(constraint)" };
    }
    NotAnswering::Said(Said {
        code: said.code().code().to_owned(),
        message: said.message().to_owned(),
    })
    .into()
}

/// An error that is none of the database's own words, with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

/// Which unique key a statement ran into, if it did.
pub(crate) fn violated(failed: &Failed) -> Option<&str> {
    let Failed::Database(error) = failed else {
        return None;
    };
    let said = error.as_db_error()?;
    if *said.code() != SqlState::UNIQUE_VIOLATION {
        return None;
    }
    said.constraint()
}
