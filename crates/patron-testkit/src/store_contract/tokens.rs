//! Client auth tokens.

use patron::clock::Timestamp;
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::store::Unique;
use patron::token::TokenRecord;

use super::persons::{Author, START, at};
use super::{Opened, Place, assert_duplicate};
use crate::together::together;

fn spend(opened: &Opened<'_>, token: &TokenRecord, now: Timestamp) -> Option<CustomerNumber> {
    opened.wait(opened.store.spend_token(token.merchant, token.hash, now)).unwrap()
}

fn issue(opened: &Opened<'_>, author: &Author, uses: u32) -> TokenRecord {
    let token = author.token(author.birth().number, uses);
    opened.wait(opened.store.issue_token(token.clone())).unwrap();
    token
}

/// A token works as often as it says, and tells whose it is.
pub fn a_token_is_spent_down_to_nothing(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let unknown = author.token(author.birth().number, 3);
    assert_eq!(spend(&opened, &unknown, START), None);
    let token = issue(&opened, &author, 3);
    for _ in 0..3 {
        assert_eq!(spend(&opened, &token, START), Some(token.customer));
    }
    assert_eq!(spend(&opened, &token, START), None);
    let useless = issue(&opened, &author, 0);
    assert_eq!(spend(&opened, &useless, START), None);
}

/// A token is found with what is left of it, expired or used up too, and is not used by that.
pub fn a_token_is_found_without_being_used(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let find = |merchant, hash| opened.wait(opened.store.find_token(merchant, hash)).unwrap();
    let unknown = author.token(author.birth().number, 1);
    assert_eq!(find(author.merchant, unknown.hash), None);
    let token = issue(&opened, &author, 2);
    for uses_left in [2, 1, 0] {
        let left = TokenRecord { uses_left, ..token.clone() };
        for _ in 0..3 {
            assert_eq!(find(author.merchant, token.hash), Some(left.clone()));
        }
        let spent = spend(&opened, &token, START);
        assert_eq!(spent, (uses_left > 0).then_some(token.customer));
    }
    assert_eq!(find(MerchantNumber::new(2), token.hash), None);
    assert_eq!(clear(&opened, &author, at(1_000), 9), 1);
    assert_eq!(find(author.merchant, token.hash), None);
}

/// A token that came with a change works once the change is there.
pub fn a_token_issued_with_a_creation_works(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let token = author.token(jon.number(), 1);
    let jon = jon.with_token(&token);
    assert_eq!(spend(&opened, &token, START), None);
    opened.apply(&jon.change).unwrap();
    assert_eq!(spend(&opened, &token, START), Some(jon.number()));
    assert_eq!(spend(&opened, &token, START), None);
}

/// A token works up to the last millisecond before it expires, and no longer.
pub fn a_token_stops_working_when_it_expires(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let token = issue(&opened, &author, 10);
    let just_before = Timestamp::from_ms(token.expires.as_ms() - 1);
    assert_eq!(spend(&opened, &token, just_before), Some(token.customer));
    assert_eq!(spend(&opened, &token, token.expires), None);
    assert_eq!(
        spend(&opened, &token, token.expires.after(std::time::Duration::from_secs(1))),
        None
    );
}

/// A token is found under its own merchant only.
pub fn a_token_belongs_to_one_merchant(place: &dyn Place) {
    let opened = Opened::at(place);
    let token = issue(&opened, &Author::of_merchant(1), 1);
    let elsewhere = TokenRecord { merchant: MerchantNumber::new(2), ..token.clone() };
    assert_eq!(spend(&opened, &elsewhere, START), None);
    assert_eq!(spend(&opened, &token, START), Some(token.customer));
}

/// A hash that is taken is refused, and the token that has it stays as it is.
pub fn a_taken_token_hash_writes_nothing(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let token = issue(&opened, &author, 1);
    let double = TokenRecord { customer: author.birth().number, uses_left: 9, ..token.clone() };
    assert_duplicate(&opened.wait(opened.store.issue_token(double)), Unique::ClientToken);
    assert_eq!(spend(&opened, &token, START), Some(token.customer));
    assert_eq!(spend(&opened, &token, START), None);
}

/// However many use a token at once, it works exactly as often as it says.
pub fn a_token_is_never_spent_more_often_than_allowed(place: &dyn Place) {
    let opened = Opened::at(place);
    let token = issue(&opened, &Author::of_merchant(1), 30);
    let spent = together(
        16,
        |_| (),
        |_, ()| (0..5).filter(|_| spend(&opened, &token, START).is_some()).count(),
    );
    assert_eq!(spent.iter().sum::<usize>(), 30);
}

fn clear(opened: &Opened<'_>, author: &Author, now: Timestamp, limit: u32) -> u32 {
    opened.wait(opened.store.clear_expired_tokens(author.merchant, now, limit)).unwrap()
}

/// Clearing expired tokens away leaves the others alone: those that still work, to their last millisecond,
/// and other merchants' ones.
pub fn a_token_outlives_those_that_expired(place: &dyn Place) {
    let opened = Opened::at(place);
    let (author, other) = (Author::of_merchant(1), Author::of_merchant(2));
    let old: Vec<_> = (0..40).map(|_| issue(&opened, &author, 1)).collect();
    let others = issue(&opened, &other, 1);
    let young =
        TokenRecord { issued: at(999), expires: at(5_000), ..author.token(old[0].customer, 1) };
    opened.wait(opened.store.issue_token(young.clone())).unwrap();
    assert_eq!(clear(&opened, &author, at(999), 100), 0);
    assert_eq!(spend(&opened, &old[7], at(999)), Some(old[7].customer));
    assert_eq!(clear(&opened, &author, at(1_000), 100), 40, "used up or not");
    // They are gone, and not merely refused.
    assert!(old.iter().all(|token| spend(&opened, token, START).is_none()));
    assert_eq!(spend(&opened, &others, START), Some(others.customer));
    assert_eq!(spend(&opened, &young, at(4_999)), Some(young.customer));
    assert_eq!(clear(&opened, &author, at(4_999), 100), 0);
    assert_eq!(clear(&opened, &author, at(9_000), 100), 1);
    assert_eq!(clear(&opened, &Author::of_merchant(3), at(9_000), 100), 0);
}

/// No more tokens are cleared than are asked for, and each is counted once.
pub fn expired_tokens_are_cleared_a_batch_at_a_time(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    for _ in 0..25 {
        issue(&opened, &author, 1);
    }
    let cleared = [0, 10, 10, 10, 10].map(|limit| clear(&opened, &author, at(1_000), limit));
    assert_eq!(cleared, [0, 10, 10, 5, 0]);
}

/// Whoever clears at once clears each token once, while tokens are issued and spent.
pub fn expired_tokens_are_cleared_by_many_at_once(place: &dyn Place) {
    const EACH: u32 = 20;
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let cleared = together(
        8,
        |_| (),
        |_, ()| {
            let mut cleared = 0;
            for _ in 0..EACH {
                let old = issue(&opened, &author, 1);
                let live = TokenRecord { expires: at(9_000), ..author.token(old.customer, 1) };
                opened.wait(opened.store.issue_token(live.clone())).unwrap();
                cleared += clear(&opened, &author, at(1_000), 3);
                assert_eq!(spend(&opened, &live, at(1_000)), Some(live.customer));
            }
            cleared
        },
    );
    let rest = clear(&opened, &author, at(1_000), u32::MAX);
    assert_eq!(cleared.iter().sum::<u32>() + rest, 8 * EACH);
}
