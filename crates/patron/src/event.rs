//! What happened, for those who listen. An event carries ids only; its text is made when it is sent.

use crate::clock::Timestamp;
use crate::history::Happened;
use crate::ids::{CustomerNumber, MerchantNumber};

/// One event: written in the same commit as the change that it tells of.
///
/// It points at a version of a customer instead of holding a copy: whoever sends it opens that
/// version from the customer and its history, so that erasing the customer empties its events too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whose customer it is about.
    pub merchant: MerchantNumber,
    /// Which customer.
    pub customer: CustomerNumber,
    /// The version that the change made.
    pub version: u64,
    /// What happened.
    pub happened: Happened,
    /// When.
    pub at: Timestamp,
}
