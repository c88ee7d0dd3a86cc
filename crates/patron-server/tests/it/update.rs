//! Updating customers: `POST /customers/{id}`.

use patron_testkit::http::Call;
use patron_testkit::wait::soon;
use serde_json::{Value, json};

use crate::errors::{is_unknown_customer, is_wrong_value};
use crate::stage::{
    LEAST, MOST, create, encoded, get, post, post_json, read, server, text, update,
};

#[test]
fn only_what_is_sent_changes() {
    let server = server();
    let before = create(&server, MOST);
    let after = update(&server, "first_name=Aegon");
    let mut expected = before;
    expected["first_name"] = json!("Aegon");
    expected["last_updated"] = after["last_updated"].clone();
    assert_eq!(after, expected);
    assert_eq!(read(&server), expected);
}

#[test]
fn every_field_can_be_changed() {
    let server = server();
    create(&server, LEAST);
    for (field, value, kept) in [
        ("mobile_number", "+11223344", "+11223344"),
        ("email_address", "king@winter.example", "king@winter.example"),
        ("first_name", "Aegon", "Aegon"),
        ("last_name", "T.", "T."),
        ("mobile_country_code", "+65", "65"),
    ] {
        let after = update(&server, &format!("{field}={}", encoded(value)));
        assert_eq!(after[field], kept, "{field}");
    }
}

#[test]
fn by_id_and_by_reference_encoded_or_raw() {
    let server = server();
    let customer = create(&server, LEAST);
    let names = [text(&customer, "id"), "jon@example.com", "jon%40example.com"];
    for (name, value) in names.into_iter().zip(["A", "B", "C"]) {
        let target = format!("/customers/{name}");
        let after = post(&server, &target, &format!("first_name={value}")).expect(200);
        assert_eq!((&after["first_name"], &after["id"]), (&json!(value), &customer["id"]));
    }
}

#[test]
fn an_empty_optional_field_is_cleared_and_null_is_not() {
    let server = server();
    let before = create(&server, MOST);
    let fields = ["email_address", "first_name", "last_name", "mobile_country_code"];
    for field in fields {
        let after =
            post_json(&server, "/customers/jon@example.com", &format!("{{\"{field}\":null}}"));
        assert_eq!(after.expect(200), before, "{field}");
    }
    for field in fields {
        assert_eq!(update(&server, &format!("{field}="))[field], Value::Null, "{field}");
    }
    let after = read(&server);
    assert_eq!(after["mobile_number"], before["mobile_number"]);
    assert_eq!(after.as_object().unwrap().len(), 10);
}

#[test]
fn the_mobile_number_cannot_be_cleared() {
    let server = server();
    let before = create(&server, MOST);
    for value in ["", "-99887766"] {
        let form = format!("mobile_number={value}&first_name=Aegon");
        is_wrong_value(&post(&server, "/customers/jon@example.com", &form), &["mobile_number"]);
    }
    assert_eq!(read(&server), before, "a refused update changes nothing");
}

#[test]
fn the_reference_cannot_be_changed() {
    let server = server();
    let before = create(&server, LEAST);
    assert_eq!(update(&server, "object_reference_id=another"), before);
    assert_eq!(update(&server, "object_reference_id="), before);
    is_unknown_customer(&get(&server, "/customers/another"));
}

#[test]
fn what_changes_nothing_makes_no_version() {
    let server = server();
    create(&server, MOST);
    let target = "/customers/jon@example.com";
    for form in ["", "unknown=1", "object_reference_id=x", "first_name=Jon", MOST] {
        let reply = post(&server, target, form);
        reply.expect(200);
        assert_eq!(reply.header("etag"), Some("\"1\""), "{form}");
    }
    post_json(&server, target, "{}").expect(200);
    let bare = Call::post(target).basic(server.key()).send(&server);
    bare.expect(200);
    let changed = post(&server, target, "first_name=Aegon");
    assert_eq!(changed.header("etag"), Some("\"2\""));
    let back = post(&server, target, "first_name=Jon");
    assert_eq!(back.header("etag"), Some("\"3\""));
}

#[test]
fn last_updated_moves_with_the_clock_and_date_created_stays() {
    let server = server();
    let before = create(&server, LEAST);
    // Dates are whole seconds, so changes are made until one falls into another second.
    let mut number = 0;
    let after = soon("last_updated moves", || {
        number += 1;
        let after = update(&server, &format!("mobile_number={number}"));
        (after["last_updated"] != before["last_updated"]).then_some(after)
    });
    assert!(text(&after, "last_updated") > text(&before, "last_updated"));
    assert_eq!(after["date_created"], before["date_created"]);
    assert_eq!(update(&server, "")["last_updated"], after["last_updated"]);
}

#[test]
fn an_unknown_customer_is_not_created() {
    let server = server();
    is_unknown_customer(&post(&server, "/customers/nobody", LEAST));
    is_unknown_customer(&get(&server, "/customers/nobody"));
    is_unknown_customer(&get(&server, "/customers/jon@example.com"));
}

#[test]
fn the_body_is_judged_before_the_customer_is_looked_for() {
    let server = server();
    is_wrong_value(&post(&server, "/customers/nobody", "first_name=%3C"), &["first_name"]);
}

#[test]
fn wrong_values_are_refused_as_in_creating() {
    let server = server();
    let before = create(&server, MOST);
    let form = "mobile_country_code=x&last_name=%3C&first_name=%3C&email_address=x&mobile_number=x";
    let fields =
        ["mobile_number", "email_address", "first_name", "last_name", "mobile_country_code"];
    is_wrong_value(&post(&server, "/customers/jon@example.com", form), &fields);
    assert_eq!(read(&server), before);
}

#[test]
fn a_stored_value_is_always_valid() {
    let server = server();
    server.manage(&["merchant", "set", "testaccount", "--set", "juspay.names=unicode"]).ok();
    create(&server, &format!("{LEAST}&first_name=Mary%20Jane"));
    server.manage(&["merchant", "set", "testaccount", "--set", "juspay.names=documented"]).ok();
    let after = update(&server, "first_name=Mary%20Jane&last_name=Watson");
    assert_eq!(
        (&after["first_name"], &after["last_name"]),
        (&json!("Mary Jane"), &json!("Watson"))
    );
    let other = post(&server, "/customers/jon@example.com", "first_name=Mary%20Ann");
    is_wrong_value(&other, &["first_name"]);
}

#[test]
fn a_token_is_not_for_the_asking_here() {
    let server = server();
    create(&server, LEAST);
    let after = update(&server, "first_name=Jon&options.get_client_auth_token=true");
    assert_eq!(after.get("juspay"), None);
}
