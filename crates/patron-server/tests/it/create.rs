//! Creating customers: `POST /customers`.

use patron_testkit::server::Server;
use patron_testkit::shape;
use serde_json::{Value, json};

use crate::errors::{is_missing, is_taken, is_wrong_value};
use crate::stage::{LEAST, MOST, create, encoded, get, launch, post, post_json, server, text};

#[test]
fn a_new_customer_has_all_ten_fields() {
    let server = server();
    let customer = create(&server, MOST);
    let expected = json!({
        "id": customer["id"],
        "object": "customer",
        "object_reference_id": "jon@example.com",
        "mobile_number": "99887766",
        "date_created": customer["date_created"],
        "last_updated": customer["date_created"],
        "email_address": "jon@winter.example",
        "first_name": "Jon",
        "last_name": "Snow",
        "mobile_country_code": "65",
    });
    assert_eq!(customer, expected);
    assert!(shape::is_customer_id(text(&customer, "id")), "{customer}");
    assert!(shape::is_date(text(&customer, "date_created")), "{customer}");
}

#[test]
fn what_was_not_sent_is_null() {
    let customer = create(&server(), LEAST);
    for field in ["email_address", "first_name", "last_name"] {
        assert_eq!(customer[field], Value::Null, "{field}");
    }
    assert_eq!(customer["mobile_country_code"], "91");
    assert_eq!(customer.as_object().unwrap().len(), 10);
}

#[test]
fn an_empty_optional_field_is_null() {
    let customer = create(
        &server(),
        &format!("{LEAST}&email_address=&first_name=&last_name=&mobile_country_code="),
    );
    for field in ["email_address", "first_name", "last_name", "mobile_country_code"] {
        assert_eq!(customer[field], Value::Null, "{field}");
    }
}

#[test]
fn a_token_comes_only_for_the_asking() {
    let server = server();
    let spellings = [
        ("true", true),
        ("True", true),
        ("1", true),
        ("TRUE", false),
        ("yes", false),
        ("false", false),
        ("", false),
        ("0", false),
    ];
    for (number, (spelling, expect)) in spellings.into_iter().enumerate() {
        let form = format!(
            "object_reference_id=r{number}&mobile_number=1&options.get_client_auth_token={spelling}"
        );
        let customer = create(&server, &form);
        assert_eq!(customer.get("juspay").is_some(), expect, "{spelling}: {customer}");
        if expect {
            let token = text(&customer["juspay"], "client_auth_token");
            assert!(shape::is_token(token), "{token}");
            let expiry = text(&customer["juspay"], "client_auth_token_expiry");
            assert!(shape::is_date(expiry), "{expiry}");
        }
    }
}

#[test]
fn json_asks_for_a_token_in_four_ways() {
    let server = server();
    let ways = [
        (r#""options.get_client_auth_token":true"#, true),
        (r#""options.get_client_auth_token":"true""#, true),
        (r#""options.get_client_auth_token":"True""#, true),
        (r#""options.get_client_auth_token":1"#, true),
        (r#""options":{"get_client_auth_token":true}"#, true),
        (r#""options":{"get_client_auth_token":"true"}"#, true),
        (r#""options":{"get_client_auth_token":false}"#, false),
        (r#""options":{}"#, false),
        (r#""options":null"#, false),
        (r#""options.get_client_auth_token":false"#, false),
        (r#""options.get_client_auth_token":null"#, false),
        (r#""get_client_auth_token":true"#, false),
    ];
    for (number, (way, expect)) in ways.into_iter().enumerate() {
        let body = format!(r#"{{"object_reference_id":"r{number}","mobile_number":"1",{way}}}"#);
        let customer = post_json(&server, "/customers", &body).expect(200);
        assert_eq!(customer.get("juspay").is_some(), expect, "{way}: {customer}");
    }
}

#[test]
fn a_reference_is_taken_once_and_compared_exactly() {
    let server = server();
    create(&server, LEAST);
    is_taken(&post(&server, "/customers", MOST));
    let other_case = LEAST.replace("jon@", "Jon@");
    create(&server, &other_case);
}

#[test]
fn an_unknown_key_is_ignored() {
    let form = format!("{LEAST}&id=cst_0123456789abcdef&customer_id=x&routing_id=y&object=order");
    let customer = create(&server(), &form);
    assert_ne!(customer["id"], "cst_0123456789abcdef");
    assert_eq!(customer["object"], "customer");
}

#[test]
fn missing_fields_come_before_wrong_ones_and_in_the_tables_order() {
    let server = server();
    let check = |form: &str, fields: &[&str]| {
        is_missing(&post(&server, "/customers", form), fields);
    };
    check("", &["object_reference_id", "mobile_number"]);
    check("mobile_number=1", &["object_reference_id"]);
    check("object_reference_id=r", &["mobile_number"]);
    check("first_name=%3C&object_reference_id=", &["mobile_number"]);
}

#[test]
fn every_wrong_field_is_named_in_the_tables_order() {
    let form = "mobile_country_code=x&last_name=%3C&first_name=%3C&email_address=x\
        &mobile_number=x&object_reference_id=";
    let fields = [
        "object_reference_id",
        "mobile_number",
        "email_address",
        "first_name",
        "last_name",
        "mobile_country_code",
    ];
    is_wrong_value(&post(&server(), "/customers", form), &fields);
}

/// What is right and what is wrong in each field; `None` is wrong, `Some` is what is kept.
fn values() -> Vec<(&'static str, String, Option<String>)> {
    let mut values = Vec::new();
    let mut right = |field, value: &str, kept: &str| {
        values.push((field, value.to_owned(), Some(kept.to_owned())));
    };
    for same in ["1", "+919988776655", &"9".repeat(300)] {
        right("mobile_number", same, same);
    }
    let local = "a!#$%&'*+-/=?^_.{|}~`b";
    for same in [&format!("{local}@x"), "a@b", "A.B-c@D", &format!("a@{}", "b".repeat(298))] {
        right("email_address", same, same);
    }
    for field in ["first_name", "last_name"] {
        for same in ["Jon", "().-_", "J0n-(2)_.", "3", &"x".repeat(255)] {
            right(field, same, same);
        }
    }
    right("mobile_country_code", "+65", "65");
    right("mobile_country_code", "1", "1");
    right("mobile_country_code", &"1".repeat(64), &"1".repeat(64));
    let mut wrong = |field, value: &str| values.push((field, value.to_owned(), None));
    for value in ["", "-1", "+", "++1", "1+", "1 2", "1a", "١٢", " 1", &"9".repeat(301)] {
        wrong("mobile_number", value);
    }
    for value in [
        "x",
        "@",
        "a@",
        "@b",
        "a@b@c",
        "_a@b",
        "a_@b",
        ".a@b",
        "a.@b",
        "a b@c",
        "ä@b",
        "a\"@b",
        "a@b,c",
        "a@(b)",
        &format!("a@{}", "b".repeat(299)),
    ] {
        wrong("email_address", value);
    }
    for field in ["first_name", "last_name"] {
        for value in ["Jon Snow", "Zoë", "<b>", "O'Neil", "a,b", "a\u{0}b", &"x".repeat(256)] {
            wrong(field, value);
        }
    }
    for value in ["x", "+", "++65", "6 5", "65+", "-65", "٦٥", &"1".repeat(65)] {
        wrong("mobile_country_code", value);
    }
    values
}

#[test]
fn each_field_takes_what_the_contract_says() {
    let server = server();
    for (number, (field, value, kept)) in values().into_iter().enumerate() {
        let mobile = if field == "mobile_number" { "" } else { "&mobile_number=1" };
        let form = format!("object_reference_id=r{number}{mobile}&{field}={}", encoded(&value));
        let reply = post(&server, "/customers", &form);
        match kept {
            Some(kept) => assert_eq!(reply.expect(200)[field], kept, "{field} {value:?}"),
            None => {
                assert_eq!(reply.status, 400, "{field} {value:?}: {}", reply.text());
                is_wrong_value(&reply, &[field]);
                let reference = format!("/customers/r{number}");
                assert_eq!(get(&server, &reference).status, 404, "a refused one was kept");
            }
        }
    }
}

#[test]
fn lengths_are_counted_in_characters() {
    let server = server();
    let reference = "é".repeat(300);
    let form =
        |reference: &str| format!("object_reference_id={}&mobile_number=1", encoded(reference));
    assert_eq!(create(&server, &form(&reference))["object_reference_id"], reference);
    let reply = post(&server, "/customers", &form(&format!("{reference}é")));
    is_wrong_value(&reply, &["object_reference_id"]);
    assert_eq!(create(&server, &form("x"))["object_reference_id"], "x");
}

#[test]
fn a_merchant_may_allow_real_names() {
    let server = server();
    let form = |number: u8, name: &str| {
        let name = encoded(name);
        format!("object_reference_id=r{number}&mobile_number=1&first_name={name}&last_name={name}")
    };
    let names = ["O'Neil", "Mary Jane", "José María", "ಪುನೀತ್ ರಾಜ್", "محمد", "Jo\u{301}n"];
    is_wrong_value(&post(&server, "/customers", &form(0, names[0])), &["first_name", "last_name"]);
    server.manage(&["merchant", "set", "testaccount", "--set", "juspay.names=unicode"]).ok();
    for (number, name) in (1..).zip(names) {
        let customer = create(&server, &form(number, name));
        assert_eq!((&customer["first_name"], &customer["last_name"]), (&json!(name), &json!(name)));
    }
    for name in ["<b>", "a&b", "a\nb", "a/b"] {
        let reply = post(&server, "/customers", &form(9, name));
        is_wrong_value(&reply, &["first_name", "last_name"]);
    }
}

#[test]
fn the_default_country_code_is_the_merchants() {
    let server = server();
    server.manage(&["merchant", "set", "testaccount", "--country-code", "65"]).ok();
    assert_eq!(create(&server, LEAST)["mobile_country_code"], "65");
}

/// The ids of two customers that were not there before.
fn two_ids(server: &Server) -> [String; 2] {
    ["a", "b"].map(|name| {
        let form = format!("object_reference_id={name}{}&mobile_number=1", server.id());
        text(&create(server, &form), "id").to_owned()
    })
}

/// Also over a restart: an id follows from the customer's number, which is never given twice.
#[test]
fn a_seed_makes_ids_predictable() {
    let ids = || {
        let mut server = launch().with("--sandbox-seed").with("7").start();
        let first = two_ids(&server);
        server.restart();
        let again = two_ids(&server);
        assert!(first.iter().all(|id| !again.contains(id)), "{first:?} {again:?}");
        first
    };
    let first = ids();
    assert_eq!(first, ids());
    assert_ne!(first[0], first[1]);
    assert!(first.iter().all(|id| shape::is_customer_id(id)), "{first:?}");
}

#[test]
fn references_that_look_alike_are_different() {
    let server = server();
    let alike = [
        "Zoe\u{308}",
        "Zo\u{eb}",
        "zo\u{eb}",
        "Zo\u{eb} ",
        " Zo\u{eb}",
        "Zo\u{eb}\u{0}",
        "Zo\u{435}\u{308}",
    ];
    for reference in alike {
        let form = format!("object_reference_id={}&mobile_number=1", encoded(reference));
        assert_eq!(create(&server, &form)["object_reference_id"], reference);
    }
    for reference in alike {
        let found = get(&server, &format!("/customers/{}", encoded(reference))).expect(200);
        assert_eq!(found["object_reference_id"], reference);
    }
    assert_eq!(get(&server, "/customers").expect(200)["total"], alike.len());
}
