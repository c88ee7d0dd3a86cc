//! Reading: what the capabilities that read can do.

use crate::access::{CustomerReader, OwnCustomer};
use crate::access_log::Accessed;
use crate::customer::Customer;
use crate::desk::Meant;
use crate::error::Error;
use crate::locator::Locator;
use crate::seal;
use crate::search::{CustomerPage, PageFrom, SearchQuery};
use crate::token::{IssuedToken, TokenWish};

/// A part of a list of customers.
#[derive(Debug)]
pub struct CustomerList {
    /// The customers, newest first.
    pub customers: Vec<Customer>,
    /// How many there are in all.
    pub total: u64,
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
    ) -> Result<(Box<Customer>, Option<IssuedToken>), Error> {
        self.0.check_wish(wish)?;
        let customer = self.0.find_existing(locator).await?.customer;
        self.0.log_person(Accessed::Customer, || vec![Some(customer.number)]).await?;
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
        let seen = || list.customers.iter().map(|row| Some(row.number)).collect();
        desk.log_person(Accessed::List, seen).await?;
        let customers = list
            .customers
            .into_iter()
            .map(|row| Ok(*seal::open(desk.keys(), &row)?))
            .collect::<Result<_, seal::SealError>>()
            .map_err(Error::internal)?;
        Ok(CustomerList { customers, total: list.total })
    }
}

impl CustomerReader<'_> {
    /// A page of the customers that a query finds, newest first, and how many it finds in all.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot answer.
    pub async fn search(
        &self,
        query: &SearchQuery,
        from: PageFrom,
        limit: u32,
    ) -> Result<CustomerPage, Error> {
        let page = self.0.search(query, from, limit).await?;
        let seen = || page.customers.iter().map(|one| Some(one.number)).collect();
        self.0.log_person(Accessed::List, seen).await?;
        Ok(page)
    }
}

impl OwnCustomer<'_> {
    /// The token's own customer, if that is whom the locator names.
    ///
    /// # Errors
    /// `NotFound` for any other customer, there or not.
    pub async fn find(&self, locator: Locator<'_>) -> Result<Box<Customer>, Error> {
        Ok(self.desk.open(Meant::Own(self.own, locator)).await?.customer)
    }
}
