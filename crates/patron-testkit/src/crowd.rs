//! A crowd: many customers that are made, changed and erased in a store, by chance that comes out the same every
//! time.

#![expect(clippy::unwrap_used, reason = "a store that refuses must fail the test")]

use std::pin::Pin;

use patron::edit::Edit;
use patron::pii::Pii;
use patron::profile::{Profile, ProfileEdit};
use patron::store::{Store, StoreError, StoreFuture, UniqueKey};

use crate::chance::Chance;
use crate::store_contract::persons::{Author, Made, START};
use crate::traces::Traces;

/// A text of letters that nobody else has.
fn text(chance: &mut Chance) -> String {
    format!("{:x}{:x}", chance.next(), chance.next())
}

/// A customer of its own, short or long, with every index.
fn create(author: &Author, chance: &mut Chance) -> Made {
    let mut profile = Profile {
        reference: Some(Pii::new(text(chance))),
        email: Some(Pii::new(format!("{}@example.com", text(chance)))),
        mobile_number: Some(Pii::new(chance.next().to_string())),
        full_name: Some(Pii::new(text(chance))),
        ..Profile::default()
    };
    // Some do not fit a page.
    let length = chance.pick(&[0, 0, 0, 0, 200, 1_000, 9_000]);
    if length > 0 {
        profile.region = Some(Pii::new("x".repeat(length)));
    }
    author.create_from(author.birth(), profile, START)
}

/// The same customer with some of its values changed, so that rows of other lengths and index entries of other
/// places are written.
fn change(author: &Author, chance: &mut Chance, before: &Made) -> Made {
    let mut edit = ProfileEdit::default();
    match chance.below(4) {
        0 => edit.email = Edit::Set(Pii::new(format!("{}@example.com", text(chance)))),
        1 => edit.full_name = Edit::Set(Pii::new(text(chance))),
        2 => edit.reference = Edit::Set(Pii::new(text(chance))),
        _ => edit.region = Edit::Set(Pii::new(text(chance).repeat(1 + chance.below(40)))),
    }
    author.update(before, &edit)
}

/// Runs a future to its end on the calling thread.
pub type Run = fn(Pin<Box<dyn Future<Output = ()> + Send + '_>>);

fn wait<T: Send>(run: Run, answer: StoreFuture<'_, T>) -> Result<T, StoreError> {
    let mut answered = None;
    run(Box::pin(async { answered = Some(answer.await) }));
    answered.unwrap()
}

fn apply(run: Run, store: &dyn Store, made: &[&Made]) {
    let changes = made.iter().map(|one| one.change.clone()).collect();
    wait(run, store.apply(changes)).unwrap().into_iter().for_each(Result::unwrap);
}

/// Customers whose every byte is remembered.
pub struct Crowd {
    run: Run,
    author: Author,
    chance: Chance,
    customers: Vec<(Made, Traces)>,
}

impl Crowd {
    /// Nobody yet, of the merchant with the number 1. The same seed makes the same choices.
    pub fn new(seed: u64, run: Run) -> Self {
        Self::of_merchant(1, seed, run)
    }

    /// The same of another merchant.
    pub fn of_merchant(merchant: u32, seed: u64, run: Run) -> Self {
        let (author, chance) = (Author::of_merchant(merchant), Chance::new(seed));
        Self { run, author, chance, customers: Vec::new() }
    }

    /// So many more.
    ///
    /// # Panics
    /// When the store refuses.
    pub fn grow(&mut self, store: &dyn Store, count: usize) {
        let made: Vec<_> = (0..count).map(|_| create(&self.author, &mut self.chance)).collect();
        apply(self.run, store, &made.iter().collect::<Vec<_>>());
        for one in made {
            let mut traces = Traces::default();
            traces.add_change(&one);
            self.customers.push((one, traces));
        }
    }

    /// Changes about so many of them.
    ///
    /// # Panics
    /// When the store refuses.
    pub fn storm(&mut self, store: &dyn Store, count: usize) {
        let Self { run, author, chance, customers } = self;
        for _ in 0..count.div_ceil(50) {
            let first = chance.below(customers.len());
            let step = 1 + chance.below(20);
            let mut changed = Vec::new();
            for (before, traces) in customers.iter_mut().skip(first).step_by(step).take(50) {
                let after = change(author, chance, before);
                traces.add_change(&after);
                *before = after;
                changed.push(&*before);
            }
            apply(*run, store, &changed);
        }
    }

    /// Makes sure that everybody who was not erased is there as it was, with its whole history.
    ///
    /// # Panics
    /// When somebody is not.
    pub fn are_there(&self, store: &dyn Store) {
        for (made, _) in &self.customers {
            let row = &made.change.parts().customer;
            let whole = store.find_whole_customer(row.merchant, row.number);
            let whole = wait(self.run, whole).unwrap();
            assert_eq!(whole.customer.as_ref(), Some(row));
            assert_eq!(whole.entries.len(), usize::try_from(row.version).unwrap());
            assert!(whole.entries.iter().all(|entry| entry.sealed.is_some()));
            let reference = UniqueKey::Reference(row.indexes.reference.unwrap());
            let found = wait(self.run, store.find_customer(row.merchant, reference)).unwrap();
            assert_eq!(found.as_deref(), Some(row));
        }
    }

    /// Erases one of so many; all that those ever had is to be found no more.
    ///
    /// # Panics
    /// When the store refuses.
    pub fn erase(&mut self, store: &dyn Store, every: usize) -> Traces {
        let mut gone = Traces::default();
        let mut rest = Vec::new();
        for (number, (made, traces)) in self.customers.drain(..).enumerate() {
            if number % every == 0 {
                wait(self.run, store.erase(self.author.erase(&made))).unwrap();
                gone.merge(traces);
            } else {
                rest.push((made, traces));
            }
        }
        self.customers = rest;
        gone
    }

    /// Erases some of them.
    ///
    /// # Panics
    /// When the store refuses.
    pub fn erase_some(&mut self, store: &dyn Store, count: usize) {
        for _ in 0..count.min(self.customers.len()) {
            let (made, _) = self.customers.swap_remove(self.chance.below(self.customers.len()));
            wait(self.run, store.erase(self.author.erase(&made))).unwrap();
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.customers.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.customers.is_empty()
    }
}
