//! Answers of a store that is not written yet.

use std::future::ready;
use std::sync::Arc;

use patron::api_key::ApiKey;
use patron::change::Change;
use patron::clock::Timestamp;
use patron::history::SealedEntry;
use patron::ids::{CustomerNumber, KeyNumber, MerchantId, MerchantNumber};
use patron::installation::Installation;
use patron::keys::{KeyOwner, WrappedKey};
use patron::merchant::Merchant;
use patron::seal::SealedCustomer;
use patron::store::{
    Counter, ListedEvent, ListedKey, ManagementChange, SealedList, Store, StoreError, StoreFuture,
    UniqueKey, WholeCustomer,
};
use patron::token::TokenRecord;

use crate::PostgresStore;

fn unwritten() -> StoreError {
    StoreError::Unavailable("the store for PostgreSQL is not written yet".into())
}

fn no<'a, T: Send + 'a>() -> StoreFuture<'a, T> {
    Box::pin(ready(Err(unwritten())))
}

impl Store for PostgresStore {
    fn find_installation(&self) -> StoreFuture<'_, Option<Installation>> {
        no()
    }

    fn found(&self, _: Installation, _: Vec<WrappedKey>) -> StoreFuture<'_, ()> {
        no()
    }

    fn apply(&self, _: Vec<Change>) -> StoreFuture<'_, Vec<Result<(), StoreError>>> {
        no()
    }

    fn find_customer(
        &self,
        _: MerchantNumber,
        _: UniqueKey,
    ) -> StoreFuture<'_, Option<Arc<SealedCustomer>>> {
        no()
    }

    fn list_customers(&self, _: MerchantNumber, _: u32, _: u32) -> StoreFuture<'_, SealedList> {
        no()
    }

    fn list_history(
        &self,
        _: MerchantNumber,
        _: CustomerNumber,
    ) -> StoreFuture<'_, Vec<SealedEntry>> {
        no()
    }

    fn list_kept_customers(
        &self,
        _: MerchantNumber,
        _: i64,
        _: u32,
    ) -> StoreFuture<'_, Vec<CustomerNumber>> {
        no()
    }

    fn find_whole_customer(
        &self,
        _: MerchantNumber,
        _: CustomerNumber,
    ) -> StoreFuture<'_, WholeCustomer> {
        no()
    }

    fn list_events(&self, _: i64, _: u32) -> StoreFuture<'_, Vec<ListedEvent>> {
        no()
    }

    fn issue_token(&self, _: TokenRecord) -> StoreFuture<'_, ()> {
        no()
    }

    fn spend_token(
        &self,
        _: MerchantNumber,
        _: [u8; 32],
        _: Timestamp,
    ) -> StoreFuture<'_, Option<CustomerNumber>> {
        no()
    }

    fn lease_numbers(&self, _: Counter, _: u32) -> StoreFuture<'_, i64> {
        no()
    }

    fn manage(&self, _: ManagementChange) -> StoreFuture<'_, ()> {
        no()
    }

    fn find_merchant(&self, _: MerchantNumber) -> StoreFuture<'_, Option<Merchant>> {
        no()
    }

    fn find_merchant_by_id<'a>(&'a self, _: &'a MerchantId) -> StoreFuture<'a, Option<Merchant>> {
        no()
    }

    fn list_merchants(&self) -> StoreFuture<'_, Vec<Merchant>> {
        no()
    }

    fn find_api_key(&self, _: [u8; 32]) -> StoreFuture<'_, Option<ApiKey>> {
        no()
    }

    fn list_api_keys(&self, _: MerchantNumber) -> StoreFuture<'_, Vec<ListedKey>> {
        no()
    }

    fn record_key_uses(&self, _: Vec<(KeyNumber, Timestamp)>) -> StoreFuture<'_, ()> {
        no()
    }

    fn list_wrapped_keys(&self, _: KeyOwner) -> StoreFuture<'_, Vec<WrappedKey>> {
        no()
    }

    fn management_epoch(&self) -> Result<u64, StoreError> {
        Err(unwritten())
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        no()
    }
}
