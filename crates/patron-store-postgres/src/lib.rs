//! The store for many processes: PostgreSQL, with reads and writes gathered.

mod open_error;
mod outline;
mod settings;

use std::sync::Arc;

use patron::clock::Timestamp;
use patron::entropy::Entropy;
use patron::store::StoreError;

pub use crate::open_error::OpenError;
pub use crate::settings::{Pooler, Settings};

/// Is told how many writes each commit held.
pub type OnGroup = Arc<dyn Fn(usize) + Send + Sync>;

/// How a store is opened.
pub struct Options {
    /// The time, for the record of migrations.
    pub now: Timestamp,
    /// Where the database is and how it is used.
    pub settings: Settings,
    /// For the jitter between attempts to connect.
    pub entropy: Arc<dyn Entropy>,
    /// Called after each commit.
    pub on_group: OnGroup,
}

/// How far the schema of a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// There is none, or no store was founded on it.
    None,
    /// It is behind the program's. Opening the store brings it up to date.
    Behind,
    /// It is the program's own, or a newer one that this program may still use.
    Current,
}

/// A store in a PostgreSQL database. Any number of them, in any number of processes, may be open at once.
pub struct PostgresStore;

impl PostgresStore {
    /// Opens the store and brings the schema up to date.
    ///
    /// # Errors
    /// When the database cannot be reached or used. [`OpenError::may_pass`] says whether trying again later may help.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let Options { now: _, settings, entropy: _, on_group: _ } = options;
        Err(OpenError::Settings(settings.place()))
    }

    /// How far the schema is, found without changing anything.
    ///
    /// # Errors
    /// When the database cannot be reached or used.
    pub async fn inspect(settings: &Settings) -> Result<Schema, OpenError> {
        Err(OpenError::Settings(settings.place()))
    }

    /// What answers there, a line for each: the database, and the replica where there is one, each with its version.
    ///
    /// # Errors
    /// As [`PostgresStore::inspect`].
    pub async fn describe(settings: &Settings) -> Result<Vec<String>, OpenError> {
        Err(OpenError::Settings(settings.place()))
    }

    /// Brings the schema up to date, and says which migrations were run.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub async fn migrate(settings: &Settings, _now: Timestamp) -> Result<Vec<String>, OpenError> {
        Err(OpenError::Settings(settings.place()))
    }

    /// Spreads the tables over the servers of a Citus cluster, and says what was done. The schema is up to date.
    ///
    /// # Errors
    /// As [`PostgresStore::open`], and when the database is no Citus cluster's coordinator.
    pub async fn distribute(settings: &Settings) -> Result<Vec<String>, OpenError> {
        Err(OpenError::Settings(settings.place()))
    }

    /// What is wrong with the database, a line for each; nothing when all is well.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}
