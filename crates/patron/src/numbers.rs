//! Customers' numbers, handed out from leased blocks.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::ids::CustomerNumber;
use crate::store::{Counter, Store};

/// Numbers in a block. A process that stops loses the rest of its block; 2^53 last for ever.
const BLOCK: u32 = 4_096;

/// The blocks that this process has leased and not used up.
#[derive(Default)]
pub(crate) struct Numbers {
    leased: Mutex<Vec<Range<i64>>>,
}

impl Numbers {
    /// A number that nobody else is ever given.
    pub(crate) async fn next(&self, store: &dyn Store) -> Result<CustomerNumber, Error> {
        let number = match self.take_leased() {
            Some(number) => number,
            None => {
                // Several requests may lease at once; each block is used all the same.
                let first = store.lease_numbers(Counter::Customer, BLOCK).await?;
                let rest = first.saturating_add(1)..first.saturating_add(BLOCK.into());
                self.leased.lock().unwrap_or_else(PoisonError::into_inner).push(rest);
                first
            }
        };
        CustomerNumber::new(number).ok_or_else(|| Error::internal("the counter is out of range"))
    }

    fn take_leased(&self) -> Option<i64> {
        let mut leased = self.leased.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(block) = leased.last_mut() {
            if let Some(number) = block.next() {
                return Some(number);
            }
            leased.pop();
        }
        None
    }
}
