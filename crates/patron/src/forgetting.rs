//! Forgetting: deleting customers, which hides them, and erasing them, which destroys all that says who they were.

use crate::access::CustomerEraser;
use crate::access_log::Accessed;
use crate::actor::ActorKind;
use crate::clock::Timestamp;
use crate::customer::{self, Customer, Precondition};
use crate::desk::{ATTEMPTS_MAX, Desk, contended};
use crate::entropy::Drawn;
use crate::erasure::{ErasedCustomer, LedgerEntry, Receipt};
use crate::error::{Error, Kind};
use crate::ids::{CustomerNumber, MerchantId};
use crate::locator::Locator;
use crate::management::Console;
use crate::seal::{Opened, SealError};
use crate::store::StoreError;

/// What has become of a customer that was to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The store's number of it, the only name that is left.
    pub customer: CustomerNumber,
    /// When it was erased.
    pub at: Timestamp,
    /// The receipt, once the bytes are gone from the live files.
    pub receipt: Option<Receipt>,
}

/// Whether it is still to be written down that a customer is to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noting {
    Due,
    Done,
}

impl CustomerEraser<'_> {
    /// Deletes a customer: it is hidden everywhere from then on, and its reference free. It is erased when its
    /// merchant's retention says so.
    ///
    /// # Errors
    /// `NotFound` when there is no such customer, or it was deleted before; `Stale` when the precondition is not
    /// met.
    pub async fn delete(
        &self,
        locator: Locator<'_>,
        precondition: &Precondition,
    ) -> Result<Box<Customer>, Error> {
        self.0.delete(locator, precondition).await
    }

    /// Erases a customer, deleted or not. Asked again for one that was erased, by its number, it answers the
    /// same.
    ///
    /// # Errors
    /// `NotFound` when there is no such customer; `Unavailable` when the store or the ledger of erasures
    /// cannot be written: what the ledger has got is erased at the next start at the latest.
    pub async fn erase(&self, locator: Locator<'_>) -> Result<Erased, Error> {
        let erased = self.0.erase(locator).await?;
        Ok(self.0.receipt_of(&erased))
    }

    /// What has become of the erasure of the customer with this number.
    ///
    /// # Errors
    /// `NotFound` when no such customer was erased.
    pub async fn find_erasure(&self, customer: CustomerNumber) -> Result<Erased, Error> {
        Ok(self.0.receipt_of(&self.0.find_erased(Some(customer)).await?))
    }
}

impl Desk<'_> {
    async fn delete(
        &self,
        locator: Locator<'_>,
        precondition: &Precondition,
    ) -> Result<Box<Customer>, Error> {
        for _ in 0..ATTEMPTS_MAX {
            let opened = self.find_existing(locator).await?;
            let mut after = customer::delete(&opened.customer, precondition, self.now)?;
            let entropy = Drawn::from(&*self.patron.entropy);
            let change = self.sealer(&entropy).update(&opened, &after, Vec::new());
            let change = change.map_err(Error::internal)?;
            after.history_head = change.parts().entry.head;
            match self.apply(change).await {
                Ok(()) => return Ok(Box::new(after)),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended())
    }

    /// Erases the customer, deleted or not.
    pub(crate) async fn erase(&self, locator: Locator<'_>) -> Result<ErasedCustomer, Error> {
        self.erase_noting(locator, Noting::Due).await
    }

    /// Erases the customer, of whom the ledger may know already.
    pub(crate) async fn erase_noting(
        &self,
        locator: Locator<'_>,
        mut noting: Noting,
    ) -> Result<ErasedCustomer, Error> {
        // The first look says whether there is anybody, before anything is written down.
        let mut number = match locator {
            Locator::Number(number) => Some(number),
            Locator::IdOrReference(_) | Locator::Reference(_) => None,
        };
        for _ in 0..ATTEMPTS_MAX {
            let meant = number.map_or(locator, Locator::Number);
            let Some(opened) = self.find_kept(meant).await? else {
                return self.find_erased(number).await;
            };
            number = Some(opened.customer.number);
            match noting {
                Noting::Due => self.note_erasure(&opened.customer).await?,
                Noting::Done => {}
            }
            noting = Noting::Done;
            match self.erase_opened(&opened).await {
                Ok(erased) => return Ok(erased),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended())
    }

    async fn erase_opened(&self, opened: &Opened) -> Result<ErasedCustomer, StoreError> {
        let entropy = Drawn::from(&*self.patron.entropy);
        let erasure = self.sealer(&entropy).erase(opened, self.now);
        let erased = erasure.parts().erased.clone();
        self.store().erase(erasure).await?;
        Ok(erased)
    }

    /// Erases the customer if what it is still says so. Whether it was erased.
    pub(crate) async fn erase_if(
        &self,
        number: CustomerNumber,
        still: impl Fn(Timestamp, Option<Timestamp>) -> bool,
    ) -> Result<bool, Error> {
        let Some(opened) = self.find_kept(Locator::Number(number)).await? else {
            return Ok(false);
        };
        if !still(opened.customer.updated, opened.customer.deleted) {
            return Ok(false);
        }
        self.note_erasure(&opened.customer).await?;
        match self.erase_opened(&opened).await {
            Ok(_) => Ok(true),
            // Somebody changed it just now. The ledger holds it nevertheless: see `note_erasure`.
            Err(StoreError::Stale) => {
                let meant = Locator::Number(number);
                self.erase_noting(meant, Noting::Done).await.map(|_| true)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn find_erased(&self, number: Option<CustomerNumber>) -> Result<ErasedCustomer, Error> {
        let Some(number) = number else {
            return Err(Error::customer_not_found());
        };
        let found = self.store().find_erased(self.merchant(), number).await?;
        let erased = found.ok_or_else(Error::customer_not_found)?;
        // A receipt says what was written here, and nothing that somebody has put in its place.
        if !erased.is_genuine(self.keys()) {
            return Err(Error::internal(SealError::DoesNotOpen));
        }
        Ok(erased)
    }

    /// Writes down that the customer is to be erased: in the ledger, after which there is no way back, and in
    /// the access log, which tells who wanted it.
    async fn note_erasure(&self, customer: &Customer) -> Result<(), Error> {
        self.log_access(Accessed::Erasure, &[Some(customer.number)]).await?;
        // Not before the customer was created, whatever the clocks say: see `crate::replay`.
        let at = self.now.max(customer.created);
        let entry = LedgerEntry::new(self.keys(), customer.number, at);
        self.patron.ledger.note(entry).await.map_err(|source| {
            let kind = Kind::Unavailable { retry_after_s: 1 };
            Error::new(kind, "the ledger of erasures cannot be written").because(source)
        })
    }

    pub(crate) fn receipt_of(&self, erased: &ErasedCustomer) -> Erased {
        let merchant = &self.context.merchant.id;
        let receipt = Receipt::issue(erased, merchant, &self.patron.erasure, self.keys());
        Erased { customer: erased.number, at: erased.erased, receipt }
    }
}

impl Console<'_> {
    /// Erases a merchant's customer; see [`CustomerEraser::erase`].
    ///
    /// # Errors
    /// `NotFound` when there is no such merchant or customer.
    pub async fn erase_customer(
        &self,
        merchant: &MerchantId,
        customer: &str,
    ) -> Result<Erased, Error> {
        let desk = self.desk(merchant).await?;
        Ok(desk.receipt_of(&desk.erase(Locator::of_text(customer)).await?))
    }

    /// What has become of the erasure of a merchant's customer with this number.
    ///
    /// # Errors
    /// `NotFound` when there is no such merchant, or no such customer was erased.
    pub async fn find_erasure(
        &self,
        merchant: &MerchantId,
        customer: CustomerNumber,
    ) -> Result<Erased, Error> {
        let desk = self.desk(merchant).await?;
        Ok(desk.receipt_of(&desk.find_erased(Some(customer)).await?))
    }

    async fn desk(&self, merchant: &MerchantId) -> Result<Desk<'_>, Error> {
        let merchant = self.find_merchant(merchant).await?.number;
        let desk = self.patron().desk_of(ActorKind::Console, merchant, self.now()).await?;
        desk.ok_or_else(|| Error::new(Kind::NotFound, "there is no such merchant"))
    }
}
