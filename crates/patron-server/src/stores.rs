//! Where the store is opened. A new engine is a variant of [`Location`] and of [`Engine`], and the arms that
//! the compiler then asks for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use patron::clock::Timestamp;
use patron::entropy::Entropy;
use patron::store::{Store, StoreError};
use patron_store_postgres::PostgresStore;
use patron_store_sqlite::SqliteStore;

use crate::config::{InstallationSettings, Pooler, Secret, ServeSettings};
use crate::refusal::Refusal;
use crate::system::{OsEntropy, PassingTime};

/// How many connections to a database a command takes: one that works, and one for what is asked meanwhile.
const COMMAND_CONNECTIONS_MAX: u32 = 2;

/// Called with the number of changes of each group that was committed.
pub(crate) type OnGroup = Arc<dyn Fn(usize) + Send + Sync>;

/// Where the data of an installation is, and with it the engine that keeps it.
#[derive(Clone)]
pub(crate) enum Location {
    /// In a directory, in a file of SQLite's. One process has it at a time.
    Directory(PathBuf),
    /// In a PostgreSQL database. Any number of processes have it at a time.
    Database(Box<patron_store_postgres::Settings>),
}

/// Begins the sentences about it: `the data in DIR`, `the database HOST:PORT/NAME`.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {}", self.label())
    }
}

impl Location {
    /// Where the settings say that the data is.
    pub(crate) fn of(installation: &InstallationSettings, serving: Option<&ServeSettings>) -> Self {
        let database = &installation.database;
        let Some(url) = &database.database_url else {
            return Self::Directory(installation.data.clone());
        };
        let read_url = serving.and_then(|settings| settings.read_url.as_ref());
        Self::Database(Box::new(patron_store_postgres::Settings {
            url: url.expose().to_owned(),
            read_url: read_url.map(Secret::expose).map(str::to_owned),
            pooler: match database.pooler {
                Pooler::None => patron_store_postgres::Pooler::None,
                Pooler::Transaction => patron_store_postgres::Pooler::Transaction,
            },
            connections_max: serving
                .map_or(COMMAND_CONNECTIONS_MAX, |settings| settings.database_connections_max),
            connect_time_max: database.connect_time_max(),
            statement_time_max: database.statement_time_max(),
            lock_time_max: database.lock_time_max(),
            wait_max: database.wait_max(),
            rewrite_bytes_max: database.rewrite_bytes_max(),
            copy_bytes_max: database.copy_bytes_max(),
        }))
    }

    /// The data directory, when the data is in it.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(data) => Some(data),
            Self::Database(_) => None,
        }
    }

    /// What it is called in a line that names it only. Never shows a password.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Directory(data) => format!("data in {}", data.display()),
            Self::Database(settings) => format!("database {}", settings.place()),
        }
    }
}

/// The engine behind an installation.
#[derive(Clone)]
pub(crate) enum Engine {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

impl Engine {
    /// The store that it is to the core.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::<SqliteStore>::clone(store),
            Self::Postgres(store) => Arc::<PostgresStore>::clone(store),
        }
    }

    /// The number of the last change of merchants or keys that this process has learned of, however long ago;
    /// every process on the same data counts alike.
    pub(crate) fn learned_management_epoch(&self) -> Option<u64> {
        match self {
            Self::Sqlite(store) => store.management_epoch().ok(),
            Self::Postgres(store) => store.learned_management_epoch(),
        }
    }

    /// What is broken in the store, in words; nothing when all is well. Takes its time, and may keep the
    /// thread all the while.
    pub(crate) async fn check_integrity(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Sqlite(store) => store.integrity(),
            Self::Postgres(store) => store.integrity().await,
        }
    }
}

/// Why a store is not opened. The sentences say what to do, but not all of them where.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Sqlite(#[from] patron_store_sqlite::OpenError),
    #[error(transparent)]
    Postgres(#[from] patron_store_postgres::OpenError),
}

impl OpenError {
    /// Whether another process has the lock of the data.
    pub(crate) const fn is_in_use(&self) -> bool {
        matches!(self, Self::Sqlite(patron_store_sqlite::OpenError::InUse(_)))
    }

    /// Whether trying again later may help.
    pub(crate) const fn may_pass(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(error) => error.may_pass(),
        }
    }
}

/// How far the schema of a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// There is no store yet.
    None,
    /// It is behind the program's. Opening the store brings it up to date.
    Behind,
    /// It is one that this program uses as it is.
    Current,
}

impl From<patron_store_sqlite::Schema> for Schema {
    fn from(schema: patron_store_sqlite::Schema) -> Self {
        match schema {
            patron_store_sqlite::Schema::None => Self::None,
            patron_store_sqlite::Schema::Behind => Self::Behind,
            patron_store_sqlite::Schema::Current => Self::Current,
        }
    }
}

impl From<patron_store_postgres::Schema> for Schema {
    fn from(schema: patron_store_postgres::Schema) -> Self {
        match schema {
            patron_store_postgres::Schema::None => Self::None,
            patron_store_postgres::Schema::Behind => Self::Behind,
            patron_store_postgres::Schema::Current => Self::Current,
        }
    }
}

/// The file that is there once a store was opened in the data directory.
pub(crate) fn database_file(data: &Path) -> PathBuf {
    SqliteStore::database_file(data)
}

/// How far the store is, found without changing anything.
pub(crate) async fn inspect(location: &Location) -> Result<Schema, OpenError> {
    match location {
        Location::Directory(data) => Ok(SqliteStore::inspect(data)?.into()),
        Location::Database(settings) => {
            Ok(PostgresStore::inspect(settings, &entropy()).await?.into())
        }
    }
}

/// What answers where the data is, in a line for each; nothing when there is only a file.
pub(crate) async fn describe(location: &Location) -> Result<Vec<String>, OpenError> {
    match location {
        Location::Directory(_) => Ok(Vec::new()),
        Location::Database(settings) => Ok(PostgresStore::describe(settings, &entropy()).await?),
    }
}

/// What became of a schema that was to be brought up to date.
pub(crate) enum Migrated {
    /// There is nothing that has a schema, and only a server makes it.
    Nothing,
    /// It was current before.
    Already,
    /// It is current now. The engine may say what it ran.
    Now(Vec<String>),
}

/// Brings the schema up to date.
pub(crate) async fn migrate(location: &Location, now: Timestamp) -> Result<Migrated, OpenError> {
    match location {
        Location::Directory(data) => match SqliteStore::inspect(data)?.into() {
            Schema::None => Ok(Migrated::Nothing),
            // A server may have the lock, and need not be disturbed.
            Schema::Current => Ok(Migrated::Already),
            Schema::Behind => {
                drop(open_file(data, now, Sizes::SMALL, Arc::new(|_| ()))?);
                Ok(Migrated::Now(Vec::new()))
            }
        },
        Location::Database(settings) => {
            let steps = PostgresStore::migrate(settings, &entropy(), now).await?;
            Ok(if steps.is_empty() { Migrated::Already } else { Migrated::Now(steps) })
        }
    }
}

/// Spreads the tables over the servers of a cluster, and says what was done, a line for each step.
pub(crate) async fn distribute(
    settings: &patron_store_postgres::Settings,
) -> Result<Vec<String>, OpenError> {
    Ok(PostgresStore::distribute(settings, &entropy()).await?)
}

/// How much the store takes for being fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Bytes of customers that were read lately.
    pub(crate) recent_bytes_max: u64,
    /// Pages in the write-ahead log before they are moved into the database.
    pub(crate) log_pages_due: u32,
}

impl Sizes {
    /// For a command, which reads and writes little.
    pub(crate) const SMALL: Self = Self { recent_bytes_max: 0, log_pages_due: 1_000 };
}

/// Opens the store, and takes its lock where it has one. A new one is created.
pub(crate) async fn open(
    location: &Location,
    now: Timestamp,
    sizes: Sizes,
    entropy: Arc<dyn Entropy>,
    on_group: OnGroup,
) -> Result<Engine, OpenError> {
    match location {
        Location::Directory(data) => {
            Ok(Engine::Sqlite(Arc::new(open_file(data, now, sizes, on_group)?)))
        }
        Location::Database(settings) => {
            let settings = patron_store_postgres::Settings::clone(settings);
            let clock = Arc::new(PassingTime::start());
            let options =
                patron_store_postgres::Options { now, settings, entropy, clock, on_group };
            Ok(Engine::Postgres(Arc::new(PostgresStore::open(options).await?)))
        }
    }
}

/// For what a database is asked before it is opened.
fn entropy() -> Arc<dyn Entropy> {
    Arc::new(OsEntropy::new())
}

fn open_file(
    data: &Path,
    now: Timestamp,
    sizes: Sizes,
    on_group: OnGroup,
) -> Result<SqliteStore, OpenError> {
    let Sizes { recent_bytes_max, log_pages_due } = sizes;
    let of = data.to_owned();
    let on_fatal = Arc::new(move |reason: &str| stop_at_once(&of, reason));
    let options =
        patron_store_sqlite::Options { now, recent_bytes_max, log_pages_due, on_group, on_fatal };
    Ok(SqliteStore::open(data, options)?)
}

/// Nobody knows what of the last group is durable, so nothing may be answered any more. The next start
/// finds out. Commands keep no log, and whoever starts a server may not look there, hence the sentence.
fn stop_at_once(data: &Path, reason: &str) {
    tracing::error!(reason, "the store broke and the program stops: start it again");
    let sentence = format!("the store in {} broke: {reason}", data.display());
    let _ = Refusal::failure(sentence).report();
    std::process::exit(1);
}
