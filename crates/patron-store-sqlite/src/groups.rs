//! Which group of writes is being committed: by this number, whoever holds something of the file knows
//! whether it is still what the file says.

use std::sync::atomic::{AtomicU64, Ordering};

/// A group of writes, counted from 1. 0 stands for what the file said when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupNumber(u64);

impl GroupNumber {
    /// Before any group.
    pub(crate) const NONE: Self = Self(0);
}

/// How far the one writer is. Only it begins and finishes.
#[derive(Default)]
pub(crate) struct Groups {
    begun: AtomicU64,
    finished: AtomicU64,
}

impl Groups {
    /// The last group that is finished. Whatever is read of the file after asking holds all of it.
    pub(crate) fn finished(&self) -> GroupNumber {
        GroupNumber(self.finished.load(Ordering::SeqCst))
    }

    /// The last group that is finished, if none is begun: then the file says what it said after that one.
    pub(crate) fn quiet(&self) -> Option<GroupNumber> {
        // In this order: a group that begins in between is seen.
        let finished = self.finished.load(Ordering::SeqCst);
        let begun = self.begun.load(Ordering::SeqCst);
        (begun == finished).then_some(GroupNumber(finished))
    }

    /// The next group. From here on the file may change.
    pub(crate) fn begin(&self) -> GroupNumber {
        let next = self.begun.load(Ordering::SeqCst).wrapping_add(1);
        self.begun.store(next, Ordering::SeqCst);
        GroupNumber(next)
    }

    /// The group is committed or taken back.
    pub(crate) fn finish(&self, group: GroupNumber) {
        self.finished.store(group.0, Ordering::SeqCst);
    }
}
