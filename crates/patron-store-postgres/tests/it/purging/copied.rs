//! Large tables are copied while everybody goes on: nothing of the erased is left, nothing is lost, and nobody comes back.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use patron::clock::MonotonicClock;
use patron::erasure::Purged;
use patron::store::{Store as _, StoreFuture};
use patron_store_postgres::{PostgresStore, Settings};
use patron_testkit::crowd::Crowd;
use patron_testkit::effort::rounds;
use patron_testkit::postgres::{Cluster, SUPERUSER, Sessions, Setup, USER};
use patron_testkit::traces::Traces;
use patron_testkit::wait::{soon, timed};

use super::{LeapingTime, busy, dead_rows, purge, with_erased};
use crate::ground::{open, open_at, run, settings, wait};

/// Tables of any size are large.
pub(crate) fn all_large(cluster: &Cluster) -> Settings {
    Settings { rewrite_bytes_max: 0, ..settings(&cluster.url()) }
}

/// A store whose tables are all large, and in which some were erased; on a server that does nothing by itself.
pub(crate) fn large() -> (Cluster, Settings, PostgresStore) {
    let cluster = Setup::new().with("autovacuum", "off").start();
    let settings = all_large(&cluster);
    let store = with_erased(&cluster, &settings);
    (cluster, settings, store)
}

/// Somebody who keeps whoever runs [`WAIT_FOR_TURN`] waiting.
fn take_turn(cluster: &Cluster) -> Sessions {
    cluster.stand(SUPERUSER, "SELECT pg_advisory_lock(1)")
}

/// In a transaction of somebody's: waits until [`take_turn`] is dropped.
const WAIT_FOR_TURN: &str = "SELECT pg_advisory_xact_lock_shared(1)";

/// Returns when somebody waits there.
fn somebody_waits(cluster: &Cluster) {
    soon("somebody waits for his turn", || {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND objid = 1";
        (cluster.psql(waits) == "1").then_some(())
    });
}

/// How many tables are being copied.
pub(crate) fn copies(cluster: &Cluster) -> String {
    cluster.psql(
        "SELECT count(*) FROM pg_class \
         WHERE relnamespace = 'public'::regnamespace AND relname LIKE 'patron\\_copy\\_of%'",
    )
}

/// PostgreSQL's own numbers of the tables.
pub(crate) fn numbers_of_tables(cluster: &Cluster) -> String {
    cluster.psql(
        "SELECT 'customer_key'::regclass::oid; SELECT 'customer'::regclass::oid; SELECT 'history'::regclass::oid; \
         SELECT 'client_token'::regclass::oid",
    )
}

/// What keeps steps of a copy and deletions apart.
pub(crate) const COPY_LOCK: i64 = 0x0070_6174_726f_6e63;

/// No process is purging, or has just done so.
pub(crate) fn end_peace(cluster: &Cluster) {
    cluster.psql("UPDATE job SET expires = now() WHERE name = 'purge_tables'");
}

/// Purges, as far as to the beginning of the first copy: there it is held by somebody who deletes, until that one goes.
pub(crate) fn hold_copy<'s>(
    cluster: &Cluster,
    store: &'s PostgresStore,
) -> (Sessions, StoreFuture<'s, Purged>) {
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock_shared({COPY_LOCK})");
    let deleting = cluster.stand(USER, &lock);
    let purging = store.purge_erased();
    soon("a copy has begun", || (copies(cluster) == "1").then_some(()));
    (deleting, purging)
}

/// Ends those who go on until then, be the test passed or not.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
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

/// A transaction that sees everything as it was at one moment finds in the copy what it would have found in the table.
#[test]
fn who_began_before_all_was_copied_finds_it_afterwards() {
    let cluster = Setup::new().with("autovacuum", "off").with("log_statement", "all").start();
    let store = with_erased(&cluster, &all_large(&cluster));
    let keys = cluster.psql("SELECT count(*) FROM customer_key");
    let (deleting, purged) = hold_copy(&cluster, &store);
    let turn = take_turn(&cluster);
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            cluster.psql(&format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'begun' FROM merchant; {WAIT_FOR_TURN}; \
                 SELECT count(*) FROM customer_key; COMMIT"
            ))
        });
        somebody_waits(&cluster);
        drop(deleting);
        soon("the copy is compared, and it is asked who might still look", || {
            let log = cluster.log();
            let (_, afterwards) = log.split_once("hashtextextended")?;
            (afterwards.matches("pg_replication_slots").count() > 1).then_some(())
        });
        drop(turn);
        assert_eq!(looking.join().unwrap().lines().last(), Some(&*keys));
    });
    assert_eq!(wait(purged).unwrap(), Purged::Done);
}

/// A customer that is erased at the moment at which its row is copied does not come back.
#[test]
fn who_is_erased_while_its_row_is_copied_stays_erased() {
    let (cluster, _, store) = large();
    let (deleting, purged) = hold_copy(&cluster, &store);
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

/// Others than Patron may write to the tables, in their own ways.
#[test]
fn a_copy_follows_whoever_writes() {
    let (cluster, _, store) = large();
    let (deleting, purging) = hold_copy(&cluster, &store);
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
    let early = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM merchant; {WAIT_FOR_TURN}; \
         DELETE FROM customer_key WHERE merchant = 1; COMMIT"
    );
    let turn = take_turn(&cluster);
    let refused = thread::scope(|scope| {
        let early = scope.spawn(|| cluster.try_psql(&early));
        somebody_waits(&cluster);
        drop(deleting);
        soon("all is copied", || {
            let count = "SELECT (SELECT count(*) FROM customer_key) = (SELECT count(*) FROM patron_copy_of_customer_key)";
            (cluster.psql(count) == "t").then_some(())
        });
        drop(turn);
        early.join().unwrap()
    });
    assert!(refused.stderr.contains("could not serialize access"), "{}", refused.stderr);
    assert_eq!(wait(purging).unwrap(), Purged::Done);
    assert_eq!(cluster.psql(keys), there);
    assert_ne!(cluster.psql("SELECT count(*) FROM customer_key WHERE merchant = 1"), "0");
}

#[test]
fn a_copy_that_nobody_finishes_is_kept_true_and_goes() {
    let (cluster, settings, store) = large();
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
