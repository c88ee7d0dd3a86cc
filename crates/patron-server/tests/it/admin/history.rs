//! Histories: who changed what, when and from where, all of it.

use patron_testkit::http::Call;
use patron_testkit::shape;
use serde_json::{Value, json};

use super::{HOME, Stage, call, is_problem, is_wrong_in, path_of};
use crate::cyrexa::CLIENTS;
use crate::stage::{launch, text};

// What certainly names nobody is written down as it was sent.
const CREATED: &str = "00000001-0000-4000-8000-000000000000";
const OWN: &str = "00000002-0000-4000-8000-000000000000";
const METADATA: &str = "00000003-0000-4000-8000-000000000000";

#[test]
fn every_change_is_told_with_its_old_and_new_values() {
    let stage = Stage::of(launch().with("--behind-proxy").with("127.0.0.0/8"));
    let server = &stage.server;
    let from = |call: Call, address: &str, id: &str| {
        call.header("x-forwarded-for", address).header("x-request-id", id).send(server)
    };
    let new = json!({"name": "Jon Snow", "email": "jon@x"});
    let made = crate::cyrexa::call("POST", CLIENTS, &new).header("X-API-Key", server.key());
    let number = from(made, "203.0.113.1", CREATED).expect(201)["id"].as_i64().unwrap();
    let issue = Call::post(format!("{CLIENTS}/{number}/token")).header("X-API-Key", server.key());
    let token = issue.send(server).expect(200);
    let edit = json!({"name": "Jon Stark"});
    let own = crate::cyrexa::call("PUT", format!("{CLIENTS}/{number}"), &edit);
    from(own.bearer(text(&token, "accessToken")), "203.0.113.2", OWN).expect(200);
    let path = path_of(number);
    let metadata = call("PUT", format!("{path}/metadata"), &json!({"k": "v"}));
    let reply = from(metadata.bearer(&stage.operator), "203.0.113.3", METADATA);
    assert_eq!(reply.status, 204);
    let delete = call("DELETE", path.as_str(), &Value::Null).bearer(&stage.owner);
    let deleted = from(delete, "203.0.113.4", "Jon.Snow@north.example");
    assert_eq!(
        (deleted.status, deleted.header("x-request-id")),
        (204, Some("Jon.Snow@north.example"))
    );
    let history = stage.get(&stage.operator, &format!("{path}/history")).expect(200);
    assert_eq!((&history["next"], &history["masked"]), (&Value::Null, &json!(false)));
    let me = |session: &str| {
        stage.get(session, "/admin/v1/me").expect(200)["caller"]["number"].as_i64().unwrap()
    };
    let items = history["items"].as_array().unwrap();
    // Any other id might, and the history stays when the customer goes: there is one of ours in its place.
    let made = text(&items[0]["origin"], "requestId");
    assert!(shape::is_uuid(made), "{made}");
    let said: Vec<Value> = items
        .iter()
        .map(|entry| {
            json!([
                entry["version"],
                entry["happened"],
                entry["actor"]["kind"],
                entry["actor"]["number"],
                entry["origin"]["address"],
                entry["origin"]["requestId"],
            ])
        })
        .collect();
    assert_eq!(
        said,
        [
            json!([4, "deleted", "operator", me(&stage.owner), "203.0.113.4", made]),
            json!([3, "updated", "operator", me(&stage.operator), "203.0.113.3", METADATA]),
            json!([2, "updated", "client-token", number, "203.0.113.2", OWN]),
            json!([1, "created", "api-key", 1, "203.0.113.1", CREATED]),
        ]
    );
    assert!(items.is_sorted_by(|one, next| text(one, "at") >= text(next, "at")));
    let change = |field: &str, old: Value, new: Value| json!({"field": field, "hidden": false, "old": old, "new": new});
    assert_eq!(items[0]["changes"], json!([]));
    assert_eq!(items[1]["changes"], json!([change("metadata", Value::Null, json!({"k": "v"}))]));
    assert_eq!(
        items[2]["changes"],
        json!([
            change("lastName", json!("Snow"), json!("Stark")),
            change("fullName", json!("Jon Snow"), json!("Jon Stark")),
        ])
    );
    let fields = items[3]["changes"].as_array().unwrap().iter().map(|one| text(one, "field"));
    assert_eq!(fields.collect::<Vec<_>>(), ["firstName", "lastName", "fullName", "email"]);
}

#[test]
fn a_long_history_is_walked_in_pages() {
    let stage = Stage::new();
    let number = stage.customer(&json!({"name": "Jon 0", "email": "jon@x"}));
    for round in 1..8 {
        stage.update(number, &json!({"name": format!("Jon {round}")}));
    }
    let path = format!("{}/history", path_of(number));
    let mut walked = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let page = stage.get(&stage.owner, &format!("{path}{query}")).expect(200);
        let items = page["items"].as_array().unwrap();
        walked.extend(items.iter().map(|entry| entry["version"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=3&before={next}");
    }
    assert_eq!(walked, [8, 7, 6, 5, 4, 3, 2, 1]);
    let first = stage.get(&stage.owner, &format!("{path}?before=1")).expect(200);
    assert_eq!((&first["items"], &first["next"]), (&json!([]), &Value::Null));
    for (query, field) in [
        ("before=0", "before"),
        ("before=x", "before"),
        ("before=-1", "before"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("after=1", "after"),
    ] {
        is_wrong_in(&stage.get(&stage.owner, &format!("{path}?{query}")), &[field]);
    }
}

#[test]
fn a_history_is_its_customers_whoever_asks_by_what_name() {
    let stage = Stage::new();
    let number = stage.customer(&json!({"name": "Jon", "email": "jon@x", "memberId": "r"}));
    let by_number = stage.get(&stage.owner, &format!("{}/history", path_of(number))).expect(200);
    let by_name = stage.get(&stage.owner, &format!("{HOME}/customers/r/history")).expect(200);
    assert_eq!(by_number, by_name);
    is_problem(&stage.get(&stage.key("customers:write"), &path_of(number)), 403, "denied");
}
