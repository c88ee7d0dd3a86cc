//! Headers: request ids, entity tags, and what every answer carries.

use patron_testkit::http::{Call, Reply};
use patron_testkit::server::Server;
use patron_testkit::shape;

use crate::errors::{is_refused, is_unknown_customer, is_wrong_value};
use crate::stage::{LEAST, MOST, create, get, post, read, server};

const JON: &str = "/customers/jon@example.com";

fn with_id(server: &Server, id: &str) -> Reply {
    let call = Call::get(JON).basic(server.key());
    call.header("X-Request-Id", id).send(server)
}

#[test]
fn a_fitting_request_id_is_echoed() {
    let server = server();
    create(&server, LEAST);
    for id in ["r", "94d986db-85a2-45a3-af88-6eb5967ab61c", "a b~!\"", &"x".repeat(128)] {
        let reply = with_id(&server, id);
        assert_eq!(reply.header("x-request-id"), Some(id));
        assert_eq!(reply.header("x-response-id"), Some(id));
    }
}

#[test]
fn any_other_request_id_is_replaced() {
    let server = server();
    create(&server, LEAST);
    for id in ["", "ü", "a\tb", &"x".repeat(129)] {
        let reply = with_id(&server, id);
        let made = reply.header("x-request-id").unwrap();
        assert!(shape::is_uuid(made), "{id:?}: {made}");
        assert_eq!(reply.header("x-response-id"), Some(made));
    }
}

#[test]
fn each_request_without_an_id_gets_its_own() {
    let server = server();
    create(&server, LEAST);
    let ids = [get(&server, JON), get(&server, JON)]
        .map(|reply| reply.header("x-request-id").unwrap().to_owned());
    assert!(ids.iter().all(|id| shape::is_uuid(id)), "{ids:?}");
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn errors_name_the_request_id_in_head_and_body() {
    let server = server();
    let reply = with_id(&server, "mine-1");
    assert_eq!(reply.json()["error_info"]["request_id"], "mine-1");
    is_unknown_customer(&reply);
    let anonymous = Call::get(JON).header("x-request-id", "mine-2").send(&server);
    assert_eq!(anonymous.json()["error_info"]["request_id"], "mine-2");
    let nowhere = Call::get("/nowhere").header("x-request-id", "mine-3").send(&server);
    assert_eq!(nowhere.json()["error_info"]["request_id"], "mine-3");
    assert_eq!(nowhere.header("x-response-id"), Some("mine-3"));
}

/// What stands in the head of every answer, good or bad.
fn carries_what_all_carry(reply: &Reply) {
    assert_eq!(reply.header("content-type"), Some("application/json"), "{reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
    assert!(reply.header("x-request-id").is_some(), "{reply:?}");
    assert_eq!(reply.header("x-response-id"), reply.header("x-request-id"), "{reply:?}");
    let length = reply.header("content-length").unwrap();
    assert_eq!(length, reply.body.len().to_string());
}

#[test]
fn every_answer_is_json_that_nobody_may_keep() {
    let server = server();
    let merchant = Some("testaccount");
    for reply in [
        post(&server, "/customers", LEAST),
        post(&server, JON, "first_name=Jon"),
        get(&server, JON),
        get(&server, "/customers"),
        post(&server, "/v2/customers", LEAST),
        post(&server, "/v2/customers/r", ""),
    ] {
        assert_eq!(reply.status, 200);
        carries_what_all_carry(&reply);
        assert_eq!(reply.header("x-jp-merchant-id"), merchant);
    }
    for reply in [
        post(&server, "/customers", LEAST),
        post(&server, "/customers", "x=%zz"),
        post(&server, JON, "first_name=%3C"),
        get(&server, "/customers/nobody"),
        get(&server, "/nowhere"),
        Call::get(JON).send(&server),
        Call::new("PATCH", JON).send(&server),
        post(&server, "/customers", &"x".repeat(70_000)),
    ] {
        assert!(reply.status >= 400);
        carries_what_all_carry(&reply);
    }
}

#[test]
fn the_entity_tag_is_the_version_of_one_customer() {
    let server = server();
    assert_eq!(post(&server, "/customers", LEAST).header("etag"), Some("\"1\""));
    assert_eq!(get(&server, JON).header("etag"), Some("\"1\""));
    assert_eq!(post(&server, JON, "first_name=Jon").header("etag"), Some("\"2\""));
    assert_eq!(get(&server, JON).header("etag"), Some("\"2\""));
    assert_eq!(post(&server, "/v2/customers", LEAST).header("etag"), Some("\"2\""));
    assert_eq!(get(&server, "/customers").header("etag"), None);
    assert_eq!(get(&server, "/customers/nobody").header("etag"), None);
}

fn if_match(server: &Server, target: &str, tags: &[&str], form: &str) -> Reply {
    let call = Call::post(target).basic(server.key()).form(form);
    let call = tags.iter().fold(call, |call, tag| call.header("If-Match", *tag));
    call.send(server)
}

#[test]
fn if_match_lets_the_current_version_through() {
    let server = server();
    create(&server, LEAST);
    let names = ["A", "B", "C", "D"];
    let tags = [["\"1\"", "\"9\""], ["\"9\", \"2\"", "\"9\""], ["\"8\"", "\"3\""], ["*", "\"4\""]];
    for (name, tags) in names.into_iter().zip(tags) {
        let tags = if tags[0] == "*" { &tags[..1] } else { &tags[..] };
        let reply = if_match(&server, JON, tags, &format!("first_name={name}"));
        assert_eq!(reply.expect(200)["first_name"], name, "{tags:?}");
    }
    assert_eq!(get(&server, JON).header("etag"), Some("\"5\""));
}

#[test]
fn if_match_refuses_a_stale_version_and_changes_nothing() {
    let server = server();
    create(&server, MOST);
    for tag in ["\"2\"", "\"0\"", "W/\"1\"", "1", "\"x\"", ""] {
        let reply = if_match(&server, JON, &[tag], "first_name=Aegon");
        assert_eq!(reply.status, 412, "{tag}: {}", reply.text());
        is_refused(&reply, 412, "precondition_failed");
    }
    // Also when nothing would change.
    is_refused(&if_match(&server, JON, &["\"2\""], "first_name=Jon"), 412, "precondition_failed");
    assert_eq!(read(&server)["first_name"], "Jon");
    assert_eq!(get(&server, JON).header("etag"), Some("\"1\""));
}

#[test]
fn if_match_comes_last() {
    let server = server();
    create(&server, LEAST);
    let wrong = if_match(&server, JON, &["\"9\""], "first_name=%3C");
    is_wrong_value(&wrong, &["first_name"]);
    is_unknown_customer(&if_match(&server, "/customers/nobody", &["\"9\""], "first_name=A"));
}
