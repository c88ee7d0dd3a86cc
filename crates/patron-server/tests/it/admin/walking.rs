//! Walking a long list by its cursor while it changes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use patron_testkit::http::{Call, Connection};
use serde_json::{Value, json};

use super::filling::fill;
use super::{DEPLOYMENT_OWNER, HOME, call, sign_in};
use crate::cyrexa::{CLIENTS, create_operator};
use crate::stage::launch;

/// How many there are when the walk begins.
const CUSTOMERS: u32 = 100_000;

/// Of those, every so many is deleted while it goes on.
const DELETED_EVERY: usize = 250;

/// The numbers in the order in which they were shown.
fn walk(connection: &mut Connection, session: &str) -> Vec<i64> {
    let mut walked = Vec::with_capacity(CUSTOMERS as usize);
    let mut target = format!("{HOME}/customers?limit=100");
    loop {
        let reply = connection.send(&Call::get(target.as_str()).bearer(session));
        // Read without the tests' own strictness about keys, which takes its time.
        assert_eq!(reply.status, 200, "{}", reply.text());
        let page: Value = serde_json::from_slice(&reply.body).unwrap();
        let items = page["items"].as_array().unwrap();
        walked.extend(items.iter().map(|one| one["number"].as_i64().unwrap()));
        let Some(next) = page["next"].as_str() else { return walked };
        target = format!("{HOME}/customers?limit=100&cursor={next}");
    }
}

#[test]
fn a_hundred_thousand_customers_are_each_seen_once_while_others_come_and_go() {
    let mut server = launch().start();
    create_operator(&server, &["--deployment"], "owner", DEPLOYMENT_OWNER);
    assert!(server.terminate().success());
    let before = fill(server.launch(), CUSTOMERS);
    assert_eq!(before.len(), CUSTOMERS as usize);
    let server = server.launch().start();
    let session = sign_in(&server, DEPLOYMENT_OWNER);
    let first = call("GET", format!("{HOME}/customers?limit=1"), &Value::Null).bearer(&session);
    let total = first.send(&server).expect(200)["total"].clone();
    assert_eq!(total, json!({"count": CUSTOMERS, "isExact": true}));
    let gone: Vec<i64> = before.iter().copied().step_by(DELETED_EVERY).collect();
    let is_walked = AtomicBool::new(false);
    let (walked, created) = std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let mut connection = Connection::open(&server);
            let mut created = BTreeSet::new();
            // From both ends, so that some go before they are seen and some after.
            let (newer, older) = gone.split_at(gone.len() / 2);
            let both = newer.iter().rev().zip(older).flat_map(|(one, other)| [*one, *other]);
            let mut going = both.collect::<Vec<_>>().into_iter();
            while !is_walked.load(Ordering::Relaxed) || going.len() > 0 {
                let new = json!({"name": "New", "email": "new@x"});
                let new = crate::cyrexa::call("POST", CLIENTS, &new);
                let made = connection.send(&new.header("X-API-Key", server.key())).expect(201);
                created.insert(made["id"].as_i64().unwrap());
                if let Some(number) = going.next() {
                    let path = format!("{HOME}/customers/{number}");
                    let delete = call("DELETE", path, &Value::Null).bearer(&session);
                    assert_eq!(connection.send(&delete).status, 204);
                }
            }
            created
        });
        let walked = walk(&mut Connection::open(&server), &session);
        is_walked.store(true, Ordering::Relaxed);
        (walked, changing.join().unwrap())
    });
    let seen: BTreeSet<i64> = walked.iter().copied().collect();
    assert_eq!(seen.len(), walked.len(), "somebody is there twice");
    let gone: BTreeSet<i64> = gone.into_iter().collect();
    let survivors: BTreeSet<i64> = before.difference(&gone).copied().collect();
    let missed: Vec<_> = survivors.difference(&seen).collect();
    assert!(missed.is_empty(), "{} survivors are not shown: {missed:?}", missed.len());
    let strangers: Vec<_> = seen.iter().filter(|one| !before.contains(one)).collect();
    assert!(strangers.iter().all(|one| created.contains(one)), "nobody else is shown");
    assert!(!created.is_empty() && seen.len() > survivors.len(), "some went after they were seen");
}
