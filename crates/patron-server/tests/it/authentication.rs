//! Who is let in: API keys, how they are written, and whose they are.

use patron_testkit::http::{Call, basic, colonless};
use patron_testkit::wait::soon;

use crate::errors::{is_denied, is_malformed, is_refused, is_unknown_customer};
use crate::stage::{LEAST, create, create_key, create_merchant, get, read, server};

const NOBODY: &str = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF";

/// All routes, each with a body that would be refused if it were read.
const ROUTES: [(&str, &str); 6] = [
    ("POST", "/customers"),
    ("GET", "/customers"),
    ("GET", "/customers/jon@example.com"),
    ("POST", "/customers/jon@example.com"),
    ("POST", "/v2/customers"),
    ("POST", "/v2/customers/jon@example.com"),
];

#[test]
fn every_route_needs_a_key() {
    let server = server();
    for (method, path) in ROUTES {
        let call = Call::new(method, path);
        is_denied(&call.send(&server));
        is_denied(&call.clone().basic(NOBODY).send(&server));
        is_denied(&call.clone().basic(NOBODY).json("{").send(&server));
    }
}

#[test]
fn a_key_may_be_written_in_every_way_that_clients_write_it() {
    let server = server();
    create(&server, LEAST);
    let with = basic(server.key());
    let without = colonless(server.key());
    let encoded = with.strip_prefix("Basic ").unwrap();
    for value in [
        with.clone(),
        without.clone(),
        with.trim_end_matches('=').to_owned(),
        without.trim_end_matches('=').to_owned(),
        format!("basic {encoded}"),
        format!("BASIC {encoded}"),
    ] {
        let call = Call::get("/customers/jon@example.com").header("authorization", &value);
        assert_eq!(call.send(&server).status, 200, "{value}");
    }
}

#[test]
fn anything_else_is_no_key() {
    let server = server();
    create(&server, LEAST);
    let key = server.key();
    for value in [
        colonless(&format!("{key}:password")),
        colonless(&format!("{key}::")),
        colonless(&format!(":{key}")),
        colonless(&format!(" {key}:")),
        basic(&key.to_lowercase()),
        basic(&key[..31]),
        basic(&format!("{key}0")),
        basic(""),
        colonless(""),
        "Basic".to_owned(),
        "Basic !!!".to_owned(),
        format!("Bearer {key}"),
        format!("Digest {key}"),
        key.to_owned(),
        String::new(),
        basic(&"A".repeat(4000)),
        basic("\u{0}"),
    ] {
        let call = Call::get("/customers/jon@example.com").header("Authorization", &value);
        is_denied(&call.send(&server));
    }
    let twice = Call::get("/customers/jon@example.com").basic(key).basic(key);
    is_denied(&twice.send(&server));
}

#[test]
fn the_merchant_header_is_optional_and_must_be_the_keys() {
    let server = server();
    create(&server, LEAST);
    create_merchant(&server, "other", &[]);
    for name in ["x-merchantid", "X-MerchantId", "x-merchant-id", "merchant-id"] {
        let call = Call::get("/customers/jon@example.com").basic(server.key());
        let says = |value: &str| call.clone().header(name, value).send(&server);
        assert_eq!(says("testaccount").status, 200, "{name}");
        for wrong in ["TestAccount", "testaccount2", "other", "nobody"] {
            is_denied(&says(wrong));
        }
    }
}

#[test]
fn other_headers_are_accepted_and_never_required() {
    let server = server();
    create(&server, LEAST);
    let call = Call::get("/customers/jon@example.com")
        .basic(server.key())
        .header("x-routing-id", "anything")
        .header("x-customerid", "another")
        .header("version", "2019-05-07");
    assert_eq!(call.send(&server).expect(200), read(&server));
}

#[test]
fn a_key_reaches_its_own_merchant_only() {
    let server = server();
    create(&server, LEAST);
    let other = create_merchant(&server, "other", &[]);
    let reply = Call::get("/customers/jon@example.com").basic(&other).send(&server);
    is_unknown_customer(&reply);
}

#[test]
fn a_key_without_the_scope_is_forbidden() {
    let server = server();
    let customer = create(&server, LEAST);
    let (reader, _) = create_key(&server, "testaccount", &["--scopes", "customers:read"]);
    let (writer, _) = create_key(&server, "testaccount", &["--scopes", "customers:write"]);
    for (method, path) in ROUTES {
        let (allowed, forbidden) = match method {
            "GET" => (&reader, &writer),
            _ => (&writer, &reader),
        };
        let call = Call::new(method, path).form("object_reference_id=r&mobile_number=1");
        let refusal = call.clone().basic(forbidden).send(&server);
        is_refused(&refusal, 403, "forbidden");
        assert_eq!(call.basic(allowed).send(&server).status, 200, "{method} {path}");
    }
    // The scope is looked at before the query, the body and the customer.
    for target in ["/customers/nobody?a=%zz", "/customers?a=%zz"] {
        is_refused(&Call::get(target).basic(&writer).send(&server), 403, "forbidden");
    }
    let call = Call::post("/customers/nobody").basic(&reader).json("{");
    is_refused(&call.send(&server), 403, "forbidden");
    assert_eq!(customer["id"], read(&server)["id"]);
}

#[test]
fn an_expired_key_is_refused() {
    let server = server();
    create(&server, LEAST);
    let (key, _) = create_key(&server, "testaccount", &["--expires", "1s"]);
    let call = Call::get("/customers/jon@example.com").basic(&key);
    let last = soon("the key expires", || {
        let reply = call.send(&server);
        (reply.status != 200).then_some(reply)
    });
    is_denied(&last);
    assert_eq!(get(&server, "/customers/jon@example.com").status, 200, "other keys live on");
}

#[test]
fn authentication_comes_before_the_body_and_after_the_route() {
    let server = server();
    is_denied(&Call::post("/customers").json("{").send(&server));
    is_malformed(&Call::post("/customers").basic(server.key()).json("{").send(&server));
    let unknown = Call::post("/nowhere").basic(NOBODY).send(&server);
    is_refused(&unknown, 404, "endpoint_not_found");
    let method = Call::new("PUT", "/customers").basic(NOBODY).send(&server);
    is_refused(&method, 405, "method_not_allowed");
}

#[test]
fn each_of_several_merchant_headers_must_be_right() {
    let server = server();
    let call = Call::get("/customers").basic(server.key()).header("x-merchantid", "testaccount");
    assert_eq!(call.clone().header("merchant-id", "testaccount").send(&server).status, 200);
    is_denied(&call.clone().header("merchant-id", "other").send(&server));
    is_denied(&call.header("x-merchantid", "other").send(&server));
}
