//! Replaying the ledger of erasures: what an older copy of the store has brought back is erased again.

use crate::access_log::Accessed;
use crate::clock::Timestamp;
use crate::desk::Desk;
use crate::erasure::LedgerEntry;
use crate::error::Error;
use crate::forgetting::Noting;
use crate::locator::Locator;
use crate::patron::Patron;

/// What an entry of the ledger says to this installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Nothing: the customer is not there.
    Settled,
    /// To erase the customer, who is there.
    Due,
    /// Nothing: there is no such merchant. An older copy of the store may not have it yet.
    NoMerchant,
    /// Nothing that could be believed: another installation wrote it, or it was touched.
    Foreign,
}

impl Patron {
    /// What the entry says to this installation. Changes nothing.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer, `Internal` when what it has does not open.
    pub async fn judge_erasure(
        &self,
        entry: &LedgerEntry,
        now: Timestamp,
    ) -> Result<Replay, Error> {
        match self.own_desk(entry.merchant, now).await? {
            Some(desk) => judge(&desk, entry).await,
            None => Ok(Replay::NoMerchant),
        }
    }

    /// Does what the entry says, and answers what that was. Called before anything is served.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer, `Internal` when what it has does not open.
    pub async fn replay_erasure(
        &self,
        entry: &LedgerEntry,
        now: Timestamp,
    ) -> Result<Replay, Error> {
        let Some(desk) = self.own_desk(entry.merchant, now).await? else {
            return Ok(Replay::NoMerchant);
        };
        let judged = judge(&desk, entry).await?;
        if judged == Replay::Due {
            desk.log_access(Accessed::Erasure, &[Some(entry.customer)]).await?;
            desk.erase_noting(Locator::Number(entry.customer), Noting::Done).await?;
        }
        Ok(judged)
    }
}

async fn judge(desk: &Desk<'_>, entry: &LedgerEntry) -> Result<Replay, Error> {
    if !entry.is_genuine(desk.keys()) {
        return Ok(Replay::Foreign);
    }
    let found = desk.find_kept(Locator::Number(entry.customer)).await?;
    // A store that was brought back counts its numbers from where they were, so that somebody else may have
    // been given this one since.
    let is_meant = found.is_some_and(|opened| opened.customer.created <= entry.at);
    Ok(if is_meant { Replay::Due } else { Replay::Settled })
}
