//! Erasing customers: what goes, what is left, and that it is done once.

use std::sync::{Arc, Mutex};

use patron::edit::Edit;
use patron::erasure::{ErasedCustomer, Erasure, Purged};
use patron::ids::CustomerNumber;
use patron::profile::ProfileEdit;
use patron::store::{SealedQuery, Start, StoreError, Unique, UniqueKey, WholeCustomer};

use super::persons::{Author, Made, at, profile};
use super::{Opened, Place, assert_duplicate, assert_stale};
use crate::together::together;
use crate::wait;

fn erase(opened: &Opened<'_>, erasure: &Erasure) -> Result<(), StoreError> {
    opened.wait(opened.store.erase(erasure.clone()))
}

fn whole(opened: &Opened<'_>, author: &Author, customer: CustomerNumber) -> WholeCustomer {
    opened.wait(opened.store.find_whole_customer(author.merchant, customer)).unwrap()
}

fn kept_by(opened: &Opened<'_>, author: &Author, key: UniqueKey) -> bool {
    opened.wait(opened.store.find_kept_customer(author.merchant, key)).unwrap().is_some()
}

fn find_erased(opened: &Opened<'_>, author: &Author, made: &Made) -> Option<ErasedCustomer> {
    opened.wait(opened.store.find_erased(author.merchant, made.number())).unwrap()
}

fn unpurged(opened: &Opened<'_>, author: &Author, limit: u32) -> Vec<ErasedCustomer> {
    opened.wait(opened.store.list_unpurged(author.merchant, limit)).unwrap()
}

/// Everything of a customer is gone but its number, its chain without values, and one event. The history
/// verifies to the head that is left.
fn assert_erased(opened: &Opened<'_>, author: &Author, steps: &[&Made], erasure: &Erasure) {
    let made = steps[steps.len() - 1];
    let number = made.number();
    for one in steps {
        let row = one.sealed();
        let reference = row.indexes.reference.map(UniqueKey::Reference);
        for key in [one.by_number(), one.by_id()].into_iter().chain(reference) {
            assert_eq!(opened.find(author.merchant, key), None, "{key:?}");
            assert!(!kept_by(opened, author, key), "{key:?} is kept");
        }
        for query in [
            SealedQuery { number: Some(number), ..SealedQuery::default() },
            SealedQuery { email_search: row.indexes.email_search, ..SealedQuery::default() },
            SealedQuery::default(),
        ] {
            let page =
                opened.store.search_customers(author.merchant, query, Start::Offset(0), 1_000);
            let page = opened.wait(page).unwrap();
            assert!(page.customers.iter().all(|one| one.number != number));
        }
    }
    let WholeCustomer { customer, erased, entries, events } = whole(opened, author, number);
    assert_eq!(customer, None);
    assert_eq!(erased.as_ref(), Some(&erasure.parts().erased));
    assert_eq!(find_erased(opened, author, made), erased);
    assert_eq!(events, [erasure.parts().event.clone()]);
    let mut expect: Vec<_> = steps.iter().map(|one| one.change.parts().entry.clone()).collect();
    expect.push(erasure.parts().entry.clone());
    for entry in &mut expect {
        entry.sealed = None;
    }
    assert_eq!(entries, expect);
    assert!(author.is_history_of(&erasure.parts().erased, &entries), "the chain is broken");
    let kept = opened.store.list_kept_customers(author.merchant, number.get() - 1, 1);
    assert_eq!(opened.wait(kept).unwrap(), [number], "it is verified still");
    let ages = opened.store.list_ages(author.merchant, 0, u32::MAX);
    assert!(opened.wait(ages).unwrap().iter().all(|age| age.number != number));
}

/// A customer is gone by all its names, old ones and new ones, with its tokens; others stay as they are.
pub fn an_erased_customer_is_gone(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let token = author.token(jon.number(), 9);
    let jon = jon.with_token(&token);
    let reference = Edit::Set("aegon".into());
    let renamed = author.update(&jon, &ProfileEdit { reference, ..ProfileEdit::default() });
    let again = author.rename(&renamed, "Egg");
    let arya = author.create("arya");
    let others_token = author.token(arya.number(), 9);
    let arya = arya.with_token(&others_token);
    for made in [&jon, &arya, &renamed, &again] {
        opened.apply(&made.change).unwrap();
    }
    // Remembered, where a store remembers.
    for key in [again.by_number(), again.by_id(), again.by_reference()] {
        assert!(opened.find(author.merchant, key).is_some());
    }
    let erasure = author.erase(&again);
    erase(&opened, &erasure).unwrap();
    assert_erased(&opened, &author, &[&jon, &renamed, &again], &erasure);
    let find = |hash| opened.wait(opened.store.find_token(author.merchant, hash)).unwrap();
    assert_eq!(find(token.hash), None);
    assert_eq!(find(others_token.hash), Some(others_token));
    let spend = opened.store.spend_token(author.merchant, token.hash, token.issued);
    assert_eq!(opened.wait(spend).unwrap(), None);
    let seen = opened.see(author.merchant);
    assert_eq!((seen.customers, seen.total), (vec![arya.sealed().clone()], 1));
    assert_eq!(find_erased(&opened, &author, &arya), None);
    let opened = opened.reopened();
    assert_erased(&opened, &author, &[&jon, &renamed, &again], &erasure);
}

/// A deleted customer is erased as well, and is not taken from the count a second time.
pub fn a_deleted_customer_is_erased(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let (jon, arya) = (author.create("jon"), author.create("arya"));
    let deleted = author.delete(&jon);
    for made in [&jon, &arya, &deleted] {
        opened.apply(&made.change).unwrap();
    }
    let erasure = author.erase(&deleted);
    erase(&opened, &erasure).unwrap();
    assert_erased(&opened, &author, &[&jon, &deleted], &erasure);
    assert_eq!(opened.list(author.merchant, 0, 9).total, 1);
    erase(&opened, &author.erase(&arya)).unwrap();
    assert_eq!(opened.list(author.merchant, 0, 9).total, 0);
}

/// The erasure of an older version, or of nobody, is refused and writes nothing; another merchant's customer
/// with the same number is not touched.
pub fn a_stale_erasure_writes_nothing(place: &dyn Place) {
    let opened = Opened::at(place);
    let (author, other) = (Author::of_merchant(1), Author::of_merchant(2));
    let (jon, others) = (author.create("jon"), other.create("jon"));
    assert_stale(&erase(&opened, &author.erase(&jon)));
    assert_eq!(find_erased(&opened, &author, &jon), None);
    let renamed = author.rename(&jon, "Aegon");
    let ahead = author.rename(&renamed, "Egg");
    for made in [&jon, &renamed, &others] {
        opened.apply(&made.change).unwrap();
    }
    let before = whole(&opened, &author, jon.number());
    for stale in [&jon, &ahead] {
        assert_stale(&erase(&opened, &author.erase(stale)));
        assert_eq!(whole(&opened, &author, jon.number()), before);
    }
    assert_eq!(find_erased(&opened, &author, &jon), None);
    assert_eq!(opened.list(author.merchant, 0, 9).total, 1);
    erase(&opened, &author.erase(&renamed)).unwrap();
    assert!(opened.find(other.merchant, others.by_reference()).is_some());
    assert_eq!(opened.list(other.merchant, 0, 9).total, 1);
    assert_stale(&erase(&opened, &author.erase(&renamed)));
}

/// An erasure whose answer was lost is sent again: it succeeds and is applied once. So is any change of the
/// customer that was applied before it; another one is refused.
pub fn an_erasure_applied_again_is_applied_once(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let (jon, arya) = (author.create("jon"), author.create("arya"));
    let token = author.token(jon.number(), 9);
    let jon = jon.with_token(&token);
    let (renamed, late) = (author.rename(&jon, "Aegon"), author.rename(&jon, "Egg"));
    for made in [&jon, &arya, &renamed] {
        opened.apply(&made.change).unwrap();
    }
    let erasure = author.erase(&renamed);
    erase(&opened, &erasure).unwrap();
    for _ in 0..2 {
        erase(&opened, &erasure).unwrap();
        opened.apply(&jon.change).unwrap();
        opened.apply(&renamed.change).unwrap();
        assert_stale(&opened.apply(&late.change));
        assert_erased(&opened, &author, &[&jon, &renamed], &erasure);
        let found = opened.wait(opened.store.find_token(author.merchant, token.hash)).unwrap();
        assert_eq!(found, None, "a change that came again brought its token back");
        assert_eq!(opened.list(author.merchant, 0, 9).total, 1);
    }
}

/// The reference and the id are free again; the number is not, ever.
pub fn an_erased_customers_names_are_free_but_for_its_number(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    opened.apply(&jon.change).unwrap();
    let erasure = author.erase(&jon);
    erase(&opened, &erasure).unwrap();
    let same_number = author.birth_of(jon.number());
    let double = author.create_from(same_number, profile("other"), at(5));
    assert_duplicate(&opened.apply(&double.change), Unique::CustomerNumber);
    assert_erased(&opened, &author, &[&jon], &erasure);
    let mut birth = author.birth();
    birth.id = jon.customer.id.clone();
    let next = author.create_from(birth, profile("jon"), at(5));
    opened.apply(&next.change).unwrap();
    for key in [next.by_id(), next.by_reference(), next.by_number()] {
        assert_eq!(opened.find(author.merchant, key).as_ref(), Some(next.sealed()));
    }
    assert_eq!(jon.by_id(), next.by_id());
    assert_eq!(opened.list(author.merchant, 0, 9).total, 1);
}

/// However many change a customer while it is erased, it ends erased, with an unbroken history.
pub fn a_customer_that_is_erased_amid_changes_ends_erased(place: &dyn Place) {
    const CHANGES: usize = 20;
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    opened.apply(&jon.change).unwrap();
    let number = jon.number();
    // What was acknowledged last. Whoever goes on from an older version is refused.
    let latest = Mutex::new(Arc::new(jon));
    let take = || Arc::clone(&latest.lock().unwrap());
    let is_there = || opened.find(author.merchant, UniqueKey::Number(number)).is_some();
    let changed = together(
        6,
        |_| (),
        |writer, ()| {
            let mut changed = 0;
            while is_there() {
                let before = take();
                if writer == 0 && before.customer.version > CHANGES.try_into().unwrap() {
                    match erase(&opened, &author.erase(&before)) {
                        Ok(()) => assert!(!is_there(), "it is there after its erasure"),
                        refused => assert_stale(&refused),
                    }
                    continue;
                }
                let next = author.rename(&before, &format!("Name {writer} {changed}"));
                match opened.apply(&next.change) {
                    Ok(()) => *latest.lock().unwrap() = Arc::new(next),
                    refused => {
                        assert_stale(&refused);
                        continue;
                    }
                }
                changed += 1;
            }
            changed
        },
    );
    let WholeCustomer { customer, erased, entries, events } = whole(&opened, &author, number);
    assert_eq!((customer, events.len()), (None, 1));
    assert!(author.is_history_of(&erased.unwrap(), &entries));
    let changed: usize = changed.iter().sum();
    assert_eq!(entries.len(), changed + 2, "what was acknowledged, its creation and its erasure");
    assert!(changed >= CHANGES, "{changed} changes only");
    assert_eq!(opened.list(author.merchant, 0, 9).total, 0);
}

/// What was erased longest ago is purged first; what is recorded takes the place of what was kept, once, and is
/// on the list no more. Of those that are not there nothing is written.
pub fn purges_are_recorded(place: &dyn Place) {
    let opened = Opened::at(place);
    let (author, other) = (Author::of_merchant(1), Author::of_merchant(2));
    let made: Vec<_> = (0..4).map(|number| author.create(&number.to_string())).collect();
    let times = [3_000, 2_000, 5_000, 4_000];
    let erased: Vec<_> = made
        .iter()
        .zip(times)
        .map(|(one, ms)| {
            opened.apply(&one.change).unwrap();
            let erasure = author.erase_at(one, ms);
            erase(&opened, &erasure).unwrap();
            erasure.parts().erased.clone()
        })
        .collect();
    let [one, two, three, four] = erased.as_slice() else { unreachable!("there are four") };
    let list = [two, one, four, three].map(Clone::clone);
    assert_eq!(unpurged(&opened, &author, 9), list);
    assert_eq!(unpurged(&opened, &author, 2), list[..2]);
    assert_eq!(unpurged(&opened, &author, 0), []);
    assert_eq!(unpurged(&opened, &other, 9), []);
    let purged = |of: &ErasedCustomer| ErasedCustomer {
        purged: Some(at(9_000)),
        mac: [7; 32],
        ..of.clone()
    };
    let nobody = ErasedCustomer { number: CustomerNumber::new(77).unwrap(), ..purged(one) };
    let elsewhere = ErasedCustomer { merchant: other.merchant, ..purged(one) };
    let record = |purged| opened.wait(opened.store.record_purges(purged)).unwrap();
    record(vec![]);
    record(vec![purged(four), nobody, purged(two), elsewhere]);
    assert_eq!(unpurged(&opened, &author, 9), [one.clone(), three.clone()]);
    assert_eq!(unpurged(&opened, &other, 9), []);
    assert_eq!(find_erased(&opened, &author, &made[1]), Some(purged(two)));
    assert_eq!(find_erased(&opened, &author, &made[3]), Some(purged(four)));
    assert_eq!(find_erased(&opened, &author, &made[0]), Some(one.clone()));
    assert_eq!(find_erased(&opened, &other, &made[0]), None);
    assert_eq!(whole(&opened, &author, made[1].number()).erased, Some(purged(two)));
    // A receipt says the same for ever.
    record(vec![ErasedCustomer { purged: Some(at(9_001)), ..purged(two) }]);
    assert_eq!(find_erased(&opened, &author, &made[1]), Some(purged(two)));
    let opened = opened.reopened();
    assert_eq!(find_erased(&opened, &author, &made[1]), Some(purged(two)));
}

/// What was erased is purged before long where nobody reads what was there before, be there anything to purge
/// or not, and everything else stays as it is.
pub fn what_was_erased_is_purged(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let purge = || {
        wait::soon("what was erased is purged", || {
            let purged = opened.wait(opened.store.purge_erased()).unwrap();
            (purged == Purged::Done).then_some(())
        });
    };
    purge();
    let made: Vec<_> = (0..60).map(|number| author.create(&number.to_string())).collect();
    for one in &made {
        opened.apply(&one.change).unwrap();
    }
    let mut before = opened.see(author.merchant);
    for one in made.iter().step_by(3) {
        erase(&opened, &author.erase(one)).unwrap();
        let place = before.customers.iter().position(|row| row == one.sealed()).unwrap();
        before.customers.remove(place);
        before.histories.remove(place);
        before.total -= 1;
    }
    purge();
    purge();
    assert_eq!(opened.see(author.merchant), before);
    let opened = opened.reopened();
    assert_eq!(opened.see(author.merchant), before);
}
