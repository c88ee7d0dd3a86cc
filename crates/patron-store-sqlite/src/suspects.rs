//! Which pages may hold stale copies of rows: all of them, until they were looked at, and whatever was written since.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The pages that are to be looked at.
#[derive(Default)]
pub(crate) struct Suspects(Mutex<Pages>);

/// A set of pages, by number from 0.
#[derive(Default)]
struct Pages {
    /// A bit for each.
    words: Vec<u64>,
    /// Every page, whatever the bits say.
    is_all: bool,
}

impl Suspects {
    /// All pages, whichever there are.
    pub(crate) fn all() -> Self {
        Self(Mutex::new(Pages { words: Vec::new(), is_all: true }))
    }

    /// Adds pages that were written.
    pub(crate) fn add(&self, pages: &[u32]) {
        let mut suspects = self.pages();
        pages.iter().for_each(|page| suspects.insert(*page));
    }

    /// Adds all pages: which were written is not known.
    pub(crate) fn add_all(&self) {
        self.pages().is_all = true;
    }

    /// Takes the suspects of a database of so many pages away. Those that are not [`Taken::clear`] when that is
    /// dropped are suspects again.
    pub(crate) fn take(&self, page_count: u32) -> Taken<'_> {
        let mut suspects = self.pages();
        let Pages { words, is_all } = std::mem::take(&mut *suspects);
        drop(suspects);
        let mut pages = Pages { words, is_all: false };
        if is_all {
            (1..=page_count).for_each(|page| pages.insert(page));
        }
        Taken { suspects: self, pages, next: 0 }
    }

    /// A panic while the lock was held cannot leave a page out that was in.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the bit of a page stands.
fn place(page: u32) -> (usize, u64) {
    (usize::try_from(page / 64).unwrap_or(usize::MAX), 1 << (page % 64))
}

impl Pages {
    fn insert(&mut self, page: u32) {
        let (word, bit) = place(page);
        if word >= self.words.len() {
            self.words.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }
}

/// Pages that somebody looks at.
pub(crate) struct Taken<'s> {
    suspects: &'s Suspects,
    pages: Pages,
    /// Words before this one are empty.
    next: usize,
}

impl Taken<'_> {
    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.pages.words.iter().map(|word| usize::try_from(word.count_ones()).unwrap_or(0)).sum()
    }

    /// The lowest of them, so many at most; none when there are none left.
    pub(crate) fn some(&mut self, count: usize) -> Vec<u32> {
        while self.pages.words.get(self.next) == Some(&0) {
            self.next = self.next.saturating_add(1);
        }
        let words = (0..).step_by(64).zip(&self.pages.words).skip(self.next);
        words
            .flat_map(|(first, word)| {
                (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| first + bit)
            })
            .take(count)
            .collect()
    }

    /// These are no suspects any more.
    pub(crate) fn clear(&mut self, pages: &[u32]) {
        for page in pages {
            let (word, bit) = place(*page);
            if let Some(word) = self.pages.words.get_mut(word) {
                *word &= !bit;
            }
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut suspects = self.suspects.pages();
        if suspects.words.len() < self.pages.words.len() {
            suspects.words.resize(self.pages.words.len(), 0);
        }
        for (word, left) in suspects.words.iter_mut().zip(&self.pages.words) {
            *word |= left;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_cleared_is_suspected_again() {
        let suspects = Suspects::default();
        suspects.add(&[1, 64, 1_000, 63, 64]);
        let mut taken = suspects.take(5_000);
        assert_eq!((taken.len(), taken.some(3)), (4, vec![1, 63, 64]));
        taken.clear(&[1, 63]);
        suspects.add(&[7]);
        assert_eq!(taken.some(9), [64, 1_000]);
        taken.clear(&[64, 2]);
        assert_eq!((taken.len(), taken.some(9)), (1, vec![1_000]));
        drop(taken);
        assert_eq!(suspects.take(5_000).some(9), [7, 1_000]);
    }

    #[test]
    fn all_pages_are_those_that_there_are() {
        let suspects = Suspects::all();
        let mut taken = suspects.take(130);
        assert_eq!((taken.len(), taken.some(2)), (130, vec![1, 2]));
        taken.clear(&(1..=129).collect::<Vec<_>>());
        assert_eq!(taken.some(9), [130]);
        suspects.add_all();
        drop(taken);
        let mut taken = suspects.take(3);
        assert_eq!(taken.some(9), [1, 2, 3, 130]);
        taken.clear(&[1, 2, 3, 130]);
        drop(taken);
        assert_eq!(suspects.take(3).len(), 0);
    }
}
