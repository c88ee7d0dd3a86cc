//! From where a merchant's keys may be used, and how the client's address is found out.

use patron_testkit::http::{Call, Reply};
use patron_testkit::server::Server;

use crate::errors::is_bad_origin;
use crate::stage::{get, launch, post, server};

/// Sets the list; an empty one switches it off.
fn allow(server: &Server, list: &str) {
    let off = ["merchant", "set", "testaccount", "--no-allow-ip"];
    let on = ["merchant", "set", "testaccount", "--allow-ip", list];
    let words = if list.is_empty() { &off[..] } else { &on[..] };
    server.manage(words).ok();
}

fn check(server: &Server, list: &str, is_admitted: bool) {
    allow(server, list);
    let reply = get(server, "/customers");
    if is_admitted {
        assert_eq!(reply.status, 200, "{list}: {}", reply.text());
    } else {
        is_bad_origin(&reply);
    }
}

#[test]
fn it_is_honoured_at_once_while_the_server_runs() {
    let server = server();
    check(&server, "203.0.113.7", false);
    check(&server, "127.0.0.1", true);
    check(&server, "203.0.113.7,127.0.0.0/8", true);
    check(&server, "203.0.113.0/24,2001:db8::/32", false);
    check(&server, "::ffff:127.0.0.1", true);
    check(&server, "::/0", false);
    check(&server, "0.0.0.0/0", true);
    check(&server, "203.0.113.7", false);
    check(&server, "", true);
}

#[test]
fn it_comes_before_the_body_and_the_customer() {
    let server = server();
    allow(&server, "203.0.113.7");
    is_bad_origin(&get(&server, "/customers/nobody"));
    is_bad_origin(&get(&server, "/customers?a=%zz"));
    for target in ["/customers", "/customers/nobody", "/v2/customers", "/v2/customers/nobody"] {
        is_bad_origin(&post(&server, target, "object_reference_id=%zz"));
    }
}

#[test]
fn a_list_that_cannot_be_read_is_not_set() {
    let server = server();
    let words = ["merchant", "set", "testaccount", "--allow-ip", "127.0.0.1,nonsense"];
    let outcome = server.manage(&words);
    assert!(outcome.refused().contains("nonsense"), "{outcome:?}");
    assert_eq!(get(&server, "/customers").status, 200);
}

fn forwarded(server: &Server, lines: &[&str]) -> Reply {
    let call = Call::get("/customers").basic(server.key());
    let call = lines.iter().fold(call, |call, line| call.header("X-Forwarded-For", *line));
    call.send(server)
}

#[test]
fn a_trusted_proxy_says_who_the_client_is() {
    let server = launch().with("--behind-proxy").with("127.0.0.0/8,10.0.0.0/8").start();
    allow(&server, "203.0.113.7,2001:db8::/32");
    for lines in [
        ["203.0.113.7"].as_slice(),
        &["198.51.100.1, 203.0.113.7"],
        &["203.0.113.7, 10.1.2.3"],
        &["198.51.100.1", "203.0.113.7", "10.1.2.3"],
        &["::ffff:203.0.113.7"],
        &["2001:db8::9"],
        &["[2001:db8::9]:4711"],
        &["203.0.113.7:4711"],
    ] {
        assert_eq!(forwarded(&server, lines).status, 200, "{lines:?}");
    }
    for lines in [
        ["198.51.100.1"].as_slice(),
        &["203.0.113.7, 198.51.100.1"],
        &["203.0.113.7", "198.51.100.1"],
        &["unknown"],
        &["203.0.113.7, unknown"],
        &[""],
        &["10.1.2.3"],
        // An address that cannot be determined is not on the list.
        &[],
    ] {
        is_bad_origin(&forwarded(&server, lines));
    }
}

#[test]
fn without_a_list_the_address_does_not_matter() {
    let server = launch().with("--behind-proxy").with("127.0.0.1").start();
    assert_eq!(forwarded(&server, &[]).status, 200);
    assert_eq!(forwarded(&server, &["unknown"]).status, 200);
}

#[test]
fn it_survives_a_restart() {
    let mut server = server();
    allow(&server, "203.0.113.7");
    server.restart();
    is_bad_origin(&get(&server, "/customers"));
}
