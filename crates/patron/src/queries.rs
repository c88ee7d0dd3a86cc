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
    pub async fn find(
        &self,
        locator: Locator<'_>,
        wish: TokenWish,
    ) -> Result<(Customer, Option<IssuedToken>), Error> {
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
        let customer = self.desk.find_existing(locator).await?.customer;
        if customer.number == self.own { Ok(customer) } else { Err(Error::customer_not_found()) }
    }
}
