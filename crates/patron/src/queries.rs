//! Reading: load, open, answer.

use crate::access::{CustomerReader, OwnCustomer};
use crate::blind_index::IndexKeys;
use crate::commands::{Desk, TokenWish};
use crate::customer::Customer;
use crate::error::Error;
use crate::ids::CustomerNumber;
use crate::seal::{self, Opened};
use crate::store::UniqueKey;
use crate::token::IssuedToken;

/// By what a caller names a customer.
#[derive(Debug, Clone, Copy)]
pub enum Locator<'a> {
    /// A public id or the merchant's reference; when one customer's reference is another's id, the
    /// id wins.
    IdOrReference(&'a str),
    /// The merchant's reference.
    Reference(&'a str),
    /// The number.
    Number(CustomerNumber),
}

impl Locator<'_> {
    /// Whether this is a name of the customer.
    fn names(self, customer: &Customer) -> bool {
        let reference = customer.profile.reference.as_ref().map(|text| text.reveal().as_str());
        match self {
            Self::IdOrReference(text) => customer.id.reveal() == text || reference == Some(text),
            Self::Reference(text) => reference == Some(text),
            Self::Number(number) => customer.number == number,
        }
    }

    fn unique_keys(self, indexes: &IndexKeys) -> Vec<UniqueKey> {
        match self {
            Self::IdOrReference(text) => {
                vec![UniqueKey::Id(indexes.id(text)), UniqueKey::Reference(indexes.reference(text))]
            }
            Self::Reference(text) => vec![UniqueKey::Reference(indexes.reference(text))],
            Self::Number(number) => vec![UniqueKey::Number(number)],
        }
    }
}

/// A part of a list of customers.
#[derive(Debug)]
pub struct CustomerList {
    /// The customers, newest first.
    pub customers: Vec<Customer>,
    /// How many there are in all.
    pub total: u64,
}

impl Desk<'_> {
    pub(crate) async fn find(&self, locator: Locator<'_>) -> Result<Option<Opened>, Error> {
        let keys = locator.unique_keys(self.keys().indexes());
        let row = self.store().find_customer(self.merchant(), &keys).await?;
        row.map(|row| seal::open(self.keys(), row)).transpose().map_err(Error::internal)
    }

    pub(crate) async fn find_existing(&self, locator: Locator<'_>) -> Result<Opened, Error> {
        self.find(locator).await?.ok_or_else(Error::customer_not_found)
    }
}

impl CustomerReader<'_> {
    /// The customer, and a new client auth token for it when one is wished.
    ///
    /// # Errors
    /// `NotFound` when this merchant has no such customer; another merchant's looks the same.
    /// `Denied` when a token is wished and the caller may not both read and write.
    pub async fn find(
        &self,
        locator: Locator<'_>,
        wish: TokenWish,
    ) -> Result<(Customer, Option<IssuedToken>), Error> {
        self.0.check_wish(wish)?;
        let customer = self.0.find_existing(locator).await?.customer;
        let token = self.0.issue_token(customer.number, wish).await?;
        Ok((customer, token))
    }

    /// A part of the merchant's customers, newest first.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot answer.
    pub async fn list(&self, offset: u32, limit: u32) -> Result<CustomerList, Error> {
        let desk = &self.0;
        let list = desk.store().list_customers(desk.merchant(), offset, limit).await?;
        let customers = list
            .customers
            .into_iter()
            .map(|row| Ok(seal::open(desk.keys(), row)?.customer))
            .collect::<Result<_, seal::SealError>>()
            .map_err(Error::internal)?;
        Ok(CustomerList { customers, total: list.total })
    }
}

impl OwnCustomer<'_> {
    /// The token's own customer, if that is whom the locator names.
    ///
    /// # Errors
    /// `NotFound` for any other customer, there or not.
    pub async fn find(&self, locator: Locator<'_>) -> Result<Customer, Error> {
        Ok(self.open_own(locator).await?.customer)
    }

    /// Opens the token's own customer, whatever the locator names, and then compares names: another
    /// customer is never looked for, so that the time taken does not tell whether there is one.
    pub(crate) async fn open_own(&self, locator: Locator<'_>) -> Result<Opened, Error> {
        let opened = self.desk.find_existing(Locator::Number(self.own)).await?;
        if locator.names(&opened.customer) { Ok(opened) } else { Err(Error::customer_not_found()) }
    }
}
