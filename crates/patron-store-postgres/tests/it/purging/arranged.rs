//! Tables are copied on databases as others use and arrange them: with readers, vacuuming, migrations, views, rights.

use std::thread;
use std::time::Duration;

use patron::erasure::Purged;
use patron::store::{Store as _, StoreFuture};
use patron_store_postgres::{PostgresStore, Settings};
use patron_testkit::crowd::Crowd;
use patron_testkit::postgres::{Cluster, Sessions, Setup, USER, psql};
use patron_testkit::wait::{soon, timed};

use super::copied::{COPY_LOCK, all_large, copies, end_peace, hold_copy, large, numbers_of_tables};
use super::{busy, dead_rows, purge, with_erased};
use crate::ground::{open, run, settings, wait};

/// A reader who has a table, so that no copy can take its place.
#[test]
fn a_copy_waits_for_readers_and_nobody_waits_for_it() {
    let (cluster, settings, store) = large();
    let other = open(&settings);
    let reader = cluster.stand(USER, "BEGIN; SELECT count(*) FROM customer_key");
    let purging = store.purge_erased();
    soon("it has tried to take the table's place", || (attempts(&cluster) > 0).then_some(()));
    let mut crowd = Crowd::of_merchant(2, 5, run);
    let before = attempts(&cluster);
    let mut longest = Duration::ZERO;
    soon("it tries again", || {
        let ((), waited) = timed(|| crowd.grow(&other, 5));
        longest = longest.max(waited);
        (attempts(&cluster) >= before + 2).then_some(())
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

/// A copy has the shape that the table had when it began. In the place of a migrated table it would take the migration
/// back.
#[test]
fn a_migration_takes_away_the_copy_that_it_finds() {
    let cluster = Cluster::new();
    let first = include_str!("../../../src/migrations/0001_initial.sql");
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
    let begin = include_str!("../../../src/purge/begin_copy.sql");
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
    let (cluster, settings, store) = large();
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

/// Holds the table of keys, so that its copy cannot take its place, and purges until it has tried to.
fn hold_swap<'s>(
    cluster: &Cluster,
    store: &'s PostgresStore,
) -> (Sessions, StoreFuture<'s, Purged>) {
    let reader = cluster.stand(USER, "BEGIN; SELECT count(*) FROM customer_key");
    let purging = store.purge_erased();
    soon("it has tried to take the table's place", || (attempts(cluster) > 0).then_some(()));
    (reader, purging)
}

/// How often somebody waited too long for a lock.
fn attempts(cluster: &Cluster) -> usize {
    cluster.log().matches("canceling statement due to lock timeout").count()
}

#[test]
fn who_changes_a_table_while_it_is_copied_keeps_his_change() {
    let (cluster, settings, store) = large();
    let (reader, purged) = hold_swap(&cluster, &store);
    cluster.psql("CREATE ROLE analyst; GRANT SELECT ON customer_key TO analyst");
    drop(reader);
    assert_eq!(wait(purged).unwrap(), Purged::HeldUp);
    let may = "SELECT has_table_privilege('analyst', 'customer_key', 'SELECT')";
    assert_eq!((cluster.psql(may), copies(&cluster)), ("t".to_owned(), "0".to_owned()));
    // Nothing else was changed.
    let options = "SELECT count(reloptions) FROM pg_class WHERE relname LIKE 'pg_toast%'";
    assert_eq!(cluster.psql(options), "0");
    end_peace(&cluster);
    purge(&open(&settings));
    assert_eq!(cluster.psql(may), "t");
    assert_eq!((dead_rows(&cluster), cluster.psql(options)), (0, "0".to_owned()));
}

/// As whoever brings back a dump does: the copy is not told of what he writes.
#[test]
fn who_switches_triggers_off_while_a_table_is_copied_loses_nothing() {
    let (cluster, _, store) = large();
    let (reader, purged) = hold_swap(&cluster, &store);
    cluster.psql(
        "BEGIN; ALTER TABLE customer_key DISABLE TRIGGER ALL; INSERT INTO customer_key VALUES (7, 1, 1, 1, 'x'); \
         ALTER TABLE customer_key ENABLE TRIGGER ALL; COMMIT",
    );
    drop(reader);
    assert_eq!(wait(purged).unwrap(), Purged::HeldUp);
    assert_eq!(cluster.psql("SELECT count(*) FROM customer_key WHERE merchant = 7"), "1");
}

/// What was dumped while it was copied has another number where it is brought back, and its copy as well.
#[test]
fn a_table_that_is_brought_back_with_its_copy_takes_writes() {
    let (cluster, settings, store) = large();
    let (deleting, purging) = hold_copy(&cluster, &store);
    cluster.psql(&format!(
        "BEGIN; ALTER TABLE customer_key RENAME TO dumped; \
         CREATE TABLE customer_key (LIKE dumped INCLUDING ALL); ALTER TABLE customer_key OWNER TO {USER}; \
         INSERT INTO customer_key SELECT * FROM dumped; DROP TABLE dumped; \
         CREATE TRIGGER patron_copy_rows AFTER INSERT OR UPDATE OR DELETE ON customer_key \
             FOR EACH ROW EXECUTE FUNCTION patron_copy_of_customer_key(); COMMIT"
    ));
    drop(deleting);
    assert_eq!(wait(purging).unwrap(), Purged::HeldUp);
    let mut crowd = Crowd::of_merchant(2, 5, run);
    crowd.grow(&store, 5);
    crowd.erase(&store, 3);
    end_peace(&cluster);
    let other = open(&settings);
    purge(&other);
    assert_eq!(copies(&cluster), "0");
    crowd.are_there(&other);
}

/// Roles, default privileges and rights as somebody may have arranged them.
#[test]
fn a_copy_gives_nobody_more_or_less_than_the_table() {
    let (cluster, _, store) = large();
    cluster.psql(&format!(
        "CREATE ROLE owners; GRANT owners TO {USER}; GRANT CREATE ON SCHEMA public TO owners; \
         CREATE ROLE clerk; GRANT CREATE, USAGE ON SCHEMA public TO clerk; \
         ALTER TABLE customer_key OWNER TO owners; \
         ALTER DEFAULT PRIVILEGES FOR ROLE {USER} GRANT ALL ON TABLES TO {USER}, clerk; \
         ALTER DEFAULT PRIVILEGES FOR ROLE {USER} GRANT EXECUTE ON FUNCTIONS TO clerk"
    ));
    let (deleting, purging) = hold_copy(&cluster, &store);
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
    assert_eq!(wait(purging).unwrap(), Purged::Done);
    assert!(!may("customer_key"));
    assert_eq!(
        cluster.psql("SELECT relowner::regrole FROM pg_class WHERE relname = 'customer_key'"),
        "owners"
    );
    crowd.are_there(&store);
}

/// It is a table like any other, and somebody may not know what it is for.
#[test]
fn a_copy_that_somebody_drops_keeps_nobody_from_writing() {
    let (cluster, settings, store) = large();
    let other = open(&settings);
    let (deleting, purging) = hold_copy(&cluster, &store);
    cluster.psql("DROP TABLE patron_copy_of_customer_key");
    let mut crowd = Crowd::of_merchant(2, 5, run);
    crowd.grow(&other, 5);
    crowd.storm(&other, 50);
    drop(deleting);
    assert_eq!(wait(purging).unwrap(), Purged::HeldUp);
    crowd.grow(&other, 5);
    end_peace(&cluster);
    purge(&other);
    assert_eq!(dead_rows(&cluster), 0);
    assert_eq!(cluster.psql("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'patron%'"), "0");
    crowd.are_there(&other);
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
