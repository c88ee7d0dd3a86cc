//! Old and new versions of the program side by side, and many that start at once.

use std::time::Duration;

use patron_testkit::http::Call;
use patron_testkit::postgres::Cluster;
use patron_testkit::together::together;
use patron_testkit::wait::{Since, soon};

use super::{Processes, is_unavailable, launch_on, named, tell};
use crate::stage::{LEAST, create, get, update};

/// What a later version's migration may do while this one runs.
const LATER: &str = "
    begin;
    alter table customer add column nickname bytea;
    alter table merchant add column tax_number text;
    alter table client_token add column device bytea;
    create table consent (merchant bigint, number bigint, at_ms bigint, primary key (merchant, number));
    create index concerning_consent on consent (at_ms);
    insert into migration (number, name, checksum, works_from, applied_ms)
        values (3, 'consent', sha256('consent'), 1, 0);
    commit;";

/// How much later than a second a process may say that it cannot go on.
const SLACK: Duration = Duration::from_millis(500);

/// Everything that a process does with a database, by this one.
fn works(processes: &Processes, number: usize, reference: &str) {
    let form = format!("object_reference_id={reference}&mobile_number=1");
    processes.post(number, "/customers", &form).expect(200);
    let target = format!("/customers/{reference}");
    processes.post(number, &target, "first_name=Jon").expect(200);
    let customer = processes.get(number, &target).expect(200);
    assert_eq!(customer["first_name"], "Jon");
    assert_eq!(processes.get(number, "/customers").expect(200)["list"][0], customer);
    let asked = processes.get(number, &format!("{target}?options.get_client_auth_token=true"));
    let token = asked.expect(200)["juspay"]["client_auth_token"].as_str().unwrap().to_owned();
    let found = Call::get(target).bearer(&token).send(processes.server(number));
    assert_eq!(found.expect(200), customer);
}

#[test]
fn a_newer_schema_is_used_for_as_long_as_it_allows() {
    let mut processes = Processes::three();
    for number in 0..3 {
        works(&processes, number, &format!("before{number}"));
    }
    processes.cluster.psql(LATER);
    for number in 0..3 {
        works(&processes, number, &format!("beside{number}"));
    }
    // One of this version can still be started.
    let server = &mut processes.servers[0];
    server.kill();
    *server = server.launch().start();
    works(&processes, 0, "begun");
    let (key, _) = processes.create_key();
    Call::get("/customers").basic(&key).send(processes.server(1)).expect(200);
    assert_eq!(processes.verify()["customers"], 7);

    processes.cluster.psql("update migration set works_from = 3 where number = 3");
    let since = Since::now();
    let form = "object_reference_id=late&mobile_number=1";
    for number in 0..3 {
        soon("it notices that the schema is too new", || {
            let asked = since.elapsed();
            let reply = processes.post(number, "/v2/customers", form);
            if reply.status == 200 {
                assert!(asked <= Duration::from_secs(1), "it writes what it must not: {asked:?}");
                return None;
            }
            is_unavailable(&reply);
            Some(())
        });
    }
    let took = since.elapsed();
    tell(&format!("all of them had noticed after {took:?}"));
    assert!(took <= Duration::from_secs(1) + SLACK, "{took:?}");
    for number in 0..3 {
        assert_eq!(Call::get("/readyz").send(processes.server(number)).status, 503);
        assert_eq!(Call::get("/healthz").send(processes.server(number)).status, 200);
    }
    let refused = launch_on(&processes.cluster.url()).try_start().unwrap_err();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.refused().contains("the schema is a newer version's"), "{refused:?}");
    let refused = processes.manage(&["merchant", "list"]);
    assert!(refused.refused().contains("the schema is a newer version's"), "{refused:?}");

    processes.cluster.psql("update migration set works_from = 1 where number = 3");
    for number in 0..3 {
        let ready = || Call::get("/readyz").send(processes.server(number)).status == 200;
        soon("it goes on", || ready().then_some(()));
        works(&processes, number, &format!("after{number}"));
    }
    processes.verify();
}

#[test]
fn many_that_start_at_once_found_one_installation() {
    const PROCESSES: usize = 4;
    let cluster = Cluster::new();
    for round in 0..3 {
        let database = format!("round{round}");
        cluster.create_database(&database);
        let url = cluster.url_of(&database);
        let servers = together(
            PROCESSES,
            |number| launch_on(&named(&url, number)),
            |_, launch| launch.start(),
        );
        create(&servers[0], LEAST);
        for server in &servers {
            // Each opens what another sealed.
            let after = update(server, &format!("first_name=n{}", server.id()));
            for server in &servers {
                assert_eq!(get(server, "/customers/jon@example.com").expect(200), after);
            }
        }
        let launch = launch_on(&url);
        let merchants = launch.manage(&["merchant", "list", "--json"]).json();
        assert_eq!(merchants.as_array().unwrap().len(), 1, "{merchants}");
        let keys = launch.manage(&["key", "list", "testaccount", "--json"]).json();
        assert_eq!(keys.as_array().unwrap().len(), 1, "{keys}");
        let verified = launch.manage(&["verify", "--json"]).json();
        assert_eq!(verified["history_entries"], 1 + PROCESSES, "{verified}");
    }
}
