//! Crowds: thousands of idle connections, more clients than there may be, and no files left to open.

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use patron_testkit::http::{Call, Connection};
use patron_testkit::server::{Outcome, SANDBOX_KEY, Server};
use patron_testkit::wait::{soon, timed, until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::stage::{launch, metric};
use crate::unharmed::{Unharmed, processor_time};

const JON: &str = "/customers/jon@example.com";

/// How many connections are held open.
const IDLE: usize = 10_000;

/// What this process needs beside them.
const BESIDE: u64 = 256;

/// How long they may be idle: many times what opening them takes, on the busiest machine.
const IDLE_TIME_MAX_MS: &str = "30000";

/// Lets this process open as many files as the crowd needs.
fn make_room() {
    let needed = u64::try_from(IDLE).unwrap() + BESIDE;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|soft| soft >= needed) {
        return;
    }
    let maximum = maximum.map(|hard| hard.max(needed));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum });
    assert!(raised.is_ok(), "this test needs a hard limit of {needed} open files (`ulimit -Hn`)");
}

fn open_connections(server: &Server) -> usize {
    metric(server, "patron_connections ")
}

/// Kibibytes of memory that the server has.
fn memory_kib(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

/// The median time of many requests on one connection, which a machine that is busy at times leaves alone.
fn latency(server: &Server) -> Duration {
    let mut connection = Connection::open(server);
    let call = Call::get(JON).basic(SANDBOX_KEY);
    let mut times: Vec<Duration> = (0..2_000)
        .map(|_| {
            let (reply, time) = timed(|| connection.send(&call));
            assert_eq!(reply.status, 200);
            time
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

#[test]
fn ten_thousand_idle_connections_cost_memory_and_nothing_else() {
    make_room();
    let stage = Unharmed::of(&launch().with("--head-timeout-ms").with(IDLE_TIME_MAX_MS));
    let server = stage.server();
    let alone = latency(server);
    let before = memory_kib(server);
    let call = Call::get("/nowhere");
    let held: Vec<Connection> = (0..IDLE)
        .map(|number| {
            let mut connection = Connection::open(server);
            // Half of them have been of use.
            if number % 2 == 0 {
                assert_eq!(connection.send(&call).status, 404);
            }
            connection
        })
        .collect();
    soon("all are let in", || (open_connections(server) > IDLE).then_some(()));
    let bytes_each = (memory_kib(server) - before) * 1024 / IDLE;
    let crowded = latency(server);
    let figures = format!("{bytes_each} bytes a connection; {alone:?} became {crowded:?}");
    assert!(bytes_each < 32 * 1024, "{figures}");
    // A walk over all of them for each request would take far longer.
    assert!(crowded < alone * 5 + Duration::from_millis(20), "{figures}");
    until("all are let go", Duration::from_secs(120), || {
        (open_connections(server) == 1).then_some(())
    });
    drop(held);
    stage.holds();
}

#[test]
fn one_client_too_many_waits_until_an_idle_one_is_let_go() {
    let limits = ["--connections-max", "3", "--head-timeout-ms", "1500"];
    let launch = limits.iter().fold(launch(), |launch, word| launch.with(*word));
    let stage = Unharmed::of(&launch);
    let idle: Vec<Connection> = (0..3).map(|_| Connection::open(stage.server())).collect();
    // Each is taken in by the system and answered when it is its turn; none is turned away.
    let waiting: Vec<Connection> = (0..20)
        .map(|_| {
            let mut connection = Connection::open(stage.server());
            connection.send_head(&Call::get(JON).basic(SANDBOX_KEY).header("Connection", "close"));
            connection
        })
        .collect();
    for mut connection in waiting {
        assert_eq!(connection.reply().status, 200);
    }
    drop(idle);
    stage.holds();
}

/// How often a full queue of anybody's made the system drop a client that came.
fn turned_away() -> [u64; 2] {
    let all = fs::read_to_string("/proc/net/netstat").unwrap();
    let mut lines = all.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, counts) = (lines.next().unwrap(), lines.next().unwrap());
    ["ListenOverflows", "ListenDrops"].map(|wanted| {
        let mut counted = names.split(' ').zip(counts.split(' '));
        counted.find(|(name, _)| *name == wanted).unwrap().1.parse().unwrap()
    })
}

/// A queue that is full makes the system drop what comes, so that clients come again after a second or more.
#[test]
fn a_thousand_clients_that_come_at_once_find_room_in_the_queue() {
    let stage = Unharmed::of(&launch().with("--connections-max").with("1"));
    let mut first = Connection::open(stage.server());
    let call = Call::get(JON).basic(SANDBOX_KEY);
    assert_eq!(first.send(&call).status, 200);
    let address = stage.server().address();
    let before = turned_away();
    let mut longest = Duration::ZERO;
    let waiting: Vec<TcpStream> = (0..1_000)
        .map(|_| {
            let (stream, time) = timed(|| TcpStream::connect(address).unwrap());
            longest = longest.max(time);
            stream
        })
        .collect();
    // A client that is dropped comes again a second later. On a busy machine one may wait as long without
    // having been dropped, and those that were dropped may have been another program's: not both.
    let counts = (before, turned_away());
    let is_dropped = longest > Duration::from_millis(900) && counts.0 != counts.1;
    assert!(!is_dropped, "one waited {longest:?}; (overflows, drops) were {counts:?}");
    assert_eq!(first.send(&call).status, 200);
    drop((waiting, first));
    stage.holds();
}

/// With this hard limit of open files, which is the soft one as well.
fn with_files(limit: &str) -> Unharmed {
    let script = format!("ulimit -n {limit}; exec \"$@\"");
    Unharmed::of(&launch().wrapped_in(&["sh", "-c", &script, "sh"]))
}

#[test]
fn a_soft_limit_is_raised_and_a_hard_one_is_heeded() {
    // Raised without a word where it can be.
    let script = "ulimit -Sn 100; exec \"$@\"";
    let launch = launch().wrapped_in(&["sh", "-c", script, "sh"]).with("--connections-max");
    let server = launch.with("500").start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let soft: u64 = files.split_whitespace().next().unwrap().parse().unwrap();
    assert!(soft > 500, "{limits}");
    assert!(!server.stderr().contains("WARN"), "{}", server.stderr());
    // Where it cannot, fewer are let in, and the others wait.
    let stage = with_files("100");
    let log = stage.server().stderr();
    assert!(log.contains("--connections-max 20000") && log.contains("at most 50"), "{log}");
    soon("only the one that asks is counted", || {
        (open_connections(stage.server()) == 1).then_some(())
    });
    let held: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(stage.server().address()).unwrap()).collect();
    let mut last = Connection::open(stage.server());
    last.send_head(&Call::get(JON).basic(SANDBOX_KEY));
    drop(held);
    assert_eq!(last.reply().status, 200);
    drop(last);
    assert!(!stage.server().stderr().contains("no connection can be accepted"));
    stage.holds();
}

/// Sets the soft limit of a process that runs.
fn limit_files(server: &Server, soft: u64) {
    let id = server.id().to_string();
    let limit = format!("--nofile={soft}:");
    Outcome::of(Command::new("prlimit").args(["--pid", &id, &limit])).ok();
}

#[test]
fn no_file_left_to_open_stops_nothing_for_good() {
    let stage = Unharmed::start();
    let server = stage.server();
    let mut open = Connection::open(server);
    let call = Call::get(JON).basic(SANDBOX_KEY);
    assert_eq!(open.send(&call).status, 200);
    limit_files(server, 3);
    let mut late = Connection::open(server);
    late.send_head(&call);
    soon("it is said that none can be accepted", || {
        server.stderr().contains("no connection can be accepted").then_some(())
    });
    let before = processor_time(server);
    // Whoever is in is answered, again and again.
    for _ in 0..200 {
        assert_eq!(open.send(&call).status, 200);
    }
    let used = processor_time(server) - before;
    assert!(used < 300, "{used} hundredths of a second went by");
    let said = server.stderr().matches("no connection can be accepted").count();
    assert_eq!(said, 1, "it is said once");
    limit_files(server, 1_024);
    assert_eq!(late.reply().status, 200, "it was only late");
    drop((open, late));
    stage.holds();
}
