//! Customers: looked at, deleted, and what this interface alone may change.

use patron_testkit::http::Call;
use serde_json::{Value, json};

use super::{HOME, Stage, call, is_problem, is_wrong_in, path_of};
use crate::cyrexa::CLIENTS;
use crate::stage::{post, text};

#[test]
fn a_customer_is_shown_whole_in_our_own_words() {
    let stage = Stage::new();
    let number = stage.whole_customer();
    let reply = stage.get(&stage.operator, &path_of(number));
    assert_eq!(reply.header("etag"), Some("\"3\""));
    let mut found = reply.expect(200);
    let id = text(&found, "id").to_owned();
    assert!(id.starts_with("cst_"));
    assert_eq!(stage.get(&stage.operator, &format!("{HOME}/customers/{id}")).expect(200), found);
    // The reference is a name of it as well.
    stage.get(&stage.operator, &format!("{HOME}/customers/crow-998")).expect(200);
    for key in ["id", "createdAt", "updatedAt"] {
        assert!(found.as_object_mut().unwrap().remove(key).unwrap().is_string());
    }
    let address = |street: &str, city: &str, code: &str| {
        json!({
            "text": null, "street": street, "city": city, "state": "Northmark",
            "postalCode": code, "country": "GB",
        })
    };
    let expect = json!({
        "number": number, "version": 3, "deletedAt": null, "createdByKey": 1, "masked": false,
        "hidden": [],
        "profile": {
            "reference": "crow-998", "firstName": "Jonathan Aegon", "lastName": "Snow",
            "fullName": "Jonathan Aegon Snow", "email": "jonathan@winter.example",
            "mobileCountryCode": "65", "mobileNumber": "99887766", "phone": "+6599887766",
            "birthDate": "1990-02-28",
            "billingAddress": address("1 Castle Black", "Wallside", "BX1 9QQ"),
            "shippingAddress": address("2 Winterfell", "Winterton", "BX2 8QQ"),
            "country": "GB", "region": "Beyond the wall", "currency": "EUR", "language": "en-GB",
            "notificationSettings": [{"notification": "ravens", "isEnabled": true}],
            "communicationPreferences": {"email": true, "sms": false, "push": null, "post": null},
            "subscriptionPreferences": {"plan": "longsword"},
            "paymentPreferences": {"method": "ironbank"},
            "status": "active", "verification": "pending",
            "consents": [{
                "purpose": "terms", "isGranted": true, "version": "1.0",
                "at": "2024-01-15T10:30:00.000Z",
            }],
            "kyc": {
                "level": "full", "provider": "Maesters", "reference": "maester-7788",
                "checkedAt": "2024-01-16T10:30:00.000Z", "expiresAt": "2034-01-16T10:30:00.000Z",
            },
            "taxIds": [{"kind": "eu_vat", "value": "DE123456789", "country": "DE"}],
            "metadata": {"crow": "night's watch"},
            "paymentFacts": {"hasPaymentRequests": true, "totalDeposits": "120.50"},
        },
    });
    assert_eq!(found, expect);
}

#[test]
fn what_is_not_known_is_null() {
    let stage = Stage::new();
    post(&stage.server, "/customers", "object_reference_id=r&mobile_number=1").expect(200);
    let found = stage.get(&stage.owner, &format!("{HOME}/customers/r")).expect(200);
    let profile = found["profile"].as_object().unwrap();
    let known = profile.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.as_str());
    assert_eq!(known.collect::<Vec<_>>(), ["mobileCountryCode", "mobileNumber", "reference"]);
    assert_eq!(profile.len(), 26);
}

#[test]
fn the_payment_side_says_what_it_knows() {
    let stage = Stage::new();
    let number = stage.customer(&json!({"name": "Jon", "email": "jon@x"}));
    let path = format!("{}/payment-facts", path_of(number));
    let paying = stage.key("customers:write");
    for (sum, digits) in [("0", "0"), ("120.50", "120.50"), ("999999999999999999.999999", "")] {
        let facts = json!({"hasPaymentRequests": true, "totalDeposits": sum});
        let reply = stage.ask(&paying, "PUT", &path, &facts);
        assert_eq!((reply.status, reply.text()), (204, ""));
        let seen = Call::get(format!("{CLIENTS}/{number}")).header("X-API-Key", stage.server.key());
        let seen = seen.send(&stage.server);
        // A number there, with the digits that it has.
        let digits = if digits.is_empty() { sum } else { digits };
        assert!(seen.text().contains(&format!("\"totalDeposits\":{digits},")), "{}", seen.text());
        assert_eq!(seen.expect(200)["hasPaymentRequests"], true);
    }
    let before = stage.get(&stage.owner, &path_of(number)).expect(200);
    for (facts, fields) in [
        (json!({}), vec!["hasPaymentRequests", "totalDeposits"]),
        (json!({"hasPaymentRequests": 1, "totalDeposits": "1"}), vec!["hasPaymentRequests"]),
        (json!({"hasPaymentRequests": true, "totalDeposits": 1}), vec!["totalDeposits"]),
        (json!({"hasPaymentRequests": true, "totalDeposits": "1e3"}), vec!["totalDeposits"]),
        (json!({"hasPaymentRequests": true, "totalDeposits": "-1"}), vec!["totalDeposits"]),
        (json!({"hasPaymentRequests": true, "totalDeposits": "1.1234567"}), vec!["totalDeposits"]),
        (json!({"hasPaymentRequests": true, "totalDeposits": "1", "version": 9}), vec!["version"]),
        (json!({"hasPaymentRequests": true, "totalDeposits": "1", "number": 9}), vec!["number"]),
    ] {
        is_wrong_in(&stage.ask(&paying, "PUT", &path, &facts), &fields);
    }
    let late = json!({"hasPaymentRequests": false, "totalDeposits": "1"});
    let late = call("PUT", path.as_str(), &late).header("X-API-Key", &paying);
    let stale = late.header("If-Match", "\"1\"").send(&stage.server);
    is_problem(&stale, 412, "precondition-failed");
    assert_eq!(stage.get(&stage.owner, &path_of(number)).expect(200), before);
}

#[test]
fn metadata_is_replaced_whole() {
    let stage = Stage::new();
    let number = stage.customer(&json!({"name": "Jon", "email": "jon@x"}));
    let path = format!("{}/metadata", path_of(number));
    let metadata = |stage: &Stage| {
        let found = stage.get(&stage.operator, &path_of(number)).expect(200);
        (found["profile"]["metadata"].clone(), found["version"].as_u64().unwrap())
    };
    let put = |body: &Value| stage.ask(&stage.operator, "PUT", &path, body);
    // Whatever a key is called, it is the merchant's own.
    let first = json!({"version": "9", "number": "7", "ünïcode": "☃".repeat(500)});
    let reply = put(&first);
    assert_eq!((reply.status, reply.header("etag")), (204, Some("\"2\"")));
    assert_eq!(metadata(&stage), (first.clone(), 2));
    // The same once more is no change.
    assert_eq!(put(&first).header("etag"), Some("\"2\""));
    assert_eq!(put(&json!({"a": ""})).header("etag"), Some("\"3\""));
    assert_eq!(metadata(&stage), (json!({"a": ""}), 3));
    let stale = call("PUT", path.as_str(), &first).bearer(&stage.operator);
    is_problem(
        &stale.clone().header("If-Match", "\"2\"").send(&stage.server),
        412,
        "precondition-failed",
    );
    assert_eq!(stale.header("If-Match", "\"3\"").send(&stage.server).status, 204);
    let many: serde_json::Map<_, _> = (0..51).map(|at| (format!("k{at}"), json!(""))).collect();
    for (body, field) in [
        (json!({"a": 1}), "a"),
        (json!({"a": null}), "a"),
        (json!({"a": {"b": "c"}}), "a"),
        (json!({"a": "x".repeat(501)}), "a"),
        (json!({"x".repeat(41): "a"}), &"x".repeat(41)),
        (json!({"": "a"}), "(a key)"),
        (Value::Object(many), "metadata"),
    ] {
        is_wrong_in(&put(&body), &[field]);
    }
    assert_eq!(metadata(&stage), (first, 4));
    assert_eq!(put(&json!({})).status, 204);
    assert_eq!(metadata(&stage), (Value::Null, 5));
}

#[test]
fn a_customer_that_is_deleted_is_hidden_from_all_but_this_interface() {
    let stage = Stage::new();
    let number = stage.customer(&json!({"name": "Jon", "email": "jon@x", "memberId": "r"}));
    let path = path_of(number);
    let delete = |tag: Option<&str>| {
        let call = call("DELETE", path.as_str(), &Value::Null).bearer(&stage.owner);
        tag.into_iter().fold(call, |call, tag| call.header("If-Match", tag)).send(&stage.server)
    };
    for tag in ["\"2\"", "W/\"1\"", "1", "x"] {
        is_problem(&delete(Some(tag)), 412, "precondition-failed");
    }
    let reply = delete(Some("\"1\""));
    assert_eq!((reply.status, reply.text()), (204, ""));
    is_problem(&delete(None), 404, "not-found");
    let found = stage.get(&stage.owner, &path).expect(200);
    assert_eq!((&found["version"], found["deletedAt"].is_string()), (&json!(2), true));
    assert_eq!(found["profile"]["reference"], "r");
    for target in [format!("{CLIENTS}/{number}"), "/customers/r".to_owned()] {
        let call = Call::get(target.as_str());
        let call = if target.starts_with(CLIENTS) {
            call.header("X-API-Key", stage.server.key())
        } else {
            call.basic(stage.server.key())
        };
        assert_eq!(call.send(&stage.server).status, 404, "{target}");
    }
    let list = stage.get(&stage.owner, &format!("{HOME}/customers")).expect(200);
    assert_eq!((&list["total"]["count"], &list["items"]), (&json!(0), &json!([])));
    // Nothing of it changes any more, and its reference is free.
    let metadata = stage.owner("PUT", &format!("{path}/metadata"), &json!({"a": "b"}));
    is_problem(&metadata, 404, "not-found");
    let facts = json!({"hasPaymentRequests": true, "totalDeposits": "1"});
    is_problem(&stage.owner("PUT", &format!("{path}/payment-facts"), &facts), 404, "not-found");
    post(&stage.server, "/customers", "object_reference_id=r&mobile_number=1").expect(200);
}

#[test]
fn who_is_not_there_is_not_found() {
    let stage = Stage::new();
    for name in
        ["1", "4503599627370496", "99999999999999999999", "cst_0000000000000000", "x", "%FF", "-1"]
    {
        let path = format!("{HOME}/customers/{name}");
        is_problem(&stage.get(&stage.owner, &path), 404, "not-found");
        is_problem(&stage.get(&stage.owner, &format!("{path}/history")), 404, "not-found");
        is_problem(&stage.get(&stage.owner, &format!("{path}/export")), 404, "not-found");
        is_problem(&stage.owner("DELETE", &path, &Value::Null), 404, "not-found");
        is_problem(&stage.owner("POST", &format!("{path}/erase"), &Value::Null), 404, "not-found");
        is_problem(&stage.get(&stage.owner, &format!("{HOME}/erasures/{name}")), 404, "not-found");
    }
}
