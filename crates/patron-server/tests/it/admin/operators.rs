//! Operators: the people of a merchant, and of the deployment.

use serde_json::{Value, json};

use super::{DEPLOYMENT_OWNER, HOME, OTHER, Stage, is_problem, is_wrong_in, sign_in};
use crate::cyrexa::PASSWORD;
use crate::stage::text;

const OPERATORS: &str = "/admin/v1/merchants/testaccount/operators";
const DEPLOYMENTS: &str = "/admin/v1/operators";

fn new(email: &str, role: &str) -> Value {
    json!({"email": email, "name": "Sam", "role": role, "password": PASSWORD})
}

#[test]
fn operators_are_made_listed_and_changed() {
    let stage = Stage::new();
    let made = stage.owner("POST", OPERATORS, &new("Sam@Citadel.example", "operator")).expect(201);
    assert_eq!(made["email"], "Sam@Citadel.example");
    assert_eq!((&made["role"], &made["disabledAt"]), (&json!("operator"), &Value::Null));
    let path = format!("{OPERATORS}/{}", made["number"]);
    let listed = stage.owner("GET", OPERATORS, &Value::Null);
    assert!(!listed.text().contains("argon2") && !listed.text().contains(PASSWORD));
    let listed = listed.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().last(), Some(&made));
    assert_eq!(listed["next"], Value::Null);
    sign_in(&stage.server, "sam@citadel.example");
    let edit = json!({"name": "Samwell", "role": "auditor", "disabled": true});
    let changed = stage.owner("PATCH", &path, &edit).expect(200);
    assert_eq!((&changed["name"], &changed["role"]), (&json!("Samwell"), &json!("auditor")));
    let since = &changed["disabledAt"];
    assert!(since.is_string());
    // Said again, it is so since then; and nothing at all changes nothing.
    let again = stage.owner("PATCH", &path, &json!({"disabled": true})).expect(200);
    assert_eq!(&again["disabledAt"], since);
    assert_eq!(stage.owner("PATCH", &path, &json!({})).expect(200), again);
    let page = stage.get(&stage.owner, &format!("{OPERATORS}?limit=1")).expect(200);
    let next = page["next"].as_str().unwrap();
    let page = stage.get(&stage.owner, &format!("{OPERATORS}?limit=1&cursor={next}")).expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
}

#[test]
fn the_deployment_has_operators_of_its_own() {
    let stage = Stage::new();
    let made = stage.ask(&stage.deployment, "POST", DEPLOYMENTS, &new("d@x.example", "auditor"));
    let made = made.expect(201);
    let auditor = sign_in(&stage.server, "d@x.example");
    // It reaches every merchant, and sees masked values there.
    let me = stage.get(&auditor, "/admin/v1/me").expect(200);
    assert_eq!((&me["merchant"], &me["masked"]), (&Value::Null, &json!(true)));
    for home in [HOME, OTHER] {
        stage.get(&auditor, &format!("{home}/customers")).expect(200);
        is_problem(&stage.get(&auditor, &format!("{home}/keys")), 403, "denied");
    }
    is_problem(&stage.get(&auditor, DEPLOYMENTS), 403, "denied");
    let path = format!("{DEPLOYMENTS}/{}", made["number"]);
    stage.ask(&stage.deployment, "PATCH", &path, &json!({"role": "operator"})).expect(200);
    let listed = stage.get(&stage.deployment, DEPLOYMENTS).expect(200);
    let emails =
        listed["items"].as_array().unwrap().iter().map(|one| text(one, "email").to_owned());
    assert_eq!(emails.collect::<Vec<_>>(), [DEPLOYMENT_OWNER, "d@x.example"]);
    // Neither is one of the other's.
    let number = made["number"].to_string();
    let edit = json!({"name": "Mine"});
    is_problem(&stage.owner("PATCH", &format!("{OPERATORS}/{number}"), &edit), 404, "not-found");
    let merchants = stage.owner("GET", OPERATORS, &Value::Null).expect(200)["items"][0].clone();
    let path = format!("{DEPLOYMENTS}/{}", merchants["number"]);
    is_problem(&stage.ask(&stage.deployment, "PATCH", &path, &edit), 404, "not-found");
    for session in [&stage.owner, &stage.operator, &stage.auditor] {
        is_problem(&stage.get(session, DEPLOYMENTS), 403, "denied");
        is_problem(&stage.ask(session, "POST", DEPLOYMENTS, &new("x@y", "owner")), 403, "denied");
    }
}

#[test]
fn an_address_is_one_operators_only() {
    let stage = Stage::new();
    for path in [OPERATORS, &format!("{OTHER}/operators"), DEPLOYMENTS] {
        let reply = stage.ask(&stage.deployment, "POST", path, &new(DEPLOYMENT_OWNER, "owner"));
        is_problem(&reply, 409, "already-exists");
        let upper = new(&DEPLOYMENT_OWNER.to_uppercase(), "owner");
        is_problem(&stage.ask(&stage.deployment, "POST", path, &upper), 409, "already-exists");
    }
}

#[test]
fn nobody_makes_or_becomes_somebody_who_may_do_more() {
    let stage = Stage::new();
    let managing = stage.key("admin");
    for role in ["owner", "operator", "auditor"] {
        let reply = stage.ask(&managing, "POST", OPERATORS, &new("x@y.example", role));
        is_problem(&reply, 403, "denied");
    }
    let reading = stage.key("admin,customers:read");
    let made = stage.ask(&reading, "POST", OPERATORS, &new("x@y.example", "auditor")).expect(201);
    let path = format!("{OPERATORS}/{}", made["number"]);
    is_problem(&stage.ask(&reading, "PATCH", &path, &json!({"role": "owner"})), 403, "denied");
    // A password that one sets is a session that one has.
    let owner = stage.owner("GET", OPERATORS, &Value::Null).expect(200)["items"][0].clone();
    let path = format!("{OPERATORS}/{}", owner["number"]);
    for edit in
        [json!({"password": PASSWORD}), json!({"disabled": true}), json!({"role": "auditor"})]
    {
        is_problem(&stage.ask(&reading, "PATCH", &path, &edit), 403, "denied");
    }
    stage.get(&stage.owner, "/admin/v1/me").expect(200);
}

#[test]
fn wrong_and_foreign_fields_are_named_and_change_nothing() {
    let stage = Stage::new();
    let before = stage.owner("GET", OPERATORS, &Value::Null).expect(200);
    let with = |key: &str, value: Value| {
        let mut body = new("x@y.example", "operator");
        body[key] = value;
        body
    };
    for (body, fields) in [
        (json!({}), vec!["email", "name", "role", "password"]),
        (with("email", json!("nobody")), vec!["email"]),
        (with("email", json!("a b@x")), vec!["email"]),
        (with("email", json!("a@b@c")), vec!["email"]),
        (with("email", json!(format!("{}@x", "a".repeat(253)))), vec!["email"]),
        (with("name", json!("")), vec!["name"]),
        (with("name", json!("x".repeat(101))), vec!["name"]),
        (with("role", json!("king")), vec!["role"]),
        (with("password", json!("eleven char")), vec!["password"]),
        (with("password", json!("x".repeat(257))), vec!["password"]),
        (with("number", json!(1)), vec!["number"]),
        (with("merchant", json!("other")), vec!["merchant"]),
        (with("createdAt", json!("2020-01-01T00:00:00Z")), vec!["createdAt"]),
        (with("disabledAt", Value::Null), vec!["disabledAt"]),
        (with("disabled", json!(false)), vec!["disabled"]),
        (with("revision", json!(1)), vec!["revision"]),
        (with("credential", json!(1)), vec!["credential"]),
    ] {
        is_wrong_in(&stage.owner("POST", OPERATORS, &body), &fields);
    }
    let path = format!("{OPERATORS}/{}", before["items"][1]["number"]);
    for (body, fields) in [
        (json!({"email": "new@x.example"}), vec!["email"]),
        (json!({"number": 7, "merchant": "other"}), vec!["number", "merchant"]),
        (json!({"name": null}), vec!["name"]),
        (json!({"role": null, "disabled": "yes"}), vec!["role", "disabled"]),
        (json!({"password": "short"}), vec!["password"]),
        (json!({"revision": 9, "credential": 9}), vec!["revision", "credential"]),
    ] {
        let reply = stage.owner("PATCH", &path, &body);
        let mut named: Vec<String> = reply.json()["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| text(one, "field").to_owned())
            .collect();
        is_problem(&reply, 400, "invalid");
        named.sort_unstable();
        let mut fields = fields;
        fields.sort_unstable();
        assert_eq!(named, fields);
    }
    assert_eq!(stage.owner("GET", OPERATORS, &Value::Null).expect(200), before);
}
