//! Auditors: they see that something is known of a customer, and not what.

use patron_testkit::shape;
use serde_json::{Value, json};

use super::{ADMIN, HOME, Stage, path_of, whole};
use crate::cyrexa::create_operator;

/// What an auditor may not learn, wherever it stands.
const CANARIES: [&str; 26] = [
    "Jonathan",
    "Aegon",
    "Snow",
    "jonathan@",
    "winter.example",
    "99887766",
    "9988",
    "crow-998",
    "1990",
    "Castle Black",
    "Wallside",
    "Northmark",
    "BX1",
    "Winterfell",
    "Winterton",
    "BX2",
    "Beyond",
    "longsword",
    "ironbank",
    "maester-7788",
    "DE123456789",
    "night's watch",
    "120.50",
    "Aryana",
    "weasel@",
    "127.0.0.1",
];

/// None of the canaries stands in an answer. The ids of requests are random, and hold any four digits some time.
fn finds_none(text: &str, place: &str) {
    let is_none = |part: &&str| !shape::is_uuid(part);
    let text = text.split('"').filter(is_none).collect::<Vec<_>>().join("\"");
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} in {place}: {text}");
    }
}

#[test]
fn an_auditor_learns_no_value_from_any_answer() {
    let stage = Stage::new();
    let number = stage.whole_customer();
    stage.update(number, &json!({"name": "Aryana Aegon Snow", "email": "weasel@winter.example"}));
    stage.update(number, &whole());
    create_operator(&stage.server, &["--deployment"], "auditor", "auditor@deployment.example");
    let deployments = super::sign_in(&stage.server, "auditor@deployment.example");
    let path = path_of(number);
    let id = stage.get(&stage.owner, &path).expect(200)["id"].as_str().unwrap().to_owned();
    for auditor in [&stage.auditor, &deployments] {
        for target in [
            path.clone(),
            format!("{HOME}/customers/{id}"),
            format!("{HOME}/customers/crow-998"),
            format!("{HOME}/customers"),
            format!("{HOME}/customers?email=jonathan%40winter.example"),
            format!("{HOME}/customers?name=jonathan+aegon+snow&phone=%2B6599887766"),
            format!("{path}/history"),
            format!("{path}/history?limit=1"),
            format!("{HOME}/access-log"),
            format!("{HOME}/access-log?customer={number}"),
            HOME.to_owned(),
            format!("{ADMIN}/merchants"),
        ] {
            let reply = stage.get(auditor, &target);
            assert_eq!(reply.status, 200, "{target}: {}", reply.text());
            finds_none(reply.text(), &target);
        }
        for target in [format!("{path}/export"), format!("{HOME}/allow-list")] {
            let reply = stage.get(auditor, &target);
            assert_eq!(reply.status, 403, "{target}");
            finds_none(reply.text(), &target);
        }
    }
    // The same canaries are there for who sees them.
    let clear = stage.get(&stage.owner, &format!("{path}/export"));
    for canary in CANARIES {
        assert!(clear.text().contains(canary), "{canary}: {}", clear.text());
    }
}

#[test]
fn a_masked_value_is_recognised_by_who_knows_it() {
    let stage = Stage::new();
    let number = stage.whole_customer();
    let found = stage.get(&stage.auditor, &path_of(number)).expect(200);
    assert_eq!(found["masked"], true);
    assert_eq!(found["hidden"], json!(["birthDate", "paymentFacts"]));
    let profile = &found["profile"];
    for (field, expect) in [
        ("reference", json!("c***")),
        ("firstName", json!("J***")),
        ("fullName", json!("J*** A*** S***")),
        ("email", json!("j***@***.example")),
        ("mobileNumber", json!("***")),
        ("mobileCountryCode", json!("65")),
        ("birthDate", Value::Null),
        ("paymentFacts", Value::Null),
        ("metadata", json!({"crow": "***"})),
        ("subscriptionPreferences", json!({"plan": "***"})),
        ("status", json!("active")),
        ("country", json!("GB")),
        ("taxIds", json!([{"kind": "eu_vat", "value": "***89", "country": "DE"}])),
    ] {
        assert_eq!(profile[field], expect, "{field}");
    }
    let history = stage.get(&stage.auditor, &format!("{}/history", path_of(number))).expect(200);
    assert_eq!(history["masked"], true);
    let facts = json!([{"field": "paymentFacts", "hidden": true, "old": null, "new": null}]);
    assert_eq!(history["items"][0]["changes"], facts);
    let metadata =
        json!({"field": "metadata", "hidden": false, "old": null, "new": {"crow": "***"}});
    assert_eq!(history["items"][1]["changes"], json!([metadata]));
    for entry in history["items"].as_array().unwrap() {
        assert_eq!(entry["origin"]["address"], Value::Null);
        assert!(entry["origin"]["requestId"].is_string());
    }
    let page = stage.get(&stage.auditor, &format!("{HOME}/customers")).expect(200);
    assert_eq!(page["items"][0], found);
}
