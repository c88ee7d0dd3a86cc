//! The core and the store over an installation's data, without the program: for what no wire offers, and for what
//! somebody finds who has the keys.

use std::sync::Arc;
use std::time::{Duration, Instant};

use patron::clock::{Clock, MonotonicClock, Timestamp};
use patron::erasure::ErasurePolicy;
use patron::hex;
use patron::ids::CustomerIds;
use patron::installation::Mode;
use patron::keys::RootKey;
use patron::patron::{Parts, Patron};
use patron::session::SessionPolicy;
use patron::store::Store;
use patron::token::TokenPolicy;
use patron_store_postgres::PostgresStore;
use patron_store_sqlite::SqliteStore;
use patron_testkit::entropy::OsEntropy;
use patron_testkit::parts::{MemoryLedger, PasswordsHere};
use patron_testkit::server::Launch;
use patron_testkit::wait::SOON;

/// The root key of a sandbox.
pub(crate) fn root_key(launch: &Launch) -> RootKey {
    let text = std::fs::read_to_string(launch.data().join("root.key")).unwrap();
    RootKey::new(*hex::decode(text.trim()).unwrap()).unwrap()
}

/// The core over the data of a sandbox that nobody serves.
pub(crate) fn patron(launch: &Launch, now: Timestamp) -> Patron {
    let parts = Parts {
        store: store(launch),
        root: root_key(launch),
        entropy: Arc::new(OsEntropy::new()),
        ids: CustomerIds::random(),
        tokens: TokenPolicy::default(),
        sessions: SessionPolicy::default(),
        erasure: ErasurePolicy::default(),
        ledger: Arc::new(MemoryLedger::default()),
        passwords: Arc::new(PasswordsHere),
        mode: Mode::Sandbox,
    };
    wait(Patron::open(parts, now)).unwrap()
}

/// The store itself, without the program.
pub(crate) fn store(launch: &Launch) -> Arc<dyn Store> {
    let now = Timestamp::from_ms(0);
    let Some(url) = launch.database_url() else {
        let options = patron_store_sqlite::Options {
            now,
            recent_bytes_max: 0,
            log_pages_due: 8_000,
            on_group: Arc::new(|_| {}),
            on_fatal: Arc::new(|reason| panic!("{reason}")),
        };
        return Arc::new(SqliteStore::open(&launch.data(), options).unwrap());
    };
    let options = patron_store_postgres::Options {
        now,
        settings: patron_store_postgres::Settings {
            url,
            read_url: None,
            pooler: patron_store_postgres::Pooler::None,
            connections_max: 2,
            connect_time_max: SOON,
            statement_time_max: SOON,
            lock_time_max: SOON,
            wait_max: SOON,
            rewrite_bytes_max: 0,
            copy_bytes_max: patron_store_postgres::COPY_BYTES_MAX,
        },
        entropy: Arc::new(OsEntropy::new()),
        clock: Arc::new(PassingTime::start()),
        on_group: Arc::new(|_| {}),
    };
    Arc::new(wait(PostgresStore::open(options)).unwrap())
}

/// Waits for what the store and the core answer.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Time as it passes.
pub(crate) struct PassingTime(Instant);

impl PassingTime {
    #[expect(clippy::disallowed_methods, reason = "the store that is opened here needs a clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl MonotonicClock for PassingTime {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A clock that stands still.
pub(crate) struct Still(pub(crate) Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}
