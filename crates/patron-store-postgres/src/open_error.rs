//! Why a store cannot be opened.

/// Why a store cannot be opened. The texts say what to do, and never hold a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings cannot be used.
    #[error("{0}")]
    Settings(String),
}

impl OpenError {
    /// Whether trying again later may help: the database is away, starting, or out of connections.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Settings(_) => false,
        }
    }
}
