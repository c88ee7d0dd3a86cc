//! Exports: all that is held about one person.

use serde_json::{Value, json};

use super::{HOME, Stage, is_problem, is_wrong_in, path_of};
use crate::stage::text;

#[test]
fn everything_that_is_held_is_in_it() {
    let stage = Stage::new();
    let number = stage.whole_customer();
    let path = path_of(number);
    let found = stage.get(&stage.operator, &path).expect(200);
    let history = stage.get(&stage.operator, &format!("{path}/history")).expect(200);
    let export = stage.get(&stage.operator, &format!("{path}/export")).expect(200);
    assert_eq!(export["customer"], found);
    assert_eq!(export["history"], history);
    let looks: Vec<_> = export["accesses"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(one, "accessed"))
        .collect();
    // The export itself is one of them.
    assert_eq!(looks, ["customer.exported", "history.read", "customer.read"]);
    let log = stage.get(&stage.owner, &format!("{HOME}/access-log?customer={number}&limit=500"));
    let log = log.expect(200);
    let logged = &log["items"].as_array().unwrap()[1..];
    // Who may not read the log learns that somebody looked, when and how, and not who it was.
    let told = export["accesses"]["items"].as_array().unwrap();
    assert_eq!(told.len(), logged.len());
    for (told, logged) in told.iter().zip(logged) {
        for key in ["accessed", "at", "customer"] {
            assert_eq!(told[key], logged[key], "{key}");
        }
        assert_eq!(told["actor"], json!({"kind": "operator", "number": null}));
        assert_eq!((&told["address"], &told["requestId"]), (&Value::Null, &Value::Null));
    }
    // Newest first, and one newer, for whoever may: its own export.
    let export = stage.get(&stage.owner, &format!("{path}/export")).expect(200);
    let log = stage.get(&stage.owner, &format!("{HOME}/access-log?customer={number}&limit=500"));
    assert_eq!(
        log.expect(200)["items"].as_array().unwrap()[1..],
        *export["accesses"]["items"].as_array().unwrap()
    );
    // A key takes it as well; the deleted are still held.
    stage.get(&stage.key("customers:read"), &format!("{path}/export")).expect(200);
    assert_eq!(stage.owner("DELETE", &path, &Value::Null).status, 204);
    let export = stage.get(&stage.owner, &format!("{path}/export")).expect(200);
    assert!(export["customer"]["deletedAt"].is_string());
    assert_eq!(export["history"]["items"][0]["happened"], "deleted");
}

#[test]
fn whoever_sees_masked_values_takes_nothing_away() {
    let stage = Stage::new();
    let number = stage.whole_customer();
    is_problem(&stage.get(&stage.auditor, &format!("{}/export", path_of(number))), 403, "denied");
}

#[test]
fn what_is_longer_than_a_page_is_walked_through() {
    let stage = Stage::new();
    let number = stage.customer(&json!({"name": "Jon", "email": "jon@x"}));
    stage.update(number, &json!({"name": "Arya"}));
    let path = format!("{}/export", path_of(number));
    let first = stage.get(&stage.owner, &path).expect(200);
    assert_eq!(first["history"]["items"].as_array().unwrap().len(), 2);
    let page = stage.get(&stage.owner, &format!("{path}?before=2")).expect(200);
    let versions = page["history"]["items"].as_array().unwrap();
    assert_eq!((versions.len(), &versions[0]["version"]), (1, &json!(1)));
    let log = stage.get(&stage.owner, &format!("{HOME}/access-log?customer={number}&limit=1"));
    let next = text(&log.expect(200), "next").to_owned();
    let rest = stage.get(&stage.owner, &format!("{path}?after={next}")).expect(200);
    let looks = rest["accesses"]["items"].as_array().unwrap();
    assert_eq!(looks.len(), 2, "the two exports before");
    for (query, field) in [("before=x", "before"), ("after=x", "after"), ("limit=5", "limit")] {
        is_wrong_in(&stage.get(&stage.owner, &format!("{path}?{query}")), &[field]);
    }
}
