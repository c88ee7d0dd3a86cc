//! Walking over everything: customers that are deleted too, with their histories and events, and their ages.

use patron::ids::CustomerNumber;
use patron::store::{CustomerAge, WholeCustomer};

use super::persons::{Author, Made};
use super::{Opened, Place};

fn kept(opened: &Opened<'_>, author: &Author, after: i64, limit: u32) -> Vec<i64> {
    let listed = opened.store.list_kept_customers(author.merchant, after, limit);
    opened.wait(listed).unwrap().into_iter().map(CustomerNumber::get).collect()
}

fn whole(opened: &Opened<'_>, author: &Author, of: &Made) -> WholeCustomer {
    opened.wait(opened.store.find_whole_customer(author.merchant, of.number())).unwrap()
}

/// What is kept of a customer after these changes.
fn whole_of(made: &[&Made]) -> WholeCustomer {
    let parts = || made.iter().map(|made| made.change.parts());
    WholeCustomer {
        customer: made.last().map(|made| made.sealed().clone()),
        erased: None,
        entries: parts().map(|parts| parts.entry.clone()).collect(),
        events: parts().map(|parts| parts.event.clone()).collect(),
    }
}

/// The numbers of all customers come in ascending order and in pages, deleted ones among them; each
/// number once, however long the history is; no other merchant's.
pub fn kept_customers_are_listed_in_pages(place: &dyn Place) {
    let opened = Opened::at(place);
    let (author, other) = (Author::of_merchant(1), Author::of_merchant(2));
    assert_eq!(kept(&opened, &author, 0, 10), [0; 0]);
    let made: Vec<_> = (0..5).map(|number| author.create(&number.to_string())).collect();
    for one in made.iter().rev() {
        opened.apply(&one.change).unwrap();
    }
    opened.apply(&author.delete(&made[1]).change).unwrap();
    let renamed = author.rename(&made[2], "Arya");
    opened.apply(&renamed.change).unwrap();
    opened.apply(&author.rename(&renamed, "Sansa").change).unwrap();
    for number in 0..9 {
        opened.apply(&other.create(&number.to_string()).change).unwrap();
    }
    assert_eq!(kept(&opened, &author, 0, 10), [1, 2, 3, 4, 5]);
    assert_eq!(kept(&opened, &author, 0, 2), [1, 2]);
    assert_eq!(kept(&opened, &author, 2, 2), [3, 4]);
    assert_eq!(kept(&opened, &author, 4, 2), [5]);
    assert_eq!(kept(&opened, &author, 5, 2), [0; 0]);
    assert_eq!(kept(&opened, &author, i64::MAX, u32::MAX), [0; 0]);
    assert_eq!(kept(&opened, &author, 0, 0), [0; 0]);
}

/// A customer is found whole, with its history, when it is deleted too; of nobody there is nothing.
pub fn a_deleted_customer_is_found_whole(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    assert_eq!(whole(&opened, &author, &jon), whole_of(&[]));
    let deleted = author.delete(&jon);
    opened.apply(&jon.change).unwrap();
    assert_eq!(whole(&opened, &author, &jon), whole_of(&[&jon]));
    opened.apply(&deleted.change).unwrap();
    assert_eq!(whole(&opened, &author, &jon), whole_of(&[&jon, &deleted]));
    assert_eq!(whole(&opened, &Author::of_merchant(2), &jon), whole_of(&[]));
}

/// Each change that was applied has its event, in the order of the customer's versions; one that was
/// refused or applied before has none.
pub fn each_change_has_its_event(place: &dyn Place) {
    let opened = Opened::at(place);
    let (author, other) = (Author::of_merchant(1), Author::of_merchant(2));
    let (jon, arya, sansa) = (author.create("jon"), other.create("arya"), author.create("sansa"));
    let (renamed, late) = (author.rename(&jon, "Aegon"), author.rename(&jon, "Egg"));
    let deleted = author.delete(&renamed);
    for made in [&jon, &arya, &renamed, &sansa, &deleted] {
        opened.apply(&made.change).unwrap();
    }
    opened.apply(&late.change).unwrap_err();
    opened.apply(&author.create("sansa").change).unwrap_err();
    opened.apply(&renamed.change).unwrap();
    assert_eq!(whole(&opened, &author, &jon), whole_of(&[&jon, &renamed, &deleted]));
    assert_eq!(whole(&opened, &author, &sansa), whole_of(&[&sansa]));
    // The same number, of another merchant.
    assert_eq!(arya.number(), jon.number());
    assert_eq!(whole(&opened, &other, &arya), whole_of(&[&arya]));
}

/// A customer is found by number and id when it is deleted too, and by its reference as long as it has it.
pub fn a_deleted_customer_is_kept(place: &dyn Place) {
    let opened = Opened::at(place);
    let (author, other) = (Author::of_merchant(1), Author::of_merchant(2));
    let jon = author.create("jon");
    let kept = |key| opened.wait(opened.store.find_kept_customer(author.merchant, key)).unwrap();
    for key in [jon.by_number(), jon.by_id(), jon.by_reference()] {
        assert_eq!(kept(key), None);
    }
    opened.apply(&jon.change).unwrap();
    for key in [jon.by_number(), jon.by_id(), jon.by_reference()] {
        assert_eq!(kept(key).as_ref(), Some(jon.sealed()));
        let elsewhere = opened.store.find_kept_customer(other.merchant, key);
        assert_eq!(opened.wait(elsewhere).unwrap(), None);
    }
    let deleted = author.delete(&jon);
    opened.apply(&deleted.change).unwrap();
    for key in [jon.by_number(), jon.by_id()] {
        assert_eq!(kept(key).as_ref(), Some(deleted.sealed()));
    }
    assert_eq!(kept(jon.by_reference()), None);
    let next = author.create("jon");
    opened.apply(&next.change).unwrap();
    assert_eq!(kept(jon.by_reference()).as_ref(), Some(next.sealed()));
}

/// Ages come in the order of numbers and in pages: of deleted customers too, and of no other merchant's.
pub fn ages_are_listed_in_pages(place: &dyn Place) {
    let opened = Opened::at(place);
    let (author, other) = (Author::of_merchant(1), Author::of_merchant(2));
    let ages =
        |after, limit| opened.wait(opened.store.list_ages(author.merchant, after, limit)).unwrap();
    assert_eq!(ages(0, 9), []);
    let made: Vec<_> = (0..5).map(|number| author.create(&number.to_string())).collect();
    let deleted = author.delete(&made[1]);
    let renamed = author.rename(&made[3], "Arya");
    for one in made.iter().rev().chain([&deleted, &renamed, &other.create("jon")]) {
        opened.apply(&one.change).unwrap();
    }
    let all: Vec<_> = [&made[0], &deleted, &made[2], &renamed, &made[4]]
        .map(|one| CustomerAge {
            number: one.number(),
            updated: one.customer.updated,
            deleted: one.customer.deleted,
        })
        .into();
    assert_eq!(all[1].deleted, deleted.sealed().deleted);
    assert_eq!(ages(0, 9), all);
    assert_eq!(ages(0, 2), all[..2]);
    assert_eq!(ages(2, 2), all[2..4]);
    assert_eq!(ages(5, 2), []);
    assert_eq!(ages(0, 0), []);
    assert_eq!(ages(i64::MAX, u32::MAX), []);
    assert_eq!(ages(i64::MIN, u32::MAX), all);
}

/// A history comes newest first, from any version on downwards, with its sealed parts.
pub fn entries_are_listed_in_pages(place: &dyn Place) {
    let opened = Opened::at(place);
    let (author, other) = (Author::of_merchant(1), Author::of_merchant(2));
    let mut made = vec![author.create("jon")];
    for number in 2..=12 {
        made.push(author.rename(&made[made.len() - 1], &format!("Jon {number}")));
    }
    for one in made.iter().chain([&author.create("arya"), &other.create("jon")]) {
        opened.apply(&one.change).unwrap();
    }
    let mut all: Vec<_> = made.iter().map(|one| one.change.parts().entry.clone()).collect();
    all.reverse();
    let entries = |before, limit| {
        let number = made[0].number();
        opened.wait(opened.store.list_entries(author.merchant, number, before, limit)).unwrap()
    };
    assert_eq!(entries(None, 99), all);
    assert_eq!(entries(None, 5), all[..5]);
    assert_eq!(entries(Some(8), 5), all[5..10]);
    assert_eq!(entries(Some(3), 5), all[10..]);
    for before in [Some(0), Some(1)] {
        assert_eq!(entries(before, 5), []);
    }
    assert_eq!(entries(Some(u64::MAX), 99), all);
    assert_eq!(entries(Some(100), 0), []);
    let nobody = author.birth().number;
    let none = opened.store.list_entries(author.merchant, nobody, None, 9);
    assert_eq!(opened.wait(none).unwrap(), []);
}
