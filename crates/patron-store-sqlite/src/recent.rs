//! Customers that were read lately, as sealed as they are in the file, so that reading one again asks
//! nothing of SQLite.
//!
//! This process owns the file, and its one writer says here what it is about to change, so that what
//! is found here is always what the file holds. The rule has three parts:
//!
//! 1. Before a group commits, the writer forgets each customer of the group and stamps its bucket
//!    with the group's number. From then on reads go to the file, where the commit is one moment for
//!    all of them.
//! 2. Once the commit is done, or taken back, the group's number is the last finished one.
//! 3. Who reads the file notes the last finished group *before*, and what was read is remembered only
//!    if its bucket bears no later stamp: then no group has touched it since.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patron::ids::{CustomerNumber, MerchantNumber};
use patron::seal::SealedCustomer;
use patron::store::UniqueKey;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// How many buckets stamps are kept for. Customers that share one are forgotten no more often; they
/// only wait a moment longer to be remembered.
const BUCKETS: usize = 1_024;

/// What a customer takes beside its own bytes: its key once it is unwrapped, its names, and the
/// entries of three hash tables.
const OVERHEAD: usize = 1_024;

type Place = (MerchantNumber, CustomerNumber);

/// Customers that were read lately.
pub(crate) struct Recent {
    customers: Cache<Place, Arc<SealedCustomer>, Bytes>,
    /// Where a name led to. The customer itself says whether it still bears it.
    names: Cache<(MerchantNumber, UniqueKey), CustomerNumber>,
    /// For each bucket, the last group that touched a customer in it.
    stamps: Box<[Mutex<u64>]>,
    finished: AtomicU64,
}

/// What was the last finished group when a read began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(u64);

#[derive(Clone)]
struct Bytes;

impl Weighter<Place, Arc<SealedCustomer>> for Bytes {
    fn weight(&self, _: &Place, customer: &Arc<SealedCustomer>) -> u64 {
        let own = size_of::<SealedCustomer>() + customer.sealed.len() + customer.key.wrapped.len();
        u64::try_from(own + OVERHEAD).unwrap_or(u64::MAX)
    }
}

impl Recent {
    /// Room for about so many bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let typical = size_of::<SealedCustomer>() + 512 + OVERHEAD;
        let items = usize::try_from(bytes_max).unwrap_or(usize::MAX) / typical;
        Self {
            customers: Cache::with_weighter(items, bytes_max, Bytes),
            names: Cache::new(items),
            stamps: (0..BUCKETS).map(|_| Mutex::new(0)).collect(),
            finished: AtomicU64::new(0),
        }
    }

    /// The customer with this name, if it is remembered.
    pub(crate) fn find(
        &self,
        merchant: MerchantNumber,
        key: &UniqueKey,
    ) -> Option<Arc<SealedCustomer>> {
        let number = match key {
            UniqueKey::Number(number) => *number,
            UniqueKey::Id(_) | UniqueKey::Reference(_) => self.names.get(&(merchant, *key))?,
        };
        let customer = self.customers.get(&(merchant, number))?;
        let bears_the_name = match key {
            UniqueKey::Number(_) => true,
            UniqueKey::Id(id) => customer.indexes.id == *id,
            UniqueKey::Reference(reference) => {
                customer.indexes.reference.as_ref() == Some(reference)
            }
        };
        bears_the_name.then_some(customer)
    }

    /// To be asked before the file is read.
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.finished.load(Ordering::Acquire))
    }

    /// Remembers a customer that was read after `moment` and is not deleted, unless it was touched
    /// since.
    pub(crate) fn remember(&self, moment: Moment, key: UniqueKey, customer: &Arc<SealedCustomer>) {
        let place = (customer.merchant, customer.number);
        // Held while the customer is put in, so that the writer forgets it before or after.
        let stamp = self.stamp(place);
        if *stamp > moment.0 {
            return;
        }
        self.customers.insert(place, Arc::clone(customer));
        drop(stamp);
        match key {
            UniqueKey::Number(_) => {}
            UniqueKey::Id(_) | UniqueKey::Reference(_) => {
                self.names.insert((customer.merchant, key), customer.number);
            }
        }
    }

    /// Forgets the customers that a group is about to change. The group is finished with
    /// [`Recent::finish`], however it ends.
    pub(crate) fn begin(&self, places: impl IntoIterator<Item = Place>) -> Group<'_> {
        let number = self.finished.load(Ordering::Acquire).wrapping_add(1);
        for place in places {
            let mut stamp = self.stamp(place);
            *stamp = number;
            self.customers.remove(&place);
        }
        Group { recent: self, number }
    }

    /// A panic while the lock was held cannot leave a number half-written.
    fn stamp(&self, (merchant, number): Place) -> MutexGuard<'_, u64> {
        let mixed = number.get().unsigned_abs() ^ u64::from(merchant.get()).rotate_left(7);
        let bucket = usize::try_from(mixed).unwrap_or(0) % BUCKETS;
        // There are as many as `BUCKETS`, hence one for each remainder.
        #[expect(
            clippy::indexing_slicing,
            reason = "a remainder of the length is below the length"
        )]
        let stamp = &self.stamps[bucket];
        stamp.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A group of changes that is being committed. Dropped once its outcome is certain.
pub(crate) struct Group<'a> {
    recent: &'a Recent,
    number: u64,
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        self.recent.finished.store(self.number, Ordering::Release);
    }
}
