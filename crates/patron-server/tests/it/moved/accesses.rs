//! Entries of access logs, moved and altered: each opens with its own columns only, and a page with one that does not
//! is no page. What is taken away is not missed; the security model says so.

use patron_testkit::http::Call;
use patron_testkit::server::{Launch, Server};
use serde_json::Value as Json;

use super::{Source, carry, take};
use crate::data::{Data, copy};
use crate::stage::{create_key, create_merchant, launch};

/// Whose log it is: the merchant's number and id.
const MERCHANTS: [(i64, &str); 2] = [(1, "testaccount"), (2, "other")];

struct Installation {
    launch: Launch,
    /// Keys that may read the logs of the two merchants.
    keys: [String; 2],
    copies: std::cell::Cell<u32>,
}

/// What is in a merchant's log of looks at customers, newest first; `None` for a fault.
fn entries(server: &Server, key: &str, merchant: &str) -> Option<Vec<Json>> {
    let path = format!("/admin/v1/merchants/{merchant}/access-log?limit=100");
    let reply = Call::get(path).bearer(key).send(server);
    if reply.status == 500 {
        return None;
    }
    let body = reply.expect(200);
    let is_look = |entry: &&Json| entry["accessed"] == "customer.read";
    Some(body["items"].as_array().unwrap().iter().filter(is_look).cloned().collect())
}

impl Installation {
    /// Two customers of one merchant and one of another were looked at, one after the other.
    fn found() -> Self {
        let launch = launch();
        let mut server = launch.start();
        create_merchant(&server, "other", &[]);
        let scopes = ["--scopes", "customers:read,customers:write,admin"];
        let keys = MERCHANTS.map(|(_, merchant)| create_key(&server, merchant, &scopes).0);
        for (name, merchant) in [("c1", 0), ("c2", 0), ("c3", 1)] {
            let form = format!("object_reference_id={name}&mobile_number=1");
            let call = Call::post("/customers").basic(&keys[merchant]).form(form);
            call.send(&server).expect(200);
            let path = format!("/admin/v1/merchants/{}/customers/{name}", MERCHANTS[merchant].1);
            Call::get(path).bearer(&keys[merchant]).send(&server).expect(200);
            // So that no two are of one moment.
            server.restart();
        }
        assert!(server.terminate().success());
        Self { launch, keys, copies: std::cell::Cell::new(0) }
    }

    fn copy(&self) -> Launch {
        self.copies.set(self.copies.get() + 1);
        copy(&self.launch, &format!("copy-{}", self.copies.get()))
    }

    fn see(&self, launch: &Launch) -> [Option<Vec<Json>>; 2] {
        let server = launch.start();
        [0, 1].map(|at| entries(&server, &self.keys[at], MERCHANTS[at].1))
    }
}

/// What is found of the logs of the two merchants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    /// All that was in it.
    Whole,
    /// Without the entry that was touched.
    Short,
    /// There is none: an entry does not open.
    Fault,
}

use Log::{Fault, Short, Whole};

/// What is found for a value from each of [`Source::ALL`]; `None` when the value is the same there, or never null.
/// Nothing is ever updated here, so that nothing comes from before.
type Decision = (&'static str, [Option<[Log; 2]>; Source::ALL.len()]);

const A: Option<[Log; 2]> = Some([Fault, Whole]);
const BOTH: Option<[Log; 2]> = Some([Fault, Fault]);

const ACCESS_LOG: [Decision; 8] = [
    // To a merchant that there is not: nobody reads it.
    ("merchant", [None, BOTH, None, Some([Short, Whole]), None]),
    ("at_ms", [A, BOTH, None, A, None]),
    ("id", [A, BOTH, None, A, None]),
    // All of them are looks at a customer, by one kind of caller.
    ("accessed", [None, None, None, A, None]),
    ("number", [A, BOTH, None, A, A]),
    ("actor", [None, None, None, A, None]),
    ("actor_number", [None, BOTH, None, A, None]),
    ("sealed", [A, BOTH, None, A, None]),
];

#[test]
fn an_entry_of_the_access_log_opens_with_its_own_columns_only() {
    let at = Installation::found();
    let schema = Data::of(&at.launch).columns("access_log");
    let there: Vec<&str> = schema.iter().map(|(column, _)| column.as_str()).collect();
    assert_eq!(ACCESS_LOG.map(|(column, _)| column), *there);
    let untouched = at.see(&at.copy()).map(Option::unwrap);
    assert_eq!(untouched.each_ref().map(Vec::len), [2, 1]);
    let looks = Data::of(&at.launch)
        .rows("SELECT at_ms FROM access_log WHERE accessed = 1 ORDER BY at_ms")
        .into_iter()
        .map(|row| format!("at_ms = {}", row[0].1.integer()))
        .collect::<Vec<_>>();
    let [first, second, others] = looks.as_slice() else { panic!("{looks:?}") };
    let mut moves = 0;
    for ((column, expects), (_, may_be_null)) in ACCESS_LOG.iter().zip(&schema) {
        for (source, expect) in Source::ALL.into_iter().zip(expects) {
            let what = format!("access_log.{column} from {source:?}");
            if source == Source::Before || (source == Source::Cleared && !may_be_null) {
                assert_eq!(*expect, None, "{what}: there is nothing to be tried");
                continue;
            }
            let conditions = match source {
                Source::Neighbour => vec![first.clone(), second.clone()],
                Source::Stranger => vec![first.clone(), others.clone()],
                Source::Before | Source::Altered | Source::Cleared => vec![first.clone()],
            };
            let launch = at.copy();
            let data = Data::of(&launch);
            let place = ("access_log", *column);
            let is_other = carry(&data, place, &conditions, (source, Vec::new()));
            drop(data);
            let Some(expect) = expect else {
                assert!(!is_other, "{what}: the value is another one");
                continue;
            };
            assert!(is_other, "{what}: the value is the same");
            for ((seen, log), whole) in at.see(&launch).iter().zip(expect).zip(&untouched) {
                let expected = match log {
                    Whole => Some(whole.clone()),
                    Short => Some(whole[..whole.len() - 1].to_vec()),
                    Fault => None,
                };
                assert_eq!(*seen, expected, "{what}");
            }
            moves += 1;
        }
    }
    assert_eq!(moves, 19);
    // The known limit.
    let launch = at.copy();
    take(&Data::of(&launch), "access_log", second);
    let [seen, others] = at.see(&launch);
    assert_eq!((seen, others), (Some(untouched[0][1..].to_vec()), Some(untouched[1].clone())));
}
