//! Hostile input: whatever is sent, the answer is within the contract, nothing panics, and what is refused
//! has changed nothing.

use patron_testkit::chance::Chance;
use patron_testkit::effort::rounds;
use patron_testkit::http::{Call, Connection, Reply, basic};
use patron_testkit::server::{SANDBOX_KEY, Server};
use patron_testkit::together::together;
use serde_json::Value;

use crate::ammunition::{Credentials, request, spoiled};
use crate::stage::{create_merchant, launch, text};
use crate::unharmed::{Unharmed, is_within_the_contract, nothing_broke};

/// How many clients send at the same time, each for a merchant of its own.
const CLIENTS: usize = 4;

/// Every so many requests, all customers are compared before and after.
const COMPARED_EVERY: usize = 8;

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

    /// Sends requests made by chance, and holds every answer against the contract.
    fn attack(mut self, mut chance: Chance, requests: usize) {
        for number in 0..requests {
            let call = request(&mut chance, &self.credentials);
            let before = (number % COMPARED_EVERY == 0).then(|| self.customers());
            let reply = self.send(&call);
            is_within_the_contract(&reply, &format!("{call:?}"));
            if let Some(before) = before.filter(|_| reply.status != 200) {
                assert_eq!(
                    self.customers(),
                    before,
                    "{} changed something: {call:?}",
                    reply.status
                );
            }
        }
    }
}

#[test]
fn requests_made_by_chance_are_answered_within_the_contract() {
    let mut server = launch().with("--token-uses").with("4000000000").start();
    let requests = rounds(2_500, 1_000_000);
    together(
        CLIENTS,
        |number| Client::new(&server, number),
        |number, client| {
            let seed = 0x0123_4567_89AB_CDEF + u64::try_from(number).unwrap();
            client.attack(Chance::new(seed), requests);
        },
    );
    assert!(server.terminate().success());
    nothing_broke(&server);
}

/// Heads that are cut, doubled and spoiled anywhere. Whatever the HTTP library makes of them, it is its own bare
/// refusal, or an answer of the contract's, or the end of the connection.
#[test]
fn spoiled_heads_do_no_harm() {
    let stage = Unharmed::start();
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
    for _ in 0..rounds(1_500, 300_000) {
        let head = &heads[chance.below(heads.len())];
        let sent = spoiled(&mut chance, head.as_bytes());
        let shown = String::from_utf8_lossy(&sent).into_owned();
        for reply in stage.exchange(&sent) {
            let is_bare = matches!(reply.status, 400 | 414 | 431) && reply.body.is_empty();
            if !is_bare {
                is_within_the_contract(&reply, &shown);
            }
        }
    }
    stage.holds();
}
