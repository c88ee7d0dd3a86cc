//! By what a customer is named: its id, the merchant's reference, or its number.

use crate::blind_index::IndexKeys;
use crate::customer::Customer;
use crate::ids::{CustomerId, CustomerNumber};
use crate::store::UniqueKey;

/// By what a caller names a customer.
#[derive(Debug, Clone, Copy)]
pub enum Locator<'a> {
    /// A public id or the merchant's reference. When one customer's reference is another's id, the id
    /// wins: it is looked for first where a text has the form of our ids. All ids have; customers that
    /// came with ids of another form would have their merchant's looked for first too.
    IdOrReference(&'a str),
    /// The merchant's reference.
    Reference(&'a str),
    /// The number.
    Number(CustomerNumber),
}

impl<'a> Locator<'a> {
    /// What people and our own interfaces say: digits are a number, anything else an id or a reference.
    pub fn of_text(text: &'a str) -> Self {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number).and_then(CustomerNumber::new);
        number.map_or(Self::IdOrReference(text), Self::Number)
    }
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

    /// What a store can look for, in the order in which it counts. Each is made when it is asked for,
    /// since the first one is nearly always there.
    pub(crate) fn unique_keys(self, indexes: &IndexKeys) -> impl Iterator<Item = UniqueKey> {
        let (first, second) = match self {
            Self::IdOrReference(text) if CustomerId::has_our_form(text) => {
                (Name::Id(text), Some(Name::Reference(text)))
            }
            Self::IdOrReference(text) => (Name::Reference(text), Some(Name::Id(text))),
            Self::Reference(text) => (Name::Reference(text), None),
            Self::Number(number) => (Name::Number(number), None),
        };
        [Some(first), second].into_iter().flatten().map(|name| name.key(indexes))
    }
}

/// One name of a customer.
enum Name<'a> {
    Id(&'a str),
    Reference(&'a str),
    Number(CustomerNumber),
}

impl Name<'_> {
    fn key(self, indexes: &IndexKeys) -> UniqueKey {
        match self {
            Self::Id(text) => UniqueKey::Id(indexes.id(text)),
            Self::Reference(text) => UniqueKey::Reference(indexes.reference(text)),
            Self::Number(number) => UniqueKey::Number(number),
        }
    }
}
