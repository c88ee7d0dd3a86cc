//! What the program was told and what it acknowledged, and whether it keeps to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::server::{SANDBOX_KEY, Server};
use serde_json::Value;

use super::{is_away, is_our_fault};

/// The most customers of a page of the list.
const PAGE: usize = 100;

/// A customer as far as its writer knows.
#[derive(Debug, Default, Clone)]
struct Known {
    /// The last answer with a 200.
    acknowledged: Option<Value>,
    /// First names that were sent since then, of which nobody was told what became.
    in_doubt: BTreeSet<String>,
}

impl Known {
    fn allows(&self, seen: &Value) -> bool {
        let name = seen["first_name"].as_str().unwrap_or_default();
        self.acknowledged.as_ref() == Some(seen) || self.in_doubt.contains(name)
    }
}

/// Everything that was written, by reference.
#[derive(Debug, Default, Clone)]
pub(super) struct Ledger(BTreeMap<String, Known>);

/// How well the disk is while the program is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// Every question has its answer.
    Whole,
    /// What cannot be answered is refused: a 5xx, or no answer when the program left.
    Failing,
}

/// An answer, or none when the program has left or leaves.
pub(super) fn ask(to: SocketAddr, call: &Call) -> Option<Reply> {
    Connection::try_open(to)?.try_send(call)
}

/// Whether an answer refuses as it should: the program has left, or says that it is its own fault.
#[track_caller]
pub(super) fn is_refused(reply: Option<&Reply>) {
    match reply {
        None => {}
        Some(reply) if reply.status == 503 => is_away(reply),
        Some(reply) => is_our_fault(reply, 500),
    }
}

impl Ledger {
    /// Creates or updates a customer under a first name of its own. The refusal, if it was refused.
    pub(super) fn write(
        &mut self,
        to: impl Into<SocketAddr>,
        reference: &str,
        name: &str,
    ) -> Result<(), Option<Reply>> {
        let known = self.0.entry(reference.to_owned()).or_default();
        let form = format!("first_name={name}&mobile_number=1");
        let call = match known.acknowledged {
            None => {
                Call::post("/customers").form(format!("{form}&object_reference_id={reference}"))
            }
            Some(_) => Call::post(format!("/customers/{reference}")).form(form),
        };
        match ask(to.into(), &call.basic(SANDBOX_KEY)) {
            Some(reply) if reply.status == 200 => {
                *known = Known { acknowledged: Some(reply.json()), in_doubt: BTreeSet::new() };
                Ok(())
            }
            // One that is unknown here and known there: its creation was in doubt.
            Some(reply) if reply.status == 400 && !known.in_doubt.is_empty() => Err(Some(reply)),
            refused => {
                is_refused(refused.as_ref());
                known.in_doubt.insert(name.to_owned());
                Err(refused)
            }
        }
    }

    /// Takes in what another writer knows, of customers of its own.
    pub(super) fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many customers were acknowledged.
    pub(super) fn acknowledged(&self) -> usize {
        self.0.values().filter(|known| known.acknowledged.is_some()).count()
    }

    /// Reads every customer and the list. How many questions were refused.
    pub(super) fn check(&self, server: &Server, disk: Disk) -> usize {
        let to = server.address();
        let mut refused = 0;
        let mut there = BTreeMap::new();
        for (reference, known) in &self.0 {
            let call = Call::get(format!("/customers/{reference}")).basic(SANDBOX_KEY);
            match ask(to, &call) {
                Some(reply) if reply.status == 200 => {
                    let seen = reply.json();
                    assert!(known.allows(&seen), "{reference} is {seen}, not as in {known:?}");
                    there.insert(reference.clone(), seen);
                }
                Some(reply) if reply.status == 404 => {
                    assert!(known.acknowledged.is_none(), "{reference} is lost: {known:?}");
                }
                other => {
                    assert_eq!(disk, Disk::Failing, "{reference}: {other:?}");
                    is_refused(other.as_ref());
                    refused += 1;
                }
            }
        }
        refused + self.check_list(to, disk, (refused == 0).then_some(&there))
    }

    fn check_list(
        &self,
        to: SocketAddr,
        disk: Disk,
        there: Option<&BTreeMap<String, Value>>,
    ) -> usize {
        let mut listed = BTreeMap::new();
        let mut offset = 0;
        loop {
            let target = format!("/customers?count={PAGE}&offset={offset}");
            let reply = ask(to, &Call::get(target).basic(SANDBOX_KEY));
            let Some(reply) = reply.as_ref().filter(|reply| reply.status == 200) else {
                assert_eq!(disk, Disk::Failing, "the list: {reply:?}");
                is_refused(reply.as_ref());
                return 1;
            };
            let page = reply.json();
            let customers = page["list"].as_array().unwrap();
            for customer in customers {
                let reference = customer["object_reference_id"].as_str().unwrap().to_owned();
                let known = &self.0[&reference];
                assert!(known.allows(customer), "listed as {customer}, not as in {known:?}");
                assert!(listed.insert(reference, customer.clone()).is_none(), "listed twice");
            }
            if customers.len() < PAGE {
                assert_eq!(page["total"], listed.len(), "the list is as long as it says");
                break;
            }
            offset += PAGE;
        }
        for (reference, known) in &self.0 {
            let is_listed = listed.contains_key(reference) || known.acknowledged.is_none();
            assert!(is_listed, "{reference} is not in the list");
        }
        if let Some(there) = there {
            assert_eq!(&listed, there, "the list shows what the customers show");
        }
        0
    }
}
