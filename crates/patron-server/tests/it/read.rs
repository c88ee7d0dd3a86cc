//! Reading customers: `GET /customers/{id}`.

use patron_testkit::http::Call;
use serde_json::json;

use crate::errors::{is_refused, is_unknown_customer};
use crate::stage::{LEAST, MOST, create, create_merchant, encoded, get, server, text};

#[test]
fn by_id_and_by_reference_it_is_the_same_customer() {
    let server = server();
    let customer = create(&server, MOST);
    let id = text(&customer, "id");
    assert_eq!(get(&server, &format!("/customers/{id}")).expect(200), customer);
    assert_eq!(get(&server, "/customers/jon@example.com").expect(200), customer);
    assert_eq!(get(&server, "/customers/jon%40example.com").expect(200), customer);
    assert_eq!(get(&server, "/customers/jon%40example.com?id=x&y").expect(200), customer);
}

#[test]
fn any_reference_can_stand_in_a_path() {
    let server = server();
    let references = [
        "a+b", "a b", "a/b", "a%b", "ü@ö", "a?b#c", "..", ".", "count", "v2", "%2F", "a;b=c",
        "\u{7f}", "a\nb", "\"\\",
    ];
    for reference in references {
        let sent = encoded(reference);
        let form = format!("object_reference_id={sent}&mobile_number=1");
        let customer = create(&server, &form);
        assert_eq!(customer["object_reference_id"], reference);
        let sent = if matches!(reference, "." | "..") { reference } else { &sent };
        let reply = get(&server, &format!("/customers/{sent}"));
        assert_eq!(reply.status, 200, "{reference}: {}", reply.text());
        assert_eq!(reply.json(), customer, "{reference}");
    }
}

#[test]
fn a_plus_in_a_path_is_a_plus() {
    let server = server();
    let customer = create(&server, "object_reference_id=a%2Bb%40x&mobile_number=1");
    assert_eq!(get(&server, "/customers/a+b@x").expect(200), customer);
    assert_eq!(get(&server, "/customers/a%2bb%40x").expect(200), customer);
    is_unknown_customer(&get(&server, "/customers/a%20b@x"));
}

#[test]
fn an_id_beats_a_reference_that_looks_like_it() {
    let server = server();
    let first = create(&server, LEAST);
    let id = text(&first, "id");
    let second = create(&server, &format!("object_reference_id={id}&mobile_number=2"));
    assert_ne!(second["id"], first["id"]);
    assert_eq!(get(&server, &format!("/customers/{id}")).expect(200), first);
}

#[test]
fn an_unknown_customer_is_not_found() {
    let server = server();
    create(&server, LEAST);
    for name in [
        "cst_0123456789abcdef",
        "cst_",
        "nobody",
        "JON@example.com",
        "jon@example.com%20",
        "%E9",
        "%00",
        &"x".repeat(301),
        &"x".repeat(2000),
    ] {
        is_unknown_customer(&get(&server, &format!("/customers/{name}")));
    }
}

#[test]
fn another_merchants_customer_is_not_found() {
    let server = server();
    let customer = create(&server, LEAST);
    let other = create_merchant(&server, "other", &[]);
    for name in [text(&customer, "id"), "jon@example.com"] {
        let reply = Call::get(format!("/customers/{name}")).basic(&other).send(&server);
        is_unknown_customer(&reply);
    }
    let own = Call::post("/customers").basic(&other).form(LEAST).send(&server);
    assert_ne!(own.expect(200)["id"], customer["id"]);
}

#[test]
fn a_token_comes_in_the_query_for_the_asking() {
    let server = server();
    let customer = create(&server, LEAST);
    for (query, expect) in [
        ("?options.get_client_auth_token=true", true),
        ("?options.get_client_auth_token=True", true),
        ("?options.get_client_auth_token=1", true),
        ("?x=y&options.get_client_auth_token=true&z", true),
        ("?options%2Eget_client_auth_token=true", true),
        ("?options.get_client_auth_token=no", false),
        ("?get_client_auth_token=true", false),
        ("?", false),
    ] {
        let mut read = get(&server, &format!("/customers/jon@example.com{query}")).expect(200);
        let token = read.as_object_mut().unwrap().remove("juspay");
        assert_eq!(token.is_some(), expect, "{query}");
        assert_eq!(read, customer, "{query}");
    }
}

#[test]
fn every_asking_makes_a_new_token() {
    let server = server();
    create(&server, LEAST);
    let ask = || {
        let target = "/customers/jon@example.com?options.get_client_auth_token=true";
        get(&server, target).expect(200)["juspay"]["client_auth_token"].clone()
    };
    assert_ne!(ask(), ask());
}

#[test]
fn a_get_may_carry_a_content_type_and_even_a_body() {
    let server = server();
    let customer = create(&server, LEAST);
    let call = Call::get("/customers/jon@example.com").basic(server.key());
    assert_eq!(call.clone().form("").send(&server).expect(200), customer);
    assert_eq!(call.json("{\"first_name\":").send(&server).expect(200), customer);
}

#[test]
fn no_other_path_is_a_customer() {
    let server = server();
    for path in [
        "/",
        "/customer",
        "/customers/",
        "/customers/a/b",
        "/Customers/x",
        "/v2",
        "/v4/customers",
        "/x",
    ] {
        is_refused(&get(&server, path), 404, "endpoint_not_found");
        let anonymous = Call::get(path).send(&server);
        is_refused(&anonymous, 404, "endpoint_not_found");
    }
}

#[test]
fn other_methods_are_refused_with_what_is_allowed() {
    let server = server();
    for (path, allow) in [
        ("/customers", ["GET", "POST"].as_slice()),
        ("/customers/x", &["GET", "POST"]),
        ("/v2/customers", &["POST"]),
        ("/v2/customers/x", &["POST"]),
    ] {
        for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            // At a customer's path, an update by `PUT` is another wire's.
            if allow.contains(&method) || (method, path) == ("PUT", "/customers/x") {
                continue;
            }
            let reply = Call::new(method, path).send(&server);
            is_refused(&reply, 405, "method_not_allowed");
            let mut allowed: Vec<_> = reply.header("allow").unwrap().split(", ").collect();
            allowed.sort_unstable();
            assert_eq!(allowed, allow, "{method} {path}");
        }
    }
}

#[test]
fn there_is_no_delete() {
    let server = server();
    let customer = create(&server, LEAST);
    let call = Call::new("DELETE", "/customers/jon@example.com").basic(server.key());
    is_refused(&call.send(&server), 405, "method_not_allowed");
    assert_eq!(get(&server, "/customers/jon@example.com").expect(200), json!(customer));
}

#[test]
fn a_head_request_is_refused_without_a_body() {
    let server = server();
    let reply = Call::new("HEAD", "/customers/x").basic(server.key()).send(&server);
    assert_eq!((reply.status, reply.body.len()), (405, 0));
    assert_eq!(reply.header("allow"), Some("GET, POST"));
}

#[test]
fn a_target_may_be_a_whole_url() {
    let server = server();
    let customer = create(&server, LEAST);
    let target = format!("http://{}/customers/jon@example.com", server.address());
    assert_eq!(get(&server, &target).expect(200), customer);
}
