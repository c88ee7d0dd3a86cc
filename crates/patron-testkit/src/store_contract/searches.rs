//! Searching: whom a query finds.

use patron::clock::Timestamp;
use patron::edit::Edit;
use patron::profile::{Profile, ProfileEdit, Status, Verification};
use patron::store::{SealedPage, SealedQuery, Start};

use super::persons::{Author, Made, START, at};
use super::{Opened, Place};
use crate::together::together;

pub(crate) fn search(
    opened: &Opened<'_>,
    author: &Author,
    query: &SealedQuery,
    start: Start,
    limit: u32,
) -> SealedPage {
    let page = opened.store.search_customers(author.merchant, query.clone(), start, limit);
    opened.wait(page).unwrap()
}

pub(crate) fn numbers(page: &SealedPage) -> Vec<i64> {
    page.customers.iter().map(|one| one.number.get()).collect()
}

/// The numbers of all that the query finds, after it was made sure that they are counted.
fn found(opened: &Opened<'_>, author: &Author, query: &SealedQuery) -> Vec<i64> {
    let page = search(opened, author, query, Start::Offset(0), 1_000);
    let numbers = numbers(&page);
    assert_eq!(page.total, u64::try_from(numbers.len()).unwrap(), "the total of {query:?}");
    numbers
}

/// A small customer: reference, email address, phone number, name.
pub(crate) fn person(author: &Author, texts: [&str; 4], now: Timestamp) -> Made {
    author.create_from(author.birth(), profile(texts), now)
}

fn profile(texts: [&str; 4]) -> Profile {
    let [reference, email, mobile_number, full_name] =
        texts.map(|text| (!text.is_empty()).then(|| text.into()));
    Profile { reference, email, mobile_number, full_name, ..Profile::default() }
}

fn with_status(
    author: &Author,
    status: Option<Status>,
    verification: Option<Verification>,
) -> Made {
    let profile = Profile { status, verification, ..profile(["", "", "", "Jon Snow"]) };
    author.create_from(author.birth(), profile, START)
}

/// A query that asks for everything by which this customer can be found.
fn all_of(made: &Made) -> SealedQuery {
    let row = made.sealed();
    SealedQuery {
        id: Some(row.indexes.id),
        number: Some(row.number),
        reference: row.indexes.reference,
        reference_search: row.indexes.reference_search,
        email_search: row.indexes.email_search,
        phone_search: row.indexes.phone_search.into_iter().collect(),
        name_search: row.indexes.name_search,
        status: Some(row.status).filter(|status| *status > 0),
        verification: Some(row.verification).filter(|verification| *verification > 0),
        created_from: None,
        created_before: None,
    }
}

/// The terms of a query, each alone: id, number, exact reference, reference, email address, phone number,
/// name, status, verification.
fn terms(query: &SealedQuery) -> [SealedQuery; 9] {
    let SealedQuery {
        id,
        number,
        reference,
        reference_search,
        email_search,
        phone_search,
        name_search,
        status,
        verification,
        created_from: _,
        created_before: _,
    } = query.clone();
    let none = SealedQuery::default;
    [
        SealedQuery { id, ..none() },
        SealedQuery { number, ..none() },
        SealedQuery { reference, ..none() },
        SealedQuery { reference_search, ..none() },
        SealedQuery { email_search, ..none() },
        SealedQuery { phone_search, ..none() },
        SealedQuery { name_search, ..none() },
        SealedQuery { status, ..none() },
        SealedQuery { verification, ..none() },
    ]
}

/// Both queries in one. What only one says stands.
pub(crate) fn both(one: &SealedQuery, other: &SealedQuery) -> SealedQuery {
    let phones = if one.phone_search.is_empty() { other } else { one }.phone_search.clone();
    SealedQuery {
        id: one.id.or(other.id),
        number: one.number.or(other.number),
        reference: one.reference.or(other.reference),
        reference_search: one.reference_search.or(other.reference_search),
        email_search: one.email_search.or(other.email_search),
        phone_search: phones,
        name_search: one.name_search.or(other.name_search),
        status: one.status.or(other.status),
        verification: one.verification.or(other.verification),
        created_from: one.created_from.or(other.created_from),
        created_before: one.created_before.or(other.created_before),
    }
}

/// Customers of whom no two have the same by which they can be found, and everybody has everything.
fn strangers(opened: &Opened<'_>, author: &Author) -> Vec<Made> {
    let kinds = [Status::Active, Status::Inactive, Status::Suspended];
    let made: Vec<_> = (0..3)
        .map(|number| {
            let [reference, email, phone, name] = [
                format!("reference {number}"),
                format!("{number}@example.com"),
                format!("987654321{number}"),
                format!("Name {number}"),
            ];
            let profile = Profile {
                status: Some(kinds[number]),
                verification: Some(
                    [Verification::Pending, Verification::Verified, Verification::Rejected][number],
                ),
                ..profile([&reference, &email, &phone, &name])
            };
            let now = at(i64::try_from(number).unwrap());
            author.create_from(author.birth(), profile, now)
        })
        .collect();
    for one in &made {
        opened.apply(&one.change).unwrap();
    }
    made
}

/// Each term finds the customer that has it, alone and together with any other of the same customer; together
/// with one of somebody else, or with a time in which it was not created, it finds nobody.
pub fn every_term_finds_its_customer_and_several_mean_and(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let made = strangers(&opened, &author);
    let (own, others) = (terms(&all_of(&made[1])), terms(&all_of(&made[2])));
    let number = made[1].number().get();
    for (place, term) in own.iter().enumerate() {
        assert_eq!(found(&opened, &author, term), [number], "{term:?}");
        for other in &own {
            let query = both(term, other);
            assert_eq!(found(&opened, &author, &query), [number], "{query:?}");
        }
        for (_, other) in others.iter().enumerate().filter(|(other, _)| *other != place) {
            let query = both(term, other);
            assert_eq!(found(&opened, &author, &query), [0; 0], "{query:?}");
        }
        for (from, before, is_in) in [(1, 2, true), (0, 9, true), (2, 9, false), (0, 1, false)] {
            let range = SealedQuery {
                created_from: Some(at(from)),
                created_before: Some(at(before)),
                ..term.clone()
            };
            let expect = if is_in { vec![number] } else { vec![] };
            assert_eq!(found(&opened, &author, &range), expect, "{range:?}");
        }
    }
    let all = search(&opened, &author, &all_of(&made[1]), Start::Offset(0), 9);
    assert_eq!((all.customers, all.total), (vec![made[1].sealed().clone()], 1));
}

/// What customers share finds all of them, newest first; the same text in another field is another value.
pub fn customers_that_share_a_value_are_all_found(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let made = [
        person(&author, ["one", "shared@example.com", "111", "Jon Snow"], at(3)),
        person(&author, ["two", "shared@example.com", "222", "Arya Stark"], at(1)),
        person(&author, ["shared@example.com", "", "111", "Jon Snow"], at(1)),
        person(&author, ["", "Shared@Example.com ", "111", "JON  SNOW"], at(2)),
        person(&author, ["TWO", "", "", "shared@example.com"], at(0)),
    ];
    for one in &made {
        opened.apply(&one.change).unwrap();
    }
    let [_, _, _, _, email, phone, name, ..] = terms(&all_of(&made[0]));
    assert_eq!(found(&opened, &author, &email), [1, 4, 2]);
    assert_eq!(found(&opened, &author, &phone), [1, 4, 3]);
    assert_eq!(found(&opened, &author, &name), [1, 4, 3]);
    assert_eq!(found(&opened, &author, &both(&email, &phone)), [1, 4]);
    assert_eq!(found(&opened, &author, &both(&both(&email, &phone), &name)), [1, 4]);
    let late = SealedQuery { created_from: Some(at(3)), ..both(&email, &phone) };
    assert_eq!(found(&opened, &author, &late), [1]);
    // The exact reference is one customer's, the normalised one two customers'.
    let [_, _, exact, reference, ..] = terms(&all_of(&made[1]));
    assert_eq!(found(&opened, &author, &exact), [2]);
    assert_eq!(found(&opened, &author, &reference), [2, 5]);
    let elsewhere = SealedQuery { name_search: email.email_search, ..SealedQuery::default() };
    assert_eq!(found(&opened, &author, &elsewhere), [0; 0]);
}

/// Of several phone numbers one is enough; each customer is found and counted once, in one order, on pages too.
pub fn one_of_several_phone_numbers_is_enough(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let phones = ["111", "222", "111", "333", "222", "111"];
    let made: Vec<_> = (0..)
        .zip(phones)
        .map(|(number, phone)| person(&author, ["", "", phone, "Jon Snow"], at(number / 2)))
        .collect();
    for one in &made {
        opened.apply(&one.change).unwrap();
    }
    let [first, second, _, third, ..] = made.as_slice() else { unreachable!("there are six") };
    let phone = |of: &Made| of.sealed().indexes.phone_search.unwrap();
    let query = |phones: &[&Made]| SealedQuery {
        phone_search: phones.iter().map(|of| phone(of)).collect(),
        ..SealedQuery::default()
    };
    assert_eq!(found(&opened, &author, &query(&[first])), [6, 3, 1]);
    assert_eq!(found(&opened, &author, &query(&[first, second])), [6, 5, 3, 2, 1]);
    assert_eq!(found(&opened, &author, &query(&[second, first, first])), [6, 5, 3, 2, 1]);
    assert_eq!(found(&opened, &author, &query(&[first, second, third])), [6, 5, 4, 3, 2, 1]);
    let name = first.sealed().indexes.name_search;
    let named = SealedQuery { name_search: name, ..query(&[second, third]) };
    assert_eq!(found(&opened, &author, &named), [5, 4, 2]);
    let query = query(&[first, second]);
    let page = |start, limit| search(&opened, &author, &query, start, limit);
    let middle = page(Start::Offset(1), 3);
    assert_eq!((numbers(&middle), middle.total), (vec![5, 3, 2], 5));
    assert_eq!(numbers(&page(Start::Offset(4), 3)), [1]);
    assert_eq!(numbers(&page(Start::Offset(5), 3)), [0; 0]);
    let last = &made[2];
    let after = Start::After(last.customer.created, last.number());
    assert_eq!(numbers(&page(after, 1)), [2]);
    assert_eq!(numbers(&page(after, 9)), [2, 1]);
}

/// By status and by verification, each alone, both, and in a time; what is unset is not found by them.
pub fn status_and_verification_are_filters(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let (active, inactive) = (Some(Status::Active), Some(Status::Inactive));
    let (pending, verified) = (Some(Verification::Pending), Some(Verification::Verified));
    let all =
        [(active, pending), (inactive, None), (None, verified), (None, None), (active, verified)];
    let made: Vec<_> = all.map(|(one, other)| with_status(&author, one, other)).into();
    for one in &made {
        opened.apply(&one.change).unwrap();
    }
    let query = |status: Option<Status>, verification: Option<Verification>| SealedQuery {
        status: status.map(Status::code),
        verification: verification.map(Verification::code),
        ..SealedQuery::default()
    };
    for (status, verification, expect) in [
        (active, None, vec![5, 1]),
        (inactive, None, vec![2]),
        (Some(Status::Suspended), None, vec![]),
        (None, verified, vec![5, 3]),
        (active, verified, vec![5]),
        (inactive, verified, vec![]),
        (None, None, vec![5, 4, 3, 2, 1]),
    ] {
        let query = query(status, verification);
        assert_eq!(found(&opened, &author, &query), expect, "{query:?}");
        let named = SealedQuery { name_search: made[0].sealed().indexes.name_search, ..query };
        assert_eq!(found(&opened, &author, &named), expect, "{named:?}");
    }
    // One that changes is found by what it is now.
    let changed = author.update(
        &made[1],
        &ProfileEdit { status: Edit::Set(Status::Active), ..ProfileEdit::default() },
    );
    opened.apply(&changed.change).unwrap();
    assert_eq!(found(&opened, &author, &query(active, None)), [5, 2, 1]);
    assert_eq!(found(&opened, &author, &query(inactive, None)), [0; 0]);
}

/// From a moment on, before a moment, and between two; a moment of nobody's finds nobody.
pub fn the_time_of_creation_is_a_half_open_range(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    for created in [10, 20, 20, 30] {
        opened.apply(&author.create_at(at(created)).change).unwrap();
    }
    for (from, before, expect) in [
        (Some(20), None, vec![4, 3, 2]),
        (Some(21), None, vec![4]),
        (None, Some(20), vec![1]),
        (None, Some(21), vec![3, 2, 1]),
        (Some(20), Some(21), vec![3, 2]),
        (Some(20), Some(30), vec![3, 2]),
        (Some(20), Some(20), vec![]),
        (Some(30), Some(20), vec![]),
        (Some(31), None, vec![]),
    ] {
        let query = SealedQuery {
            created_from: from.map(at),
            created_before: before.map(at),
            ..SealedQuery::default()
        };
        assert_eq!(found(&opened, &author, &query), expect, "{query:?}");
    }
}

/// A customer is found by what it is as soon as its change is acknowledged, and by what it was no more.
pub fn a_search_sees_what_was_acknowledged(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let rounds = together(
        4,
        |_| (),
        |number, ()| {
            let mut made = person(&author, [&format!("r{number}"), "", "", "First"], START);
            opened.apply(&made.change).unwrap();
            for round in 0..20 {
                let name = format!("Name {number} {round}");
                let edit = ProfileEdit {
                    full_name: Edit::Set(name.as_str().into()),
                    ..ProfileEdit::default()
                };
                let before = terms(&all_of(&made))[6].clone();
                made = author.update(&made, &edit);
                opened.apply(&made.change).unwrap();
                let now = terms(&all_of(&made))[6].clone();
                assert_eq!(found(&opened, &author, &now), [made.number().get()]);
                let still = numbers(&search(&opened, &author, &before, Start::Offset(0), 99));
                assert!(!still.contains(&made.number().get()), "found by what it was");
            }
            opened.apply(&author.delete(&made).change).unwrap();
            found(&opened, &author, &terms(&all_of(&made))[6]).len()
        },
    );
    assert_eq!(rounds, [0; 4]);
}

/// Nobody finds another merchant's customers, nor deleted ones, by any term.
pub fn searches_find_neither_deleted_customers_nor_others(place: &dyn Place) {
    let opened = Opened::at(place);
    let (author, other) = (Author::of_merchant(1), Author::of_merchant(2));
    let made = strangers(&opened, &author);
    for part in terms(&all_of(&made[0])).iter().chain([&SealedQuery::default()]) {
        assert_eq!(found(&opened, &other, part), [0; 0], "another merchant's: {part:?}");
    }
    for one in &made {
        opened.apply(&author.delete(one).change).unwrap();
    }
    for part in terms(&all_of(&made[0])).iter().chain([&SealedQuery::default()]) {
        assert_eq!(found(&opened, &author, part), [0; 0], "deleted: {part:?}");
    }
}
