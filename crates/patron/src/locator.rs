//! By what a customer is named: its id, the merchant's reference, or its number.

use crate::blind_index::IndexKeys;
use crate::customer::Customer;
use crate::ids::CustomerNumber;
use crate::store::UniqueKey;

/// By what a caller names a customer.
#[derive(Debug, Clone, Copy)]
pub enum Locator<'a> {
    /// A public id or the merchant's reference; when one customer's reference is another's id, the
    /// id wins.
    IdOrReference(&'a str),
    /// The merchant's reference.
    Reference(&'a str),
    /// The number.
    Number(CustomerNumber),
}

impl Locator<'_> {
    /// Whether this is a name of the customer.
    pub(crate) fn names(self, customer: &Customer) -> bool {
        let reference = customer.profile.reference.as_ref().map(|text| text.reveal().as_str());
        match self {
            Self::IdOrReference(text) => customer.id.reveal() == text || reference == Some(text),
            Self::Reference(text) => reference == Some(text),
            Self::Number(number) => customer.number == number,
        }
    }

    /// What a store can look for, in the order in which it counts.
    pub(crate) fn unique_keys(self, indexes: &IndexKeys) -> Vec<UniqueKey> {
        match self {
            Self::IdOrReference(text) => {
                vec![UniqueKey::Id(indexes.id(text)), UniqueKey::Reference(indexes.reference(text))]
            }
            Self::Reference(text) => vec![UniqueKey::Reference(indexes.reference(text))],
            Self::Number(number) => vec![UniqueKey::Number(number)],
        }
    }
}
