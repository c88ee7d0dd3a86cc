//! Erasures: a customer is forgotten, and there is a receipt for it.

use patron_testkit::http::Call;
use patron_testkit::wait::soon;
use serde_json::{Value, json};

use super::{HOME, Stage, is_problem, path_of, whole};
use crate::cyrexa::CLIENTS;
use crate::stage::text;

#[test]
fn a_customer_is_erased_and_the_receipt_follows() {
    let stage = Stage::new();
    let number = stage.whole_customer();
    let path = path_of(number);
    let erase = format!("{path}/erase");
    let at = format!("{HOME}/erasures/{number}");
    is_problem(&stage.get(&stage.owner, &at), 404, "not-found");
    let reply = stage.owner("POST", &erase, &Value::Null);
    assert_eq!(reply.header("location"), Some(at.as_str()));
    let erased = reply.expect(202);
    assert_eq!(erased["customer"], number);
    is_problem(&stage.get(&stage.owner, &path), 404, "not-found");
    is_problem(&stage.get(&stage.owner, &format!("{path}/export")), 404, "not-found");
    let gone = Call::get(format!("{CLIENTS}/{number}")).header("X-API-Key", stage.server.key());
    assert_eq!(gone.send(&stage.server).status, 404);
    let list = stage.get(&stage.owner, &format!("{HOME}/customers")).expect(200);
    assert_eq!(list["total"]["count"], 0);
    let done = soon("the bytes are gone", || {
        let found = stage.get(&stage.owner, &at).expect(200);
        assert_eq!(found["erasedAt"], erased["erasedAt"]);
        found["receipt"].is_object().then_some(found)
    });
    let receipt = &done["receipt"];
    assert_eq!(receipt["merchant"], "testaccount");
    assert_eq!((&receipt["customer"], &receipt["version"]), (&json!(number), &json!(4)));
    assert_eq!(receipt["erasedAt"], erased["erasedAt"]);
    for key in ["historyHead", "signature"] {
        assert_eq!(text(receipt, key).len(), 64);
    }
    let purged = text(receipt, "purgedAt");
    assert!(purged >= text(receipt, "erasedAt"));
    for key in ["logsExpireAt", "replicasExpireAt", "backupsExpireAt"] {
        assert!(text(receipt, key) > purged, "{receipt}");
    }
    // Asked again by its number, it answers the same.
    assert_eq!(stage.owner("POST", &erase, &Value::Null).expect(202), done);
    // Its reference is free.
    assert_ne!(stage.customer(&whole()), number);
}

#[test]
fn a_deleted_customer_is_erased_too_by_any_of_its_names() {
    let stage = Stage::new();
    let new = json!({"name": "Jon", "email": "jon@x", "memberId": "a reference"});
    let number = stage.customer(&new);
    let found = stage.get(&stage.owner, &path_of(number)).expect(200);
    assert_eq!(stage.owner("DELETE", &path_of(number), &Value::Null).status, 204);
    let path = format!("{HOME}/customers/{}/erase", text(&found, "id"));
    let erased = stage.owner("POST", &path, &json!({})).expect(202);
    assert_eq!(erased["customer"], number);
    // The name is gone with everything else.
    is_problem(&stage.owner("POST", &path, &Value::Null), 404, "not-found");
}

#[test]
fn what_is_left_is_a_history_without_values() {
    let stage = Stage::new();
    let number = stage.whole_customer();
    let path = path_of(number);
    stage.owner("POST", &format!("{path}/erase"), &Value::Null).expect(202);
    let reply = stage.get(&stage.owner, &format!("{path}/history"));
    for value in ["Jonathan", "winter.example", "crow", "ironbank", "120.50", "127.0.0.1"] {
        assert!(!reply.text().contains(value), "{value}: {}", reply.text());
    }
    let history = reply.expect(200);
    let items = history["items"].as_array().unwrap();
    let happened: Vec<_> = items.iter().map(|entry| text(entry, "happened")).collect();
    assert_eq!(happened, ["erased", "updated", "updated", "created"]);
    for entry in items {
        assert_eq!((&entry["origin"], &entry["actor"]["number"]), (&Value::Null, &Value::Null));
        for change in entry["changes"].as_array().unwrap() {
            assert_eq!(change["hidden"], true);
        }
    }
    assert_eq!(items[1]["changes"][0]["field"], "paymentFacts");
    // Who wanted it is told by the access log.
    let log = stage.get(&stage.owner, &format!("{HOME}/access-log?customer={number}")).expect(200);
    let erasure = log["items"].as_array().unwrap().iter();
    let erasure = erasure.filter(|one| one["accessed"] == "customer.erased").collect::<Vec<_>>();
    assert_eq!(erasure.len(), 1);
    assert_eq!(erasure[0]["actor"]["kind"], "operator");
}

#[test]
fn what_is_erased_says_nothing_beside() {
    let stage = Stage::new();
    let number = stage.customer(&json!({"name": "Jon", "email": "jon@x"}));
    let erase = format!("{}/erase", path_of(number));
    super::is_wrong_in(&stage.owner("POST", &erase, &json!({"reason": "x"})), &["reason"]);
    super::is_wrong_in(&stage.owner("POST", &format!("{erase}?force=1"), &Value::Null), &["force"]);
    stage.get(&stage.owner, &path_of(number)).expect(200);
}
