//! Clients that change customers as fast as they are answered, until nobody answers.

use patron_testkit::chance::Chance;
use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::server::SANDBOX_KEY;
use serde_json::{Value, json};

use super::record::{Record, Said, Shown, Stamp, fields};
use crate::stage::encoded;

/// How many change customers at the same time.
pub(crate) const WRITERS: usize = 8;

/// The most changes of one writer in a round: its stamps are a block of so many.
pub(crate) const CHANGES_MAX: u64 = 10_000;

/// One client in one round.
pub(crate) struct Writer {
    /// What the references of its own customers begin with, which nobody else changes.
    prefix: String,
    /// Its own customers that are there, by reference and id.
    own: Vec<(String, String)>,
    /// Customers that all of them change: one from earlier rounds, and one that they must create first.
    shared: [String; 2],
    /// A customer whose creation was refused for the moment: the client tries again.
    again: Option<String>,
    last_stamp: Stamp,
    chance: Chance,
}

/// What a client does next.
struct Step {
    reference: String,
    stamp: Stamp,
    call: Call,
    /// Whether it gets the customer, when there is one, instead of changing it.
    may_find: bool,
}

impl Writer {
    /// Which of [`WRITERS`] it is, in which round, and what is there from earlier ones.
    pub(crate) fn new(number: usize, round: u64, seed: u64, record: &Record) -> Self {
        let prefix = format!("w{number}-");
        let writers = u64::try_from(WRITERS).unwrap();
        let block = (round + 1) * writers + u64::try_from(number).unwrap();
        Self {
            own: record.named(&prefix),
            prefix,
            shared: ["shared".to_owned(), format!("shared-{round}")],
            again: None,
            last_stamp: block * CHANGES_MAX,
            chance: Chance::new(seed.wrapping_mul(0x9E37_79B9).wrapping_add(block)),
        }
    }

    /// Changes customers until the server is gone. The last thing it did may be unanswered.
    pub(crate) fn write(&mut self, connection: &mut Connection) -> Vec<Said> {
        let mut heard = Vec::new();
        for turn in 0..CHANGES_MAX - 1 {
            let said = self.write_once(turn, connection);
            let is_answered = !matches!(said, Said::Unanswered { .. });
            heard.push(said);
            if !is_answered {
                break;
            }
        }
        heard
    }

    /// Does what it does at this turn.
    pub(crate) fn write_once(&mut self, turn: u64, connection: &mut Connection) -> Said {
        let step = self.step(turn);
        match connection.try_send(&step.call) {
            Some(reply) => self.hear(step, &reply),
            None => {
                let Step { reference, stamp, .. } = step;
                Said::Unanswered { reference, stamp }
            }
        }
    }

    /// The same, of a server that may be unable to do it for the moment: then nobody knows whether it was done. Also
    /// returns the answer.
    pub(crate) fn write_or_be_refused(
        &mut self,
        turn: u64,
        connection: &mut Connection,
    ) -> (Said, Reply) {
        let step = self.step(turn);
        let reply = connection.send(&step.call);
        if reply.status != 503 {
            return (self.hear(step, &reply), reply);
        }
        let Step { reference, stamp, .. } = step;
        let is_own = reference.starts_with(&self.prefix);
        if is_own && !self.own.iter().any(|(own, _)| *own == reference) {
            self.again = Some(reference.clone());
        }
        (Said::Unanswered { reference, stamp }, reply)
    }

    fn hear(&mut self, step: Step, reply: &Reply) -> Said {
        let Step { reference, stamp, may_find, .. } = step;
        let shown = shown(reply);
        let is_own = reference.starts_with(&self.prefix);
        if is_own && !self.own.iter().any(|(own, _)| *own == reference) {
            let id = shown.customer["id"].as_str().unwrap().to_owned();
            self.own.push((reference.clone(), id));
        }
        if may_find && shown.customer["mobile_number"] != json!(stamp.to_string()) {
            return Said::Seen { reference, shown };
        }
        Said::Acknowledged { reference, stamp, shown }
    }

    /// All begin by getting or creating the same customers: one of them wins.
    fn step(&mut self, turn: u64) -> Step {
        self.last_stamp += 1;
        let stamp = self.last_stamp;
        let new = format!("{}{stamp}", self.prefix);
        let shared = self.shared[usize::try_from(turn).unwrap() % 2].clone();
        if let Some(refused) = self.again.take() {
            return self.get_or_create(refused, stamp);
        }
        match self.chance.below(16) {
            _ if turn < 2 => self.get_or_create(shared, stamp),
            0 | 1 => self.create(new, stamp),
            2 | 3 => self.get_or_create(new, stamp),
            4 => self.get_or_create(shared, stamp),
            5..8 => self.update(shared.clone(), &shared, stamp),
            _ if self.own.is_empty() => self.create(new, stamp),
            _ => {
                let (reference, id) = self.own[self.chance.below(self.own.len())].clone();
                let name = if stamp.is_multiple_of(2) { &id } else { &reference };
                self.update(reference.clone(), name, stamp)
            }
        }
    }

    /// A creation, now and then with a token, which is in the same commit.
    fn create(&mut self, reference: String, stamp: Stamp) -> Step {
        let mut said = said(stamp);
        said.push(("object_reference_id", reference.clone()));
        if self.chance.below(4) == 0 {
            said.push(("options.get_client_auth_token", "true".to_owned()));
        }
        let call = self.with(Call::post("/customers"), &said);
        Step { reference, stamp, call, may_find: false }
    }

    fn get_or_create(&mut self, reference: String, stamp: Stamp) -> Step {
        let mut said = said(stamp);
        let call = if self.chance.below(2) == 0 {
            said.push(("object_reference_id", reference.clone()));
            self.with(Call::post("/v2/customers"), &said)
        } else {
            self.with(Call::post(format!("/v2/customers/{reference}")), &said)
        };
        Step { reference, stamp, call, may_find: true }
    }

    fn update(&mut self, reference: String, name: &str, stamp: Stamp) -> Step {
        let call = self.with(Call::post(format!("/customers/{name}")), &said(stamp));
        Step { reference, stamp, call, may_find: false }
    }

    /// As a form or as JSON.
    fn with(&mut self, call: Call, said: &[(&str, String)]) -> Call {
        let call = call.basic(SANDBOX_KEY);
        if self.chance.below(2) == 0 {
            let pairs: Vec<_> =
                said.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
            return call.form(pairs.join("&"));
        }
        let pairs = said.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        call.json(Value::Object(pairs.collect()).to_string())
    }
}

/// All fields of a change; those that it empties are sent empty.
fn said(stamp: Stamp) -> Vec<(&'static str, String)> {
    fields(stamp).map(|(field, value)| (field, value.unwrap_or_default())).to_vec()
}

/// A customer and its version in an answer.
pub(crate) fn shown(reply: &Reply) -> Shown {
    let mut customer = reply.expect(200);
    let tag = reply.header("etag").unwrap();
    let version = tag.trim_matches('"').parse().unwrap();
    // A token is shown once, by the answer that issues it.
    customer.as_object_mut().unwrap().remove("juspay");
    assert_eq!(customer.as_object().unwrap().len(), 10, "whole or not at all: {customer}");
    Shown { version, customer }
}
