//! What was erased is gone from the tables' files once it is purged.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use patron::clock::MonotonicClock;
use patron::erasure::Purged;
use patron::store::Store as _;
use patron_store_postgres::{Pooler, PostgresStore, Settings};
use patron_testkit::crowd::Crowd;
use patron_testkit::effort::rounds;
use patron_testkit::postgres::{Cluster, Pgbouncer, SUPERUSER, Sessions, Setup, USER, psql};
use patron_testkit::traces::Traces;
use patron_testkit::wait::{soon, timed};

use crate::ground::{PassingTime, open, open_at, run, settings, wait};

/// A server that counts and clears as often as it can.
fn busy() -> Setup {
    Setup::new()
        .with("autovacuum_naptime", "1s")
        .with("autovacuum_vacuum_threshold", "10")
        .with("autovacuum_vacuum_scale_factor", "0")
        .with("autovacuum_analyze_threshold", "10")
        .with("autovacuum_analyze_scale_factor", "0")
}

/// Purges as the job does: again as long as something holds it up.
fn purge(store: &PostgresStore) {
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
fn with_erased(cluster: &Cluster, settings: &Settings) -> PostgresStore {
    let store = open(settings);
    let mut crowd = Crowd::new(3, run);
    crowd.grow(&store, 60);
    crowd.storm(&store, 100);
    crowd.erase(&store, 2);
    assert!(dead_rows(cluster) > 0, "nothing is there to purge");
    store
}

/// How many rows are in the tables that nobody sees.
fn dead_rows(cluster: &Cluster) -> u64 {
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

/// What a database says of the shape of the tables that are copied.
fn shapes(cluster: &Cluster) -> String {
    let tables = "('customer_key', 'customer', 'history', 'client_token')";
    cluster.psql(&format!(
        "SELECT c.relname, c.relowner::regrole, c.relacl, c.reloptions, t.reloptions, obj_description(c.oid) \
             FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.relname IN {tables} ORDER BY 1; \
         SELECT attrelid::regclass, attnum, attname, atttypid::regtype, attnotnull, attstattarget, attstorage, attoptions \
             FROM pg_attribute WHERE attnum > 0 AND attrelid::regclass::text IN {tables} \
             ORDER BY attrelid::regclass::text, attnum; \
         SELECT indexrelid::regclass, pg_get_indexdef(indexrelid), indisprimary, indisvalid, c.reloptions \
             FROM pg_index i JOIN pg_class c ON c.oid = indexrelid \
             WHERE indrelid::regclass::text IN {tables} ORDER BY indexrelid::regclass::text; \
         SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint \
             WHERE conrelid::regclass::text IN {tables} ORDER BY conrelid::regclass::text, conname; \
         SELECT tgname FROM pg_trigger; SELECT proname FROM pg_proc WHERE proname LIKE 'patron%'; \
         SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname LIKE '%copy%'"
    ))
}

/// Tables of any size are large.
fn all_large(cluster: &Cluster) -> Settings {
    Settings { rewrite_bytes_max: 0, ..settings(&cluster.url()) }
}

#[test]
fn what_was_erased_is_nowhere_in_the_files_of_large_tables() {
    let cluster = busy().start();
    let files = cluster.data_directory().join("base");
    let store = open(&all_large(&cluster));
    let mut crowd = Crowd::new(23, run);
    let size = rounds(800, 10_000);
    cluster.psql(
        "CREATE ROLE analyst; GRANT SELECT ON customer TO analyst WITH GRANT OPTION; GRANT SELECT ON history TO PUBLIC; \
         ALTER TABLE history SET (fillfactor = 90, toast.autovacuum_enabled = off); \
         ALTER TABLE history ALTER COLUMN version SET (n_distinct = 7); \
         COMMENT ON TABLE history IS 'it is''t told here'; \
         CREATE INDEX \"one of \"\"ours\" ON history (merchant, at_ms DESC) WITH (fillfactor = 70)",
    );
    let mut traces = Traces::default();
    for every in [7, 3, 2] {
        crowd.grow(&store, size / 2);
        crowd.storm(&store, size);
        cluster.psql("ANALYZE");
        // Some here and there, then whole pages.
        traces.merge(crowd.erase(&store, every));
    }
    crowd.grow(&store, size / 8);
    crowd.storm(&store, size / 4);
    cluster.restart();
    let before = traces.found_in(&files);
    assert!(before.len() == 4, "only {before:?} would have been found anyway");
    let (shape, numbers) = (shapes(&cluster), numbers_of_tables(&cluster));
    purge(&store);
    assert_eq!(dead_rows(&cluster), 0);
    assert_eq!(shapes(&cluster), shape);
    for (before, after) in numbers.lines().zip(numbers_of_tables(&cluster).lines()) {
        assert_ne!(before, after, "a table is the old one");
    }
    cluster.stop();
    assert_eq!(traces.found_in(&files), HashMap::new());
    cluster.start();
    soon("the store finds its server again", || wait(store.check()).ok());
    crowd.are_there(&store);
    crowd.grow(&store, 10);
    crowd.storm(&store, 50);
    crowd.are_there(&store);
}

/// No process is purging, or has just done so.
fn end_peace(cluster: &Cluster) {
    cluster.psql("UPDATE job SET expires = now() WHERE name = 'purge_tables'");
}

/// Purges until the copy of this table is held where it has begun, by somebody who deletes; whoever that is.
fn hold_copy(cluster: &Cluster, store: &PostgresStore) -> Sessions {
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock_shared({COPY_LOCK})");
    let deleting = cluster.stand(USER, &lock);
    drop(store.purge_erased());
    soon("a copy has begun", || (copies(cluster) == "1").then_some(()));
    deleting
}

/// How many tables are being copied.
fn copies(cluster: &Cluster) -> String {
    cluster.psql(
        "SELECT count(*) FROM pg_class \
         WHERE relnamespace = 'public'::regnamespace AND relname LIKE 'patron\\_copy\\_of%'",
    )
}

/// PostgreSQL's own numbers of the tables.
fn numbers_of_tables(cluster: &Cluster) -> String {
    cluster.psql(
        "SELECT 'customer_key'::regclass::oid; SELECT 'customer'::regclass::oid; SELECT 'history'::regclass::oid; \
         SELECT 'client_token'::regclass::oid",
    )
}

/// Ends those who go on until then, be the test passed or not.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Everybody makes, changes and erases customers while all tables are copied, over and over.
#[test]
fn nothing_is_lost_or_brought_back_while_tables_are_copied() {
    let cluster = busy().start();
    let settings = all_large(&cluster);
    let stores: [PostgresStore; 3] = std::array::from_fn(|_| open(&settings));
    let size = rounds(1_000, 10_000);
    let mut crowds: Vec<_> =
        (1..).zip(&stores).map(|(n, _)| Crowd::of_merchant(n, 40 + u64::from(n), run)).collect();
    for (crowd, store) in crowds.iter_mut().zip(&stores) {
        crowd.grow(store, size);
    }
    let clock = Arc::new(LeapingTime::new());
    let stores_clock: Arc<dyn MonotonicClock> = Arc::<LeapingTime>::clone(&clock);
    let purging = open_at(&settings, stores_clock);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _ends = SetAtEnd(&is_over);
        for (crowd, store) in crowds.iter_mut().zip(&stores) {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    crowd.grow(store, 20);
                    crowd.storm(store, 200);
                    crowd.erase_some(store, 20);
                }
            });
        }
        let mut numbers = numbers_of_tables(&cluster);
        for _ in 0..rounds(3, 30) {
            soon("a purge gets through", || {
                clock.leap(Duration::from_secs(100_000));
                (wait(purging.purge_erased()).unwrap() == Purged::Done).then_some(())
            });
            let now = numbers_of_tables(&cluster);
            assert_ne!(now, std::mem::replace(&mut numbers, now.clone()));
        }
    });
    for (crowd, store) in crowds.iter().zip(&stores) {
        crowd.are_there(store);
    }
    let there = |table| cluster.psql(&format!("SELECT count(*) FROM {table}"));
    let count: usize = crowds.iter().map(Crowd::len).sum();
    assert_eq!([there("customer"), there("customer_key")], [count.to_string(), count.to_string()]);
    let gone = cluster.psql(
        "SELECT count(*) FROM history h JOIN erased_customer e USING (merchant, number) WHERE h.sealed IS NOT NULL",
    );
    assert_eq!(gone, "0");
}

/// Whoever writes while a table is copied waits for some rows to be copied at most, whatever the size of the table. Says
/// what was measured.
#[test]
fn nobody_waits_long_while_tables_are_copied() {
    let cluster = Setup::new().durable().start();
    let settings = all_large(&cluster);
    let store = open(&settings);
    let mut crowd = Crowd::new(23, run);
    for _ in 0..rounds(3, 100) {
        crowd.grow(&store, 1_000);
    }
    crowd.erase_some(&store, 1);
    let size = cluster.psql(
        "SELECT (sum(pg_total_relation_size(oid)) / 1048576)::bigint FROM pg_class \
         WHERE relname IN ('customer', 'customer_key', 'history', 'client_token')",
    );
    let other = open(&settings);
    let mut others = Crowd::of_merchant(2, 5, run);
    let mut create = || timed(|| others.grow(&other, 1)).1;
    let alone: Vec<_> = (0..500).map(|_| create()).collect();
    let is_over = AtomicBool::new(false);
    let (took, meanwhile) = thread::scope(|scope| {
        let creating = scope.spawn(|| {
            let mut waited = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                waited.push(create());
            }
            waited
        });
        let _ends = SetAtEnd(&is_over);
        let (purged, took) = timed(|| wait(store.purge_erased()).unwrap());
        assert_eq!(purged, Purged::Done);
        is_over.store(true, Ordering::SeqCst);
        (took, creating.join().unwrap())
    });
    let [alone, meanwhile] = [alone, meanwhile].map(|mut waited| {
        waited.sort();
        [50, 99, 100].map(|part| waited[(waited.len() * part / 100).min(waited.len() - 1)])
    });
    let _ = writeln!(
        std::io::stderr(),
        "{size} MiB copied in {took:.1?}; p50, p99 and max of a create: {alone:.1?} alone, {meanwhile:.1?} meanwhile"
    );
    assert!(meanwhile[2] < Duration::from_secs(2), "{meanwhile:?}");
    others.are_there(&other);
}

/// A reader who has a table, so that no copy can take its place.
#[test]
fn a_copy_waits_for_readers_and_nobody_waits_for_it() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let settings = all_large(&cluster);
    let store = with_erased(&cluster, &settings);
    let other = open(&settings);
    let reader = cluster.stand(USER, "BEGIN; SELECT count(*) FROM customer_key");
    let purging = store.purge_erased();
    let attempts = || cluster.log().matches("canceling statement due to lock timeout").count();
    soon("it has tried to take the table's place", || (attempts() > 0).then_some(()));
    let mut crowd = Crowd::of_merchant(2, 5, run);
    let before = attempts();
    let mut longest = Duration::ZERO;
    soon("it tries again", || {
        let ((), waited) = timed(|| crowd.grow(&other, 5));
        longest = longest.max(waited);
        (attempts() >= before + 2).then_some(())
    });
    assert!(longest < Duration::from_millis(1_500), "{longest:?}");
    drop(reader);
    assert_eq!(wait(purging).unwrap(), Purged::Done);
    assert_eq!(dead_rows(&cluster), 0);
    crowd.are_there(&other);
    // The server has its peace now, from all processes.
    for store in [&store, &other] {
        assert_eq!(wait(store.purge_erased()).unwrap(), Purged::HeldUp);
    }
    end_peace(&cluster);
    purge(&other);
}

/// A transaction that sees everything as it was at one moment finds in the copy what it would have found in the table.
#[test]
fn who_began_before_all_was_copied_finds_it_afterwards() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let settings = all_large(&cluster);
    let store = with_erased(&cluster, &settings);
    let keys = cluster.psql("SELECT count(*) FROM customer_key");
    // As somebody who is about to delete: nothing is copied meanwhile.
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock_shared({COPY_LOCK})");
    let deleting = cluster.stand(USER, &lock);
    let purged = store.purge_erased();
    soon("the copy has begun", || (copies(&cluster) == "1").then_some(()));
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            cluster.psql(
                "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'begun' FROM merchant; SELECT pg_sleep(5); \
                 SELECT count(*) FROM customer_key; COMMIT",
            )
        });
        soon("somebody has begun to look", || {
            let looks = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
            (cluster.psql(looks) == "1").then_some(())
        });
        drop(deleting);
        assert_eq!(wait(purged).unwrap(), Purged::Done);
        assert_eq!(looking.join().unwrap().lines().last(), Some(&*keys));
    });
}

/// A customer that is erased at the moment at which its row is copied does not come back.
#[test]
fn who_is_erased_while_its_row_is_copied_stays_erased() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let settings = all_large(&cluster);
    let store = with_erased(&cluster, &settings);
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock_shared({COPY_LOCK})");
    let deleting = cluster.stand(USER, &lock);
    let purged = store.purge_erased();
    soon("the copy has begun", || (copies(&cluster) == "1").then_some(()));
    // It reads the rows, and waits for this one before it has written any of them.
    let first = "(SELECT merchant, number, generation FROM customer_key ORDER BY 1, 2, 3 LIMIT 1)";
    let writing = cluster.stand(
        USER,
        &format!("BEGIN; UPDATE customer_key SET wrapped = wrapped WHERE (merchant, number, generation) = {first}"),
    );
    drop(deleting);
    let last = "(SELECT merchant, number, generation FROM customer_key ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT 1)";
    let count = || cluster.psql("SELECT count(*) FROM customer_key").parse::<u64>().unwrap();
    let before = count();
    thread::scope(|scope| {
        let deleted = scope.spawn(|| {
            cluster.psql(&format!(
                "DELETE FROM customer_key WHERE (merchant, number, generation) = {last}"
            ))
        });
        soon("a step waits for a row", || {
            let waits =
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'";
            (cluster.psql(waits) == "1").then_some(())
        });
        drop(writing);
        deleted.join().unwrap();
    });
    assert_eq!(wait(purged).unwrap(), Purged::Done);
    assert_eq!(count(), before - 1);
}

/// What keeps steps of a copy and deletions apart.
const COPY_LOCK: i64 = 0x0070_6174_726f_6e63;

#[test]
fn a_copy_that_nobody_finishes_is_kept_true_and_goes() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let settings = all_large(&cluster);
    let store = with_erased(&cluster, &settings);
    let reader = cluster.stand(USER, "BEGIN; SELECT count(*) FROM customer");
    let copies = || cluster.psql("SELECT count(to_regclass('patron_copy_of_customer'))") == "1";
    drop(store.purge_erased());
    soon("the copy has begun", || copies().then_some(()));
    soon("all is copied", || {
        let count = "SELECT (SELECT count(*) FROM customer) = (SELECT count(*) FROM patron_copy_of_customer)";
        (cluster.psql(count) == "t").then_some(())
    });
    // As when its process is killed.
    drop(store);
    drop(reader);
    assert!(copies());
    let other = open(&settings);
    let mut crowd = Crowd::of_merchant(2, 5, run);
    crowd.grow(&other, 50);
    crowd.storm(&other, 100);
    crowd.erase(&other, 3);
    let differ = "SELECT count(*) FROM customer AS a FULL JOIN patron_copy_of_customer AS b USING (merchant, number) \
                  WHERE a IS DISTINCT FROM b AND merchant = 2";
    assert_eq!(cluster.psql(differ), "0");
    // Its process might still be there.
    assert_eq!(wait(other.purge_erased()).unwrap(), Purged::HeldUp);
    end_peace(&cluster);
    purge(&other);
    assert!(!copies());
    assert_eq!(dead_rows(&cluster), 0);
    crowd.are_there(&other);
}

/// A copy has the shape that the table had when it began. In the place of a migrated table it would take the migration
/// back.
#[test]
fn a_migration_takes_away_the_copy_that_it_finds() {
    let cluster = Cluster::new();
    let first = include_str!("../../src/migrations/0001_initial.sql");
    let url = cluster.url();
    let as_patron = |sql: &str| {
        psql(&url, sql).ok();
    };
    as_patron(first);
    as_patron(&format!(
        "CREATE TABLE migration (number bigint PRIMARY KEY, name text NOT NULL, checksum bytea NOT NULL, \
             works_from bigint NOT NULL, applied_ms bigint NOT NULL); \
         INSERT INTO migration VALUES (1, 'initial', sha256(convert_to($file${first}$file$, 'UTF8')), 1, 1)"
    ));
    let begin = include_str!("../../src/purge/begin_copy.sql");
    let begin = begin.replace("@table@", "customer").replace("@lock@", &COPY_LOCK.to_string());
    as_patron(&format!("BEGIN; {begin}; COMMIT"));
    assert_eq!(copies(&cluster), "1");
    // As whoever vacuums the copy, or compares it with the table: others do not wait for that.
    let looking = cluster.stand(USER, "BEGIN; SELECT count(*) FROM patron_copy_of_customer");
    let store = thread::scope(|scope| {
        let opening = scope.spawn(|| open(&settings(&url)));
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        for _ in 0..3 {
            soon("the copy is tried for", || (cluster.psql(waits) != "0").then_some(()));
            let ((), waited) = timed(|| {
                cluster.psql("SELECT count(*) FROM customer");
            });
            assert!(waited < Duration::from_millis(1_500), "{waited:?}");
        }
        assert_eq!(copies(&cluster), "1");
        drop(looking);
        opening.join().unwrap()
    });
    assert_eq!([copies(&cluster), cluster.psql("SELECT count(*) FROM pg_trigger")], ["0", "0"]);
    let mut crowd = Crowd::new(1, run);
    crowd.grow(&store, 5);
    crowd.are_there(&store);
}

#[test]
fn what_would_be_lost_with_a_table_keeps_its_copy_away() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let settings = all_large(&cluster);
    let store = with_erased(&cluster, &settings);
    let objects = [
        ("CREATE VIEW born AS SELECT number FROM customer", "DROP VIEW born", "view born"),
        (
            "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
             CREATE TRIGGER looks AFTER DELETE ON history FOR EACH ROW EXECUTE FUNCTION seen()",
            "DROP FUNCTION seen() CASCADE",
            "the trigger looks",
        ),
        ("CREATE PUBLICATION news FOR TABLE customer", "DROP PUBLICATION news", "publication news"),
        ("CREATE PUBLICATION news FOR ALL TABLES", "DROP PUBLICATION news", "publication news"),
        (
            "CREATE PUBLICATION news FOR TABLES IN SCHEMA public",
            "DROP PUBLICATION news",
            "publication news",
        ),
        (
            "ALTER TABLE client_token ADD COLUMN line bigint GENERATED ALWAYS AS IDENTITY",
            "ALTER TABLE client_token DROP COLUMN line",
            "column line",
        ),
        (
            "ALTER TABLE client_token ADD COLUMN line bigserial",
            "ALTER TABLE client_token DROP COLUMN line",
            "client_token_line_seq",
        ),
        (
            "CREATE TABLE aside (merchant bigint, number bigint, FOREIGN KEY (merchant, number) REFERENCES customer)",
            "DROP TABLE aside",
            "aside",
        ),
        (
            "CREATE ROLE analyst; GRANT SELECT (version) ON customer TO analyst",
            "REVOKE SELECT (version) ON customer FROM analyst",
            "the column version",
        ),
        (
            "ALTER TABLE client_token ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE client_token DISABLE ROW LEVEL SECURITY",
            "row level security",
        ),
        (
            "ALTER TABLE history REPLICA IDENTITY FULL",
            "ALTER TABLE history REPLICA IDENTITY DEFAULT",
            "replica identity",
        ),
    ];
    let numbers = numbers_of_tables(&cluster);
    for (make, take_back, named) in objects {
        cluster.psql(make);
        let store = open(&settings);
        let error = wait(store.purge_erased()).unwrap_err();
        let said = std::error::Error::source(&error).unwrap().to_string();
        assert!(said.contains(named) && said.contains("--database-rewrite-max-mib"), "{said}");
        // None of the others was copied in vain.
        assert_eq!(
            (copies(&cluster), numbers_of_tables(&cluster)),
            ("0".to_owned(), numbers.clone())
        );
        cluster.psql(take_back);
    }
    purge(&open(&settings));
    assert_eq!(dead_rows(&cluster), 0);
    drop(store);
}

#[test]
fn who_changes_a_table_while_it_is_copied_keeps_his_change() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let settings = all_large(&cluster);
    let store = with_erased(&cluster, &settings);
    let reader = cluster.stand(USER, "BEGIN; SELECT count(*) FROM customer_key");
    let purged = store.purge_erased();
    let attempts = || cluster.log().matches("canceling statement due to lock timeout").count();
    soon("it has tried to take the table's place", || (attempts() > 0).then_some(()));
    cluster.psql("CREATE ROLE analyst; GRANT SELECT ON customer_key TO analyst");
    drop(reader);
    assert_eq!(wait(purged).unwrap(), Purged::HeldUp);
    assert_eq!(
        cluster.psql("SELECT has_table_privilege('analyst', 'customer_key', 'SELECT')"),
        "t"
    );
    assert_eq!(cluster.psql("SELECT count(to_regclass('patron_copy_of_customer_key'))"), "0");
    end_peace(&cluster);
    purge(&open(&settings));
    assert_eq!(
        cluster.psql("SELECT has_table_privilege('analyst', 'customer_key', 'SELECT')"),
        "t"
    );
    assert_eq!(dead_rows(&cluster), 0);
}

/// Roles, default privileges and rights as somebody may have arranged them.
#[test]
fn a_copy_gives_nobody_more_or_less_than_the_table() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let settings = all_large(&cluster);
    let store = with_erased(&cluster, &settings);
    cluster.psql(&format!(
        "CREATE ROLE owners; GRANT owners TO {USER}; GRANT CREATE ON SCHEMA public TO owners; \
         CREATE ROLE clerk; GRANT CREATE, USAGE ON SCHEMA public TO clerk; \
         ALTER TABLE customer_key OWNER TO owners; \
         ALTER DEFAULT PRIVILEGES FOR ROLE {USER} GRANT ALL ON TABLES TO {USER}, clerk; \
         ALTER DEFAULT PRIVILEGES FOR ROLE {USER} GRANT EXECUTE ON FUNCTIONS TO clerk"
    ));
    let deleting = hold_copy(&cluster, &store);
    let mut crowd = Crowd::of_merchant(2, 5, run);
    crowd.grow(&store, 5);
    let may = |what: &str| {
        let asked = format!("SELECT has_table_privilege('clerk', '{what}', 'SELECT')");
        cluster.psql(&asked) == "t"
    };
    assert!(!may("customer_key") && !may("patron_copy_of_customer_key"));
    let own = "SET ROLE clerk; CREATE TABLE own (merchant bigint); \
               CREATE TRIGGER own AFTER INSERT ON own FOR EACH ROW \
               EXECUTE FUNCTION patron_copy_of_customer_key()";
    assert!(cluster.try_psql(own).stderr.contains("permission denied for function"));
    // And if it may, the function knows its table.
    cluster.psql("DROP TABLE own");
    let may_execute = "GRANT EXECUTE ON FUNCTION patron_copy_of_customer_key TO clerk";
    let written = format!("{may_execute}; {own}; INSERT INTO own VALUES (1)");
    assert!(cluster.try_psql(&written).stderr.contains("this is for another table"));
    cluster.psql("DROP TABLE own");
    drop(deleting);
    soon("all is copied", || (copies(&cluster) == "0").then_some(()));
    end_peace(&cluster);
    purge(&open(&settings));
    assert!(!may("customer_key"));
    assert_eq!(
        cluster.psql("SELECT relowner::regrole FROM pg_class WHERE relname = 'customer_key'"),
        "owners"
    );
    crowd.are_there(&store);
}

/// Others than Patron may write to the tables, in their own ways.
#[test]
fn a_copy_follows_whoever_writes() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let settings = all_large(&cluster);
    let store = with_erased(&cluster, &settings);
    let deleting = hold_copy(&cluster, &store);
    // Written while nothing is copied yet: a row that replication brings, one that gets another key, one that goes.
    let keys =
        "SELECT string_agg(k::text, ' ' ORDER BY k) FROM customer_key AS k WHERE merchant > 6";
    cluster.psql(
        "INSERT INTO customer_key VALUES (7, 1, 1, 1, 'x'), (7, 2, 1, 1, 'x'), (7, 3, 1, 1, 'x'); \
         SET session_replication_role = replica; \
         INSERT INTO customer_key VALUES (7, 4, 1, 1, 'x'); \
         DELETE FROM customer_key WHERE merchant = 7 AND number = 1; \
         UPDATE customer_key SET number = 5, wrapped = 'y' WHERE merchant = 7 AND number = 2",
    );
    let there = cluster.psql(keys);
    let copied = keys.replace("customer_key", "patron_copy_of_customer_key");
    assert_eq!(cluster.psql(&copied), there);
    // Who sees an earlier moment does not see what was copied since: it does not delete it there, and must not here.
    let early = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM merchant; SELECT pg_sleep(2); \
                 DELETE FROM customer_key WHERE merchant = 1; COMMIT";
    let refused = thread::scope(|scope| {
        let early = scope.spawn(|| cluster.try_psql(early));
        soon("it has begun", || {
            let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
            (cluster.psql(sleeps) == "1").then_some(())
        });
        drop(deleting);
        early.join().unwrap()
    });
    assert!(refused.stderr.contains("could not serialize access"), "{}", refused.stderr);
    soon("the table is another", || (copies(&cluster) == "0").then_some(()));
    assert_eq!(cluster.psql(keys), there);
    assert_ne!(cluster.psql("SELECT count(*) FROM customer_key WHERE merchant = 1"), "0");
}

/// It is a table like any other, and somebody may not know what it is for.
#[test]
fn a_copy_that_somebody_drops_keeps_nobody_from_writing() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let settings = all_large(&cluster);
    let store = with_erased(&cluster, &settings);
    let other = open(&settings);
    let deleting = hold_copy(&cluster, &store);
    cluster.psql("DROP TABLE patron_copy_of_customer_key");
    let mut crowd = Crowd::of_merchant(2, 5, run);
    crowd.grow(&other, 5);
    crowd.storm(&other, 50);
    drop(deleting);
    drop(store);
    crowd.grow(&other, 5);
    end_peace(&cluster);
    purge(&other);
    assert_eq!(dead_rows(&cluster), 0);
    assert_eq!(cluster.psql("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'patron%'"), "0");
    crowd.are_there(&other);
}

/// The server vacuums by itself, and so slowly that it never comes to an end: nobody's copy waits for that.
#[test]
fn a_copy_does_not_wait_until_the_server_has_vacuumed() {
    let cluster = busy()
        .with("autovacuum_vacuum_cost_limit", "1")
        .with("autovacuum_vacuum_cost_delay", "100ms")
        .start();
    let settings = all_large(&cluster);
    let store = open(&settings);
    let mut crowd = Crowd::new(23, run);
    crowd.grow(&store, 1_000);
    crowd.storm(&store, 2_000);
    crowd.erase(&store, 3);
    let vacuums = "SELECT count(*) FROM pg_stat_progress_vacuum";
    soon("the server vacuums", || (cluster.psql(vacuums) != "0").then_some(()));
    let numbers = numbers_of_tables(&cluster);
    purge(&store);
    for (before, after) in numbers.lines().zip(numbers_of_tables(&cluster).lines()) {
        assert_ne!(before, after, "a table is the old one");
    }
    crowd.are_there(&store);
}

#[test]
fn a_table_that_is_too_large_even_for_a_copy_is_named() {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let settings = Settings { copy_bytes_max: 10_000, ..all_large(&cluster) };
    let store = with_erased(&cluster, &settings);
    let error = wait(store.purge_erased()).unwrap_err();
    let said = std::error::Error::source(&error).unwrap().to_string();
    assert!(said.contains("customer_key") && said.contains("--database-copy-max-mib"), "{said}");
    assert!(dead_rows(&cluster) > 0);
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
struct LeapingTime {
    passing: PassingTime,
    leapt_s: AtomicU64,
}

impl LeapingTime {
    fn new() -> Self {
        Self { passing: PassingTime::start(), leapt_s: AtomicU64::new(0) }
    }

    fn leap(&self, by: Duration) {
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
