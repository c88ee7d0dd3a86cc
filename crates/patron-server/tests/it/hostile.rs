//! Hostile input: whatever is sent, the answer is within the contract, nothing panics, and what is refused
//! has changed nothing.

mod clients;

use std::collections::BTreeSet;

use patron_testkit::chance::Chance;
use patron_testkit::effort::rounds;
use patron_testkit::http::{Call, Connection, Reply, basic};
use patron_testkit::server::{SANDBOX_KEY, Server};
use patron_testkit::together::together;
use serde_json::{Value, json};

use crate::ammunition::{Credentials, request, spoiled};
use crate::fuzzed::contract;
use crate::stage::{create_merchant, launch, text};
use crate::unharmed::{Unharmed, is_within_the_contract, nothing_broke};

/// How many clients send at the same time, each for a merchant of its own.
const CLIENTS: usize = 4;

/// Every so many requests, all customers are compared before and after.
const COMPARED_EVERY: usize = 8;

/// The kinds of answers that chance brings about: all that take neither time, size nor a list of addresses.
const KINDS: [&str; 10] = [
    "Invalid Request",
    "Mandatory fields are missing",
    "access_denied",
    "endpoint_not_found",
    "method_not_allowed",
    "object_not_found",
    "precondition_failed",
    "success",
    "unique",
    "unsupported_media_type",
];

/// One client: its merchant's credentials, and a connection that lasts until the server ends it.
struct Client<'a> {
    server: &'a Server,
    credentials: Credentials,
    connection: Connection,
}

impl<'a> Client<'a> {
    fn new(server: &'a Server, number: usize) -> Self {
        let key = create_merchant(server, &format!("merchant{number}"), &[]);
        let form = "object_reference_id=jon@x&mobile_number=1&options.get_client_auth_token=true";
        let created = Call::post("/customers").basic(&key).form(form).send(server).expect(200);
        let token = text(&created["juspay"], "client_auth_token").to_owned();
        let connection = Connection::open(server);
        Self { server, credentials: Credentials { key, token }, connection }
    }

    fn send(&mut self, call: &Call) -> Reply {
        let reply = self.connection.try_send(call);
        let is_last =
            reply.as_ref().is_none_or(|reply| reply.header("connection") == Some("close"));
        if is_last {
            self.connection = Connection::open(self.server);
        }
        reply.unwrap_or_else(|| panic!("no answer to {call:?}"))
    }

    fn customers(&mut self) -> Value {
        let call = Call::get("/customers?count=100").basic(&self.credentials.key);
        self.send(&call).expect(200)
    }

    /// Sends requests made by chance, holds every answer against the contract, and returns what kinds came.
    fn attack(
        mut self,
        mut chance: Chance,
        requests: usize,
        request: fn(&mut Chance, &Credentials) -> Call,
    ) -> BTreeSet<String> {
        let mut kinds = BTreeSet::new();
        for number in 0..requests {
            let call = request(&mut chance, &self.credentials);
            let before = (number % COMPARED_EVERY == 0).then(|| self.customers());
            let reply = self.send(&call);
            is_within_the_contract(&reply, &format!("{call:?}"));
            let is_success = (200..300).contains(&reply.status);
            if let Some(before) = before.filter(|_| !is_success) {
                let status = reply.status;
                assert_eq!(self.customers(), before, "{status} changed something: {call:?}");
            }
            kinds.insert(if is_success { "success".to_owned() } else { kind_of(&reply.json()) });
        }
        kinds
    }
}

/// The code of a refusal, whichever wire's it is.
fn kind_of(body: &Value) -> String {
    let code = body["error_code"].as_str().or(body["error_info"]["code"].as_str());
    code.or(body["code"].as_str()).unwrap().to_owned()
}

/// Whether a kind is Cyrexa's, such as `VAL001`.
fn is_cyrexas(kind: &str) -> bool {
    kind.ends_with(|c: char| c.is_ascii_digit())
}

#[test]
fn requests_made_by_chance_are_answered_within_the_contract() {
    let mut server = launch().with("--token-uses").with("4000000000").start();
    let requests = rounds(10_000, 250_000);
    let kinds = together(
        CLIENTS,
        |number| Client::new(&server, number),
        |number, client| {
            let seed = 0x0123_4567_89AB_CDEF + u64::try_from(number).unwrap();
            client.attack(Chance::new(seed), requests, request)
        },
    );
    // Some of them are the other wire's.
    let kinds = kinds.into_iter().flatten().filter(|kind| !is_cyrexas(kind));
    let kinds: BTreeSet<String> = kinds.collect();
    assert_eq!(kinds, KINDS.map(str::to_owned).into(), "chance comes everywhere");
    assert!(server.terminate().success());
    nothing_broke(&server);
}

/// Heads that are cut, doubled and spoiled anywhere. Whatever the HTTP library makes of them, it is its own bare
/// refusal, or an answer of the contract's, or the end of the connection.
#[test]
fn spoiled_heads_do_no_harm() {
    let mut stage = Unharmed::start();
    let mut chance = Chance::new(0x1357_9BDF_0246_8ACE);
    let key = basic(SANDBOX_KEY);
    let heads =
        ["POST /customers/arya", "GET /customers/arya", "POST /v2/customers/arya"].map(|line| {
            format!(
                "{line} HTTP/1.1\r\nHost: h\r\nAuthorization: {key}\r\n\
             x-merchantid: testaccount\r\nx-request-id: r-1\r\nIf-Match: \"1\"\r\n\
             X-Forwarded-For: 10.0.0.1\r\nContent-Type: application/json; charset=utf-8\r\n\
             Content-Length: 21\r\nConnection: close\r\n\r\n{{\"mobile_number\":\"1\"}}"
            )
        });
    for _ in 0..rounds(8_000, 250_000) {
        let head = &heads[chance.below(heads.len())];
        let sent = spoiled(&mut chance, head.as_bytes());
        let shown = String::from_utf8_lossy(&sent).into_owned();
        let replies = stage.exchange(&sent);
        if replies.iter().any(|reply| reply.status == 200) {
            // It was spoiled into another good one. Nothing before it was, as was seen each time.
            stage.look_again();
        } else {
            stage.is_unchanged();
        }
        for reply in replies {
            let is_bare = matches!(reply.status, 400 | 414 | 431) && reply.body.is_empty();
            if !is_bare {
                is_within_the_contract(&reply, &shown);
            }
        }
    }
    stage.holds();
}

/// A check that finds nothing wrong with anything would be of no use.
#[test]
fn the_contract_is_held_word_for_word() {
    let stage = Unharmed::start();
    let server = stage.server();
    let key = |call: Call| call.basic(SANDBOX_KEY).send(server);
    for reply in [
        key(Call::get("/customers/arya")),
        key(Call::get("/customers")),
        key(Call::get("/nowhere")),
        key(Call::get("/customers/nobody")),
        key(Call::post("/customers")),
        key(Call::post("/customers").form("object_reference_id=arya&mobile_number=1")),
        key(Call::post("/customers/arya").form("mobile_number=x")),
        key(Call::post("/customers/arya").json("{")),
        Call::get("/customers").send(server),
    ] {
        is_held(&reply, &["content-type", "cache-control", "x-request-id", "x-response-id"]);
    }
    stage.holds();
}

/// An answer is within its contract, and nothing that is like it is.
fn is_held(reply: &Reply, headers: &[&str]) {
    is_within_the_contract(reply, "as it is");
    for spoilt in spoilt_one_by_one(&reply.json()) {
        let wrong = Reply { body: spoilt.to_string().into_bytes(), ..reply.clone() };
        let wrong = Reply { headers: without(reply, "content-length"), ..wrong };
        assert!(contract::fault(&wrong).is_some(), "{spoilt}");
    }
    for name in headers {
        let wrong = Reply { headers: without(reply, name), ..reply.clone() };
        assert!(contract::fault(&wrong).is_some(), "without {name}");
    }
    let wrong = Reply { status: 500, ..reply.clone() };
    assert!(contract::fault(&wrong).is_some(), "as our fault");
}

fn without(reply: &Reply, name: &str) -> Vec<(String, String)> {
    let headers = reply.headers.iter().filter(|(given, _)| !given.eq_ignore_ascii_case(name));
    headers.cloned().collect()
}

/// The value with one key less, one key more or one key's value another, for every key at any depth.
fn spoilt_one_by_one(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    if let Value::Object(object) = value {
        let mut more = object.clone();
        more.insert("more".to_owned(), Value::Null);
        all.push(Value::Object(more));
        for (key, inner) in object {
            let mut less = object.clone();
            less.remove(key);
            all.push(Value::Object(less));
            let others = spoilt_one_by_one(inner).into_iter().chain([json!({"other": 1})]);
            for other in others.filter(|other| other != inner) {
                let mut changed = object.clone();
                changed.insert(key.clone(), other);
                all.push(Value::Object(changed));
            }
        }
    }
    if let Value::Array(items) = value {
        for (at, item) in items.iter().enumerate() {
            for spoilt in spoilt_one_by_one(item) {
                let mut changed = items.clone();
                changed[at] = spoilt;
                all.push(Value::Array(changed));
            }
        }
    }
    all
}
