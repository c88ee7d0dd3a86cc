//! Behind pgbouncer, which gives each transaction another connection.

use patron_testkit::http::{Call, Connection};
use patron_testkit::postgres::{Cluster, Pgbouncer};
use patron_testkit::server::SANDBOX_KEY;
use patron_testkit::together::together;
use serde_json::json;

use super::story::{Story, ask, launch_on, refusal, tells_no_secret};
use crate::stage::{create, create_key, post, read, text, update};

/// Fewer connections than the program has to the pooler, which tries soon again when it could not make one.
const FEW: [(&str, &str); 2] = [("default_pool_size", "3"), ("server_login_retry", "1")];

#[test]
fn everything_is_as_it_is_without_a_pooler() {
    let cluster = Cluster::new();
    let pooler = Pgbouncer::before_with(&cluster, &FEW);
    let launch = launch_on(&pooler.url()).with_variable("PATRON_POOLER", "transaction");
    let server = launch.start();
    create(&server, "object_reference_id=jon@example.com&mobile_number=1&first_name=Jon");
    assert_eq!(update(&server, "first_name=Aegon")["first_name"], "Aegon");
    assert_eq!(read(&server)["first_name"], "Aegon");
    let target = "/customers/jon@example.com?options.get_client_auth_token=true";
    let shown = Call::get(target).basic(server.key()).send(&server).expect(200);
    let token = text(&shown["juspay"], "client_auth_token").to_owned();
    Call::get("/customers/jon@example.com").bearer(&token).send(&server).expect(200);
    post(&server, "/v2/customers/arya", "mobile_number=2").expect(200);
    let (key, number) = create_key(&server, "testaccount", &[]);
    let list = Call::get("/customers?count=10").basic(&key);
    assert_eq!(list.send(&server).expect(200)["total"], json!(2));
    server.manage(&["key", "revoke", "testaccount", &number]).ok();
    patron_testkit::wait::soon("the key no longer works", || {
        (list.send(&server).status == 401).then_some(())
    });
    let made = together(
        64,
        |_| Connection::open(&server),
        |number, mut connection| {
            let form = format!("object_reference_id=r{number}&mobile_number=1");
            let call = Call::post("/customers").basic(SANDBOX_KEY).form(form);
            ask(&mut connection, &call).expect(200)
        },
    );
    assert_eq!(made.len(), 64);
    let walked = server.manage(&["verify", "--json"]).json();
    assert_eq!(walked["customers"], json!(66), "{walked}");
    assert_eq!(walked["history_entries"], json!(67), "{walked}");
    assert_eq!(walked["broken"], json!(null), "{walked}");
    tells_no_secret(&server.stderr());
}

/// Something happens to the pooler, or behind it, under load.
fn is_withstood(seed: u64, happens: fn(&Cluster, &Pgbouncer)) {
    let cluster = Cluster::new();
    let pooler = Pgbouncer::before_with(&cluster, &FEW);
    let mut story = Story::on(&pooler.url(), seed).with_variable("PATRON_POOLER", "transaction");
    let server = story.launch.start();
    story.under_load(&server, |load| {
        load.acknowledges(50);
        happens(&cluster, &pooler);
        load.acknowledges(100);
        load.shows(10);
    });
    story.is_in_order(&server);
}

#[test]
fn a_pooler_that_is_stopped_and_started() {
    is_withstood(31, |_, pooler| {
        pooler.stop();
        pooler.start();
    });
}

#[test]
fn a_pooler_that_is_killed_and_started() {
    is_withstood(32, |_, pooler| {
        pooler.kill();
        pooler.start();
    });
}

#[test]
fn a_database_that_is_killed_and_started_behind_a_pooler() {
    is_withstood(33, |cluster, _| {
        cluster.kill();
        cluster.start();
    });
}

#[test]
fn a_pooler_that_nobody_has_spoken_of_is_named() {
    let cluster = Cluster::new();
    let pooler = Pgbouncer::before_with(&cluster, &FEW);
    let outcome = launch_on(&pooler.url()).try_start().unwrap_err();
    let said = refusal(&outcome);
    assert!(said.contains("--pooler transaction"), "{said}");
    // What pgbouncer is told to ignore it does not refuse.
    let settings = [FEW[0], FEW[1], ("ignore_startup_parameters", "options,extra_float_digits")];
    let pooler = Pgbouncer::before_with(&cluster, &settings);
    let outcome = launch_on(&pooler.url()).try_start().unwrap_err();
    let said = refusal(&outcome);
    assert!(said.contains("--pooler transaction"), "{said}");
}
