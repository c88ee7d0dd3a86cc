//! A customer's key, unwrapped: kept beside the row that a store still holds.

use std::fmt;
use std::sync::OnceLock;

use crate::crypto::DoesNotOpen;
use crate::ids::CustomerNumber;
use crate::keys::{CustomerKey, MerchantKeys, WrappedCustomerKey};
use crate::seal::SealedCustomer;

/// Room for a customer's key once it was unwrapped, so that a row that a store still holds opens
/// again without that work. It is no part of the row's value: never stored or compared, a copy starts
/// empty, and it counts only for the wrapped key that it came from.
#[derive(Default)]
pub struct Unwrapped(OnceLock<Box<UnwrappedFrom>>);

struct UnwrappedFrom {
    number: CustomerNumber,
    wrapped: WrappedCustomerKey,
    key: CustomerKey,
}

impl Clone for Unwrapped {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Unwrapped {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Unwrapped {}

impl fmt::Debug for Unwrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unwrapped")
    }
}

/// The customer's key: unwrapped now, or by whoever opened this row before.
pub(super) fn key_of<'r>(
    keys: &MerchantKeys,
    row: &'r SealedCustomer,
) -> Result<&'r CustomerKey, DoesNotOpen> {
    if row.unwrapped.0.get().is_none() {
        let key = keys.unwrap_customer_key(row.number, &row.key)?;
        let from = UnwrappedFrom { number: row.number, wrapped: row.key.clone(), key };
        // When another thread was faster, its key is the same.
        let _ = row.unwrapped.0.set(Box::new(from));
    }
    let from = row.unwrapped.0.get().ok_or(DoesNotOpen)?;
    let is_this = from.number == row.number && from.wrapped == row.key;
    if is_this { Ok(&from.key) } else { Err(DoesNotOpen) }
}
