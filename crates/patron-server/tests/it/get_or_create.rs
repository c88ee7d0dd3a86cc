//! Get-or-create: `POST /v2/customers` and `POST /v2/customers/{object_reference_id}`.

use serde_json::{Value, json};

use crate::errors::{is_missing, is_wrong_value};
use crate::stage::{LEAST, MOST, create, get, post, post_json, read, server, text};

#[test]
fn a_new_reference_creates() {
    let server = server();
    let in_body = post(&server, "/v2/customers", MOST).expect(200);
    assert_eq!(in_body["object_reference_id"], "jon@example.com");
    assert_eq!(read(&server), in_body);
    let in_path = post(&server, "/v2/customers/arya@example.com", "first_name=Arya").expect(200);
    assert_eq!(in_path["object_reference_id"], "arya@example.com");
    assert_eq!(in_path["first_name"], "Arya");
    assert_eq!(in_path["mobile_number"], Value::Null);
    assert_eq!(in_path.as_object().unwrap().len(), 10);
    assert_eq!(get(&server, "/customers/arya%40example.com").expect(200), in_path);
}

#[test]
fn every_body_field_is_optional_with_a_reference_in_the_path() {
    let server = server();
    let customer = post(&server, "/v2/customers/r1", "").expect(200);
    assert_eq!(customer["mobile_country_code"], "91");
    post_json(&server, "/v2/customers/r2", "{}").expect(200);
}

#[test]
fn without_a_reference_there_is_nothing_to_look_for() {
    let server = server();
    is_missing(&post(&server, "/v2/customers", "mobile_number=1"), &["object_reference_id"]);
    let empty = post(&server, "/v2/customers", "object_reference_id=&mobile_number=1");
    is_wrong_value(&empty, &["object_reference_id"]);
}

#[test]
fn a_known_reference_returns_the_customer_unchanged() {
    let server = server();
    let customer = create(&server, MOST);
    let again = "object_reference_id=jon@example.com&first_name=Aegon&mobile_number=1";
    assert_eq!(post(&server, "/v2/customers", again).expect(200), customer);
    let reply = post(&server, "/v2/customers/jon%40example.com", "first_name=Aegon");
    assert_eq!(reply.expect(200), customer);
    assert_eq!(reply.header("etag"), Some("\"1\""));
    assert_eq!(
        post(&server, "/v2/customers/jon@example.com", "update=false").expect(200),
        customer
    );
}

#[test]
fn update_true_applies_the_body() {
    let server = server();
    let customer = create(&server, MOST);
    let reply = post(&server, "/v2/customers/jon@example.com", "first_name=Aegon&update=true");
    let after = reply.expect(200);
    assert_eq!((&after["first_name"], &after["id"]), (&json!("Aegon"), &customer["id"]));
    assert_eq!(after["last_name"], "Snow");
    assert_eq!(reply.header("etag"), Some("\"2\""));
    let body = r#"{"object_reference_id":"jon@example.com","last_name":"Stark","update":true}"#;
    assert_eq!(post_json(&server, "/v2/customers", body).expect(200)["last_name"], "Stark");
}

#[test]
fn update_true_on_a_new_reference_creates() {
    let server = server();
    let customer = post(&server, "/v2/customers/r1", "first_name=Arya&update=true").expect(200);
    assert_eq!(customer["first_name"], "Arya");
}

#[test]
fn the_path_beats_the_body() {
    let server = server();
    let customer =
        post(&server, "/v2/customers/in-path", "object_reference_id=in-body").expect(200);
    assert_eq!(customer["object_reference_id"], "in-path");
    assert_eq!(get(&server, "/customers/in-body").status, 404);
}

#[test]
fn only_references_count_never_ids() {
    let server = server();
    let customer = create(&server, LEAST);
    let id = text(&customer, "id");
    let other = post(&server, &format!("/v2/customers/{id}"), "").expect(200);
    assert_ne!(other["id"], customer["id"]);
    assert_eq!(other["object_reference_id"], id);
}

#[test]
fn a_token_comes_for_the_asking_whether_it_was_created_or_not() {
    let server = server();
    let ask = "options.get_client_auth_token=true";
    let token = |target: &str, form: &str| {
        post(&server, target, form).expect(200)["juspay"]["client_auth_token"].clone()
    };
    let first = token("/v2/customers/r1", ask);
    let second = token("/v2/customers", &format!("object_reference_id=r1&{ask}"));
    assert!(first.is_string() && second.is_string() && first != second);
    let unasked = post(&server, "/v2/customers/r1", "").expect(200);
    assert_eq!(unasked.get("juspay"), None);
}

#[test]
fn wrong_values_are_refused_for_new_references_and_in_updates() {
    let server = server();
    is_wrong_value(&post(&server, "/v2/customers/r1", "first_name=%3C"), &["first_name"]);
    assert_eq!(get(&server, "/customers/r1").status, 404);
    create(&server, LEAST);
    let update = post(&server, "/v2/customers/jon@example.com", "mobile_number=-1&update=true");
    is_wrong_value(&update, &["mobile_number"]);
    let long = format!("/v2/customers/{}", "r".repeat(301));
    is_wrong_value(&post(&server, &long, ""), &["object_reference_id"]);
}

#[test]
fn a_stored_value_is_always_valid() {
    let server = server();
    let set = |setting: &str| {
        server.manage(&["merchant", "set", "testaccount", "--set", setting]).ok();
    };
    set("juspay.names=unicode");
    let form = "object_reference_id=short&mobile_number=1&first_name=Mary%20Jane";
    let customer = create(&server, form);
    set("juspay.names=documented");
    assert_eq!(post(&server, "/v2/customers", form).expect(200), customer);
    let update = format!("{form}&update=true");
    assert_eq!(post(&server, "/v2/customers/short", &update).expect(200), customer);
    set("juspay.api-version=3.2");
    let again = post(&server, "/v2/customers/short", "").expect(200);
    assert_eq!(again["id"], customer["id"]);
    let again = post(&server, "/v2/customers", form).expect(200);
    assert_eq!(again["id"], customer["id"]);
}
