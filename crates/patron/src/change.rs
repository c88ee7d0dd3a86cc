//! A change: everything that one commit writes about one customer.

use crate::event::Event;
use crate::history::SealedEntry;
use crate::ids::ChangeId;
use crate::seal::SealedCustomer;
use crate::token::TokenRecord;

/// What a store must find before it may write a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// No such customer: it is created, with its key.
    Absent,
    /// The customer at this version: its row is replaced.
    Version(u64),
}

/// All parts of a change, each already sealed.
#[derive(Debug, Clone)]
pub struct ChangeParts {
    /// The change's own name; applying the same change twice is applying it once.
    pub id: ChangeId,
    /// What the store must find.
    pub expected: Expected,
    /// The customer after the change.
    pub customer: SealedCustomer,
    /// The new entry of its history.
    pub entry: SealedEntry,
    /// What is told to those who listen.
    pub event: Event,
    /// A client auth token that was asked for in the same request.
    pub token: Option<TokenRecord>,
}

/// One atomic commit: customer, history entry and event, or nothing of it.
///
/// Only [`crate::seal`] makes one, and only for a named actor; a store can take it apart but not
/// make one.
#[derive(Debug, Clone)]
pub struct Change(ChangeParts);

impl Change {
    pub(crate) const fn new(parts: ChangeParts) -> Self {
        Self(parts)
    }

    /// What it is made of.
    pub const fn parts(&self) -> &ChangeParts {
        &self.0
    }

    /// The same change with a client auth token issued in its commit.
    #[must_use]
    pub fn with_token(mut self, token: Option<TokenRecord>) -> Self {
        self.0.token = token;
        self
    }
}
