//! API keys: made, listed, rolled and revoked.

use patron_testkit::http::{Call, Reply};
use patron_testkit::wait::soon;
use serde_json::{Value, json};

use super::{HOME, Stage, is_problem, is_wrong_in};
use crate::stage::text;

const KEYS: &str = "/admin/v1/merchants/testaccount/keys";

fn new(scopes: &[&str]) -> Value {
    json!({"label": "for a test", "scopes": scopes})
}

fn me(stage: &Stage, key: &str) -> Reply {
    Call::get("/admin/v1/me").basic(key).send(&stage.server)
}

/// Its text, and its number.
#[track_caller]
fn made(reply: &Reply) -> (String, i64) {
    let body = reply.expect(201);
    (text(&body, "text").to_owned(), body["key"]["number"].as_i64().unwrap())
}

#[test]
fn a_key_does_what_its_scopes_say_and_its_text_is_shown_once() {
    let stage = Stage::new();
    let body = json!({
        "label": "Shop", "scopes": ["admin", "customers:read", "admin"],
        "expiresAt": "2999-12-31T23:59:59.5+01:00",
    });
    let reply = stage.owner("POST", KEYS, &body);
    let (text_of_key, number) = made(&reply);
    let key = &reply.json()["key"];
    assert_eq!(key["scopes"], json!(["customers:read", "admin"]));
    assert_eq!((&key["label"], &key["isInForce"]), (&json!("Shop"), &json!(true)));
    assert_eq!(key["expiresAt"], "2999-12-31T22:59:59.500Z");
    assert_eq!((&key["revokedAt"], &key["lastUsedAt"]), (&Value::Null, &Value::Null));
    let me = me(&stage, &text_of_key).expect(200);
    assert_eq!(me["caller"], json!({"kind": "api-key", "number": number}));
    assert_eq!(me["scopes"], json!(["customers:read", "admin"]));
    let listed = stage.owner("GET", KEYS, &Value::Null);
    assert!(!listed.text().contains(&text_of_key));
    let listed = listed.expect(200);
    let numbers = listed["items"].as_array().unwrap().iter().map(|key| key["number"].as_i64());
    assert!(numbers.flatten().any(|one| one == number));
    soon("its use is written down", || {
        let listed = stage.owner("GET", KEYS, &Value::Null).expect(200);
        let keys = listed["items"].as_array().unwrap().clone();
        let key = keys.into_iter().find(|key| key["number"] == number).unwrap();
        key["lastUsedAt"].is_string().then_some(())
    });
}

#[test]
fn a_key_that_is_rolled_works_on_for_its_grace() {
    let stage = Stage::new();
    let (old, number) = made(&stage.owner("POST", KEYS, &new(&["customers:read"])));
    let roll = |number: i64, grace: u32| {
        let path = format!("{KEYS}/{number}/roll");
        stage.owner("POST", &path, &json!({"graceSeconds": grace}))
    };
    let (next, next_number) = made(&roll(number, 3_600));
    for key in [&old, &next] {
        assert_eq!(me(&stage, key).expect(200)["scopes"], json!(["customers:read"]));
    }
    is_problem(&roll(number, 0), 404, "not-found");
    let (last, _) = made(&roll(next_number, 0));
    is_problem(&me(&stage, &next), 401, "unauthenticated");
    assert_eq!(me(&stage, &last).status, 200);
    for grace in [json!(-1), json!(2_592_001), json!(1.5), json!("60"), Value::Null] {
        let body = json!({"graceSeconds": grace});
        let reply = stage.owner("POST", &format!("{KEYS}/{number}/roll"), &body);
        is_wrong_in(&reply, &["graceSeconds"]);
    }
}

#[test]
fn a_key_that_is_revoked_is_refused_by_the_next_request_and_stays_so() {
    let stage = Stage::new();
    let (key, number) = made(&stage.owner("POST", KEYS, &new(&["customers:read"])));
    let revoke = || stage.owner("POST", &format!("{KEYS}/{number}/revoke"), &Value::Null);
    let reply = revoke();
    assert_eq!((reply.status, reply.text()), (204, ""));
    is_problem(&me(&stage, &key), 401, "unauthenticated");
    let revoked = |stage: &Stage| {
        let listed = stage.owner("GET", KEYS, &Value::Null).expect(200);
        let keys = listed["items"].as_array().unwrap().clone();
        let key = keys.into_iter().find(|key| key["number"] == number).unwrap();
        assert_eq!(key["isInForce"], false);
        key["revokedAt"].clone()
    };
    let since = revoked(&stage);
    assert_eq!(revoke().status, 204);
    assert_eq!(revoked(&stage), since);
    let roll = stage.owner("POST", &format!("{KEYS}/{number}/roll"), &json!({"graceSeconds": 1}));
    is_problem(&roll, 404, "not-found");
}

#[test]
fn a_key_expires_when_it_says() {
    let stage = Stage::new();
    let past = json!({"label": "l", "scopes": ["admin"], "expiresAt": "2020-01-01T00:00:00Z"});
    is_wrong_in(&stage.owner("POST", KEYS, &past), &["expiresAt"]);
    let now = jiff::Timestamp::from_second(expiry_seconds(&stage)).unwrap();
    let soon_over = json!({"label": "l", "scopes": ["admin"], "expiresAt": now.to_string()});
    let (key, _) = made(&stage.owner("POST", KEYS, &soon_over));
    soon("the key expires", || (me(&stage, &key).status == 401).then_some(()));
    let never = json!({"label": "l", "scopes": ["admin"], "expiresAt": null});
    assert_eq!(stage.owner("POST", KEYS, &never).expect(201)["key"]["expiresAt"], Value::Null);
}

/// Two seconds after now, as the server tells it.
fn expiry_seconds(stage: &Stage) -> i64 {
    let made = stage.owner("POST", KEYS, &new(&["admin"])).expect(201);
    let now: jiff::Timestamp = text(&made["key"], "createdAt").parse().unwrap();
    now.as_second() + 2
}

#[test]
fn nobody_hands_out_more_than_it_has() {
    let stage = Stage::new();
    let managing = stage.key("admin");
    for scopes in [
        &["customers:read"][..],
        &["admin", "customers:write"],
        &["customers:read", "customers:write", "customers:erase", "admin"],
    ] {
        is_problem(&stage.ask(&managing, "POST", KEYS, &new(scopes)), 403, "denied");
    }
    let (_, wider) = made(&stage.owner("POST", KEYS, &new(&["customers:read", "admin"])));
    let roll = format!("{KEYS}/{wider}/roll");
    let grace = json!({"graceSeconds": 0});
    is_problem(&stage.ask(&managing, "POST", &roll, &grace), 403, "denied");
    let (own, narrow) = made(&stage.ask(&managing, "POST", KEYS, &new(&["admin"])));
    assert_eq!(me(&stage, &own).expect(200)["scopes"], json!(["admin"]));
    made(&stage.ask(&managing, "POST", &format!("{KEYS}/{narrow}/roll"), &grace));
    // Taking away is no giving.
    let revoke = stage.ask(&managing, "POST", &format!("{KEYS}/{wider}/revoke"), &Value::Null);
    assert_eq!(revoke.status, 204);
}

#[test]
fn wrong_and_foreign_fields_are_named() {
    let stage = Stage::new();
    let count = || stage.owner("GET", KEYS, &Value::Null).expect(200)["items"].clone();
    let before = count().as_array().unwrap().len();
    for (body, fields) in [
        (json!({}), vec!["label", "scopes"]),
        (json!({"label": "", "scopes": []}), vec!["label", "scopes"]),
        (json!({"label": "l", "scopes": ["customers:fly"]}), vec!["scopes[0]"]),
        (json!({"label": "l", "scopes": "admin"}), vec!["scopes"]),
        (json!({"label": "l", "scopes": ["admin"], "expiresAt": "soon"}), vec!["expiresAt"]),
        (json!({"label": "l", "scopes": ["admin"], "expiresAt": 1}), vec!["expiresAt"]),
        (json!({"label": "l", "scopes": ["admin"], "number": 1}), vec!["number"]),
        (json!({"label": "l", "scopes": ["admin"], "merchant": "other"}), vec!["merchant"]),
        (json!({"label": "l", "scopes": ["admin"], "text": "0".repeat(32)}), vec!["text"]),
        (json!({"label": "l", "scopes": ["admin"], "hash": "00"}), vec!["hash"]),
        (json!({"label": "l", "scopes": ["admin"], "revokedAt": null}), vec!["revokedAt"]),
    ] {
        is_wrong_in(&stage.owner("POST", KEYS, &body), &fields);
    }
    assert_eq!(count().as_array().unwrap().len(), before);
}

#[test]
fn keys_are_listed_in_pages() {
    let stage = Stage::new();
    for _ in 0..4 {
        made(&stage.owner("POST", KEYS, &new(&["admin"])));
    }
    let mut walked = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = stage.get(&stage.owner, &format!("{KEYS}{query}")).expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        walked.extend(items.iter().map(|key| key["number"].as_i64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&cursor={next}");
    }
    assert_eq!(walked.len(), 5);
    assert!(walked.is_sorted_by(|one, next| one < next), "{walked:?}");
    for query in ["?limit=101", "?limit=-1", "?limit="] {
        is_wrong_in(&stage.get(&stage.owner, &format!("{KEYS}{query}")), &["limit"]);
    }
    for query in ["?cursor=", "?cursor=x", "?cursor=-1", "?cursor=01"] {
        is_wrong_in(&stage.get(&stage.owner, &format!("{KEYS}{query}")), &["cursor"]);
    }
    let other = stage.get(&stage.other_owner, "/admin/v1/merchants/other/keys").expect(200);
    assert_eq!(other["items"].as_array().unwrap().len(), 1);
    stage.get(&stage.deployment, &format!("{HOME}/keys")).expect(200);
}
