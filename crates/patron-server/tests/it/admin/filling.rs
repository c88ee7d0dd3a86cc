//! A list that is long: made by the program's own code, and not over HTTP, which takes its time where nothing is
//! optimised.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patron::Patron;
use patron::clock::{MonotonicClock, Timestamp};
use patron::entropy::Entropy;
use patron::erasure::{ErasureLedger, ErasurePolicy, LedgerEntry, LedgerFuture};
use patron::hex;
use patron::ids::CustomerIds;
use patron::installation::Mode;
use patron::keys::RootKey;
use patron::password::{Password, PasswordFuture, Passwords};
use patron::patron::Parts;
use patron::profile::Profile;
use patron::session::SessionPolicy;
use patron::store::Store;
use patron::token::{TokenPolicy, TokenWish};
use patron_store_postgres::{COPY_BYTES_MAX, Pooler, PostgresStore, REWRITE_BYTES_MAX, Settings};
use patron_store_sqlite::SqliteStore;
use patron_testkit::entropy::OsEntropy;
use patron_testkit::server::{Launch, SANDBOX_KEY};
use tokio::task::JoinSet;

/// How many create at once: what waits together is written together.
const CREATORS: u32 = 500;

/// How many are created at one moment, so that only their numbers tell them apart.
const AT_ONE_MOMENT: u32 = 4;

struct PassingTime(Instant);

impl MonotonicClock for PassingTime {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own clock")]
fn passing() -> Arc<dyn MonotonicClock> {
    Arc::new(PassingTime(Instant::now()))
}

/// Nobody is erased or signs in while a list is made.
struct Nobody;

impl ErasureLedger for Nobody {
    fn note(&self, _entry: LedgerEntry) -> LedgerFuture<'_> {
        panic!("nobody is erased")
    }
}

impl Passwords for Nobody {
    fn hash(&self, _password: Password, _salt: [u8; 16]) -> PasswordFuture<'_, String> {
        panic!("nobody has a password")
    }

    fn verify(&self, _password: Password, _kept: String) -> PasswordFuture<'_, bool> {
        panic!("nobody signs in")
    }
}

/// Opens the store of an installation whose server is not running.
async fn open_store(launch: &Launch, entropy: Arc<dyn Entropy>) -> Arc<dyn Store> {
    let now = Timestamp::from_ms(1);
    let Some(url) = launch.database_url() else {
        let options = patron_store_sqlite::Options {
            now,
            recent_bytes_max: 0,
            log_pages_due: 4_000,
            on_group: Arc::new(|_| {}),
            on_fatal: Arc::new(|reason| panic!("{reason}")),
        };
        return Arc::new(SqliteStore::open(&launch.data(), options).unwrap());
    };
    let minute = Duration::from_secs(60);
    let settings = Settings {
        url,
        read_url: None,
        pooler: Pooler::None,
        connections_max: 8,
        connect_time_max: minute,
        statement_time_max: minute,
        lock_time_max: minute,
        wait_max: minute,
        rewrite_bytes_max: REWRITE_BYTES_MAX,
        copy_bytes_max: COPY_BYTES_MAX,
    };
    let (clock, on_group): (_, patron_store_postgres::OnGroup) = (passing(), Arc::new(|_| {}));
    let options = patron_store_postgres::Options { now, settings, entropy, clock, on_group };
    Arc::new(PostgresStore::open(options).await.unwrap())
}

async fn open(launch: &Launch) -> Patron {
    let root = std::fs::read_to_string(launch.data().join("root.key")).unwrap();
    let root = RootKey::new(*hex::decode(root.trim()).unwrap()).unwrap();
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::new());
    let parts = Parts {
        store: open_store(launch, Arc::clone(&entropy)).await,
        root,
        entropy,
        ids: CustomerIds::random(),
        tokens: TokenPolicy::default(),
        sessions: SessionPolicy::default(),
        erasure: ErasurePolicy::default(),
        ledger: Arc::new(Nobody),
        passwords: Arc::new(Nobody),
        mode: Mode::Sandbox,
    };
    Patron::open(parts, Timestamp::from_ms(1)).await.unwrap()
}

/// Creates some customers, the first of which is the `from`th.
async fn create(patron: Arc<Patron>, from: u32, count: u32) -> Vec<i64> {
    let mut numbers = Vec::new();
    for at in from..from + count {
        let now = Timestamp::from_ms(i64::from(1_000_000 + at / AT_ONE_MOMENT));
        let key = patron.authenticate_key(SANDBOX_KEY.as_bytes(), now).await.unwrap();
        let writer = key.admit(None).unwrap().customer_writer("filling").unwrap();
        let profile = Profile { first_name: Some("Jon".into()), ..Profile::default() };
        let written = writer.create(profile, TokenWish::NotWished).await.unwrap();
        numbers.push(written.customer.number.get());
    }
    numbers
}

/// Creates so many customers of the first merchant; their numbers.
pub(super) fn fill(launch: &Launch, count: u32) -> BTreeSet<i64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let patron = Arc::new(open(launch).await);
        let each = count / CREATORS;
        let mut creators = JoinSet::new();
        for creator in 0..CREATORS {
            creators.spawn(create(Arc::clone(&patron), creator * each, each));
        }
        creators.join_all().await.into_iter().flatten().collect()
    })
}
