//! Changing customers: one version after the other, each change once.

use patron::edit::Edit;
use patron::profile::ProfileEdit;
use patron::store::{StoreError, Unique};

use super::persons::{Author, Made};
use super::{Opened, Place, assert_duplicate, assert_stale};
use crate::together::together;

/// An update replaces the row and adds to the history, oldest entry first; the key stays.
pub fn an_update_replaces_the_customer(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let mut versions = vec![author.create("jon")];
    opened.apply(&versions[0].change).unwrap();
    for number in 2..=12 {
        let next = author.rename(&versions[versions.len() - 1], &format!("Jon {number}"));
        opened.apply(&next.change).unwrap();
        assert_eq!(opened.find(author.merchant, next.by_id()).as_ref(), Some(next.sealed()));
        versions.push(next);
    }
    let entries: Vec<_> = versions.iter().map(|made| made.change.parts().entry.clone()).collect();
    assert_eq!(opened.history(author.merchant, versions[0].number()), entries);
    assert_eq!(opened.list(author.merchant, 0, 10).total, 1);
}

/// Of two updates of one version the second is refused, and writes neither row nor history nor token.
pub fn a_stale_update_writes_nothing(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let token = author.token(jon.number(), 1);
    let (first, second) = (author.rename(&jon, "Arya"), author.rename(&jon, "Sansa"));
    let second = second.with_token(&token);
    opened.apply(&jon.change).unwrap();
    opened.apply(&first.change).unwrap();
    let before = opened.see(author.merchant);
    assert_stale(&opened.apply(&second.change));
    assert_eq!(opened.see(author.merchant), before);
    assert_eq!(before.customers, [first.sealed().clone()]);
    let spend = opened.store.spend_token(author.merchant, token.hash, token.issued);
    assert_eq!(opened.wait(spend).unwrap(), None);
}

/// An update of a customer that is not there, or is still at an older version, is stale.
pub fn an_update_of_nobody_is_stale(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let second = author.rename(&jon, "Arya");
    let third = author.rename(&second, "Sansa");
    assert_stale(&opened.apply(&second.change));
    assert_eq!(opened.see(author.merchant).total, 0);
    assert_eq!(opened.history(author.merchant, jon.number()), []);
    opened.apply(&jon.change).unwrap();
    assert_stale(&opened.apply(&third.change));
    assert_eq!(opened.see(author.merchant).customers, [jon.sealed().clone()]);
}

/// An update cannot take the reference of another customer; it can take one that is free.
pub fn an_update_to_a_taken_reference_writes_nothing(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let (jon, arya) = (author.create("jon"), author.create("arya"));
    opened.apply(&jon.change).unwrap();
    opened.apply(&arya.change).unwrap();
    let before = opened.see(author.merchant);
    let to = |reference: &str| ProfileEdit {
        reference: Edit::Set(reference.into()),
        ..ProfileEdit::default()
    };
    let taken = author.update(&arya, &to("jon"));
    assert_duplicate(&opened.apply(&taken.change), Unique::CustomerReference);
    assert_eq!(opened.see(author.merchant), before);
    let free = author.update(&arya, &to("nobody"));
    opened.apply(&free.change).unwrap();
    assert_eq!(opened.find(author.merchant, arya.by_reference()), None);
    assert_eq!(opened.find(author.merchant, free.by_reference()).as_ref(), Some(free.sealed()));
}

/// A creation whose answer was lost is sent again: it succeeds and is applied once, even when the
/// customer was changed meanwhile.
pub fn a_creation_applied_again_is_applied_once(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let token = author.token(jon.number(), 1);
    let jon = jon.with_token(&token);
    opened.apply(&jon.change).unwrap();
    applied_again(&opened, &author, &jon);
    let renamed = author.rename(&jon, "Arya");
    opened.apply(&renamed.change).unwrap();
    applied_again(&opened, &author, &jon);
    let spend = || opened.wait(opened.store.spend_token(author.merchant, token.hash, token.issued));
    assert_eq!(spend().unwrap(), Some(jon.number()));
    applied_again(&opened, &author, &jon);
    assert_eq!(spend().unwrap(), None, "applying a change again filled its token up");
}

/// The same for an update.
pub fn an_update_applied_again_is_applied_once(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let second = author.rename(&jon, "Arya");
    let third = author.rename(&second, "Sansa");
    for change in [&jon.change, &second.change] {
        opened.apply(change).unwrap();
    }
    applied_again(&opened, &author, &second);
    opened.apply(&third.change).unwrap();
    applied_again(&opened, &author, &second);
}

fn applied_again(opened: &Opened<'_>, author: &Author, made: &Made) {
    let before = opened.see(author.merchant);
    opened.apply(&made.change).unwrap();
    assert_eq!(opened.see(author.merchant), before);
}

/// Each change of a batch is answered in its place; one that is refused does not disturb others.
pub fn a_batch_answers_each_change_in_order(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let [jon, double, arya, sansa] =
        ["jon", "jon", "arya", "sansa"].map(|name| author.create(name));
    let too_early = author.rename(&author.rename(&arya, "A"), "B");
    let batch = [&jon, &double, &arya, &too_early, &jon, &sansa].map(|made| made.change.clone());
    let answers = opened.wait(opened.store.apply(batch.to_vec())).unwrap();
    assert_eq!(answers.len(), 6);
    assert_duplicate(&answers[1], Unique::CustomerReference);
    assert_stale(&answers[3]);
    for number in [0, 2, 4, 5] {
        assert!(answers[number].is_ok(), "{number}: {:?}", answers[number]);
    }
    assert_eq!(opened.list(author.merchant, 0, 10).total, 3);
    assert_eq!(opened.find(author.merchant, double.by_number()), None);
    assert_eq!(opened.wait(opened.store.apply(Vec::new())).unwrap().len(), 0);
}

/// A batch may build on itself: create a customer and change it.
pub fn a_batch_may_change_one_customer_twice(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let second = author.rename(&jon, "Arya");
    let late = author.rename(&jon, "Sansa");
    let batch = [&jon, &second, &late].map(|made| made.change.clone());
    let answers = opened.wait(opened.store.apply(batch.to_vec())).unwrap();
    assert!(answers[0].is_ok() && answers[1].is_ok(), "{answers:?}");
    assert_stale(&answers[2]);
    assert_eq!(opened.find(author.merchant, jon.by_id()).as_ref(), Some(second.sealed()));
    assert_eq!(opened.history(author.merchant, jon.number()).len(), 2);
}

/// A batch may be larger than any commit.
pub fn a_large_batch_is_applied_whole(place: &dyn Place) {
    const MANY: u32 = 2_000;
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let batch: Vec<_> = (0..MANY).map(|number| author.create(&number.to_string()).change).collect();
    let answers = opened.wait(opened.store.apply(batch)).unwrap();
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(opened.list(author.merchant, 0, 1).total, u64::from(MANY));
}

/// However many update one version at once, one succeeds and all others are stale.
pub fn of_many_who_update_one_version_one_succeeds(place: &dyn Place) {
    const MANY: usize = 32;
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    opened.apply(&jon.change).unwrap();
    let answers = together(
        MANY,
        |number| author.rename(&jon, &number.to_string()),
        |_, renamed| (opened.apply(&renamed.change), renamed),
    );
    let stale = |answer: &Result<(), StoreError>| matches!(answer, Err(StoreError::Stale));
    assert_eq!(answers.iter().filter(|(answer, _)| stale(answer)).count(), MANY - 1);
    let winner = answers.iter().find(|(answer, _)| answer.is_ok()).map(|(_, made)| made).unwrap();
    assert_eq!(opened.find(author.merchant, jon.by_id()).as_ref(), Some(winner.sealed()));
    assert_eq!(opened.history(author.merchant, jon.number()).len(), 2);
}

/// What many write at once is all there, and counted right.
pub fn many_creations_at_once_are_all_kept(place: &dyn Place) {
    const MANY: usize = 32;
    const EACH: usize = 8;
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let prepare = |thread: usize| {
        (0..EACH).map(|number| author.create(&format!("{thread}-{number}"))).collect::<Vec<_>>()
    };
    let made = together(MANY, prepare, |_, made| {
        for one in &made {
            opened.apply(&one.change).unwrap();
            // Whoever was answered finds what it wrote.
            assert_eq!(opened.find(author.merchant, one.by_id()).as_ref(), Some(one.sealed()));
        }
        made
    });
    assert_eq!(made.iter().map(Vec::len).sum::<usize>(), MANY * EACH);
    let total = opened.list(author.merchant, 0, 1).total;
    assert_eq!(usize::try_from(total).unwrap(), MANY * EACH);
}

/// A deleted customer is not found by any key; its history stays.
pub fn a_deleted_customer_is_not_found(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let deleted = author.delete(&jon);
    opened.apply(&jon.change).unwrap();
    opened.apply(&deleted.change).unwrap();
    for key in [jon.by_number(), jon.by_id(), jon.by_reference()] {
        assert_eq!(opened.find(author.merchant, key), None);
    }
    let entries = [&jon, &deleted].map(|made| made.change.parts().entry.clone());
    assert_eq!(opened.history(author.merchant, jon.number()), entries);
    // Sent again, both were applied already.
    opened.apply(&jon.change).unwrap();
    opened.apply(&deleted.change).unwrap();
    assert_eq!(opened.list(author.merchant, 0, 10).total, 0);
}

/// The reference of a deleted customer is free again; its number and its id are not.
pub fn deletion_frees_the_reference_only(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    opened.apply(&jon.change).unwrap();
    opened.apply(&author.delete(&jon).change).unwrap();
    let again = author.create("jon");
    opened.apply(&again.change).unwrap();
    assert_eq!(opened.find(author.merchant, jon.by_reference()).as_ref(), Some(again.sealed()));
    let mut same_number = author.birth();
    same_number.number = jon.number();
    let mut same_id = author.birth();
    same_id.id = jon.customer.id.clone();
    for (birth, of) in [(same_number, Unique::CustomerNumber), (same_id, Unique::CustomerId)] {
        let profile = super::persons::profile("somebody else");
        let double = author.create_from(birth, profile, super::persons::START);
        assert_duplicate(&opened.apply(&double.change), of);
    }
    assert_eq!(opened.list(author.merchant, 0, 10).total, 1);
}
