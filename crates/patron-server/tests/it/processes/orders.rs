//! Random operations of several clients on the same customers, over three processes: some order explains every answer.

use std::collections::BTreeMap;

use patron_testkit::chance::Chance;
use patron_testkit::effort::rounds;
use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::server::{SANDBOX_KEY, Server};
use patron_testkit::together::together;
use patron_testkit::wait::soon;
use serde_json::Value;

use super::model::{Fact, Heard, Last, Moments, Span, explain, stamp_of};
use super::{Processes, is_unavailable};
use crate::errors::{is_refused, is_taken, is_unknown_customer};

/// Clients at the same time.
pub(super) const CLIENTS: usize = 9;

/// Customers that all of them mean.
const CUSTOMERS: usize = 10;

/// Whether a process may say that it cannot answer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outages {
    Never,
    Possible,
}

/// One client, and what it has heard.
pub(super) struct Client<'a> {
    moments: &'a Moments,
    connections: Vec<Connection>,
    outages: Outages,
    chance: Chance,
    /// What the references of its round begin with.
    prefix: String,
    last_stamp: u64,
    /// The ids and versions of customers that it has seen.
    seen: BTreeMap<String, (String, u64)>,
    facts: Vec<Fact>,
}

/// What a change says of itself.
struct Change {
    reference: String,
    stamp: String,
    span: Span,
}

impl<'a> Client<'a> {
    /// One of [`CLIENTS`], in one of the rounds of a test, who asks any of these processes.
    pub(super) fn new(
        moments: &'a Moments,
        servers: &[&Server],
        (number, round): (usize, usize),
        outages: Outages,
    ) -> Self {
        let block = u64::try_from(round * CLIENTS + number + 1).unwrap();
        Self {
            moments,
            connections: servers.iter().map(|server| Connection::open(*server)).collect(),
            outages,
            chance: Chance::new(block.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            prefix: format!("r{round}-"),
            last_stamp: block * 100_000,
            seen: BTreeMap::new(),
            facts: Vec::new(),
        }
    }

    /// Does something.
    pub(super) fn act(&mut self) {
        let reference = format!("{}{}", self.prefix, self.chance.below(CUSTOMERS));
        let seen = self.seen.get(&reference).cloned();
        match (self.chance.below(16), seen) {
            (0 | 1, _) => self.create(reference),
            (2 | 3, _) => self.get_or_create(reference),
            (4..7, None) | (4, Some(_)) => self.update(reference.clone(), &reference, None),
            (5, Some((id, _))) => self.update(reference, &id, None),
            (6, Some((id, version))) => self.update(reference, &id, Some(version)),
            (7..10, None) | (7..9, Some(_)) => self.read(reference.clone(), &reference),
            (9..12, Some((id, _))) => self.read(reference, &id),
            (10..12, None) => self.create(reference),
            (12..14, _) => self.list(),
            (_, Some((_, version))) => self.update(reference.clone(), &reference, Some(version)),
            (_, None) => self.update(reference.clone(), &reference, None),
        }
    }

    /// Updates each customer that is there, again where a process could not answer.
    pub(super) fn update_each(&mut self) {
        for number in 0..CUSTOMERS {
            let reference = format!("{}{number}", self.prefix);
            soon("a customer can be updated", || {
                self.update(reference.clone(), &reference, None);
                let is_open = self.facts.last().is_some_and(|fact| {
                    fact.reference == reference && !matches!(fact.heard, Heard::Nothing { .. })
                });
                is_open.then_some(())
            });
        }
    }

    pub(super) fn into_facts(self) -> Vec<Fact> {
        self.facts
    }

    /// Asks one of the processes; `None` when it cannot answer now.
    fn ask(&mut self, call: Call) -> (Span, Option<Reply>) {
        let connection = self.chance.below(self.connections.len());
        let began = self.moments.next();
        let reply = self.connections[connection].send(&call.basic(SANDBOX_KEY));
        let span = Span { began, ended: self.moments.next() };
        if self.outages == Outages::Possible && reply.status == 503 {
            is_unavailable(&reply);
            return (span, None);
        }
        (span, Some(reply))
    }

    fn change(&mut self, reference: &str, call: Call, more: &str) -> (Change, Option<Reply>) {
        self.last_stamp += 1;
        let stamp = self.last_stamp.to_string();
        let form = format!("mobile_number={stamp}&first_name=F{stamp}{more}");
        let (span, reply) = self.ask(call.form(form));
        let change = Change { reference: reference.to_owned(), stamp, span };
        if reply.is_none() {
            let heard = Heard::Nothing { stamp: change.stamp.clone() };
            self.note(&change.reference, change.span, heard);
        }
        (change, reply)
    }

    fn note(&mut self, reference: &str, span: Span, heard: Heard) {
        self.facts.push(Fact { reference: reference.to_owned(), span, heard });
    }

    /// Takes down a customer that a process showed.
    fn see(&mut self, reference: &str, span: Span, reply: &Reply, is_own: bool) {
        let body = reply.expect(200);
        assert_eq!(body["object_reference_id"], reference);
        assert_eq!(body["first_name"], format!("F{}", stamp_of(&body)), "of two changes: {body}");
        let version: u64 = reply.header("etag").unwrap().trim_matches('"').parse().unwrap();
        let id = body["id"].as_str().unwrap().to_owned();
        self.seen.insert(reference.to_owned(), (id, version));
        let heard = match is_own {
            true => Heard::Wrote { version, body },
            false => Heard::Read { version, body },
        };
        self.note(reference, span, heard);
    }

    fn create(&mut self, reference: String) {
        let more = format!("&object_reference_id={reference}");
        let (change, reply) = self.change(&reference, Call::post("/customers"), &more);
        match reply {
            None => {}
            Some(reply) if reply.status == 400 => {
                is_taken(&reply);
                self.note(&change.reference, change.span, Heard::AtLeast(1));
            }
            Some(reply) => self.see(&change.reference, change.span, &reply, true),
        }
    }

    fn get_or_create(&mut self, reference: String) {
        let target = format!("/v2/customers/{reference}");
        let (change, reply) = self.change(&reference, Call::post(target), "");
        if let Some(reply) = reply {
            let is_own = stamp_of(&reply.expect(200)) == change.stamp;
            self.see(&change.reference, change.span, &reply, is_own);
        }
    }

    fn update(&mut self, reference: String, name: &str, only_if: Option<u64>) {
        let mut call = Call::post(format!("/customers/{name}"));
        if let Some(version) = only_if {
            call = call.header("If-Match", format!("\"{version}\""));
        }
        let (change, reply) = self.change(&reference, call, "");
        let Some(reply) = reply else {
            return;
        };
        match (reply.status, only_if) {
            (404, None) => {
                is_unknown_customer(&reply);
                self.note(&change.reference, change.span, Heard::Absent);
            }
            (412, Some(version)) => {
                is_refused(&reply, 412, "precondition_failed");
                self.note(&change.reference, change.span, Heard::AtLeast(version + 1));
            }
            (_, None) => self.see(&change.reference, change.span, &reply, true),
            (_, Some(version)) => {
                let next = format!("\"{}\"", version + 1);
                assert_eq!(reply.header("etag"), Some(next.as_str()), "{reply:?}");
                self.see(&change.reference, change.span, &reply, true);
            }
        }
    }

    fn read(&mut self, reference: String, name: &str) {
        match self.ask(Call::get(format!("/customers/{name}"))) {
            (_, None) => {}
            (span, Some(reply)) if reply.status == 404 => {
                is_unknown_customer(&reply);
                self.note(&reference, span, Heard::Absent);
            }
            (span, Some(reply)) => self.see(&reference, span, &reply, false),
        }
    }

    /// Looks at all customers of the round, which are the newest.
    fn list(&mut self) {
        let (span, reply) = self.ask(Call::get("/customers?count=50"));
        let Some(reply) = reply else {
            return;
        };
        let page = reply.expect(200);
        let list = page["list"].as_array().unwrap();
        assert_eq!(page["total"].as_u64().unwrap().min(50), u64::try_from(list.len()).unwrap());
        for number in 0..CUSTOMERS {
            let reference = format!("{}{number}", self.prefix);
            let mut found =
                list.iter().filter(|customer| customer["object_reference_id"] == reference);
            let heard = match found.next() {
                Some(body) => Heard::Listed { body: body.clone() },
                None => Heard::Absent,
            };
            assert!(found.next().is_none(), "{reference} stands there twice: {page}");
            self.note(&reference, span, heard);
        }
    }
}

/// Everything is as it was last, whichever process is asked, and in order.
pub(super) fn settle(processes: &Processes, last: &Last) {
    let there: Vec<_> = last.iter().filter(|(_, (version, _))| *version > 0).collect();
    for number in 0..3 {
        let page = processes.get(number, "/customers?count=100").expect(200);
        for (reference, (version, body)) in &there {
            let reply = processes.get(number, &format!("/customers/{reference}"));
            let found = reply.expect(200);
            assert_eq!(reply.header("etag"), Some(format!("\"{version}\"").as_str()));
            assert!(body.as_ref().is_none_or(|body| *body == found), "{found} is not {body:?}");
            let list: &Vec<Value> = page["list"].as_array().unwrap();
            assert!(list.contains(&found), "{found} is not in {page}");
        }
    }
    processes.verify();
}

/// Lets clients at the customers, and explains what they heard.
fn go_round(processes: &Processes, round: usize) -> Last {
    let moments = Moments::default();
    let servers: Vec<_> = processes.servers.iter().collect();
    let client = |number| Client::new(&moments, &servers, (number, round), Outages::Never);
    let heard = together(CLIENTS, client, |_, mut client: Client<'_>| {
        for _ in 0..120 {
            client.act();
        }
        client.into_facts()
    });
    let facts = heard.concat();
    match explain(&facts) {
        Ok(last) => last,
        Err(why) => panic!("in round {round}: {why}"),
    }
}

#[test]
fn some_order_explains_every_answer_of_three_processes() {
    let processes = Processes::three();
    let mut created = 0;
    for round in 0..rounds(2, 400) {
        let last = go_round(&processes, round);
        settle(&processes, &last);
        created += last.values().filter(|(version, _)| *version > 0).count();
        for number in 0..3 {
            assert_eq!(processes.get(number, "/customers").expect(200)["total"], created);
        }
    }
}
