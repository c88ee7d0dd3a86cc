//! Customers that were read lately, as sealed as they are in the file, so that reading one again asks
//! nothing of SQLite. `views.rs` says when they are forgotten.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patron::ids::{CustomerNumber, MerchantNumber};
use patron::seal::SealedCustomer;
use patron::store::UniqueKey;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::groups::GroupNumber;

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
    stamps: Box<[Mutex<GroupNumber>]>,
}

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
            // Most are read by one of their names, some by two.
            names: Cache::new(items.saturating_mul(2)),
            stamps: (0..BUCKETS).map(|_| Mutex::new(GroupNumber::NONE)).collect(),
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

    /// Remembers a customer that is not deleted and was read once group `before` was finished, unless
    /// a later one has touched it.
    pub(crate) fn remember(
        &self,
        before: GroupNumber,
        key: UniqueKey,
        customer: &Arc<SealedCustomer>,
    ) {
        let place = (customer.merchant, customer.number);
        // Held while the customer is put in, so that the writer forgets it before or after.
        let stamp = self.stamp(place);
        if *stamp > before {
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

    /// Forgets a customer that a group is about to change.
    pub(crate) fn forget(&self, group: GroupNumber, place: Place) {
        let mut stamp = self.stamp(place);
        *stamp = group;
        self.customers.remove(&place);
    }

    /// A panic while the lock was held cannot leave a number half-written.
    fn stamp(&self, (merchant, number): Place) -> MutexGuard<'_, GroupNumber> {
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
