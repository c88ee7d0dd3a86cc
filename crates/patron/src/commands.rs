//! Writing: load, decide, seal, apply; the whole command again when someone else was faster.

use std::sync::Arc;

use crate::access::{CustomerWriter, OwnCustomer};
use crate::actor::{Actor, ActorKind};
use crate::change::Change;
use crate::clock::Timestamp;
use crate::customer::{self, Birth, Customer, Decided, Precondition};
use crate::error::{Error, Kind};
use crate::ids::{CustomerNumber, KeyNumber, MerchantNumber};
use crate::keys::MerchantKeys;
use crate::patron::{MerchantContext, Patron};
use crate::profile::{Profile, ProfileEdit};
use crate::queries::Locator;
use crate::seal::{Opened, Sealer};
use crate::store::{Store, StoreError, Unique};
use crate::token::{ClientToken, IssuedToken, TokenRecord};

/// How often a command is replayed when someone else was faster. Of the commands that meet on one
/// customer one wins each round, so that this many may meet at once.
const ATTEMPTS_MAX: u32 = 256;

/// Whether the caller asked for a client auth token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenWish {
    /// Yes: a new one.
    Wished,
    /// No.
    NotWished,
}

/// A customer after a command, and the token that was issued with it.
pub struct Written {
    /// The customer as it now is.
    pub customer: Customer,
    /// The token, where one was wished.
    pub token: Option<IssuedToken>,
}

/// What get-or-create is to do about what it finds.
#[derive(Debug)]
pub enum Ensure {
    /// Answer the customer that is there.
    Keep,
    /// Create it. Only for a reference that is free.
    Create(Box<Profile>),
    /// Update the customer that is there, if it meets the precondition.
    Update(Box<ProfileEdit>, Precondition),
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

    fn sealer(&self) -> Sealer<'_> {
        Sealer { keys: self.keys(), entropy: &*self.patron.entropy, actor: &self.actor }
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

    async fn apply(&self, change: Change) -> Result<(), StoreError> {
        // The store answers each change that it is given.
        self.store().apply(vec![change]).await?.pop().unwrap_or(Err(StoreError::Missing))
    }

    fn created_by(&self) -> Option<KeyNumber> {
        match self.actor.kind {
            ActorKind::ApiKey(key) => Some(key),
            ActorKind::ClientToken(_) | ActorKind::Console | ActorKind::System => None,
        }
    }

    async fn create(&self, profile: Profile, wish: TokenWish) -> Result<Written, CreateError> {
        for _ in 0..ATTEMPTS_MAX {
            let number = self.patron.numbers.next(self.store()).await?;
            let birth = Birth {
                merchant: self.merchant(),
                number,
                id: self.patron.ids.issue(&*self.patron.entropy, number),
                created_by: self.created_by(),
            };
            let (mut customer, changed) = customer::create(birth, profile.clone(), self.now)?;
            let (token, record) = self.make_token(number, wish).unzip();
            let change = self.sealer().create(&customer, changed).map_err(Error::internal)?;
            let change = change.with_token(record);
            customer.history_head = change.parts().entry.head;
            match self.apply(change).await {
                Ok(()) => return Ok(Written { customer, token }),
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

    /// Applies `edit` to the customer that was opened. `None` when someone else was faster.
    async fn update_opened(
        &self,
        opened: Opened,
        edit: &ProfileEdit,
        precondition: &Precondition,
    ) -> Result<Option<Customer>, Error> {
        match customer::update(&opened.customer, edit, precondition, self.now)? {
            Decided::Unchanged => Ok(Some(opened.customer)),
            Decided::Changed(mut after, changed) => {
                let change =
                    self.sealer().update(&opened, &after, changed).map_err(Error::internal)?;
                after.history_head = change.parts().entry.head;
                match self.apply(change).await {
                    Ok(()) => Ok(Some(*after)),
                    Err(StoreError::Stale) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

/// How a creation can end without a customer.
enum CreateError {
    ReferenceTaken,
    Other(Error),
}

impl From<Error> for CreateError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

fn contended() -> Error {
    Error::new(Kind::Unavailable { retry_after_s: 1 }, "too many changes of one customer at once")
}

impl CustomerWriter<'_> {
    /// Creates a customer.
    ///
    /// # Errors
    /// `AlreadyExists` when the merchant has a customer with the profile's reference; `Invalid` when
    /// a field breaks a rule of every wire; `Denied` when a token is wished and the caller may not
    /// both read and write.
    pub async fn create(&self, profile: Profile, wish: TokenWish) -> Result<Written, Error> {
        self.0.check_wish(wish)?;
        self.0.create(profile, wish).await.map_err(|error| match error {
            CreateError::ReferenceTaken => {
                Error::new(Kind::AlreadyExists, "a customer with this reference exists")
            }
            CreateError::Other(error) => error,
        })
    }

    /// Updates a customer. `decide` makes the edit from the customer as it is, and is asked again
    /// when someone else changed it in between.
    ///
    /// # Errors
    /// `NotFound`, whatever `decide` refuses, and `Stale` when the precondition is not met.
    pub async fn update(
        &self,
        locator: Locator<'_>,
        precondition: &Precondition,
        decide: impl Fn(&Customer) -> Result<ProfileEdit, Error> + Sync,
    ) -> Result<Customer, Error> {
        for _ in 0..ATTEMPTS_MAX {
            let opened = self.0.find_existing(locator).await?;
            let edit = decide(&opened.customer)?;
            if let Some(customer) = self.0.update_opened(opened, &edit, precondition).await? {
                return Ok(customer);
            }
        }
        Err(contended())
    }

    /// Get-or-create by reference. `decide` says what to do about the customer that is there, or
    /// about its absence, and is asked again when someone else was faster. However many ask at
    /// once, one creates and all get the same customer.
    ///
    /// # Errors
    /// Whatever `decide` refuses, and `Stale` when the precondition of an update is not met.
    pub async fn ensure(
        &self,
        reference: &str,
        wish: TokenWish,
        decide: impl Fn(Option<&Customer>) -> Result<Ensure, Error> + Sync,
    ) -> Result<Written, Error> {
        self.0.check_wish(wish)?;
        for _ in 0..ATTEMPTS_MAX {
            let found = self.0.find(Locator::Reference(reference)).await?;
            let decided = decide(found.as_ref().map(|opened| &opened.customer))?;
            let customer = match (found, decided) {
                (None, Ensure::Create(profile)) => match self.0.create(*profile, wish).await {
                    Ok(written) => return Ok(written),
                    Err(CreateError::ReferenceTaken) => continue,
                    Err(CreateError::Other(error)) => return Err(error),
                },
                (Some(opened), Ensure::Keep) => opened.customer,
                (Some(opened), Ensure::Update(edit, precondition)) => {
                    match self.0.update_opened(opened, &edit, &precondition).await? {
                        Some(customer) => customer,
                        None => continue,
                    }
                }
                (None, Ensure::Keep | Ensure::Update(..)) => {
                    return Err(Error::customer_not_found());
                }
                (Some(_), Ensure::Create(_)) => {
                    return Err(Error::internal("get-or-create decided to create what exists"));
                }
            };
            let token = self.0.issue_token(customer.number, wish).await?;
            return Ok(Written { customer, token });
        }
        Err(contended())
    }
}

impl OwnCustomer<'_> {
    /// Updates the token's own customer; see [`CustomerWriter::update`].
    ///
    /// # Errors
    /// `NotFound` for any other customer, there or not; else as [`CustomerWriter::update`].
    pub async fn update(
        &self,
        locator: Locator<'_>,
        precondition: &Precondition,
        decide: impl Fn(&Customer) -> Result<ProfileEdit, Error> + Sync,
    ) -> Result<Customer, Error> {
        for _ in 0..ATTEMPTS_MAX {
            let opened = self.open_own(locator).await?;
            let edit = decide(&opened.customer)?;
            if let Some(customer) = self.desk.update_opened(opened, &edit, precondition).await? {
                return Ok(customer);
            }
        }
        Err(contended())
    }
}
