//! Erasing where several processes have the data: one erases, and the customer is gone at all of them.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use patron::clock::Timestamp;
use patron::jobs::{JobPolicy, Jobs};
use patron::store::Job;
use patron_testkit::http::{Call, Connection};
use patron_testkit::postgres::{Cluster, Setup, USER};
use patron_testkit::server::{Launch, SANDBOX_KEY, Server};
use patron_testkit::wait::soon;
use serde_json::{Value, json};

use super::{Processes, launch_on};
use crate::erasure::Over;
use crate::inside::{PassingTime, Still, patron, wait};
use crate::stage::{launch, metric, text};

const JON: &str = "/customers/jon@example.com";

/// Updates the customer by way of a process until there is none, and hears nothing else of it from then on.
fn storm(processes: &Processes, number: usize, id: &str, is_over: &AtomicBool, gone: &AtomicUsize) {
    let mut connection = Connection::open(processes.server(number));
    let mut is_gone = false;
    for round in 0.. {
        let form = format!("first_name={number}{round}");
        let call = Call::post(format!("/customers/{id}")).basic(SANDBOX_KEY).form(form);
        match connection.send(&call).status {
            200 => assert!(!is_gone, "process {number} has it back"),
            404 if !is_gone => {
                is_gone = true;
                gone.fetch_add(1, Ordering::Relaxed);
            }
            404 => {}
            other => panic!("process {number} answers {other}"),
        }
        if is_over.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[test]
fn whoever_is_erased_is_gone_at_every_process() {
    let processes = Processes::three();
    let form = "object_reference_id=jon@example.com&mobile_number=1";
    let id = text(&processes.post(0, "/customers", form).expect(200), "id").to_owned();
    let target = format!("{JON}?options.get_client_auth_token=true");
    let made = processes.get(0, &target).expect(200);
    let token = text(&made["juspay"], "client_auth_token").to_owned();
    let (is_over, gone) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        for number in 0..3 {
            let (processes, id, is_over, gone) = (&processes, &id, &is_over, &gone);
            scope.spawn(move || storm(processes, number, id, is_over, gone));
        }
        let erased =
            processes.manage(&["erase", "testaccount", "jon@example.com", "--yes", "--json"]);
        let erased = erased.json();
        // When the command has answered, nobody is told anything else.
        for number in 0..3 {
            assert_eq!(processes.get(number, JON).status, 404);
            assert_eq!(processes.get(number, &format!("/customers/{id}")).status, 404);
            let with_token = Call::get(JON).bearer(&token).send(processes.server(number));
            assert_eq!(with_token.status, 401);
        }
        assert!(erased["receipt"].is_object(), "{erased}");
        soon("each process has heard of it", || (gone.load(Ordering::Relaxed) == 3).then_some(()));
    });
    let found = processes.verify();
    assert_eq!((&found["customers"], &found["erased"]), (&json!(1), &json!(1)), "{found}");
    let purged = |number| metric(processes.server(number), "patron_erased_purged_total ");
    assert!((0..3).map(purged).sum::<usize>() <= 1, "one of them, or the command");
}

/// Makes customers by way of a process, changes each, and reads it: how many there are.
fn serve(processes: &Processes, number: usize, is_over: &AtomicBool) -> usize {
    let mut connection = Connection::open(processes.server(number));
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return round;
        }
        let reference = format!("p{number}-{round}");
        let form = format!("object_reference_id={reference}&mobile_number=1");
        let create = Call::post("/customers").basic(SANDBOX_KEY).form(form);
        connection.send(&create).expect(200);
        let target = format!("/customers/{reference}");
        let update = Call::post(&target).basic(SANDBOX_KEY).form(format!("first_name=n{round}"));
        connection.send(&update).expect(200);
        let read = connection.send(&Call::get(&target).basic(SANDBOX_KEY)).expect(200);
        assert_eq!(read["first_name"], format!("n{round}"));
    }
    unreachable!("rounds have no end")
}

/// For these processes every table is too large to be written anew, and so is copied beside.
#[test]
fn nobody_notices_that_tables_are_copied_but_who_waits_for_a_receipt() {
    const ALL_LARGE: [&str; 2] = ["--database-rewrite-max-mib", "0"];
    let large = |launch: Launch| ALL_LARGE.into_iter().fold(launch, Launch::with);
    let processes = Processes::three_with(|_, _, launch| large(launch));
    let form = "object_reference_id=jon@example.com&mobile_number=1";
    processes.post(0, "/customers", form).expect(200);
    let tables = || {
        processes.cluster.psql(
            "SELECT oid FROM pg_class \
             WHERE relname IN ('customer', 'customer_key', 'history', 'client_token') ORDER BY 1",
        )
    };
    let before = tables();
    let is_over = AtomicBool::new(false);
    let served: Vec<usize> = std::thread::scope(|scope| {
        let over = Over(&is_over);
        let serving: Vec<_> = (0..3)
            .map(|number| {
                let (processes, is_over) = (&processes, &is_over);
                scope.spawn(move || serve(processes, number, is_over))
            })
            .collect();
        let made = || processes.cluster.psql("SELECT count(*) FROM customer").parse::<u64>();
        soon("there is something to copy", || (made().unwrap() > 500).then_some(()));
        let command = large(launch_on(&processes.cluster.url()));
        let words = ["erase", "testaccount", "jon@example.com", "--yes", "--json"];
        let erased = command.manage(&words).json();
        assert!(erased["receipt"].is_object(), "{erased}");
        drop(over);
        serving.into_iter().map(|serving| serving.join().unwrap()).collect()
    });
    let after = tables();
    assert!(before.lines().all(|table| !after.contains(table)), "{before}\n{after}");
    assert!(served.iter().all(|served| *served > 20), "{served:?}");
    let found = processes.verify();
    let live: usize = served.iter().sum();
    assert_eq!((&found["customers"], &found["erased"]), (&json!(live + 1), &json!(1)), "{found}");
}

/// What is done is not done again because it could not be written down, unless the tables are others by now: those of a
/// replica that has become the primary, say, and had not heard of it.
#[test]
fn a_purge_is_written_down_later_unless_the_tables_are_others_by_then() {
    let cluster = Setup::new().start();
    let launch = launch().on(cluster.url());
    let mut server = launch.start();
    for reference in ["r1", "r2"] {
        let form = format!("object_reference_id={reference}&mobile_number=1");
        Call::post("/customers").basic(SANDBOX_KEY).form(form).send(&server).expect(200);
    }
    assert!(server.terminate().success());
    let patron = Arc::new(patron(&launch, Timestamp::from_ms(1)));
    let day = Duration::from_secs(86_400);
    let policy = JobPolicy { lease: day, retain_every: day };
    let mut jobs = Jobs::new(patron, policy, Arc::new(PassingTime::start()));
    let files = || cluster.psql("SELECT pg_relation_filenode('customer')");
    let may_write = |may: bool| {
        let verb = if may { "GRANT" } else { "REVOKE" };
        let to = if may { "TO" } else { "FROM" };
        cluster.psql(&format!("{verb} UPDATE ON erased_customer {to} {USER}"));
    };
    let mut round = |purged_at| wait(jobs.do_round(Job::PurgeErased, &Still(purged_at)));
    let mut purge = |at| {
        soon("there is a purge", || {
            let round = round(Timestamp::from_ms(at));
            (!round.is_held_up).then_some(round)
        })
    };
    let early = 2_000_000_000_000;
    for (reference, is_other) in [("r1", false), ("r2", true)] {
        launch.manage(&["erase", "testaccount", reference, "--yes", "--no-wait"]).ok();
        may_write(false);
        assert!(purge(early).error.is_some());
        may_write(true);
        if is_other {
            cluster.psql("VACUUM FULL customer");
        }
        let before = files();
        let round = purge(early + 1);
        assert!(round.error.is_none(), "{:?}", round.error);
        assert_eq!((round.done, files() == before), (u64::from(!is_other), true));
    }
    assert_eq!(purge(early + 2).done, 1);
    let purged = cluster
        .psql("SELECT string_agg(purged_ms::text, ' ' ORDER BY number) FROM erased_customer");
    assert_eq!(purged, format!("{early} {}", early + 2));
}

fn status(server: &Server, reference: &str) -> u16 {
    Call::get(format!("/customers/{reference}")).basic(SANDBOX_KEY).send(server).status
}

/// An installation in another database of the same server, with a data directory of its own.
fn restored(cluster: &Cluster, copy: &str, ledger: &str) -> Launch {
    let launch = launch_on(&cluster.url_of(copy));
    fs::create_dir(launch.data()).unwrap();
    fs::write(launch.data().join("erasures.log"), ledger).unwrap();
    launch
}

/// Each process has a ledger of its own, so that a database that is brought back takes all of them, one after the
/// other in one file.
#[test]
fn a_database_that_is_brought_back_takes_the_ledgers_of_all_processes() {
    let cluster = Setup::new().start();
    let mut server = launch_on(&cluster.url()).start();
    for reference in ["r1", "r2", "r3"] {
        let form = format!("object_reference_id={reference}&mobile_number=1");
        Call::post("/customers").basic(SANDBOX_KEY).form(form).send(&server).expect(200);
    }
    assert!(server.terminate().success());
    for copy in ["early", "late"] {
        cluster.psql(&format!("CREATE DATABASE {copy} TEMPLATE patron OWNER patron"));
    }
    let ledgers = ["r1", "r2"].map(|reference| {
        let process = launch_on(&cluster.url());
        let words = ["erase", "testaccount", reference, "--yes", "--no-wait", "--json"];
        let erased = process.manage(&words).json();
        assert_eq!(erased["receipt"], Value::Null, "{erased}");
        fs::read_to_string(process.data().join("erasures.log")).unwrap()
    });
    assert!(ledgers.iter().all(|ledger| ledger.lines().count() == 1), "{ledgers:?}");

    let part = restored(&cluster, "early", &ledgers[0]).start();
    let seen = ["r1", "r2", "r3"].map(|reference| status(&part, reference));
    assert_eq!(seen, [404, 200, 200], "what the other process has erased is back");
    let whole = restored(&cluster, "late", &ledgers.concat()).start();
    let seen = ["r1", "r2", "r3"].map(|reference| status(&whole, reference));
    assert_eq!(seen, [404, 404, 200]);
}
