//! Hostile input: whatever is sent, the answer is within the contract, and nothing panics.

use patron_testkit::chance::Chance;
use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::server::{SANDBOX_KEY, Server};
use serde_json::Value;

use crate::stage::server;

/// What parsers stumble over.
const NASTY: [&[u8]; 24] = [
    b"%",
    b"%zz",
    b"%00",
    b"%ff",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\0",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"\\ud800",
    b"\\u0000",
    b"null",
    b"1e999",
    b"-0",
    b"&",
    b"=",
    b"+",
    b"\r\n",
    b"..",
    b"object_reference_id",
];

/// Changes a few places of a text.
fn spoiled(chance: &mut Chance, text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len() + 1);
        let end = (at + chance.below(12)).min(bytes.len());
        match chance.below(5) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, chance.pick(&NASTY).iter().copied())),
            2 => drop(bytes.splice(at..end, chance.pick(&NASTY).iter().copied())),
            3 => {
                let copy = bytes[at..end].to_vec();
                bytes.extend(copy);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(chance.below(256)).unwrap();
                }
            }
        }
    }
    bytes
}

const BODIES: [&[u8]; 5] = [
    b"object_reference_id=jon%40x&mobile_number=99887766&email_address=a%40b&first_name=Jon",
    b"first_name=Jon&last_name=Snow&mobile_country_code=%2B65&options.get_client_auth_token=true",
    br#"{"object_reference_id":"jon@x","mobile_number":99887766,"first_name":"Jon","x":[1,{}]}"#,
    br#"{"email_address":"a@b","options":{"get_client_auth_token":true},"last_name":null}"#,
    b"update=true&mobile_number=+99887766&first_name=undefined",
];

const TARGETS: [&str; 5] =
    ["/customers", "/customers/jon@x", "/v2/customers", "/v2/customers/jon@x", "/customers/cst_1"];

/// A success has ten fields, perhaps `customer_id` and `juspay`, and everything else is a refusal in JSON.
fn is_within_the_contract(reply: &Reply, sent: &str) {
    let body = reply.json();
    match reply.status {
        200 => {
            let customer = body.as_object().unwrap();
            let is_whole = (10..=12).contains(&customer.len()) && body["object"] == "customer";
            let is_list = customer.len() == 4 && body["list"].is_array();
            assert!(is_whole || is_list, "{sent}\n{body}");
        }
        400..=499 => assert!(body["error_info"]["code"].is_string(), "{sent}\n{body}"),
        other => panic!("{other} to {sent}\n{body}"),
    }
}

fn nothing_panicked(mut server: Server) {
    assert!(server.terminate().success());
    let log = server.stderr();
    let broken = log.lines().filter(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["message"] == "panicked" || line["level"] == "ERROR"
    });
    assert_eq!(broken.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn spoiled_bodies_are_answered_within_the_contract() {
    let server = server();
    let mut chance = Chance::new(0x0123_4567_89AB_CDEF);
    let mut connection = Connection::open(&server);
    for _ in 0..3_000 {
        let seed = chance.pick(&BODIES);
        let body = spoiled(&mut chance, seed);
        let target = chance.pick(&TARGETS);
        let mut call = Call::post(target).basic(SANDBOX_KEY).bytes(&body);
        if chance.below(3) == 0 {
            call = call.header("User-Agent", "NODEJS_SDK/1.0.0");
        }
        if chance.below(4) == 0 {
            call = call.header("version", "3.2");
        }
        let sent = format!("{target} {:?}", String::from_utf8_lossy(&body));
        is_within_the_contract(&connection.send(&call), &sent);
    }
    nothing_panicked(server);
}

#[test]
fn spoiled_targets_are_answered_within_the_contract() {
    let server = server();
    let mut chance = Chance::new(0xFEDC_BA98_7654_3210);
    let mut connection = Connection::open(&server);
    let seeds = [
        "/customers/jon%40x?options.get_client_auth_token=true",
        "/customers?count=10&offset=0",
        "/v2/customers/jon@x?client_auth_token=tkn_0123456789abcdef0123456789abcdef",
    ];
    for _ in 0..1_500 {
        let seed = chance.pick(&seeds);
        let spoiled = spoiled(&mut chance, seed.as_bytes());
        // What cannot stand in a request line is the business of the HTTP library; see below.
        let target: String = spoiled.iter().map(|b| char::from(*b)).filter(fits_a_line).collect();
        let target = format!("/{}", target.trim_start_matches('/'));
        let method = chance.pick(&["GET", "GET", "POST", "PUT"]);
        let call = Call::new(method, &target).basic(SANDBOX_KEY).header("Content-Length", "0");
        let own = ["/healthz", "/readyz", "/metrics"].contains(&target.as_str());
        assert!(!own, "an unlikely chance");
        is_within_the_contract(&connection.send(&call), &format!("{method} {target}"));
    }
    nothing_panicked(server);
}

fn fits_a_line(c: &char) -> bool {
    c.is_ascii_graphic() && !"\"<>\\^`{|}#".contains(*c)
}

#[test]
fn spoiled_heads_do_no_harm() {
    let server = server();
    let mut chance = Chance::new(0x1357_9BDF_0246_8ACE);
    let head = b"POST /customers HTTP/1.1\r\nHost: h\r\nAuthorization: Basic S0VZOg==\r\n\
        x-merchantid: testaccount\r\nx-request-id: r-1\r\nIf-Match: \"1\"\r\n\
        X-Forwarded-For: 10.0.0.1\r\nContent-Type: application/json; charset=utf-8\r\n\
        Content-Length: 2\r\nConnection: close\r\n\r\n{}";
    for _ in 0..1_000 {
        let spoiled = spoiled(&mut chance, head);
        let mut connection = Connection::open(&server);
        connection.write(&spoiled);
        connection.finish();
        if let Some(reply) = connection.reply_if_any() {
            let sent = String::from_utf8_lossy(&spoiled).into_owned();
            assert!((200..500).contains(&reply.status), "{}: {sent:?}", reply.status);
        }
    }
    nothing_panicked(server);
}
