//! How API keys are written, and what is looked at before what. Who may do what is in `authorization`.

use patron_testkit::http::{Call, basic, colonless};

use crate::errors::{is_denied, is_malformed, is_refused};
use crate::stage::{LEAST, create, create_key, create_merchant, read, server};

const NOBODY: &str = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF";

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
fn the_scope_is_looked_at_before_the_query_the_body_and_the_customer() {
    let server = server();
    let (reader, _) = create_key(&server, "testaccount", &["--scopes", "customers:read"]);
    let (writer, _) = create_key(&server, "testaccount", &["--scopes", "customers:write"]);
    for target in ["/customers/nobody?a=%zz", "/customers?a=%zz"] {
        is_refused(&Call::get(target).basic(&writer).send(&server), 403, "forbidden");
    }
    for target in ["/customers", "/customers/nobody", "/v2/customers", "/v2/customers/nobody"] {
        let call = Call::post(target).basic(&reader).json("{");
        is_refused(&call.send(&server), 403, "forbidden");
    }
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
