//! Which customers are asked for, and what comes of it.

use crate::blind_index::BlindIndex;
use crate::clock::Timestamp;
use crate::ids::CustomerNumber;
use crate::seal::SealedCustomer;

/// Which of a merchant's customers are asked for. Everything that is set must hold; deleted customers are
/// never among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealedQuery {
    /// The index over the public id.
    pub id: Option<BlindIndex>,
    /// The number.
    pub number: Option<CustomerNumber>,
    /// The index over the exact reference.
    pub reference: Option<BlindIndex>,
    /// The search index over the reference.
    pub reference_search: Option<BlindIndex>,
    /// The search index over the email address.
    pub email_search: Option<BlindIndex>,
    /// The search index over the phone number: one of these. Empty: any.
    pub phone_search: Vec<BlindIndex>,
    /// The search index over the full name.
    pub name_search: Option<BlindIndex>,
    /// [`crate::profile::Status::code`], never 0.
    pub status: Option<u8>,
    /// [`crate::profile::Verification::code`], never 0.
    pub verification: Option<u8>,
    /// Created at this moment or later.
    pub created_from: Option<Timestamp>,
    /// Created before this moment.
    pub created_before: Option<Timestamp>,
}

impl SealedQuery {
    /// Whether it asks for all customers, so that their counters tell how many there are.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a page of a list begins. The list is newest first: by created, then by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// After so many customers; 0 is the newest.
    Offset(u32),
    /// After the customer that was created then and has this number, be it there any more or not.
    After(Timestamp, CustomerNumber),
}

/// The most customers that are counted one by one for a total.
pub const COUNTED_MAX: u32 = 10_000;

/// A page of what a query found, newest first.
#[derive(Debug, Clone)]
pub struct SealedPage {
    /// The customers.
    pub customers: Vec<SealedCustomer>,
    /// How many there are in all: from the counters if the query is everything, else counted up to
    /// [`COUNTED_MAX`].
    pub total: u64,
}

/// How old a customer is, for retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomerAge {
    /// Which customer.
    pub number: CustomerNumber,
    /// When something last changed.
    pub updated: Timestamp,
    /// When it was deleted.
    pub deleted: Option<Timestamp>,
}
