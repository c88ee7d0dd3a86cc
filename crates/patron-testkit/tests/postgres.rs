//! The database servers that tests start: that they do what tests ask of them, and leave nothing behind.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows the tests of an integration test, and not their helpers"
)]

use std::fs;
use std::path::Path;

use patron_testkit::postgres::{Cluster, Pgbouncer, Setup, USER, psql};
use patron_testkit::server::{Launch, Outcome};
use patron_testkit::wait::{SOON, soon, timed};

/// A table with a row.
const ROW: &str = "create table seen (number int); insert into seen values (1)";

/// What is in it.
const SEEN: &str = "select number from seen order by number";

/// How many processes have this path in their command line.
fn processes_of(path: &Path) -> usize {
    let path = path.display().to_string();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        String::from_utf8_lossy(&line).contains(&path).then_some(())
    });
    processes.count()
}

#[test]
fn a_server_answers_and_its_role_owns_its_database_only() {
    let cluster = Cluster::new();
    assert_eq!(cluster.psql("select 1, 'a'; select null"), "1|a");
    assert!(cluster.try_psql("select nonsense").refused().contains("nonsense"));
    let asked =
        psql(&cluster.url(), "create table mine (); select current_user, current_database()");
    assert_eq!(asked.ok(), "patron|patron\n");
    assert!(psql(&cluster.url(), "create role other").refused().contains("permission denied"));
    cluster.create_database("second");
    psql(&cluster.url_of("second"), "create table mine ()").ok();
    let wrong = cluster.url().replace("ThePassword", "AnotherPassword");
    assert!(psql(&wrong, "select 1").refused().contains("password"));
    assert!(cluster.log().contains("password authentication failed"), "{}", cluster.log());
}

#[test]
fn what_is_committed_outlives_every_end() {
    let cluster = Cluster::new();
    let port = cluster.port();
    cluster.psql(ROW);
    cluster.stop();
    cluster.try_psql(SEEN).refused();
    cluster.start();
    cluster.psql("insert into seen values (2)");
    cluster.kill();
    assert_eq!(processes_of(&cluster.data_directory()), 0);
    cluster.try_psql(SEEN).refused();
    cluster.start();
    assert_eq!(cluster.psql(SEEN), "1\n2");
    assert_eq!(cluster.port(), port);
    assert!(cluster.log().contains("was not properly shut down"), "{}", cluster.log());
}

#[test]
fn settings_are_taken() {
    let cluster = Setup::new().durable().with("max_connections", "10").start();
    let sql = "show fsync; show full_page_writes; show max_connections; show synchronous_commit";
    assert_eq!(cluster.psql(sql), "on\non\n10\non");
    let plain = Cluster::new();
    assert_eq!(plain.psql(sql), "off\noff\n100\non");
    plain.restart();
}

#[test]
fn a_server_that_is_stopped_says_nothing_until_it_goes_on() {
    let cluster = Cluster::new();
    cluster.pause();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| cluster.psql("select 1"));
        // It is connected: the system does that for a server that does not look.
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", cluster.port())).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
        std::io::Write::write_all(&mut stream, &[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
        assert!(std::io::Read::read(&mut stream, &mut [0]).is_err(), "it answers");
        assert!(!asked.is_finished());
        cluster.resume();
        assert_eq!(asked.join().unwrap(), "1");
    });
    // Dropped as it is.
    cluster.pause();
}

#[test]
fn a_replica_follows_and_takes_over() {
    let primary = Cluster::new();
    primary.psql(ROW);
    let replica = primary.replica("second");
    assert!(replica.try_psql("insert into seen values (2)").refused().contains("read-only"));
    primary.require_sync(&replica);
    replica.pause_replay();
    primary.psql("insert into seen values (2)");
    assert_eq!(replica.psql(SEEN), "1");
    replica.resume_replay();
    replica.catch_up_with(&primary);
    assert_eq!(replica.psql(SEEN), "1\n2");

    // A commit that waits for its replica goes on when it is told that it need not.
    replica.pause();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| primary.psql("insert into seen values (3)"));
        let sql = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
        soon("a commit waits", || (primary.psql(sql) == "1").then_some(()));
        assert!(!waiting.is_finished());
        primary.require_no_sync();
        waiting.join().unwrap();
    });
    primary.psql("insert into seen values (4)");
    replica.resume();
    replica.catch_up_with(&primary);

    primary.kill();
    replica.promote();
    replica.psql("insert into seen values (5)");
    assert_eq!(replica.psql(SEEN), "1\n2\n3\n4\n5");
}

#[test]
fn a_pooler_gives_transactions_its_few_connections() {
    let cluster = Cluster::new();
    let pooler = Pgbouncer::before_with(&cluster, &[("default_pool_size", "1")]);
    let sql = "select pg_backend_pid()";
    let first = psql(&pooler.url(), sql).ok().to_owned();
    assert_eq!(psql(&pooler.url(), sql).ok(), first);
    cluster.create_database("second");
    psql(&pooler.url_of("second"), "select 1").ok();
    pooler.stop();
    psql(&pooler.url(), sql).refused();
    pooler.start();
    psql(&pooler.url(), sql).ok();
    pooler.kill();
    pooler.start();
    pooler.pause();
    pooler.resume();
    psql(&pooler.url(), sql).ok();
    assert!(pooler.log().contains("process up"), "{}", pooler.log());
}

#[test]
fn tls_is_vouched_for_and_may_be_required() {
    let cluster = Setup::new().with_tls_only().start();
    let ssl = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let verified = format!("sslmode=verify-full&sslrootcert={}", cluster.authority().display());
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("{}?{verified}", cluster.url().replace("127.0.0.1", host));
        assert_eq!(psql(&url, ssl).ok(), "t\n");
    }
    let clear = format!("{}?sslmode=disable", cluster.url());
    assert!(psql(&clear, "select 1").refused().contains("no encryption"));
    let other = Setup::new().with_tls().start();
    psql(&format!("{}?sslmode=disable", other.url()), "select 1").ok();
    let url = format!("{}?{verified}", other.url());
    let refused = psql(&url, ssl);
    assert!(refused.refused().contains("certificate verify failed"), "{refused:?}");
}

#[test]
fn a_disk_that_is_full_is_full_for_the_server_only() {
    let cluster = Setup::new().on_a_disk_of(64).start();
    cluster.psql("create table filler (text text)");
    cluster.fill_disk();
    let sql = "insert into filler select repeat('x', 1000) from generate_series(1, 20000)";
    let refused = cluster.try_psql(sql);
    assert!(refused.refused().contains("No space left on device"), "{refused:?}");
    cluster.free_disk();
    cluster.kill();
    cluster.start();
    cluster.psql("insert into filler values ('x')");
    assert_eq!(cluster.psql("select count(*) from filler"), "1");
}

#[test]
fn nothing_is_left_behind() {
    let (memory, directory) = {
        let cluster = Cluster::new();
        let pooler = Pgbouncer::before(&cluster);
        psql(&pooler.url(), "select 1").ok();
        let killed = Cluster::new();
        killed.kill();
        let memory = [&cluster, &killed].map(memory_of);
        assert!(memory.iter().all(|number| is_memory(number)), "{memory:?}");
        (memory, cluster.data_directory())
    };
    assert_eq!(processes_of(&directory), 0);
    assert!(!directory.exists());
    assert!(!memory.iter().any(|number| is_memory(number)), "{memory:?}");
}

/// The number of a server's shared memory.
fn memory_of(cluster: &Cluster) -> String {
    let text = fs::read_to_string(cluster.data_directory().join("postmaster.pid")).unwrap();
    let line = text.lines().nth(6).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

/// Whether shared memory of this number is there.
fn is_memory(number: &str) -> bool {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    table.lines().any(|line| line.split_whitespace().nth(1) == Some(number))
}

#[test]
fn many_start_at_once() {
    let (clusters, took) =
        timed(|| patron_testkit::together::together(8, |_| (), |_, ()| Cluster::new()));
    // The threads that started them have ended, and they have not.
    for cluster in &clusters {
        assert_eq!(cluster.psql(&format!("select current_database() = '{USER}'")), "t");
    }
    assert!(took < SOON, "{took:?}");
}

#[test]
fn a_program_is_told_of_its_database_and_of_its_mode() {
    let url = "postgres://patron@nowhere/patron";
    // A program that says what it was told.
    let launch = Launch::new("echo").without_key().on(url);
    let said = |launch: &Launch, words: &[&str]| {
        let start = format!("serve --listen 127.0.0.1:0 --data {}", launch.data().display());
        let served = Outcome::of(&mut launch.serve()).ok().replace(&start, "").trim().to_owned();
        let data = format!(" --data {}", launch.data().display());
        (served, launch.manage(words).ok().replace(&data, "").trim().to_owned())
    };
    let flags = format!("--database-url {url} --mode");
    let list = ["key", "list"];
    let sandbox = (format!("{flags} sandbox"), format!("key list {flags} sandbox"));
    assert_eq!(said(&launch, &list), sandbox);
    let production = launch.clone().with("--mode").with("production");
    let both = format!("--mode production --database-url {url}");
    assert_eq!(said(&production, &list), (both, format!("key list {flags} production")));
    let words = ["key", "list", "--mode=production"];
    let told = format!("key list --mode=production --database-url {url}");
    assert_eq!(said(&launch, &words).1, told);
    let by_variable = launch.clone().with_variable("PATRON_MODE", "production");
    assert_eq!(said(&by_variable, &list).1, format!("key list --database-url {url}"));
    let elsewhere = launch.clone().with("--database-url=elsewhere");
    let told = "key list --database-url elsewhere --mode sandbox";
    assert_eq!(said(&elsewhere, &list), ("--database-url=elsewhere".to_owned(), told.to_owned()));
    assert_eq!(said(&launch.on_sqlite().with("--quiet"), &list).1, "key list");
}
