//! What SQLite answers when it refuses, in the words of the store's contract.

use std::sync::Arc;

use patron::store::StoreError;
use rusqlite::ErrorCode;

/// An error that no statement of this store expects. Refusals that it does expect (a taken key, a
/// stale version) never come as errors: the statement changes no row, and the caller asks why.
pub(crate) fn from_sqlite(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        // Every conflict that may happen is asked for beforehand, so that this one is between rows
        // that do not belong together.
        Some(ErrorCode::ConstraintViolation) => {
            StoreError::Corrupt { table: "(database file)", column: "(constraint)" }
        }
        // A page that makes no sense is among these: SQLite says the same of a disk that did not read
        // it, and a disk may do so the next time.
        Some(_) | None => StoreError::Unavailable(Box::new(error)),
    }
}

/// Why the store does not answer, where SQLite was not even asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAnswering {
    /// The writer stopped.
    #[error("the writer has stopped after a commit whose outcome is unknown")]
    WriterStopped,
    /// The answer was lost on its way: the writer ended.
    #[error("the writer has ended")]
    WriterEnded,
    /// The answer was lost on its way: whoever reads elsewhere ended.
    #[error("a reader has ended")]
    ReaderEnded,
    /// A transaction could not begin or end. It was taken back.
    #[error("the commit was refused and taken back")]
    CommitRefused(#[source] Arc<rusqlite::Error>),
}

impl From<NotAnswering> for StoreError {
    fn from(reason: NotAnswering) -> Self {
        Self::Unavailable(Box::new(reason))
    }
}

/// A refusal: the write was answered and wrote nothing, so its transaction can go on. Everything
/// else leaves the transaction in doubt.
pub(crate) const fn is_refusal(error: &StoreError) -> bool {
    match error {
        StoreError::Duplicate(_) | StoreError::Stale | StoreError::Missing => true,
        StoreError::Unavailable(_) | StoreError::Corrupt { .. } => false,
    }
}

/// Whether a commit that failed like this certainly wrote nothing, once the transaction was rolled
/// back: a full disk and a lock that was not given are found before the commit frame is written.
pub(crate) fn commit_certainly_failed(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy))
}

/// Whether a commit failed because the log could not be written. Its last frame makes it a commit, and
/// that one was not written whole.
pub(crate) fn log_was_not_written(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_IOERR_WRITE)
}
