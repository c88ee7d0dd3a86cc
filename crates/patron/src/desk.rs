//! A caller at its desk: what every capability is made of, and the steps that reading and writing share.

use std::sync::Arc;

use crate::actor::{Actor, ActorKind};
use crate::change::Change;
use crate::clock::Timestamp;
use crate::customer::{self, Birth, Customer, Decided, Precondition};
use crate::entropy::Drawn;
use crate::error::{Error, Kind};
use crate::ids::{CustomerNumber, KeyNumber, MerchantNumber};
use crate::keys::MerchantKeys;
use crate::locator::Locator;
use crate::patron::{MerchantContext, Patron};
use crate::profile::{Profile, ProfileEdit};
use crate::seal::{self, Opened, SealedCustomer, Sealer};
use crate::search::{Cursor, CustomerPage, PageFrom, SearchQuery, Total};
use crate::store::{SealedPage, Store, StoreError, Unique};
use crate::token::{ClientToken, IssuedToken, TokenRecord, TokenWish};

/// How often a command is replayed when someone else was faster. Of the commands that meet on one
/// customer one wins each round, so that this many may meet at once.
pub(crate) const ATTEMPTS_MAX: u32 = 256;

/// Which customer a caller means, within what it may reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meant<'a> {
    /// Any of the merchant's.
    Any(Locator<'a>),
    /// This one only, and only by its own names. No other is ever looked for, so that the time taken
    /// does not tell whether there is one.
    Own(CustomerNumber, Locator<'a>),
}

/// One caller at work: its merchant, its keys, who it is and when. Every capability has one.
pub(crate) struct Desk<'a> {
    pub(crate) patron: &'a Patron,
    pub(crate) context: Arc<MerchantContext>,
    pub(crate) actor: Actor,
    pub(crate) now: Timestamp,
    /// Whether a client auth token may be made here.
    pub(crate) may_issue_tokens: bool,
}

impl Desk<'_> {
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.patron.store
    }

    pub(crate) fn keys(&self) -> &MerchantKeys {
        &self.context.keys
    }

    pub(crate) fn merchant(&self) -> MerchantNumber {
        self.context.merchant.number
    }

    pub(crate) async fn find(&self, locator: Locator<'_>) -> Result<Option<Opened>, Error> {
        let row = self.find_row(locator).await?;
        row.map(|row| seal::open_for_change(self.keys(), row)).transpose().map_err(Error::internal)
    }

    /// The customer as it is sealed.
    async fn find_row(&self, locator: Locator<'_>) -> Result<Option<Arc<SealedCustomer>>, Error> {
        for key in locator.unique_keys(self.keys().indexes()) {
            if let Some(row) = self.store().find_customer(self.merchant(), key).await? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The customer, deleted or not.
    pub(crate) async fn find_kept(&self, locator: Locator<'_>) -> Result<Option<Opened>, Error> {
        let row = self.find_kept_row(locator).await?;
        row.map(|row| seal::open_for_change(self.keys(), Arc::new(row)))
            .transpose()
            .map_err(Error::internal)
    }

    /// The customer as it is sealed, deleted or not.
    pub(crate) async fn find_kept_row(
        &self,
        locator: Locator<'_>,
    ) -> Result<Option<SealedCustomer>, Error> {
        for key in locator.unique_keys(self.keys().indexes()) {
            if let Some(row) = self.store().find_kept_customer(self.merchant(), key).await? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// A page of the customers that a query finds, newest first.
    pub(crate) async fn search(
        &self,
        query: &SearchQuery,
        from: PageFrom,
        limit: u32,
    ) -> Result<CustomerPage, Error> {
        let country_code = &self.context.merchant.settings.country_code;
        let query = query.sealed(self.keys().indexes(), country_code);
        // One more tells whether there is a next page.
        let wanted = limit.saturating_add(1);
        let page =
            self.store().search_customers(self.merchant(), query.clone(), from.start(), wanted);
        let SealedPage { customers, total } = page.await?;
        let is_end = u32::try_from(customers.len()).is_ok_and(|length| length <= limit);
        let customers = customers
            .into_iter()
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .map(|row| Ok(*seal::open(self.keys(), &row)?))
            .collect::<Result<Vec<_>, seal::SealError>>()
            .map_err(Error::internal)?;
        let next = customers.last().map(Cursor::at).filter(|_| !is_end);
        Ok(CustomerPage { customers, total: Total::of(&query, total), next })
    }

    pub(crate) async fn find_existing(&self, locator: Locator<'_>) -> Result<Opened, Error> {
        self.find(locator).await?.ok_or_else(Error::customer_not_found)
    }

    /// Opens the customer that is meant.
    pub(crate) async fn open(&self, meant: Meant<'_>) -> Result<Opened, Error> {
        match meant {
            Meant::Any(locator) => self.find_existing(locator).await,
            Meant::Own(own, locator) => {
                let opened = self.find_existing(Locator::Number(own)).await?;
                let is_own = locator.names(&opened.customer);
                if is_own { Ok(opened) } else { Err(Error::customer_not_found()) }
            }
        }
    }

    pub(crate) fn sealer<'s>(&'s self, entropy: &'s Drawn<'_>) -> Sealer<'s> {
        Sealer { keys: self.keys(), entropy, actor: &self.actor }
    }

    /// Refuses a wish for a token that the caller may not hand out. Asked before anything is written.
    pub(crate) fn check_wish(&self, wish: TokenWish) -> Result<(), Error> {
        if wish == TokenWish::NotWished || self.may_issue_tokens {
            return Ok(());
        }
        Err(Error::new(Kind::Denied, "a client auth token takes the scopes to read and to write"))
    }

    /// A token for the customer, not yet stored.
    fn make_token(
        &self,
        customer: CustomerNumber,
        wish: TokenWish,
    ) -> Option<(IssuedToken, TokenRecord)> {
        if wish == TokenWish::NotWished {
            return None;
        }
        let merchant = self.merchant();
        let token = ClientToken::issue(&*self.patron.entropy, &self.patron.deployment, merchant);
        let policy = self.patron.tokens;
        let expires = self.now.after(policy.lifetime);
        let record = TokenRecord {
            merchant,
            hash: token.hash(&self.patron.deployment),
            customer,
            issued: self.now,
            expires,
            uses_left: policy.uses_max,
        };
        Some((IssuedToken { token, expires }, record))
    }

    /// A stored token for a customer that is there.
    pub(crate) async fn issue_token(
        &self,
        customer: CustomerNumber,
        wish: TokenWish,
    ) -> Result<Option<IssuedToken>, Error> {
        let Some((token, record)) = self.make_token(customer, wish) else {
            return Ok(None);
        };
        self.store().issue_token(record).await?;
        Ok(Some(token))
    }

    pub(crate) async fn apply(&self, change: Change) -> Result<(), StoreError> {
        // The store answers each change that it is given.
        self.store().apply(vec![change]).await?.pop().unwrap_or(Err(StoreError::Missing))
    }

    fn created_by(&self) -> Option<KeyNumber> {
        match self.actor.kind {
            ActorKind::ApiKey(key) => Some(key),
            ActorKind::ClientToken(_)
            | ActorKind::Console
            | ActorKind::System
            | ActorKind::Operator(_) => None,
        }
    }

    /// Creates a customer, and its token where one is wished, in one commit.
    pub(crate) async fn create(
        &self,
        profile: Profile,
        wish: TokenWish,
    ) -> Result<(Box<Customer>, Option<IssuedToken>), CreateError> {
        for _ in 0..ATTEMPTS_MAX {
            let number = self.patron.numbers.next(self.store()).await?;
            let entropy = Drawn::from(&*self.patron.entropy);
            let birth = Birth {
                merchant: self.merchant(),
                number,
                id: self.patron.ids.issue(&entropy, number),
                created_by: self.created_by(),
            };
            let (mut customer, changed) = customer::create(birth, profile.clone(), self.now)?;
            let (token, record) = self.make_token(number, wish).unzip();
            let change =
                self.sealer(&entropy).create(&customer, changed).map_err(Error::internal)?;
            let change = change.with_token(record);
            customer.history_head = change.parts().entry.head;
            match self.apply(change).await {
                Ok(()) => return Ok((Box::new(customer), token)),
                // Chance hardly brings an id twice, but a store that was restored in part may have
                // counted its numbers back.
                Err(StoreError::Duplicate(Unique::CustomerId | Unique::CustomerNumber)) => {}
                Err(StoreError::Duplicate(Unique::CustomerReference)) => {
                    return Err(CreateError::ReferenceTaken);
                }
                Err(error) => return Err(Error::from(error).into()),
            }
        }
        Err(contended().into())
    }

    /// Updates the customer that is meant; `decide` is asked again when someone else was faster.
    pub(crate) async fn update(
        &self,
        meant: Meant<'_>,
        precondition: &Precondition,
        decide: impl Fn(&Customer) -> Result<ProfileEdit, Error> + Sync,
    ) -> Result<Box<Customer>, Error> {
        for _ in 0..ATTEMPTS_MAX {
            let opened = self.open(meant).await?;
            let edit = decide(&opened.customer)?;
            if let Some(customer) = self.update_opened(opened, &edit, precondition).await? {
                return Ok(customer);
            }
        }
        Err(contended())
    }

    /// Applies `edit` to the customer that was opened. `None` when someone else was faster.
    pub(crate) async fn update_opened(
        &self,
        opened: Opened,
        edit: &ProfileEdit,
        precondition: &Precondition,
    ) -> Result<Option<Box<Customer>>, Error> {
        match customer::update(&opened.customer, edit, precondition, self.now)? {
            Decided::Unchanged => {
                self.store().confirm().await?;
                Ok(Some(opened.customer))
            }
            Decided::Changed(mut after, changed) => {
                let entropy = Drawn::from(&*self.patron.entropy);
                let change = self.sealer(&entropy).update(&opened, &after, changed);
                let change = change.map_err(Error::internal)?;
                after.history_head = change.parts().entry.head;
                match self.apply(change).await {
                    Ok(()) => Ok(Some(after)),
                    Err(StoreError::Stale) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

/// How a creation can end without a customer.
pub(crate) enum CreateError {
    ReferenceTaken,
    Other(Error),
}

impl From<Error> for CreateError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Nobody got through: as many as may meet on one customer, and more, did.
pub(crate) fn contended() -> Error {
    Error::new(Kind::Unavailable { retry_after_s: 1 }, "too many changes of one customer at once")
}
