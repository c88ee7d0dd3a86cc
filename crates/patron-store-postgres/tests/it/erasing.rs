//! Erasing customers while others change them, and when answers are lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use patron::history::Happened;
use patron::ids::MerchantNumber;
use patron::store::{Store as _, StoreError, Unique};
use patron_store_postgres::PostgresStore;
use patron_testkit::postgres::Cluster;
use patron_testkit::proxy::Proxy;
use patron_testkit::store_contract::persons::{Author, Made};
use patron_testkit::together::together;

use crate::ground::{open, settings, wait};

fn apply(store: &PostgresStore, made: &Made) -> Result<(), StoreError> {
    wait(store.apply(vec![made.change.clone()])).unwrap().remove(0)
}

/// Nothing is left but the numbers, the chain and one event.
fn assert_is_erased(store: &PostgresStore, last: &Made) {
    let sealed = &last.change.parts().customer;
    let whole = wait(store.find_whole_customer(sealed.merchant, sealed.number)).unwrap();
    let erased = whole.erased.unwrap();
    assert_eq!(whole.customer, None);
    assert_eq!(erased.version, last.customer.version + 1);
    let versions: Vec<u64> = whole.entries.iter().map(|entry| entry.header.version).collect();
    assert_eq!(versions, (1..=erased.version).collect::<Vec<_>>());
    assert!(whole.entries.iter().all(|entry| entry.sealed.is_none()));
    let events: Vec<_> = whole.events.iter().map(|event| (event.version, event.happened)).collect();
    assert_eq!(events, [(erased.version, Happened::Erased)]);
}

#[test]
fn a_customer_that_several_stores_change_and_erase_ends_erased() {
    const STORES: usize = 4;
    const CHANGES: u64 = 12;
    let cluster = Cluster::new();
    let first = open(&settings(&cluster.url()));
    let author = Author::of_merchant(1);
    for round in 0..4 {
        let made = author.create(&format!("r{round}"));
        apply(&first, &made).unwrap();
        // What was acknowledged last, which whoever is next goes on from.
        let latest = Mutex::new(Arc::new(made));
        let is_erased = AtomicBool::new(false);
        together(
            STORES,
            |_| open(&settings(&cluster.url())),
            |number, store| {
                let mut turn = 0;
                while !is_erased.load(Ordering::SeqCst) {
                    turn += 1;
                    let before = Arc::clone(&latest.lock().unwrap());
                    if number == 0 && before.customer.version > CHANGES {
                        match wait(store.erase(author.erase(&before))) {
                            Ok(()) => is_erased.store(true, Ordering::SeqCst),
                            refused => assert!(matches!(refused, Err(StoreError::Stale))),
                        }
                    } else if number > 0 {
                        let next = author.rename(&before, &format!("{number} {turn}"));
                        match apply(&store, &next) {
                            Ok(()) => *latest.lock().unwrap() = Arc::new(next),
                            refused => assert!(matches!(refused, Err(StoreError::Stale))),
                        }
                    }
                }
            },
        );
        let last = latest.into_inner().unwrap();
        assert_is_erased(&first, &last);
        let list = wait(first.list_customers(MerchantNumber::new(1), 0, 10)).unwrap();
        assert_eq!(list.total, 0, "it counts no more");
        assert!(matches!(apply(&first, &author.rename(&last, "Late")), Err(StoreError::Stale)));
    }
}

#[test]
fn an_erasure_whose_answer_is_lost_is_made_once() {
    let cluster = Cluster::new();
    let proxy = Proxy::before(cluster.port());
    let store = open(&settings(&proxy.url(&cluster.url())));
    let other = open(&settings(&cluster.url()));
    let author = Author::of_merchant(1);
    for number in 0..8 {
        let made = author.create(&format!("r{number}"));
        apply(&store, &made).unwrap();
        let renamed = author.rename(&made, "Jon of somewhere");
        apply(&store, &renamed).unwrap();
        // The database has committed, or has heard of nothing.
        if number % 2 == 0 {
            proxy.lose_answer("COMMIT\0");
        } else {
            proxy.lose_request("COMMIT\0");
        }
        wait(store.erase(author.erase(&renamed))).unwrap();
        assert!(proxy.has_lost(), "nothing was lost");
        assert_is_erased(&other, &renamed);
    }
}

#[test]
fn a_number_that_was_erased_is_nobody_elses_and_its_creation_may_come_again() {
    let cluster = Cluster::new();
    let store = open(&settings(&cluster.url()));
    let (author, other) = (Author::of_merchant(1), Author::of_merchant(1));
    let made = author.create("first");
    apply(&store, &made).unwrap();
    wait(store.erase(author.erase(&made))).unwrap();
    // The very same comes from whoever never heard of it.
    apply(&store, &made).unwrap();
    assert_is_erased(&store, &made);
    // Both authors count from 1. The others of the same group are not kept from being created.
    let group = ["second", "third", "fourth"].map(|reference| other.create(reference));
    let changes = group.iter().map(|made| made.change.clone()).collect();
    let answers = wait(store.apply(changes)).unwrap();
    assert!(
        matches!(answers[0], Err(StoreError::Duplicate(Unique::CustomerNumber))),
        "{answers:?}"
    );
    assert!(answers[1].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert_is_erased(&store, &made);
    assert_eq!(wait(store.list_customers(MerchantNumber::new(1), 0, 10)).unwrap().total, 2);
}
