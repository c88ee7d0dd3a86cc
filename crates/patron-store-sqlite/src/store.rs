//! The store's contract, promise by promise: what is read at once, and what goes to the writer.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use patron::access_log::{AccessPlace, SealedAccess};
use patron::api_key::ApiKey;
use patron::change::Change;
use patron::clock::Timestamp;
use patron::erasure::{ErasedCustomer, Erasure, Purged};
use patron::history::SealedEntry;
use patron::ids::{
    CustomerNumber, KeyNumber, MerchantId, MerchantNumber, OperatorNumber, ProcessId,
};
use patron::installation::Installation;
use patron::keys::{KeyOwner, WrappedKey};
use patron::merchant::Merchant;
use patron::operator::SealedOperator;
use patron::seal::SealedCustomer;
use patron::session::SessionRecord;
use patron::store::{
    Counter, CustomerAge, Job, ListedKey, ManagementChange, SealedList, SealedPage, SealedQuery,
    Start, Store, StoreError, StoreFuture, UniqueKey, WholeCustomer,
};
use patron::token::TokenRecord;
use rusqlite::Connection;

use crate::writer::Moves;
use crate::{
    SqliteStore, access_log, apply, erase, manage, operators, purge, read, search, sessions,
    tokens, whole, writer,
};

impl Store for SqliteStore {
    fn find_installation(&self) -> StoreFuture<'_, Option<Installation>> {
        self.answer(read::find_installation)
    }

    fn found(&self, installation: Installation, keys: Vec<WrappedKey>) -> StoreFuture<'_, ()> {
        Box::pin(self.writer.write(Moves::Nothing, move |connection| {
            manage::found(connection, &installation, &keys)
        }))
    }

    fn apply(&self, changes: Vec<Change>) -> StoreFuture<'_, Vec<Result<(), StoreError>>> {
        Box::pin(async move {
            // All wait before the first is answered, so that they share commits.
            let mut waiting = Vec::with_capacity(changes.len());
            for change in changes {
                let customer = &change.parts().customer;
                let moves = Moves::Customer(customer.merchant, customer.number);
                let work = move |connection: &Connection| apply::apply(connection, &change);
                waiting.push(self.writer.enqueue(moves, work).await);
            }
            let mut answers = Vec::with_capacity(waiting.len());
            for answer in waiting {
                answers.push(match answer {
                    Ok(answer) => writer::arrived(answer).await,
                    Err(error) => Err(error),
                });
            }
            Ok(answers)
        })
    }

    fn find_customer(
        &self,
        merchant: MerchantNumber,
        key: UniqueKey,
    ) -> StoreFuture<'_, Option<Arc<SealedCustomer>>> {
        Box::pin(ready(self.views.find_customer(merchant, key)))
    }

    fn list_customers(
        &self,
        merchant: MerchantNumber,
        offset: u32,
        limit: u32,
    ) -> StoreFuture<'_, SealedList> {
        let list = move |connection: &Connection| {
            read::list_customers(connection, merchant, offset, limit)
        };
        let brief = move |connection: &Connection| {
            if offset > search::FAR { Ok(None) } else { list(connection).map(Some) }
        };
        Box::pin(self.answer_somewhere(brief, list))
    }

    fn find_kept_customer(
        &self,
        merchant: MerchantNumber,
        key: UniqueKey,
    ) -> StoreFuture<'_, Option<SealedCustomer>> {
        self.answer(|connection| read::find_kept_customer(connection, merchant, &key))
    }

    fn search_customers(
        &self,
        merchant: MerchantNumber,
        query: SealedQuery,
        start: Start,
        limit: u32,
    ) -> StoreFuture<'_, SealedPage> {
        let asked = query.clone();
        let brief = move |connection: &Connection| {
            if search::takes_long(connection, merchant, &asked, start)? {
                return Ok(None);
            }
            search::search(connection, merchant, &asked, start, limit).map(Some)
        };
        let long = move |connection: &Connection| {
            search::search(connection, merchant, &query, start, limit)
        };
        Box::pin(self.answer_somewhere(brief, long))
    }

    fn list_ages(
        &self,
        merchant: MerchantNumber,
        after: i64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<CustomerAge>> {
        self.answer(|connection| read::list_ages(connection, merchant, after, limit))
    }

    fn erase(&self, erasure: Erasure) -> StoreFuture<'_, ()> {
        let customer = &erasure.parts().customer;
        let moves = Moves::Customer(customer.merchant, customer.number);
        Box::pin(self.writer.write(moves, move |connection| erase::erase(connection, &erasure)))
    }

    fn find_erased(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, Option<ErasedCustomer>> {
        self.answer(|connection| erase::find(connection, merchant, customer))
    }

    fn list_unpurged(
        &self,
        merchant: MerchantNumber,
        limit: u32,
    ) -> StoreFuture<'_, Vec<ErasedCustomer>> {
        self.answer(|connection| erase::list_unpurged(connection, merchant, limit))
    }

    fn purge_erased(&self) -> StoreFuture<'_, Purged> {
        Box::pin(purge::purge(self))
    }

    fn record_purges(&self, purged: Vec<ErasedCustomer>) -> StoreFuture<'_, ()> {
        Box::pin(
            self.writer.write_unasked(move |connection| erase::record_purges(connection, &purged)),
        )
    }

    fn list_entries(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
        before: Option<u64>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<SealedEntry>> {
        self.answer(|connection| read::list_entries(connection, merchant, customer, before, limit))
    }

    fn log_accesses(&self, accesses: Vec<SealedAccess>) -> StoreFuture<'_, ()> {
        Box::pin(
            self.writer
                .write(Moves::Nothing, move |connection| access_log::put(connection, &accesses)),
        )
    }

    fn list_accesses(
        &self,
        merchant: MerchantNumber,
        customer: Option<CustomerNumber>,
        after: Option<AccessPlace>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<SealedAccess>> {
        self.answer(|connection| access_log::list(connection, merchant, customer, after, limit))
    }

    fn list_history(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, Vec<SealedEntry>> {
        self.answer(|connection| read::list_history(connection, merchant, customer))
    }

    fn list_kept_customers(
        &self,
        merchant: MerchantNumber,
        after: i64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<CustomerNumber>> {
        self.answer(|connection| whole::list_customers(connection, merchant, after, limit))
    }

    fn find_whole_customer(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, WholeCustomer> {
        self.answer(|connection| whole::find_customer(connection, merchant, customer))
    }

    fn issue_token(&self, token: TokenRecord) -> StoreFuture<'_, ()> {
        Box::pin(
            self.writer.write(Moves::Nothing, move |connection| tokens::issue(connection, &token)),
        )
    }

    fn spend_token(
        &self,
        merchant: MerchantNumber,
        hash: [u8; 32],
        now: Timestamp,
    ) -> StoreFuture<'_, Option<CustomerNumber>> {
        Box::pin(self.writer.write(Moves::Nothing, move |connection| {
            tokens::spend(connection, merchant, &hash, now)
        }))
    }

    fn find_token(
        &self,
        merchant: MerchantNumber,
        hash: [u8; 32],
    ) -> StoreFuture<'_, Option<TokenRecord>> {
        self.answer(|connection| tokens::find(connection, merchant, &hash))
    }

    fn clear_expired_tokens(
        &self,
        merchant: MerchantNumber,
        now: Timestamp,
        limit: u32,
    ) -> StoreFuture<'_, u32> {
        let has_expired =
            move |connection: &Connection| tokens::has_expired(connection, merchant, now);
        let clear = move |connection: &Connection, part| {
            tokens::clear_expired(connection, merchant, now, part)
        };
        Box::pin(self.clear_in_parts(limit, has_expired, clear))
    }

    /// One process owns the data, and so every job.
    fn claim_job(&self, _: Job, _: ProcessId, _: Duration) -> StoreFuture<'_, bool> {
        Box::pin(ready(Ok(true)))
    }

    fn lease_numbers(&self, counter: Counter, count: u32) -> StoreFuture<'_, i64> {
        Box::pin(
            self.writer
                .write(Moves::Nothing, move |connection| manage::lease(connection, counter, count)),
        )
    }

    fn manage(&self, change: ManagementChange) -> StoreFuture<'_, ()> {
        Box::pin(
            self.writer.write(Moves::ManagementEpoch, move |connection| {
                manage::manage(connection, &change)
            }),
        )
    }

    fn find_merchant(&self, number: MerchantNumber) -> StoreFuture<'_, Option<Merchant>> {
        self.answer(|connection| read::find_merchant(connection, number))
    }

    fn find_merchant_by_id<'a>(&'a self, id: &'a MerchantId) -> StoreFuture<'a, Option<Merchant>> {
        self.answer(|connection| read::find_merchant_by_id(connection, id))
    }

    fn list_merchants(&self) -> StoreFuture<'_, Vec<Merchant>> {
        self.answer(read::list_merchants)
    }

    fn find_api_key(&self, hash: [u8; 32]) -> StoreFuture<'_, Option<ApiKey>> {
        self.answer(|connection| read::find_api_key(connection, &hash))
    }

    fn list_api_keys(&self, merchant: MerchantNumber) -> StoreFuture<'_, Vec<ListedKey>> {
        self.answer(|connection| read::list_api_keys(connection, merchant))
    }

    fn record_key_uses(&self, uses: Vec<(KeyNumber, Timestamp)>) -> StoreFuture<'_, ()> {
        Box::pin(
            self.writer.write_unasked(move |connection| manage::record_key_uses(connection, &uses)),
        )
    }

    fn find_operator(&self, number: OperatorNumber) -> StoreFuture<'_, Option<SealedOperator>> {
        self.answer(|connection| operators::find(connection, number))
    }

    fn find_operator_by_email(
        &self,
        email_index: [u8; 32],
    ) -> StoreFuture<'_, Option<SealedOperator>> {
        self.answer(|connection| operators::find_by_email(connection, &email_index))
    }

    fn list_operators(
        &self,
        merchant: Option<MerchantNumber>,
    ) -> StoreFuture<'_, Vec<SealedOperator>> {
        self.answer(|connection| operators::list(connection, merchant))
    }

    fn open_session(&self, session: SessionRecord) -> StoreFuture<'_, ()> {
        Box::pin(
            self.writer
                .write(Moves::Nothing, move |connection| sessions::open(connection, &session)),
        )
    }

    fn find_session(&self, hash: [u8; 32]) -> StoreFuture<'_, Option<SessionRecord>> {
        self.answer(|connection| sessions::find(connection, &hash))
    }

    fn close_session(&self, hash: [u8; 32]) -> StoreFuture<'_, bool> {
        Box::pin(
            self.writer.write(Moves::Nothing, move |connection| sessions::close(connection, &hash)),
        )
    }

    fn clear_expired_sessions(&self, now: Timestamp, limit: u32) -> StoreFuture<'_, u32> {
        let has_expired = move |connection: &Connection| sessions::has_expired(connection, now);
        let clear =
            move |connection: &Connection, part| sessions::clear_expired(connection, now, part);
        Box::pin(self.clear_in_parts(limit, has_expired, clear))
    }

    fn list_wrapped_keys(&self, owner: KeyOwner) -> StoreFuture<'_, Vec<WrappedKey>> {
        self.answer(|connection| read::list_wrapped_keys(connection, owner))
    }

    fn management_epoch(&self) -> Result<u64, StoreError> {
        self.refuse_when_stopped()?;
        Ok(self.writer.epoch())
    }

    /// Nobody else writes, so that there is nothing to be behind.
    fn ask_management_epoch(&self) -> StoreFuture<'_, u64> {
        Box::pin(ready(self.management_epoch()))
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        let answer = self.refuse_when_stopped().and_then(|()| self.views.read(read::check));
        Box::pin(ready(answer))
    }
}
