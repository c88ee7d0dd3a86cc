//! Merchants: made, found, set and suspended.

use patron_testkit::http::Call;
use serde_json::{Value, json};

use super::{ADMIN, HOME, OTHER, Stage, is_problem, is_wrong_in};
use crate::stage::{post, text};

const MERCHANTS: &str = "/admin/v1/merchants";

#[test]
fn the_deployments_owner_makes_and_sets_merchants() {
    let stage = Stage::new();
    let new = json!({
        "id": "Acme.Shop_1", "name": "Acme", "countryCode": "65",
        "retention": {"eraseDeletedAfterDays": 30, "eraseInactiveAfterDays": null},
        "settings": {"juspay.names": "unicode"},
    });
    let reply = stage.ask(&stage.deployment, "POST", MERCHANTS, &new);
    let made = reply.expect(201);
    let path = format!("{MERCHANTS}/Acme.Shop_1");
    assert_eq!(reply.header("location"), Some(path.as_str()));
    assert_eq!(made["id"], "Acme.Shop_1");
    assert_eq!(made["standing"], "active");
    assert_eq!(made["revision"], 1);
    let retention = json!({"eraseDeletedAfterDays": 30, "eraseInactiveAfterDays": null});
    assert_eq!(made["retention"], retention);
    // What is in force is shown, set or not.
    let settings = json!({"juspay.api-version": "default", "juspay.names": "unicode"});
    assert_eq!(made["settings"], settings);
    assert_eq!(stage.get(&stage.deployment, &path).expect(200), made);
    let edit = json!({
        "name": "Acme & Söhne", "retention": {"eraseInactiveAfterDays": 700},
        "settings": {"juspay.names": null, "juspay.api-version": "3.2"},
    });
    let set = stage.ask(&stage.deployment, "PATCH", &path, &edit).expect(200);
    let retention = json!({"eraseDeletedAfterDays": 30, "eraseInactiveAfterDays": 700});
    assert_eq!((&set["retention"], &set["revision"]), (&retention, &json!(2)));
    let settings = json!({"juspay.api-version": "3.2", "juspay.names": "documented"});
    assert_eq!((&set["settings"], &set["countryCode"]), (&settings, &json!("65")));
    assert_eq!((&set["name"], &set["createdAt"]), (&json!("Acme & Söhne"), &made["createdAt"]));
    // As whoever runs the program sees it.
    let listed = stage.server.manage(&["merchant", "list", "--json"]).json();
    let listed = listed.as_array().unwrap().iter().find(|one| one["id"] == "Acme.Shop_1");
    assert_eq!(listed.unwrap()["name"], "Acme & Söhne");
    let again = stage.ask(&stage.deployment, "POST", MERCHANTS, &json!({"id": "Acme.Shop_1"}));
    is_problem(&again, 409, "already-exists");
}

#[test]
fn merchants_are_listed_to_those_who_reach_them() {
    let stage = Stage::new();
    for id in ["a", "b", "zz"] {
        stage.ask(&stage.deployment, "POST", MERCHANTS, &json!({"id": id})).expect(201);
    }
    let page = |session: &str, query: &str| {
        let page = stage.get(session, &format!("{MERCHANTS}{query}")).expect(200);
        let ids = page["items"].as_array().unwrap().iter();
        let ids: Vec<String> = ids.map(|one| text(one, "id").to_owned()).collect();
        (ids, page["next"].clone())
    };
    let all = ["a", "b", "other", "testaccount", "zz"];
    assert_eq!(page(&stage.deployment, ""), (all.map(str::to_owned).to_vec(), Value::Null));
    let (first, next) = page(&stage.deployment, "?limit=3");
    assert_eq!((first.len(), &next), (3, &json!("other")));
    let (rest, next) = page(&stage.deployment, "?limit=3&cursor=other");
    assert_eq!((rest, next), (all[3..].iter().map(|id| (*id).to_owned()).collect(), Value::Null));
    let own = (vec!["testaccount".to_owned()], Value::Null);
    for shown in [&stage.owner, &stage.operator, &stage.auditor, stage.server.key()] {
        assert_eq!(page(shown, ""), own);
    }
    for query in ["?limit=0", "?limit=101", "?limit=x", "?limit=%2B1"] {
        is_wrong_in(&stage.get(&stage.deployment, &format!("{MERCHANTS}{query}")), &["limit"]);
    }
    let cursor = stage.get(&stage.deployment, &format!("{MERCHANTS}?cursor=a%20b"));
    is_wrong_in(&cursor, &["cursor"]);
}

#[test]
fn what_a_merchant_sets_is_in_force_at_once() {
    let stage = Stage::new();
    let form = "object_reference_id=jon&mobile_number=1&first_name=Jon+Snow";
    assert_eq!(post(&stage.server, "/customers", form).status, 400);
    let settings = json!({"settings": {"juspay.names": "unicode"}, "countryCode": "65"});
    stage.owner("PATCH", HOME, &settings).expect(200);
    let created = post(&stage.server, "/customers", form).expect(200);
    assert_eq!(created["mobile_country_code"], "65");
    // Nothing at all changes nothing but the revision.
    let before = stage.get(&stage.owner, HOME).expect(200);
    let after = stage.owner("PATCH", HOME, &json!({})).expect(200);
    assert_eq!((&before["settings"], &before["name"]), (&after["settings"], &after["name"]));
}

#[test]
fn whether_its_keys_work_is_not_a_merchants_own_affair() {
    let stage = Stage::new();
    let me = || Call::get(format!("{ADMIN}/me")).basic(stage.server.key()).send(&stage.server);
    let suspend = json!({"standing": "suspended"});
    is_problem(&stage.owner("PATCH", HOME, &suspend), 403, "denied");
    is_problem(&stage.ask(&stage.key("admin"), "PATCH", HOME, &suspend), 403, "denied");
    assert_eq!(me().status, 200);
    let set = stage.ask(&stage.deployment, "PATCH", HOME, &suspend).expect(200);
    assert_eq!(set["standing"], "suspended");
    is_problem(&me(), 401, "unauthenticated");
    is_problem(&stage.get(&stage.owner, HOME), 401, "unauthenticated");
    // Who reaches every merchant still sees it.
    assert_eq!(stage.get(&stage.deployment, HOME).expect(200)["standing"], "suspended");
    stage.ask(&stage.deployment, "PATCH", HOME, &json!({"standing": "active"})).expect(200);
    assert_eq!(me().status, 200);
    stage.get(&stage.owner, HOME).expect(200);
}

#[test]
fn wrong_values_are_named_and_change_nothing() {
    let stage = Stage::new();
    let before = stage.get(&stage.owner, HOME).expect(200);
    let long = "x".repeat(101);
    for (body, fields) in [
        (json!({"name": ""}), vec!["name"]),
        (json!({"name": long}), vec!["name"]),
        (json!({"name": "a\u{7}b"}), vec!["name"]),
        (json!({"name": null}), vec!["name"]),
        (json!({"countryCode": "+65", "name": 7}), vec!["name", "countryCode"]),
        (json!({"retention": null}), vec!["retention"]),
        (
            json!({"retention": {"eraseDeletedAfterDays": 0}}),
            vec!["retention.eraseDeletedAfterDays"],
        ),
        (
            json!({"retention": {"eraseInactiveAfterDays": 36_501, "days": 1}}),
            vec!["retention.eraseInactiveAfterDays", "retention.days"],
        ),
        (json!({"settings": {"juspay.names": "klingon"}}), vec!["settings.juspay.names"]),
        (json!({"settings": {"juspay.names": 7}}), vec!["settings.juspay.names"]),
        (json!({"settings": {"no.such": "x"}}), vec!["settings.(a key)"]),
        (json!({"standing": "gone"}), vec!["standing"]),
    ] {
        is_wrong_in(&stage.ask(&stage.deployment, "PATCH", HOME, &body), &fields);
    }
    for id in ["", "a b", "a/b", "ü", &"x".repeat(65)] {
        let new = stage.ask(&stage.deployment, "POST", MERCHANTS, &json!({"id": id}));
        is_wrong_in(&new, &["id"]);
    }
    assert_eq!(stage.get(&stage.owner, HOME).expect(200), before);
}

#[test]
fn what_is_the_servers_own_is_not_set_from_outside() {
    let stage = Stage::new();
    let before = stage.get(&stage.deployment, OTHER).expect(200);
    for (key, value) in [
        ("id", json!("mine")),
        ("number", json!(7)),
        ("revision", json!(7)),
        ("createdAt", json!("2020-01-01T00:00:00Z")),
        ("allowList", json!([])),
        ("keys", json!([])),
    ] {
        is_wrong_in(&stage.ask(&stage.deployment, "PATCH", OTHER, &json!({key: value})), &[key]);
        if key != "id" {
            let new = json!({"id": "new", key: value});
            is_wrong_in(&stage.ask(&stage.deployment, "POST", MERCHANTS, &new), &[key]);
        }
    }
    let new = json!({"id": "new", "standing": "suspended"});
    is_wrong_in(&stage.ask(&stage.deployment, "POST", MERCHANTS, &new), &["standing"]);
    assert_eq!(stage.get(&stage.deployment, OTHER).expect(200), before);
    is_problem(&stage.get(&stage.deployment, &format!("{MERCHANTS}/new")), 404, "not-found");
}

#[test]
fn changes_of_different_things_at_once_both_survive_or_are_told() {
    let stage = Stage::new();
    let edits = [json!({"name": "One"}), json!({"countryCode": "49"})];
    let replies = patron_testkit::together::together(
        2,
        |_| (),
        |at, ()| stage.ask(&stage.deployment, "PATCH", HOME, &edits[at]),
    );
    let seen = stage.get(&stage.owner, HOME).expect(200);
    for (reply, (key, value)) in replies.iter().zip([("name", "One"), ("countryCode", "49")]) {
        match reply.status {
            200 => assert_eq!(seen[key], value),
            _ => is_problem(reply, 409, "conflict"),
        }
    }
    assert!(replies.iter().any(|reply| reply.status == 200));
}
