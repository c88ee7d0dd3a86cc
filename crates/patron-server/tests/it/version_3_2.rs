//! API version 3.2: by a merchant's setting, or by a request's header.

use patron_testkit::http::Call;
use patron_testkit::server::Server;
use serde_json::Value;

use crate::errors::{is_missing, is_wrong_value};
use crate::stage::{LEAST, MOST, create, create_key, get, post, server, text, update};

const JON: &str = "/customers/jon@example.com";

fn set_version(server: &Server, version: &str) {
    let setting = format!("juspay.api-version={version}");
    server.manage(&["merchant", "set", "testaccount", "--set", &setting]).ok();
}

fn has_customer_id(customer: &Value) -> bool {
    let is_there = customer.get("customer_id") == customer.get("id");
    assert_eq!(customer.as_object().unwrap().len(), if is_there { 11 } else { 10 });
    is_there
}

#[test]
fn the_setting_adds_customer_id_to_every_answer_at_once() {
    let server = server();
    assert!(!has_customer_id(&create(&server, MOST)));
    set_version(&server, "3.2");
    assert!(has_customer_id(&get(&server, JON).expect(200)));
    assert!(has_customer_id(&update(&server, "first_name=Aegon")));
    assert!(has_customer_id(&post(&server, "/v2/customers", LEAST).expect(200)));
    let list = get(&server, "/customers").expect(200);
    assert!(has_customer_id(&list["list"][0]));
    let customer = create(&server, &MOST.replace("jon@", "jon2@"));
    assert!(has_customer_id(&customer));
    let by_id = format!("/customers/{}", text(&customer, "customer_id"));
    assert_eq!(get(&server, &by_id).expect(200), customer);
}

#[test]
fn the_header_does_it_for_one_request() {
    let server = server();
    create(&server, MOST);
    let call = Call::get(JON).basic(server.key());
    let says = |version: &str| call.clone().header("version", version).send(&server).expect(200);
    assert!(has_customer_id(&says("3.2")));
    for version in ["2019-05-07", "3.1", "", "3.20"] {
        assert!(!has_customer_id(&says(version)), "{version}");
    }
}

#[test]
fn a_reference_has_at_least_eight_characters_and_an_address_is_required() {
    let server = server();
    set_version(&server, "3.2");
    let rest = "mobile_number=1&email_address=a@b";
    let seven = post(&server, "/customers", &format!("object_reference_id=1234567&{rest}"));
    is_wrong_value(&seven, &["object_reference_id"]);
    // Seven characters, fourteen bytes.
    let seven = format!("object_reference_id={}&{rest}", "%C3%A9".repeat(7));
    is_wrong_value(&post(&server, "/customers", &seven), &["object_reference_id"]);
    create(&server, &format!("object_reference_id=12345678&{rest}"));
    is_missing(&post(&server, "/customers", LEAST), &["email_address"]);
    is_missing(
        &post(&server, "/customers", ""),
        &["object_reference_id", "mobile_number", "email_address"],
    );
}

#[test]
fn the_rules_of_the_version_bind_requests_by_header_too() {
    let server = server();
    let call = Call::post("/customers").basic(server.key()).header("version", "3.2");
    let short = "object_reference_id=short&mobile_number=1&email_address=a@b";
    is_wrong_value(&call.clone().form(short).send(&server), &["object_reference_id"]);
    is_missing(&call.form(LEAST).send(&server), &["email_address"]);
    create(&server, short);
}

#[test]
fn a_customer_from_before_can_still_be_updated() {
    let server = server();
    create(&server, "object_reference_id=short&mobile_number=1");
    set_version(&server, "3.2");
    let after = post(&server, "/customers/short", "first_name=Jon").expect(200);
    assert_eq!(after["first_name"], "Jon");
}

#[test]
fn it_is_one_merchants_setting() {
    let server = server();
    let words = ["merchant", "create", "old", "--set", "juspay.api-version=3.2"];
    server.manage(&words).ok();
    let (key, _) = create_key(&server, "old", &[]);
    let old = Call::post("/customers").basic(&key).form(MOST).send(&server);
    assert!(has_customer_id(&old.expect(200)));
    assert!(!has_customer_id(&create(&server, MOST)));
}

#[test]
fn an_unknown_setting_or_value_is_refused() {
    let server = server();
    for setting in ["juspay.api-version=9", "juspay.apiversion=3.2", "nobody.x=1", "juspay.names"] {
        let words = ["merchant", "set", "testaccount", "--set", setting];
        let outcome = server.manage(&words);
        assert!(!outcome.refused().is_empty(), "{outcome:?}");
    }
}

#[test]
fn get_or_create_follows_the_version_too() {
    let server = server();
    set_version(&server, "3.2");
    let short = post(&server, "/v2/customers/1234567", "");
    is_wrong_value(&short, &["object_reference_id"]);
    let short = post(&server, "/v2/customers", "object_reference_id=1234567");
    is_wrong_value(&short, &["object_reference_id"]);
}

#[test]
fn an_empty_address_is_not_an_address() {
    let server = server();
    set_version(&server, "3.2");
    let reply = post(&server, "/customers", &format!("{LEAST}&email_address="));
    assert_eq!(reply.status, 400, "{}", reply.text());
    create(&server, MOST);
    assert_eq!(update(&server, "email_address=")["email_address"], Value::Null);
}
