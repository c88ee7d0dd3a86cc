//! Creating customers, and finding them.

use patron::profile::Profile;
use patron::store::{StoreError, Unique};

use super::persons::{Author, START, profile};
use super::{Opened, Place, assert_duplicate};
use crate::together::together;

/// A customer is found by its number, its id and its reference, byte for byte as it was written.
pub fn a_customer_is_found_by_each_unique_key(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon@example.com");
    for key in [jon.by_number(), jon.by_id(), jon.by_reference()] {
        assert_eq!(opened.find(author.merchant, key), None);
    }
    opened.apply(&jon.change).unwrap();
    for key in [jon.by_number(), jon.by_id(), jon.by_reference()] {
        assert_eq!(opened.find(author.merchant, key).as_ref(), Some(jon.sealed()));
    }
    let history = opened.history(author.merchant, jon.number());
    assert_eq!(history, [jon.change.parts().entry.clone()]);
}

/// Another merchant's customer is not found by any key, and does not stand in the way of one with
/// the same number.
pub fn merchants_do_not_see_each_other(place: &dyn Place) {
    let opened = Opened::at(place);
    let (one, two) = (Author::of_merchant(1), Author::of_merchant(2));
    let jon = one.create("jon");
    opened.apply(&jon.change).unwrap();
    for key in [jon.by_number(), jon.by_id(), jon.by_reference()] {
        assert_eq!(opened.find(two.merchant, key), None);
    }
    assert_eq!(opened.history(two.merchant, jon.number()), []);
    let other = two.create("jon");
    assert_eq!(other.number(), jon.number());
    opened.apply(&other.change).unwrap();
    assert_eq!(opened.find(two.merchant, jon.by_number()).as_ref(), Some(other.sealed()));
    assert_eq!(opened.find(one.merchant, jon.by_number()).as_ref(), Some(jon.sealed()));
}

/// A second customer with the same id is refused: no row, no history, no count, no token.
pub fn a_taken_id_writes_nothing(place: &dyn Place) {
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let mut birth = author.birth();
    birth.id = jon.customer.id.clone();
    let double = author.create_from(birth, profile("another"), START);
    refused_creation(place, &author, [jon, double], Unique::CustomerId);
}

/// A second customer with the same reference is refused.
pub fn a_taken_reference_writes_nothing(place: &dyn Place) {
    let author = Author::of_merchant(1);
    let pair = [author.create("jon"), author.create("jon")];
    refused_creation(place, &author, pair, Unique::CustomerReference);
}

/// A second customer with the same number is refused.
pub fn a_taken_number_writes_nothing(place: &dyn Place) {
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let mut birth = author.birth();
    birth.number = jon.number();
    let double = author.create_from(birth, profile("another"), START);
    refused_creation(place, &author, [jon, double], Unique::CustomerNumber);
}

fn refused_creation(
    place: &dyn Place,
    author: &Author,
    pair: [super::persons::Made; 2],
    of: Unique,
) {
    let opened = Opened::at(place);
    let [first, second] = pair;
    let token = author.token(second.number(), 1);
    let second = second.with_token(&token);
    opened.apply(&first.change).unwrap();
    let before = opened.see(author.merchant);
    assert_duplicate(&opened.apply(&second.change), of);
    assert_eq!(opened.see(author.merchant), before);
    assert_eq!(before.total, 1);
    if second.number() != first.number() {
        assert_eq!(opened.history(author.merchant, second.number()), []);
    }
    let spent = opened.wait(opened.store.spend_token(author.merchant, token.hash, START)).unwrap();
    assert_eq!(spent, None, "a token of a creation that was refused works");
}

/// A creation whose token is taken is refused whole: the customer is not there either.
pub fn a_taken_token_writes_nothing(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let token = author.token(jon.number(), 1);
    opened.apply(&jon.with_token(&token).change).unwrap();
    let before = opened.see(author.merchant);
    let arya = author.create("arya").with_token(&token);
    assert_duplicate(&opened.apply(&arya.change), Unique::ClientToken);
    assert_eq!(opened.see(author.merchant), before);
    assert_eq!(opened.find(author.merchant, arya.by_number()), None);
    assert_eq!(opened.history(author.merchant, arya.number()), []);
}

/// Having no reference is not a reference that two customers share.
pub fn customers_without_a_reference_do_not_meet(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    for _ in 0..3 {
        let nobody = author.create_from(author.birth(), Profile::default(), START);
        opened.apply(&nobody.change).unwrap();
        let found = opened.find(author.merchant, nobody.by_number());
        assert_eq!(found.as_ref(), Some(nobody.sealed()));
    }
    assert_eq!(opened.list(author.merchant, 0, 10).total, 3);
}

/// However many create one reference at once, one succeeds and all others are told why not.
pub fn of_many_who_create_one_reference_one_succeeds(place: &dyn Place) {
    const MANY: usize = 64;
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let answers =
        together(MANY, |_| author.create("jon"), |_, jon| (opened.apply(&jon.change), jon));
    let refused = |answer: &Result<(), StoreError>| {
        matches!(answer, Err(StoreError::Duplicate(Unique::CustomerReference)))
    };
    assert_eq!(answers.iter().filter(|(answer, _)| refused(answer)).count(), MANY - 1);
    let winner = answers.iter().find(|(answer, _)| answer.is_ok()).map(|(_, jon)| jon).unwrap();
    let seen = opened.see(author.merchant);
    assert_eq!(seen.customers, [winner.sealed().clone()]);
    assert_eq!(seen.histories, [[winner.change.parts().entry.clone()]]);
    assert_eq!(seen.total, 1);
}
