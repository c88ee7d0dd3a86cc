//! What the tests of the store stand on: how it is opened, and how its answers are waited for.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patron::clock::{MonotonicClock, Timestamp};
use patron::entropy::Entropy;
use patron_store_postgres::{
    COPY_BYTES_MAX, OnGroup, Options, Pooler, PostgresStore, REWRITE_BYTES_MAX, Settings,
};
use patron_testkit::entropy::OsEntropy;

/// Time as it passes.
pub(crate) struct PassingTime(Instant);

impl PassingTime {
    /// From now on.
    #[expect(clippy::disallowed_methods, reason = "a test's own clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl MonotonicClock for PassingTime {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A database's settings, with the limits of tests.
pub(crate) fn settings(url: &str) -> Settings {
    Settings {
        url: url.to_owned(),
        read_url: None,
        pooler: Pooler::None,
        connections_max: 8,
        connect_time_max: Duration::from_secs(2),
        statement_time_max: Duration::from_secs(5),
        lock_time_max: Duration::from_secs(5),
        wait_max: Duration::from_secs(10),
        rewrite_bytes_max: REWRITE_BYTES_MAX,
        copy_bytes_max: COPY_BYTES_MAX,
    }
}

/// Opens the store.
pub(crate) fn open(settings: &Settings) -> PostgresStore {
    open_at(settings, Arc::new(PassingTime::start()))
}

/// Opens the store with a clock of the test's.
pub(crate) fn open_at(settings: &Settings, clock: Arc<dyn MonotonicClock>) -> PostgresStore {
    open_with(settings, clock, Arc::new(|_| {}))
}

/// Opens the store with a clock of the test's, which is told how many changes each commit held.
pub(crate) fn open_with(
    settings: &Settings,
    clock: Arc<dyn MonotonicClock>,
    on_group: OnGroup,
) -> PostgresStore {
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::new());
    let options = Options {
        now: Timestamp::from_ms(1),
        settings: settings.clone(),
        entropy,
        clock,
        on_group,
    };
    wait(PostgresStore::open(options)).unwrap()
}

/// Waits on the calling thread.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// The same, of what answers nothing.
pub(crate) fn run(future: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
    wait(future);
}
