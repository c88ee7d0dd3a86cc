//! Pages of what a query finds: where they begin, and how many customers there are in all.

use patron::ids::CustomerNumber;
use patron::profile::Status;
use patron::store::{COUNTED_MAX, SealedQuery, Start};

use super::persons::{Author, Made, START, at};
use super::searches::{both, numbers, person, search};
use super::{Opened, Place};

/// A page begins after so many customers, or after a place, be anybody there or not; a range ends it too.
pub fn pages_begin_where_they_are_told_to(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let made: Vec<_> = [10, 20, 20, 30].map(|created| author.create_at(at(created))).into();
    for one in &made {
        opened.apply(&one.change).unwrap();
    }
    let name =
        SealedQuery { name_search: made[0].sealed().indexes.name_search, ..SealedQuery::default() };
    let active = SealedQuery { status: Some(Status::Active.code()), ..SealedQuery::default() };
    for query in [SealedQuery::default(), name.clone(), active.clone(), both(&name, &active)] {
        let check = |start, limit, expect: &[i64]| {
            let page = search(&opened, &author, &query, start, limit);
            assert_eq!((numbers(&page).as_slice(), page.total), (expect, 4), "{query:?} {start:?}");
        };
        check(Start::Offset(0), 2, &[4, 3]);
        check(Start::Offset(2), 2, &[2, 1]);
        check(Start::Offset(4), 2, &[]);
        check(Start::Offset(u32::MAX), u32::MAX, &[]);
        check(Start::Offset(0), 0, &[]);
        let after = |created, number: usize| Start::After(at(created), made[number - 1].number());
        check(after(20, 3), 9, &[2, 1]);
        check(after(20, 3), 1, &[2]);
        check(after(20, 2), 9, &[1]);
        check(after(25, 1), 9, &[3, 2, 1]);
        check(after(20, 4), 9, &[3, 2, 1]);
        check(after(10, 1), 9, &[]);
        check(after(30, 4), 0, &[]);
        let range = SealedQuery { created_before: Some(at(20)), ..query.clone() };
        let page = search(&opened, &author, &range, after(30, 4), 9);
        assert_eq!((numbers(&page), page.total), (vec![1], 1));
    }
}

/// Small customers with one email address, three of each moment.
fn crowd(opened: &Opened<'_>, author: &Author, from: i64, count: i64) -> Vec<Made> {
    let made: Vec<_> = (from..from + count)
        .map(|n| person(author, ["", "jon@example.com", "", ""], at(n / 3)))
        .collect();
    let changes = made.iter().map(|one| one.change.clone()).collect();
    let answers = opened.wait(opened.store.apply(changes)).unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    made
}

/// Walking a list page by page meets each customer that stays exactly once, in order, while others are
/// created, deleted and erased, those among them after which a page begins.
pub fn a_walk_meets_whoever_stays_once(place: &dyn Place) {
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let mut all = crowd(&opened, &author, 0, 120);
    let email_search = all[0].sealed().indexes.email_search;
    let email = SealedQuery { email_search, ..SealedQuery::default() };
    for query in [SealedQuery::default(), email] {
        let there: Vec<_> = all.drain(..).filter(|one| is_there(&opened, &author, one)).collect();
        let mut start = Start::Offset(0);
        let mut met = Vec::new();
        for round in 1.. {
            let page = search(&opened, &author, &query, start, 7);
            let Some(last) = page.customers.last() else { break };
            met.extend(page.customers.iter().map(|one| (one.created, one.number)));
            start = Start::After(last.created, last.number);
            // The one after which the next page begins goes, and now and then one that comes later.
            let number = last.number.get();
            for going in there.iter().filter(|one| {
                let own = one.number().get();
                own == number || (round % 3 == 0 && own == number - 20)
            }) {
                leave(&opened, &author, going);
            }
            all.extend(crowd(&opened, &author, 1_000 * round, 3));
            assert!(round < 1_000, "the walk does not end");
        }
        assert!(met.is_sorted_by(|one, next| one > next), "in order, and nobody twice: {met:?}");
        for one in &there {
            let is_met = met.contains(&(one.customer.created, one.number()));
            let is_passed_over = !is_met && is_there(&opened, &author, one);
            assert!(!is_passed_over, "{:?} was passed over", one.number());
        }
        all.extend(there);
    }
}

fn is_there(opened: &Opened<'_>, author: &Author, made: &Made) -> bool {
    opened.find(author.merchant, made.by_number()).is_some()
}

/// Deleted or erased, whichever has its turn.
fn leave(opened: &Opened<'_>, author: &Author, going: &Made) {
    if is_there(opened, author, going) {
        if going.number().get() % 2 == 0 {
            opened.apply(&author.delete(going).change).unwrap();
        } else {
            opened.wait(opened.store.erase(author.erase(going))).unwrap();
        }
    }
}

/// The total of everything is exact, and any other stops at [`COUNTED_MAX`].
pub fn totals_are_counted_up_to_a_limit(place: &dyn Place) {
    const MORE: u64 = 5;
    let opened = Opened::at(place);
    let author = Author::of_merchant(1);
    let many = u64::from(COUNTED_MAX) + MORE;
    let (mut email, mut name) = (SealedQuery::default(), SealedQuery::default());
    let mut made = 0;
    while made < many {
        let batch: Vec<_> = (0..512.min(many - made))
            .map(|_| person(&author, ["", "jon@example.com", "", "Jon Snow"], START).change)
            .collect();
        let indexes = &batch[0].parts().customer.indexes;
        email.email_search = indexes.email_search;
        name.name_search = indexes.name_search;
        made += u64::try_from(batch.len()).unwrap();
        let answers = opened.wait(opened.store.apply(batch)).unwrap();
        assert!(answers.iter().all(Result::is_ok));
    }
    let total = |query: &SealedQuery| search(&opened, &author, query, Start::Offset(0), 1).total;
    assert_eq!(total(&SealedQuery::default()), many);
    assert_eq!(total(&email), u64::from(COUNTED_MAX));
    let range = SealedQuery { created_from: Some(START), ..SealedQuery::default() };
    assert_eq!(total(&range), u64::from(COUNTED_MAX));
    let both = both(&email, &name);
    assert_eq!(total(&both), u64::from(COUNTED_MAX));
    assert_eq!(numbers(&search(&opened, &author, &both, Start::Offset(3), 2)), [10_002, 10_001]);
    // Beyond the limit there are pages nevertheless.
    let page = search(&opened, &author, &email, Start::Offset(COUNTED_MAX), 100);
    assert_eq!(numbers(&page), [5, 4, 3, 2, 1]);
    let number = page.customers[4].number;
    let before_last = Start::After(START, CustomerNumber::new(2).unwrap());
    assert_eq!(numbers(&search(&opened, &author, &email, before_last, 9)), [number.get()]);
}
