//! Writing: what the capabilities that write can do.

use crate::access::{CustomerWriter, OwnCustomer};
use crate::customer::{Customer, Precondition};
use crate::desk::{ATTEMPTS_MAX, CreateError, Meant, contended};
use crate::error::{Error, Kind};
use crate::locator::Locator;
use crate::profile::{Profile, ProfileEdit};
use crate::token::{IssuedToken, TokenWish};

/// A customer after a command, and the token that was issued with it.
pub struct Written {
    /// The customer as it now is.
    pub customer: Box<Customer>,
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

impl CustomerWriter<'_> {
    /// Creates a customer.
    ///
    /// # Errors
    /// `AlreadyExists` when the merchant has a customer with the profile's reference; `Invalid` when
    /// a field breaks a rule of every wire; `Denied` when a token is wished and the caller may not
    /// both read and write.
    pub async fn create(&self, profile: Profile, wish: TokenWish) -> Result<Written, Error> {
        self.0.check_wish(wish)?;
        match self.0.create(profile, wish).await {
            Ok((customer, token)) => Ok(Written { customer, token }),
            Err(CreateError::ReferenceTaken) => {
                Err(Error::new(Kind::AlreadyExists, "a customer with this reference exists"))
            }
            Err(CreateError::Other(error)) => Err(error),
        }
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
    ) -> Result<Box<Customer>, Error> {
        self.0.update(Meant::Any(locator), precondition, decide).await
    }

    /// A new client auth token for a customer.
    ///
    /// # Errors
    /// `NotFound` when there is no such customer; `Denied` when the caller may not both read and write.
    pub async fn issue_token(&self, locator: Locator<'_>) -> Result<IssuedToken, Error> {
        self.0.check_wish(TokenWish::Wished)?;
        let customer = self.0.find_existing(locator).await?.customer;
        let token = self.0.issue_token(customer.number, TokenWish::Wished).await?;
        token.ok_or_else(|| Error::internal("a token that was wished was not made"))
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
            let decided = decide(found.as_ref().map(|opened| &*opened.customer))?;
            let customer = match (found, decided) {
                (None, Ensure::Create(profile)) => match self.0.create(*profile, wish).await {
                    Ok((customer, token)) => return Ok(Written { customer, token }),
                    Err(CreateError::ReferenceTaken) => continue,
                    Err(CreateError::Other(error)) => return Err(error),
                },
                (Some(opened), Ensure::Keep) => {
                    self.0.store().confirm().await?;
                    opened.customer
                }
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
    ) -> Result<Box<Customer>, Error> {
        self.desk.update(Meant::Own(self.own, locator), precondition, decide).await
    }
}
