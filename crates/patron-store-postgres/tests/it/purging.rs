//! What was erased is gone from the tables' files once it is purged.

mod arranged;
mod copied;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use patron::clock::MonotonicClock;
use patron::erasure::Purged;
use patron::store::Store as _;
use patron_store_postgres::{Pooler, PostgresStore, Settings};
use patron_testkit::crowd::Crowd;
use patron_testkit::effort::rounds;
use patron_testkit::postgres::{Cluster, Pgbouncer, SUPERUSER, Setup, USER};
use patron_testkit::wait::{soon, timed};

use crate::ground::{PassingTime, open, open_at, run, settings, wait};

/// A server that counts and clears as often as it can.
pub(crate) fn busy() -> Setup {
    Setup::new()
        .with("autovacuum_naptime", "1s")
        .with("autovacuum_vacuum_threshold", "10")
        .with("autovacuum_vacuum_scale_factor", "0")
        .with("autovacuum_analyze_threshold", "10")
        .with("autovacuum_analyze_scale_factor", "0")
}

/// Purges as the job does: again as long as something holds it up.
pub(crate) fn purge(store: &PostgresStore) {
    soon("what was erased is gone", || match wait(store.purge_erased()).unwrap() {
        Purged::Done => Some(()),
        Purged::HeldUp => None,
    });
}

#[test]
fn what_was_erased_is_nowhere_in_the_tables_files() {
    let cluster = busy().start();
    let files = cluster.data_directory().join("base");
    let store = open(&settings(&cluster.url()));
    let mut crowd = Crowd::new(11, run);
    let size = rounds(800, 10_000);
    for _ in 0..4 {
        crowd.grow(&store, size / 2);
        crowd.storm(&store, size);
        cluster.psql("ANALYZE");
    }
    let gone = crowd.erase(&store, 3);
    crowd.grow(&store, size / 8);
    crowd.storm(&store, size / 4);
    for table in ["customer", "customer_key", "history"] {
        cluster.psql(&format!("VACUUM {table}"));
    }
    // What is not in the files yet comes there when the server stops.
    cluster.restart();
    let before = gone.found_in(&files);
    assert!(before.len() == 4, "only {before:?} would have been found anyway");
    purge(&store);
    cluster.stop();
    assert_eq!(gone.found_in(&files), HashMap::new());
    cluster.start();
    soon("the store finds its server again", || wait(store.check()).ok());
    assert_eq!(
        wait(store.integrity()).unwrap(),
        [
            "fsync is off: a power cut destroys the database",
            "full_page_writes is off: a power cut may tear pages"
        ]
    );
    crowd.are_there(&store);
}

/// A store with some who were erased.
pub(crate) fn with_erased(cluster: &Cluster, settings: &Settings) -> PostgresStore {
    let store = open(settings);
    let mut crowd = Crowd::new(3, run);
    crowd.grow(&store, 60);
    crowd.storm(&store, 100);
    crowd.erase(&store, 2);
    assert!(dead_rows(cluster) > 0, "nothing is there to purge");
    store
}

/// How many rows are in the tables that nobody sees.
pub(crate) fn dead_rows(cluster: &Cluster) -> u64 {
    cluster.psql("CREATE EXTENSION IF NOT EXISTS pgstattuple");
    let tables = ["customer_key", "customer", "history", "client_token"];
    let counts = tables.map(|table| {
        let sql = format!("SELECT dead_tuple_count FROM pgstattuple('{table}')");
        cluster.psql(&sql).parse::<u64>().unwrap()
    });
    counts.into_iter().sum()
}

/// How often the tables were written anew or not.
fn file_of_keys(cluster: &Cluster) -> String {
    cluster.psql("SELECT pg_relation_filenode('customer_key')")
}

#[test]
fn who_still_sees_what_was_there_holds_a_purge_up() {
    let cluster =
        Setup::new().with("autovacuum", "off").with("max_prepared_transactions", "1").start();
    let settings = settings(&cluster.url());
    drop(open(&settings));
    let next = |store: PostgresStore| {
        purge(&store);
        assert_eq!(dead_rows(&cluster), 0);
        cluster.psql("TRUNCATE customer, customer_key, history, outbox, erased_customer");
    };
    // A reader, whoever it is; a writer who has not ended; and one whose transaction waits without it.
    let snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM customer";
    let writer = "CREATE TABLE aside (a int); BEGIN; INSERT INTO aside VALUES (1)";
    for (role, sql) in [(SUPERUSER, snapshot), (USER, snapshot), (SUPERUSER, writer)] {
        let reader = cluster.stand(role, sql);
        let store = with_erased(&cluster, &settings);
        assert_eq!(wait(store.purge_erased()).unwrap(), Purged::HeldUp, "{role}: {sql}");
        drop(reader);
        next(store);
    }
    cluster.psql("BEGIN; INSERT INTO aside VALUES (2); PREPARE TRANSACTION 'later'");
    let store = with_erased(&cluster, &settings);
    assert_eq!(wait(store.purge_erased()).unwrap(), Purged::HeldUp);
    cluster.psql("COMMIT PREPARED 'later'");
    next(store);
}

#[test]
fn a_replica_whose_readers_are_not_to_be_disturbed_holds_a_purge_up() {
    let cluster = Setup::new()
        .with("autovacuum", "off")
        .with("hot_standby_feedback", "on")
        .with("wal_receiver_status_interval", "1s")
        .start();
    let settings = settings(&cluster.url());
    let store = with_erased(&cluster, &settings);
    purge(&store);
    let replica = cluster.replica("second");
    let snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM customer";
    let reader = replica.stand(USER, snapshot);
    soon("the replica has said what it looks at", || {
        let xmin = cluster.psql("SELECT count(xmin) FROM pg_replication_slots");
        (xmin == "1").then_some(())
    });
    let mut crowd = Crowd::new(4, run);
    cluster.psql("TRUNCATE customer, customer_key, history, outbox, erased_customer");
    crowd.grow(&store, 20);
    crowd.erase(&store, 2);
    assert_eq!(wait(store.purge_erased()).unwrap(), Purged::HeldUp);
    drop(reader);
    purge(&store);
    assert_eq!(dead_rows(&cluster), 0);
}

/// Time that passes, and that leaps.
pub(crate) struct LeapingTime {
    passing: PassingTime,
    leapt_s: AtomicU64,
}

impl LeapingTime {
    pub(crate) fn new() -> Self {
        Self { passing: PassingTime::start(), leapt_s: AtomicU64::new(0) }
    }

    pub(crate) fn leap(&self, by: Duration) {
        self.leapt_s.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl MonotonicClock for LeapingTime {
    fn elapsed(&self) -> Duration {
        self.passing.elapsed() + Duration::from_secs(self.leapt_s.load(Ordering::SeqCst))
    }
}

#[test]
fn who_has_a_table_holds_a_purge_up_and_nobody_waits_long_or_often_for_that() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let settings =
        Settings { lock_time_max: Duration::from_millis(1_600), ..settings(&cluster.url()) };
    drop(with_erased(&cluster, &settings));
    let clock = Arc::new(LeapingTime::new());
    let stores: Arc<dyn MonotonicClock> = Arc::<LeapingTime>::clone(&clock);
    let store = open_at(&settings, stores);
    let other = open(&settings);
    // It has looked at the keys and may look at them again.
    let reader = cluster.stand(USER, "BEGIN; SELECT count(*) FROM customer_key");
    let purging = store.purge_erased();
    let waits = || {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted \
                       AND relation = 'customer_key'::regclass";
        cluster.psql(waiting) != "0"
    };
    soon("it waits for the table", || waits().then_some(()));
    let mut crowd = Crowd::of_merchant(2, 5, run);
    let ((), waited) = timed(|| crowd.grow(&other, 5));
    assert!(waited < settings.lock_time_max, "{waited:?}");
    assert_eq!(wait(purging).unwrap(), Purged::HeldUp);
    // Whoever waited has his peace, though nobody is in the way any more.
    drop(reader);
    assert_eq!(wait(store.purge_erased()).unwrap(), Purged::HeldUp);
    clock.leap(Duration::from_secs(600));
    purge(&store);
    assert_eq!(dead_rows(&cluster), 0);
}

#[test]
fn who_does_not_own_the_tables_is_told() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let owned = settings(&cluster.url());
    drop(with_erased(&cluster, &owned));
    for table in ["customer_key", "customer", "history", "client_token"] {
        cluster.psql(&format!(
            "ALTER TABLE {table} OWNER TO {SUPERUSER}; GRANT ALL ON {table} TO {USER}"
        ));
    }
    cluster.psql(&format!("ALTER DATABASE {USER} OWNER TO {SUPERUSER}"));
    for rewrite_bytes_max in [u64::MAX, 0] {
        let store = open(&Settings { rewrite_bytes_max, ..owned.clone() });
        let error = wait(store.purge_erased()).unwrap_err();
        let said = std::error::Error::source(&error).unwrap().to_string();
        assert!(said.contains("own"), "{said}");
    }
    assert!(dead_rows(&cluster) > 0);
}

#[test]
fn a_purge_works_behind_a_pooler() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let pgbouncer = Pgbouncer::before(&cluster);
    for rewrite_bytes_max in [u64::MAX, 0] {
        let pooler = Pooler::Transaction;
        let settings = Settings { pooler, rewrite_bytes_max, ..settings(&pgbouncer.url()) };
        let store = with_erased(&cluster, &settings);
        let file = file_of_keys(&cluster);
        purge(&store);
        assert_eq!(dead_rows(&cluster), 0);
        assert_ne!(file_of_keys(&cluster), file);
        cluster.psql("TRUNCATE customer, customer_key, history, outbox, erased_customer");
    }
}

/// As over Citus. There is none here, so the database only says that it is one, and what its servers answer.
#[test]
fn a_purge_of_a_cluster_waits_for_all_its_servers() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let worker = |horizon: &str, success: bool| {
        cluster.psql(&format!(
            "CREATE OR REPLACE FUNCTION run_command_on_workers(command text) \
             RETURNS TABLE (nodename text, nodeport int, success bool, result text) LANGUAGE sql \
             AS $$ SELECT 'worker', 5432, {success}, \
                CASE WHEN command LIKE '%pg_stat_activity%' THEN '{horizon}' ELSE '1000' END $$"
        ));
    };
    cluster.psql(
        "SET allow_system_table_mods = on; \
         INSERT INTO pg_extension VALUES (99999, 'citus', 10, 11, false, '13.0', NULL, NULL)",
    );
    worker("999", true);
    let store = with_erased(&cluster, &settings(&cluster.url()));
    let file = file_of_keys(&cluster);
    assert_eq!(wait(store.purge_erased()).unwrap(), Purged::HeldUp);
    worker("1000", false);
    assert_eq!(wait(store.purge_erased()).unwrap(), Purged::HeldUp);
    worker("1000", true);
    purge(&store);
    assert_eq!(dead_rows(&cluster), 0);
    assert_eq!(file_of_keys(&cluster), file, "it was written anew");
}

/// A database that was in use before the server was told to note nothing.
#[test]
fn what_the_server_has_noted_of_customers_is_said() {
    let cluster = Cluster::new();
    let store = with_erased(&cluster, &settings(&cluster.url()));
    let noted = || {
        let found = wait(store.integrity()).unwrap();
        found.into_iter().find(|line| line.contains("statistics"))
    };
    cluster.psql("ANALYZE");
    assert_eq!(noted(), None);
    cluster.psql(
        "ALTER TABLE customer ALTER COLUMN email_search SET STATISTICS 100; ANALYZE customer",
    );
    let line = noted().unwrap();
    assert!(line.contains("customer.email_search, of customers"), "{line}");
    // As docs/scale.md says.
    cluster.psql(
        "ALTER TABLE customer ALTER COLUMN email_search SET STATISTICS 0; \
         DELETE FROM pg_statistic WHERE starelid = 'customer'::regclass AND staattnum IN \
           (SELECT attnum FROM pg_attribute WHERE attrelid = 'customer'::regclass AND attstattarget = 0); \
         VACUUM FULL pg_statistic",
    );
    assert_eq!(noted(), None);
}
