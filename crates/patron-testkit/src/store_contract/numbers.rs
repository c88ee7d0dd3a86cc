//! Leased numbers.

use patron::store::Counter;

use super::{Opened, Place};
use crate::together::together;

fn lease(opened: &Opened<'_>, counter: Counter, count: u32) -> i64 {
    opened.wait(opened.store.lease_numbers(counter, count)).unwrap()
}

/// Numbers start at 1, and whoever leases, at whatever moment, gets numbers of its own. Each counter
/// counts by itself.
pub fn leases_never_overlap(place: &dyn Place) {
    let opened = Opened::at(place);
    for counter in Counter::ALL {
        assert_eq!(lease(&opened, counter, 1), 1);
        let blocks = together(
            16,
            |_| (),
            |thread, ()| {
                let count = u32::try_from(thread).unwrap() + 1;
                (0..8).map(|_| (lease(&opened, counter, count), count)).collect::<Vec<_>>()
            },
        );
        let mut blocks: Vec<_> = blocks.into_iter().flatten().collect();
        blocks.sort_unstable();
        let mut free = 2;
        for (first, count) in blocks {
            assert!(first >= free, "{counter:?}: {first} was leased before");
            free = first + i64::from(count);
        }
    }
}

/// A store that was opened again does not lease again what it leased before.
pub fn leases_are_not_repeated_after_reopening(place: &dyn Place) {
    let opened = Opened::at(place);
    let first = Counter::ALL.map(|counter| lease(&opened, counter, 4_096));
    let opened = opened.reopened();
    for (counter, first) in Counter::ALL.into_iter().zip(first) {
        assert!(lease(&opened, counter, 1) >= first + 4_096);
    }
}
