//! The access log: it tells of every look, before the look is answered.

use patron_testkit::http::Call;
use patron_testkit::shape;
use serde_json::{Value, json};

use super::{HOME, OTHER, Stage, call, is_problem, is_wrong_in, path_of};
use crate::data::Data;
use crate::stage::{launch, text};

const LOG: &str = "/admin/v1/merchants/testaccount/access-log";

/// A request's id that certainly names nobody.
const LOOK: &str = "00000001-0000-4000-8000-000000000000";

/// What was done at whom, newest first.
#[track_caller]
fn looks(stage: &Stage, query: &str) -> Vec<(String, Option<i64>)> {
    let log = stage.get(&stage.owner, &format!("{LOG}?limit=500{query}")).expect(200);
    let look = |one: &Value| (text(one, "accessed").to_owned(), one["customer"].as_i64());
    log["items"].as_array().unwrap().iter().map(look).collect()
}

#[test]
fn every_look_is_written_down() {
    let stage = Stage::of(launch().with("--behind-proxy").with("127.0.0.0/8"));
    let one = stage.customer(&json!({"name": "One", "email": "one@x", "memberId": "one"}));
    let two = stage.customer(&json!({"name": "Two", "email": "two@x"}));
    let get = |target: String| {
        let call =
            Call::get(target).bearer(&stage.auditor).header("x-forwarded-for", "203.0.113.9");
        call.header("x-request-id", LOOK).send(&stage.server).expect(200)
    };
    get(path_of(one));
    get(format!("{HOME}/customers/one/history"));
    get(format!("{HOME}/customers"));
    get(format!("{HOME}/customers?email=nobody%40x"));
    stage.get(&stage.operator, &format!("{}/export", path_of(two))).expect(200);
    let expect = |what: &str, whom: Option<i64>| (what.to_owned(), whom);
    let seen = looks(&stage, "");
    assert_eq!(
        seen[..3],
        [
            expect("access-log.read", None),
            expect("customer.exported", Some(two)),
            expect("customer.listed", None),
        ]
    );
    // Of one moment, in no order.
    let mut listed = seen[3..5].to_vec();
    listed.sort();
    assert_eq!(
        listed,
        [expect("customer.listed", Some(one)), expect("customer.listed", Some(two))]
    );
    assert_eq!(seen[5..], [expect("history.read", Some(one)), expect("customer.read", Some(one))]);
    let log = stage.get(&stage.owner, &format!("{LOG}?customer={one}")).expect(200);
    let oldest = log["items"].as_array().unwrap().last().unwrap();
    let auditor = stage.get(&stage.auditor, "/admin/v1/me").expect(200)["caller"].clone();
    assert_eq!(oldest["actor"], auditor);
    assert_eq!((&oldest["address"], &oldest["requestId"]), (&json!("203.0.113.9"), &json!(LOOK)));
    // What changes a customer is told by its history, and what does not find anybody is no look.
    is_problem(&stage.get(&stage.owner, &format!("{HOME}/customers/nobody")), 404, "not-found");
    stage.update(one, &json!({"name": "Other"}));
    let later = looks(&stage, "");
    assert_eq!(later.len(), seen.len() + 2, "the two looks at the log itself");
}

#[test]
fn an_id_that_may_name_a_person_is_not_written_down() {
    let stage = Stage::new();
    let number = stage.customer(&json!({"name": "Jon", "email": "jon@x"}));
    let sent = "jon@north.example";
    let look = Call::get(path_of(number)).bearer(&stage.owner).header("x-request-id", sent);
    let reply = look.send(&stage.server);
    assert_eq!((reply.status, reply.header("x-request-id")), (200, Some(sent)));
    let log = stage.get(&stage.owner, &format!("{LOG}?customer={number}")).expect(200);
    let look = log["items"].as_array().unwrap().last().unwrap();
    assert_eq!(look["accessed"], "customer.read");
    assert!(shape::is_uuid(text(look, "requestId")), "{log}");
    assert!(!log.to_string().contains(sent), "{log}");
}

#[test]
fn nothing_is_shown_that_cannot_be_written_down() {
    let mut stage = Stage::new();
    let number = stage.whole_customer();
    let targets = [
        path_of(number),
        format!("{}/history", path_of(number)),
        format!("{}/export", path_of(number)),
        format!("{HOME}/customers"),
        LOG.to_owned(),
    ];
    let data = Data::of(stage.server.launch());
    data.run("ALTER TABLE access_log RENAME TO access_log_away");
    for target in &targets {
        let reply = stage.get(&stage.owner, target);
        assert!(matches!(reply.status, 500 | 503), "{target}: {}", reply.text());
        assert!(!reply.text().contains("Jonathan"), "{}", reply.text());
    }
    data.run("ALTER TABLE access_log_away RENAME TO access_log");
    drop(data);
    stage.server.restart();
    for target in &targets {
        stage.get(&stage.owner, target).expect(200);
    }
}

#[test]
fn the_log_is_for_owners_and_auditors() {
    let stage = Stage::new();
    stage.get(&stage.owner, LOG).expect(200);
    stage.get(&stage.deployment, LOG).expect(200);
    is_problem(&stage.get(&stage.operator, LOG), 403, "denied");
    is_problem(&stage.get(stage.server.key(), LOG), 403, "denied");
    is_problem(&stage.get(&stage.key("admin"), LOG), 403, "denied");
    stage.get(&stage.key("admin,customers:read"), LOG).expect(200);
    // An auditor sees who looked, and not from where.
    let log = stage.get(&stage.auditor, LOG).expect(200);
    let items = log["items"].as_array().unwrap();
    assert!(items.len() >= 3 && items.iter().all(|one| one["address"].is_null()));
    let other = stage.get(&stage.other_owner, &format!("{OTHER}/access-log")).expect(200);
    assert_eq!(other["items"].as_array().unwrap().len(), 1, "the look at the log itself");
}

#[test]
fn the_log_is_walked_in_pages() {
    let stage = Stage::new();
    let number = stage.customer(&json!({"name": "Jon", "email": "jon@x"}));
    let id = |at: u8| format!("{at:08}-0000-4000-8000-000000000000");
    for at in 0..7 {
        let call = call("GET", path_of(number), &Value::Null).bearer(&stage.owner);
        call.header("x-request-id", id(at)).send(&stage.server).expect(200);
    }
    let mut walked = Vec::new();
    let mut after = String::new();
    loop {
        let target = format!("{LOG}?customer={number}&limit=3{after}");
        let page = stage.get(&stage.owner, &target).expect(200);
        for one in page["items"].as_array().unwrap() {
            if one["accessed"] == "customer.read" {
                walked.push(text(one, "requestId").to_owned());
            }
        }
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    walked.sort();
    assert_eq!(walked, (0..7).map(id).collect::<Vec<_>>());
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("after=1.00", "after"),
        ("customer=x", "customer"),
        ("customer=cst_0000000000000000", "customer"),
        ("actor=1", "actor"),
    ] {
        is_wrong_in(&stage.get(&stage.owner, &format!("{LOG}?{query}")), &[field]);
    }
}
