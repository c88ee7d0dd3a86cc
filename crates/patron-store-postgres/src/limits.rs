//! How much of a database may be used, and for how long.

use std::time::Duration;

/// What connections may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connections_max: u32,
    pub(crate) connect_time_max: Duration,
    pub(crate) statement_time_max: Duration,
    pub(crate) lock_time_max: Duration,
    pub(crate) wait_max: Duration,
    /// After which a connection is given up that does not answer a question or finish a transaction.
    pub(crate) answer_time_max: Duration,
}

impl Limits {
    /// The server's own settings that hold these limits up: name and milliseconds. A transaction that
    /// stands idle is one whose process was stopped: it must not hold its locks for ever.
    pub(crate) fn session(&self) -> [(&'static str, u128); 3] {
        [
            ("statement_timeout", self.statement_time_max.as_millis()),
            ("lock_timeout", self.lock_time_max.as_millis()),
            ("idle_in_transaction_session_timeout", self.statement_time_max.as_millis()),
        ]
    }
}
