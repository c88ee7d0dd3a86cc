//! Walking a long list by its cursor while it changes.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender, channel};

use patron_testkit::http::{Call, Connection};
use patron_testkit::server::Server;
use serde::Deserialize;
use serde_json::{Value, json};

use super::filling::fill;
use super::{DEPLOYMENT_OWNER, HOME, call, sign_in};
use crate::cyrexa::{CLIENTS, create_operator};
use crate::stage::launch;

/// How many there are when the walk begins.
const CUSTOMERS: u32 = 100_000;

/// Of those, every so many is deleted while it goes on.
const DELETED_EVERY: usize = 250;

/// What is read of a page.
#[derive(Deserialize)]
struct Page {
    items: Vec<Item>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    number: i64,
}

/// The numbers in the order in which they were shown. Each page is told of before the next is asked for.
fn walk(connection: &mut Connection, session: &str, on_page: &Sender<()>) -> Vec<i64> {
    let mut walked = Vec::new();
    let mut target = format!("{HOME}/customers?limit=100");
    loop {
        let reply = connection.send(&Call::get(target.as_str()).bearer(session));
        assert_eq!(reply.status, 200, "{}", reply.text());
        // All else is passed over: a hundred thousand of them take their time where nothing is optimised.
        let Page { items, next } = serde_json::from_slice(&reply.body).unwrap();
        walked.extend(items.iter().map(|one| one.number));
        let Some(next) = next else { return walked };
        target = format!("{HOME}/customers?limit=100&cursor={next}");
        on_page.send(()).unwrap();
    }
}

/// Creates somebody with every page, and deletes one of those whose turn it is. Who was created.
fn change(
    server: &Server,
    session: &str,
    pages: Receiver<()>,
    mut going: impl Iterator<Item = i64>,
) -> BTreeSet<i64> {
    let mut connection = Connection::open(server);
    let mut created = BTreeSet::new();
    for () in pages {
        let new = json!({"name": "New", "email": "new@x"});
        let new = crate::cyrexa::call("POST", CLIENTS, &new).header("X-API-Key", server.key());
        created.insert(connection.send(&new).expect(201)["id"].as_i64().unwrap());
        if let Some(number) = going.next() {
            let path = format!("{HOME}/customers/{number}");
            let delete = call("DELETE", path, &Value::Null).bearer(session);
            assert_eq!(connection.send(&delete).status, 204);
        }
    }
    assert_eq!(going.next(), None, "all had their turn");
    created
}

#[test]
fn a_hundred_thousand_customers_are_each_seen_once_while_others_come_and_go() {
    let mut server = launch().start();
    create_operator(&server, &["--deployment"], "owner", DEPLOYMENT_OWNER);
    assert!(server.terminate().success());
    let before = fill(server.launch(), CUSTOMERS);
    assert_eq!(u32::try_from(before.len()), Ok(CUSTOMERS));
    let server = server.launch().start();
    let session = sign_in(&server, DEPLOYMENT_OWNER);
    let first = call("GET", format!("{HOME}/customers?limit=1"), &Value::Null).bearer(&session);
    let total = first.send(&server).expect(200)["total"].clone();
    assert_eq!(total, json!({"count": CUSTOMERS, "isExact": true}));
    let gone: Vec<i64> = before.iter().copied().step_by(DELETED_EVERY).collect();
    // From both ends, so that some go before they are seen and some after.
    let (older, newer) = gone.split_at(gone.len() / 2);
    let going = newer.iter().rev().zip(older).flat_map(|(one, other)| [*one, *other]);
    let (on_page, pages) = channel();
    let (walked, created) = std::thread::scope(|scope| {
        let changing = scope.spawn(|| change(&server, &session, pages, going));
        let walked = walk(&mut Connection::open(&server), &session, &on_page);
        drop(on_page);
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
    assert!(seen.len() > survivors.len(), "some went after they were seen");
    assert!(created.len() >= 900, "{} were created meanwhile", created.len());
}
