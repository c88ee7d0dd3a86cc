//! Retention: customers are erased by themselves when their merchant says so, and nobody else is.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use patron::clock::Timestamp;
use patron::customer::Precondition;
use patron::jobs::{JobPolicy, Jobs};
use patron::locator::Locator;
use patron::store::Job;
use patron_testkit::http::Call;
use patron_testkit::server::{Launch, Outcome, Server};
use patron_testkit::wait::soon;
use serde_json::{Value, json};

use crate::data::Data;
use crate::inside::{PassingTime, Still, patron, wait};
use crate::stage::{create_key, create_merchant, get, launch, metric};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/clock.c");

const DAY_S: u64 = 86_400;

/// More of them are looked at in several steps.
const MANY: usize = 600;

/// The same installation, so many days later.
fn later(launch: &Launch, days: u64) -> Launch {
    let library = launch.directory().join("clock.so");
    if !library.exists() {
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        Outcome::of(compile.arg(&library).arg(SOURCE)).ok();
    }
    launch
        .clone()
        .with_variable("LD_PRELOAD", library.display().to_string())
        .with_variable("CLOCK_AHEAD_S", (days * DAY_S).to_string())
}

/// Whose jobs do not keep anybody waiting.
fn prompt() -> Launch {
    launch().with("--job-lease-ms").with("300").with("--retain-every-ms").with("200")
}

fn create(server: &Server, key: &str, reference: &str) {
    let form = format!("object_reference_id={reference}&mobile_number=1&first_name=Jon");
    Call::post("/customers").basic(key).form(form).send(server).expect(200);
}

fn status(server: &Server, key: &str, reference: &str) -> u16 {
    Call::get(format!("/customers/{reference}")).basic(key).send(server).status
}

fn set(server: &Server, merchant: &str, words: &[&str]) {
    server.manage(&[&["merchant", "set", merchant], words].concat()).ok();
}

fn erased(server: &Server) -> usize {
    metric(server, "patron_retention_erased_total ")
}

/// Deletes a customer of an installation that nobody serves, at the moment at which the last one was created.
fn delete(launch: &Launch, key: &str, reference: &str) {
    let last = "SELECT max(created_ms) AS last FROM customer";
    let now = Timestamp::from_ms(Data::of(launch).number(last));
    let patron = patron(launch, now);
    wait(async {
        let caller = patron.authenticate_key(key.as_bytes(), now).await.unwrap();
        let eraser = caller.admit(None).unwrap().customer_eraser("test").unwrap();
        eraser.delete(Locator::Reference(reference), &Precondition::None).await.unwrap()
    });
}

/// A purge may cost much, and then it is long until the next one: no receipt waits for that.
#[test]
fn one_purge_is_for_all_who_were_erased() {
    const ALL: usize = 1_100;
    let mut server = prompt().start();
    let key = server.key().to_owned();
    for number in 0..ALL {
        create(&server, &key, &format!("r{number}"));
    }
    let all = ["--scopes", "customers:read,customers:write,customers:erase"];
    let eraser = create_key(&server, "testaccount", &all).0;
    assert!(server.terminate().success());
    let last = "SELECT max(created_ms) AS last FROM customer";
    let now = Timestamp::from_ms(Data::of(server.launch()).number(last));
    let patron = Arc::new(patron(server.launch(), now));
    wait(async {
        let caller = patron.authenticate_key(eraser.as_bytes(), now).await.unwrap();
        let eraser = caller.admit(None).unwrap().customer_eraser("test").unwrap();
        for number in 0..ALL {
            let reference = format!("r{number}");
            eraser.erase(Locator::Reference(&reference)).await.unwrap();
        }
    });
    let day = Duration::from_secs(DAY_S);
    let policy = JobPolicy { lease: day, retain_every: day };
    let mut jobs = Jobs::new(patron, policy, Arc::new(PassingTime::start()));
    soon("there is a purge", || {
        let round = wait(jobs.do_round(Job::PurgeErased, &Still(now)));
        assert!(round.error.is_none(), "{:?}", round.error);
        assert!(round.is_held);
        (!round.is_held_up).then(|| assert_eq!(usize::try_from(round.done).unwrap(), ALL))
    });
}

/// Each day the program is started anew, and finds out whose time is over.
#[test]
fn customers_whose_time_is_over_are_erased_and_others_are_not() {
    let mut server = prompt().start();
    let key = server.key().to_owned();
    // Who comes first by id is looked at last: once it is erased, the others have been looked at.
    let first = create_merchant(&server, "0-first", &["--erase-inactive-after-days", "1"]);
    let keeping = create_merchant(&server, "keeping", &[]);
    let deleting = create_merchant(&server, "deleting", &["--erase-deleted-after-days", "2"]);
    let all = ["--scopes", "customers:read,customers:write,customers:erase"];
    let eraser = create_key(&server, "deleting", &all).0;
    for number in 0..MANY {
        create(&server, &key, &format!("silent{number}"));
    }
    create(&server, &key, "loud");
    create(&server, &keeping, "silent");
    create(&server, &first, "silent");
    create(&server, &deleting, "silent");
    create(&server, &deleting, "deleted");
    set(&server, "testaccount", &["--erase-inactive-after-days", "2"]);
    assert!(server.terminate().success());
    let launch = server.launch().clone();
    delete(&launch, &eraser, "deleted");

    // A day later it is too early for most, and somebody is heard of again. Reading is no change.
    let mut server = later(&launch, 1).start();
    let update = Call::post("/customers/loud").basic(&key).form("first_name=Arya");
    update.send(&server).expect(200);
    soon("the first merchant's is erased", || (erased(&server) == 1).then_some(()));
    assert_eq!(status(&server, &first, "silent"), 404);
    assert_eq!(status(&server, &key, "silent7"), 200);
    assert!(server.terminate().success());

    let server = later(&launch, 2).start();
    soon("all whose time is over are erased", || (erased(&server) == MANY + 1).then_some(()));
    assert_eq!(status(&server, &key, "silent7"), 404);
    assert_eq!(status(&server, &key, "loud"), 200);
    assert_eq!(status(&server, &keeping, "silent"), 200);
    assert_eq!(status(&server, &deleting, "silent"), 200);
    assert_eq!(get(&server, "/customers").expect(200)["total"], 1);
    let unpurged = "SELECT count(*) AS count FROM erased_customer WHERE purged_ms IS NULL";
    let data = Data::of(&launch);
    soon("their bytes have gone", || (data.number(unpurged) == 0).then_some(()));
    let found = server.manage(&["verify", "--json"]).json();
    let expect = (&Value::Null, &json!(MANY + 5), &json!(MANY + 2));
    assert_eq!((&found["broken"], &found["customers"], &found["erased"]), expect, "{found}");
    assert_eq!(erased(&server), MANY + 1, "and nobody else");
    let ledger = std::fs::read_to_string(launch.data().join("erasures.log")).unwrap();
    assert_eq!(ledger.lines().count(), MANY + 2);
}

/// Whoever takes a retention back has it honoured.
#[test]
fn a_retention_can_be_taken_back_and_each_of_the_two_by_itself() {
    let mut server = prompt().start();
    let key = server.key().to_owned();
    let first = create_merchant(&server, "0-first", &["--erase-inactive-after-days", "1"]);
    create(&server, &key, "silent");
    create(&server, &first, "silent");
    set(
        &server,
        "testaccount",
        &["--erase-inactive-after-days", "1", "--erase-deleted-after-days", "9"],
    );
    let shown = |server: &Server| {
        let shown = server.manage(&["merchant", "show", "testaccount", "--json"]).json();
        (shown["erase_inactive_after_days"].clone(), shown["erase_deleted_after_days"].clone())
    };
    assert_eq!(shown(&server), (json!(1), json!(9)));
    set(&server, "testaccount", &["--erase-inactive-after-days", "never"]);
    assert_eq!(shown(&server), (Value::Null, json!(9)));
    let text = server.manage(&["merchant", "show", "testaccount"]);
    for line in ["deleted customers   erased after 9 days", "inactive customers  kept"] {
        assert!(text.ok().contains(line), "{text:?}");
    }
    for bad in ["0", "-1", "36501", "1.5", "soon"] {
        let words = ["merchant", "set", "testaccount", "--erase-deleted-after-days", bad];
        assert_eq!(server.manage(&words).status.code(), Some(2), "{bad}");
    }
    assert_eq!(shown(&server), (Value::Null, json!(9)), "what is refused changes nothing");
    assert!(server.terminate().success());

    let server = later(server.launch(), 2).start();
    soon("the first merchant's is erased", || (erased(&server) == 1).then_some(()));
    assert_eq!(status(&server, &key, "silent"), 200);
}
