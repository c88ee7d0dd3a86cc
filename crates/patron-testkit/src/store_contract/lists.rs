//! Listing customers.

use patron::ids::CustomerNumber;

use super::persons::{Author, START, at};
use super::{Opened, Place};

fn numbers(opened: &Opened<'_>, author: &Author, offset: u32, limit: u32) -> Vec<i64> {
    let list = opened.list(author.merchant, offset, limit);
    list.customers.iter().map(|one| CustomerNumber::get(one.number)).collect()
}

/// Newest first by the time of creation, then by number; a page is a part of that.
pub fn lists_are_newest_first_in_pages(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    assert_eq!(opened.list(author.merchant, 0, 10).total, 0);
    // Number 1 is the youngest, 2 and 3 are of one moment, 4 is the oldest.
    for created in [at(30), at(20), at(20), START] {
        opened.apply(&author.create_at(created).change).unwrap();
    }
    assert_eq!(numbers(&opened, &author, 0, 10), [1, 3, 2, 4]);
    assert_eq!(numbers(&opened, &author, 0, 2), [1, 3]);
    assert_eq!(numbers(&opened, &author, 1, 2), [3, 2]);
    assert_eq!(numbers(&opened, &author, 3, 2), [4]);
    assert_eq!(numbers(&opened, &author, 4, 2), [0; 0]);
    assert_eq!(numbers(&opened, &author, u32::MAX, u32::MAX), [0; 0]);
    let none = opened.list(author.merchant, 0, 0);
    assert_eq!((none.customers.len(), none.total), (0, 4));
}

/// A merchant's list and its total hold no other merchant's customers.
pub fn lists_are_per_merchant(place: &dyn Place) {
    let opened = Opened::at(place);
    let (one, two) = (Author::of_merchant(1), Author::of_merchant(2));
    let (jon, arya) = (one.create("jon"), two.create("arya"));
    opened.apply(&jon.change).unwrap();
    opened.apply(&arya.change).unwrap();
    for (author, made) in [(&one, &jon), (&two, &arya)] {
        let seen = opened.see(author.merchant);
        assert_eq!(
            (seen.customers.as_slice(), seen.total),
            ([made.sealed().clone()].as_slice(), 1)
        );
    }
    assert_eq!(opened.list(Author::of_merchant(3).merchant, 0, 10).total, 0);
}

/// A deleted customer is neither listed nor counted, and does not come back into the count when it
/// is changed after that.
pub fn lists_leave_deleted_customers_out(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let made: Vec<_> = (0..20).map(|number| author.create(&number.to_string())).collect();
    for one in &made {
        opened.apply(&one.change).unwrap();
    }
    for one in &made[5..] {
        let deleted = author.delete(one);
        opened.apply(&deleted.change).unwrap();
        opened.apply(&author.rename(&deleted, "Nobody").change).unwrap();
    }
    assert_eq!(numbers(&opened, &author, 0, 100), [5, 4, 3, 2, 1]);
    assert_eq!(opened.list(author.merchant, 0, 1).total, 5);
}
