//! Framing: where a request ends. What is in doubt is refused, and what follows it is never taken for a request.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use patron_testkit::http::{Call, Connection, Reply, basic};
use patron_testkit::server::{SANDBOX_KEY, Server};

use crate::errors::{is_malformed, is_refused};
use crate::stage::LEAST;
use crate::unharmed::{Unharmed, is_within_the_contract};

/// The first lines of a request that may change a customer.
fn update_head() -> String {
    let key = basic(SANDBOX_KEY);
    format!(
        "POST /customers/jon@example.com HTTP/1.1\r\nHost: h\r\nAuthorization: {key}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n"
    )
}

/// First lines of requests whose bodies are read, and of others that are answered before.
fn heads() -> [String; 4] {
    let lines = ["GET /healthz", "POST /nowhere", "POST /customers"];
    let [own, nowhere, anonymous] = lines.map(|line| format!("{line} HTTP/1.1\r\nHost: h\r\n"));
    [update_head(), own, nowhere, anonymous]
}

/// A whole request that would create a customer, were it taken for one.
fn smuggled() -> String {
    let (key, form) = (basic(SANDBOX_KEY), "object_reference_id=smuggled&mobile_number=1");
    let length = form.len();
    format!(
        "POST /customers HTTP/1.1\r\nHost: h\r\nAuthorization: {key}\r\n\
         Content-Length: {length}\r\n\r\n{form}"
    )
}

/// Heads that two readers may frame differently, each with a body that one of them would end early.
const AMBIGUOUS: [(&str, &str); 36] = [
    ("Content-Length: 0\r\nContent-Length: 5", "12345"),
    ("Content-Length: 5\r\nContent-Length: 0", ""),
    ("Content-Length: 0, 5", ""),
    ("Content-Length: +0", ""),
    ("Content-Length: -0", ""),
    ("Content-Length: 0x0", ""),
    ("Content-Length: 0 0", ""),
    ("Content-Length: 0;", ""),
    ("Content-Length: 0.0", ""),
    ("Content-Length: ", ""),
    ("Content-Length: 18446744073709551616", ""),
    ("Content-Length: 99999999999999999999999999999999", ""),
    ("Content-Length\t: 0", ""),
    ("Content-Length : 0", ""),
    ("Content-Length\0: 0", ""),
    ("Transfer-Encoding : chunked", "0\r\n\r\n"),
    ("Transfer-Encoding: identity", ""),
    ("Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
    ("Transfer-Encoding: xchunked", "0\r\n\r\n"),
    ("Transfer-Encoding: \"chunked\"", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked;q=1", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked, chunked", "5\r\n0\r\n\r\n\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"),
    ("Transfer-Encoding:\u{b}chunked", "0\r\n\r\n"),
    ("X: y\r\n Transfer-Encoding: chunked", "0\r\n\r\n"),
    ("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"),
    ("X: y\rTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("X: y\0z", ""),
    ("Content-Length: 0\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
    ("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("Content-Length: 5\r\nTransfer-Encoding: identity", "12345"),
    ("Host: other\r\nContent-Length: 0", ""),
    ("Host: h\r\nContent-Length: 0", ""),
    ("X y: z\r\nContent-Length: 0", ""),
];

#[test]
fn what_follows_an_ambiguous_head_is_never_a_request() {
    let stage = Unharmed::start();
    for (lines, body) in AMBIGUOUS {
        for head in heads() {
            let sent = format!("{head}{lines}\r\n\r\n{body}{}", smuggled());
            let replies = stage.exchange(sent.as_bytes());
            assert!(replies.len() <= 1, "{head}{lines:?}: {replies:?}");
            is_the_last(&replies, lines);
        }
    }
    stage.holds();
}

/// Checks an answer to an ambiguous head.
#[track_caller]
fn is_the_last(replies: &[Reply], lines: &str) {
    // Chunks beside a length are read as RFC 9112, section 6.3, says, and the connection ends.
    let is_both = lines.contains("Length") && lines.contains("Encoding: chunked");
    // The server's own paths are there for whoever asks whether it lives, however it asks.
    for reply in replies {
        let refused = (400..500).contains(&reply.status);
        let is_own = reply.header("content-type") == Some("text/plain; charset=utf-8");
        assert!(refused || ((is_both || is_own) && reply.status == 200), "{lines:?}: {reply:?}");
        assert_eq!(reply.header("connection"), Some("close"), "{lines:?}: {reply:?}");
    }
}

/// Bodies in chunks that are none. Read to their end, all of them would change the customer.
const BROKEN_CHUNKS: [&str; 19] = [
    "g\r\nfirst_name=Aegon\r\n0\r\n\r\n",
    "-10\r\nfirst_name=Aegon\r\n0\r\n\r\n",
    "0x10\r\nfirst_name=Aegon\r\n0\r\n\r\n",
    "\r\nfirst_name=Aegon\r\n0\r\n\r\n",
    "f\r\nfirst_name=Aegon\r\n0\r\n\r\n",
    "11\r\nfirst_name=Aegon\r\n0\r\n\r\n",
    "10000000000000010\r\nfirst_name=Aegon\r\n0\r\n\r\n",
    "ffffffffffffffff\r\nfirst_name=Aegon\r\n0\r\n\r\n",
    "10\nfirst_name=Aegon\n0\n\n",
    "10\rfirst_name=Aegon\r0\r\r",
    "10;a\nb\r\nfirst_name=Aegon\r\n0\r\n\r\n",
    "10\r\nfirst_name=Aegon\r\n0\r\n bad trailer\r\n\r\n",
    // Cut off at every place.
    "1",
    "10\r\nfirst_na",
    "10\r\nfirst_name=Aegon",
    "10\r\nfirst_name=Aegon\r\n",
    "10\r\nfirst_name=Aegon\r\n0",
    "10\r\nfirst_name=Aegon\r\n0\r\n",
    "10\r\nfirst_name=Aegon\r\n0\r\n\r",
];

#[test]
fn chunks_that_are_broken_or_cut_off_change_nothing() {
    let stage = Unharmed::start();
    for chunks in BROKEN_CHUNKS {
        let is_cut =
            !chunks.ends_with("\n\n") && !chunks.ends_with("\r\r") && !chunks.ends_with("\r\n\r\n");
        let rest = if is_cut { String::new() } else { smuggled() };
        for head in heads() {
            let sent = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}{rest}");
            let replies = stage.exchange(sent.as_bytes());
            assert!(replies.len() <= 1, "{head}{chunks:?}: {replies:?}");
            for reply in replies.iter().filter(|_| head == update_head()) {
                is_malformed(reply);
            }
        }
    }
    stage.holds();
}

#[test]
fn chunks_may_have_extensions_and_trailers() {
    let stage = Unharmed::start();
    for chunks in [
        "E;a=b;c\r\nfirst_name=Jon\r\n0\r\n\r\n",
        "00e\r\nfirst_name=Jon\r\n000\r\n\r\n",
        "e\r\nfirst_name=Jon\r\n0\r\nX-Trailer: x\r\nAuthorization: none\r\n\r\n",
    ] {
        let sent = format!("{}Transfer-Encoding: chunked\r\n\r\n{chunks}", update_head());
        let replies = stage.exchange(sent.as_bytes());
        assert_eq!(replies.len(), 1, "{chunks:?}");
        assert_eq!(replies[0].expect(200)["first_name"], "Jon", "{chunks:?}");
    }
    stage.holds();
}

#[test]
fn a_body_that_is_shorter_than_announced_changes_nothing() {
    let stage = Unharmed::start();
    let form = "first_name=Aegon";
    for announced in [form.len() + 1, 1_000, 65_536] {
        let sent = format!("{}Content-Length: {announced}\r\n\r\n{form}", update_head());
        let replies = stage.exchange(sent.as_bytes());
        assert_eq!(replies.len(), 1, "{announced}");
        is_malformed(&replies[0]);
    }
    stage.holds();
}

#[test]
fn a_request_names_its_host_once() {
    let stage = Unharmed::start();
    let key = basic(SANDBOX_KEY);
    for hosts in
        ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n", "Host: a b\r\n", "Host: u@h\r\n"]
    {
        let sent = format!("GET /customers HTTP/1.1\r\nAuthorization: {key}\r\n{hosts}\r\n");
        let replies = stage.exchange(sent.repeat(2).as_bytes());
        assert_eq!(replies.len(), 1, "{hosts:?}: the connection ends");
        is_malformed(&replies[0]);
        assert_eq!(replies[0].header("connection"), Some("close"), "{hosts:?}");
    }
    for host in ["h", "api.example:443", "[::1]:8080", ""] {
        let sent =
            format!("GET /customers HTTP/1.1\r\nAuthorization: {key}\r\nHost: {host}\r\n\r\n");
        assert_eq!(stage.exchange(sent.as_bytes())[0].status, 200, "{host:?}");
    }
    stage.holds();
}

/// What comes first on a connection that is meant for another protocol, or for none.
const STRANGERS: [&[u8]; 17] = [
    b"GET /customers\r\n",
    b"GET /customers\r\n\r\n",
    b"GET /customers HTTP/0.9\r\n\r\n",
    b"GET /customers HTTP/1.2\r\nHost: h\r\n\r\n",
    b"GET /customers HTTP/2.0\r\nHost: h\r\n\r\n",
    b"GET /customers HTTP/3\r\nHost: h\r\n\r\n",
    b"GET /customers http/1.1\r\nHost: h\r\n\r\n",
    b"GET  /customers HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /cust omers HTTP/1.1\r\nHost: h\r\n\r\n",
    b" GET /customers HTTP/1.1\r\nHost: h\r\n\r\n",
    b"G\0T /customers HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET \xff HTTP/1.1\r\nHost: h\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\x00\x01\x02\x03\x04\x05\x06\x07\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\r\n\r\n",
    b"\r\n\r\n\r\n\r\n",
];

#[test]
fn other_protocols_are_refused_and_the_connection_ends() {
    let stage = Unharmed::start();
    for sent in STRANGERS {
        let shown = String::from_utf8_lossy(sent).into_owned();
        let mut whole = sent.to_vec();
        whole.extend_from_slice(smuggled().as_bytes());
        // Empty lines before a request are passed over (RFC 9112, section 2.2).
        let is_empty = sent.trim_ascii().is_empty();
        let replies = if is_empty { stage.exchange(sent) } else { stage.exchange(&whole) };
        assert!(replies.len() <= 1, "{shown:?}: {replies:?}");
        for reply in &replies {
            assert!((400..500).contains(&reply.status), "{shown:?}: {reply:?}");
        }
    }
    stage.holds();
}

fn call(method: &str, target: &str) -> Call {
    Call::new(method, target).basic(SANDBOX_KEY)
}

#[test]
fn unusual_methods_and_targets_are_answered_in_the_vendors_shape() {
    let stage = Unharmed::start();
    let server = stage.server();
    for method in ["OPTIONS", "TRACE", "DELETE", "PATCH", "PUT", "PRI", "get", "X-ANY"] {
        let reply = call(method, "/customers").header("X-Secret", "canary").send(server);
        is_refused(&reply, 405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some("GET, POST"));
        assert!(!reply.text().contains("canary"), "{method} echoes the request");
    }
    let head = call("HEAD", "/customers").send(server);
    assert_eq!((head.status, head.body.len()), (405, 0));
    is_refused(&call("OPTIONS", "*").send(server), 404, "endpoint_not_found");
    is_refused(&call("GET", "customers").send(server), 404, "endpoint_not_found");
    is_refused(&call("CONNECT", "example.com:443").send(server), 404, "endpoint_not_found");
    let absolute = call("GET", "http://elsewhere.example/customers?count=1").send(server);
    assert_eq!(absolute.expect(200)["count"], 1);
    for (name, value) in [("Upgrade", "h2c"), ("Upgrade", "websocket"), ("Expect", "a-miracle")] {
        let mut call = call("GET", "/customers").header(name, value);
        if name == "Upgrade" {
            call = call.header("Connection", "Upgrade").header("HTTP2-Settings", "AAMAAABkAAQ");
        }
        let mut connection = Connection::open(server);
        assert_eq!(connection.send(&call).status, 200, "{name}: {value}");
        assert_eq!(connection.send(&call).status, 200, "{value} is not switched to");
    }
    stage.holds();
}

/// Everything that comes back, as text.
fn said(server: &Server, sent: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(sent.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn http_1_0_is_answered_and_its_connection_ends() {
    let stage = Unharmed::start();
    let server = stage.server();
    let key = basic(SANDBOX_KEY);
    let get = said(server, &format!("GET /customers HTTP/1.0\r\nAuthorization: {key}\r\n\r\n"));
    assert!(get.starts_with("HTTP/1.0 200 "), "{get}");
    let head = format!("POST /customers/arya HTTP/1.0\r\nAuthorization: {key}\r\n");
    let post = said(server, &format!("{head}Content-Length: 15\r\n\r\nmobile_number=1"));
    assert!(post.starts_with("HTTP/1.0 200 "), "{post}");
    // It has no chunks, so that it cannot be told where this ends.
    let chunks = "f\r\nmobile_number=2\r\n0\r\n\r\n";
    let chunked = said(server, &format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}"));
    assert!(chunked.starts_with("HTTP/1.") && chunked.contains(" 400 "), "{chunked}");
    // Nor is it told to go on.
    let expects =
        format!("{head}Expect: 100-continue\r\nContent-Length: 15\r\n\r\nmobile_number=1");
    assert!(said(server, &expects).starts_with("HTTP/1.0 200 "));
    stage.holds();
}

#[test]
fn a_client_that_has_said_all_it_wants_still_gets_its_answers() {
    let stage = Unharmed::start();
    let many = Call::get("/customers/arya").basic(SANDBOX_KEY);
    let replies = stage.exchange(&many.head("h").repeat(50));
    assert_eq!(replies.len(), 50);
    for reply in &replies {
        is_within_the_contract(reply, "a pipelined request");
        assert_eq!(reply.status, 200);
    }
    let taken = Call::post("/customers").basic(SANDBOX_KEY).form(LEAST);
    let replies = stage.exchange(&[taken.head("h"), taken.body()].concat());
    assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [400]);
    stage.holds();
}
