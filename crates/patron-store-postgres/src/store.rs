//! What the core asks of a store, question by question: which of them are asked of the database how.

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

use crate::errors::{Doubt, NotAnswering};
use crate::transaction::Held;
use crate::{
    PostgresStore, access_log, erase, jobs, manage, operators, read, reads, search, sessions,
    tokens, whole,
};

/// Answers a question: `$held` is the connection, and `$($kept)*` is what the question owns.
macro_rules! ask {
    ($store:expr, |$held:ident| $question:expr) => {{
        let database = $store.database.clone();
        $store.runtime.run(async move { database.ask(|$held| async move { $question }).await })
    }};
}

/// Answers a list, which is of one moment: from a replica where there is one that has everything, else from the
/// primary.
macro_rules! list {
    ($store:expr, $kept:ident, |$held:ident| $question:expr) => {{
        let (database, replica) = ($store.database.clone(), $store.replica.clone());
        $store.runtime.run(async move {
            let $kept = &$kept;
            let list = |$held: Held| async move { $question };
            if let Some(replica) = replica
                && let Some(list) = replica.list(&list).await
            {
                return Ok(list);
            }
            database.ask_snapshot(list).await
        })
    }};
}

/// Writes in a transaction.
macro_rules! write {
    ($store:expr, $kept:ident, |$held:ident| $work:expr) => {{
        let database = $store.database.clone();
        $store.runtime.run(async move {
            let $kept = &$kept;
            Ok(database.write(|$held| async move { $work }).await?)
        })
    }};
}

/// Writes in a transaction what may be written twice.
macro_rules! write_again {
    ($store:expr, $kept:ident, |$held:ident| $work:expr) => {{
        let database = $store.database.clone();
        $store.runtime.run(async move {
            let $kept = &$kept;
            Ok(database.write_again(|$held| async move { $work }).await?)
        })
    }};
}

impl Store for PostgresStore {
    fn find_installation(&self) -> StoreFuture<'_, Option<Installation>> {
        ask!(self, |held| read::find_installation(&held).await)
    }

    fn found(&self, installation: Installation, keys: Vec<WrappedKey>) -> StoreFuture<'_, ()> {
        write!(self, keys, |held| manage::found(&held, &installation, keys).await)
    }

    fn apply(&self, changes: Vec<Change>) -> StoreFuture<'_, Vec<Result<(), StoreError>>> {
        // All wait before the first is answered, so that they share commits.
        let runtime = self.runtime.handle();
        let waiting: Vec<_> =
            changes.into_iter().map(|change| self.writer.enqueue(runtime, change)).collect();
        let answers = async move {
            let mut answers = Vec::with_capacity(waiting.len());
            for answer in waiting {
                answers.push(answer.await.unwrap_or_else(|_| Err(reads::dropped())));
            }
            Ok(answers)
        };
        self.runtime.in_time(answers, NotAnswering::Unknown(Doubt::TimedOut))
    }

    fn find_customer(
        &self,
        merchant: MerchantNumber,
        key: UniqueKey,
    ) -> StoreFuture<'_, Option<Arc<SealedCustomer>>> {
        let answer = self.reads.find(self.runtime.handle(), merchant, key);
        let answer = async move { answer.await.unwrap_or_else(|_| Err(reads::dropped())) };
        self.runtime.in_time(answer, NotAnswering::TimedOut)
    }

    fn list_customers(
        &self,
        merchant: MerchantNumber,
        offset: u32,
        limit: u32,
    ) -> StoreFuture<'_, SealedList> {
        let page = (offset, limit);
        list!(self, page, |held| read::list_customers(&held, merchant, *page).await)
    }

    fn find_kept_customer(
        &self,
        merchant: MerchantNumber,
        key: UniqueKey,
    ) -> StoreFuture<'_, Option<SealedCustomer>> {
        ask!(self, |held| read::find_kept_customer(&held, merchant, key).await)
    }

    fn search_customers(
        &self,
        merchant: MerchantNumber,
        query: SealedQuery,
        start: Start,
        limit: u32,
    ) -> StoreFuture<'_, SealedPage> {
        list!(self, query, |held| {
            search::search_customers(&held, merchant, query, start, limit).await
        })
    }

    fn list_ages(
        &self,
        merchant: MerchantNumber,
        after: i64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<CustomerAge>> {
        ask!(self, |held| read::list_ages(&held, merchant, after, limit).await)
    }

    fn erase(&self, erasure: Erasure) -> StoreFuture<'_, ()> {
        let database = self.database.clone();
        let work = async move { Ok(erase::erase(&database, &erasure).await?) };
        self.runtime.run_or(work, NotAnswering::Unknown(Doubt::TimedOut))
    }

    fn find_erased(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, Option<ErasedCustomer>> {
        ask!(self, |held| erase::find(&held, merchant, customer).await)
    }

    fn list_unpurged(
        &self,
        merchant: MerchantNumber,
        limit: u32,
    ) -> StoreFuture<'_, Vec<ErasedCustomer>> {
        ask!(self, |held| erase::list_unpurged(&held, merchant, limit).await)
    }

    fn purge_erased(&self) -> StoreFuture<'_, Purged> {
        let purging = self.purging.clone();
        self.runtime.run_for_long(async move { Ok(purging.purge().await?) })
    }

    fn record_purges(&self, purged: Vec<ErasedCustomer>) -> StoreFuture<'_, ()> {
        let purged = (purged, self.purging.clone());
        write_again!(self, purged, |held| {
            let (purged, purging) = purged;
            if !purging.is_as_purged(&held).await? {
                return Err(StoreError::Stale.into());
            }
            erase::record_purges(&held, purged).await
        })
    }

    fn list_entries(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
        before: Option<u64>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<SealedEntry>> {
        ask!(self, |held| read::list_entries(&held, merchant, customer, before, limit).await)
    }

    fn log_accesses(&self, accesses: Vec<SealedAccess>) -> StoreFuture<'_, ()> {
        write_again!(self, accesses, |held| access_log::log(&held, accesses).await)
    }

    fn list_accesses(
        &self,
        merchant: MerchantNumber,
        customer: Option<CustomerNumber>,
        after: Option<AccessPlace>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<SealedAccess>> {
        ask!(self, |held| access_log::list(&held, merchant, customer, after, limit).await)
    }

    fn list_history(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, Vec<SealedEntry>> {
        ask!(self, |held| read::list_history(&held, merchant, customer).await)
    }

    fn list_kept_customers(
        &self,
        merchant: MerchantNumber,
        after: i64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<CustomerNumber>> {
        ask!(self, |held| whole::list_customers(&held, merchant, after, limit).await)
    }

    fn find_whole_customer(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, WholeCustomer> {
        let database = self.database.clone();
        self.runtime.run(async move {
            let find =
                |held: Held| async move { whole::find_customer(&held, merchant, customer).await };
            database.ask_snapshot(find).await
        })
    }

    fn issue_token(&self, token: TokenRecord) -> StoreFuture<'_, ()> {
        write!(self, token, |held| tokens::issue(&held, token).await)
    }

    fn spend_token(
        &self,
        merchant: MerchantNumber,
        hash: [u8; 32],
        now: Timestamp,
    ) -> StoreFuture<'_, Option<CustomerNumber>> {
        write!(self, hash, |held| tokens::spend(&held, merchant, hash, now).await)
    }

    fn find_token(
        &self,
        merchant: MerchantNumber,
        hash: [u8; 32],
    ) -> StoreFuture<'_, Option<TokenRecord>> {
        ask!(self, |held| tokens::find(&held, merchant, &hash).await)
    }

    fn clear_expired_tokens(
        &self,
        merchant: MerchantNumber,
        now: Timestamp,
        limit: u32,
    ) -> StoreFuture<'_, u32> {
        write_again!(self, now, |held| tokens::clear(&held, merchant, *now, limit).await)
    }

    fn claim_job(&self, job: Job, holder: ProcessId, lease: Duration) -> StoreFuture<'_, bool> {
        write_again!(self, holder, |held| jobs::claim(&held, job, *holder, lease).await)
    }

    fn lease_numbers(&self, counter: Counter, count: u32) -> StoreFuture<'_, i64> {
        write_again!(self, counter, |held| manage::lease(&held, *counter, count).await)
    }

    fn manage(&self, change: ManagementChange) -> StoreFuture<'_, ()> {
        let (database, epochs) = (self.database.clone(), self.epochs.clone());
        let work = async move {
            let asked = epochs.now();
            let epoch = manage::apply(&database, &change).await?;
            match epoch {
                Some(epoch) => epochs.note(epoch, asked),
                // It was done before; what that began is to be learned.
                None => drop(epochs.ask().await?),
            }
            Ok(())
        };
        self.runtime.run_or(work, NotAnswering::Unknown(Doubt::TimedOut))
    }

    fn find_merchant(&self, number: MerchantNumber) -> StoreFuture<'_, Option<Merchant>> {
        ask!(self, |held| read::find_merchant(&held, number).await)
    }

    fn find_merchant_by_id<'a>(&'a self, id: &'a MerchantId) -> StoreFuture<'a, Option<Merchant>> {
        let (database, id) = (self.database.clone(), id.clone());
        self.runtime.run(async move {
            let id = &id;
            database.ask(|held| async move { read::find_merchant_by_id(&held, id).await }).await
        })
    }

    fn list_merchants(&self) -> StoreFuture<'_, Vec<Merchant>> {
        ask!(self, |held| read::list_merchants(&held).await)
    }

    fn find_api_key(&self, hash: [u8; 32]) -> StoreFuture<'_, Option<ApiKey>> {
        ask!(self, |held| read::find_api_key(&held, &hash).await)
    }

    fn list_api_keys(&self, merchant: MerchantNumber) -> StoreFuture<'_, Vec<ListedKey>> {
        ask!(self, |held| read::list_api_keys(&held, merchant).await)
    }

    fn record_key_uses(&self, uses: Vec<(KeyNumber, Timestamp)>) -> StoreFuture<'_, ()> {
        write_again!(self, uses, |held| manage::record_key_uses(&held, uses).await)
    }

    fn find_operator(&self, number: OperatorNumber) -> StoreFuture<'_, Option<SealedOperator>> {
        ask!(self, |held| operators::find(&held, number).await)
    }

    fn find_operator_by_email(
        &self,
        email_index: [u8; 32],
    ) -> StoreFuture<'_, Option<SealedOperator>> {
        ask!(self, |held| operators::find_by_email(&held, &email_index).await)
    }

    fn list_operators(
        &self,
        merchant: Option<MerchantNumber>,
    ) -> StoreFuture<'_, Vec<SealedOperator>> {
        ask!(self, |held| operators::list(&held, merchant).await)
    }

    fn open_session(&self, session: SessionRecord) -> StoreFuture<'_, ()> {
        write!(self, session, |held| sessions::open(&held, session).await)
    }

    fn find_session(&self, hash: [u8; 32]) -> StoreFuture<'_, Option<SessionRecord>> {
        ask!(self, |held| sessions::find(&held, &hash).await)
    }

    fn close_session(&self, hash: [u8; 32]) -> StoreFuture<'_, bool> {
        write!(self, hash, |held| sessions::close(&held, hash).await)
    }

    fn clear_expired_sessions(&self, now: Timestamp, limit: u32) -> StoreFuture<'_, u32> {
        write_again!(self, now, |held| sessions::clear(&held, *now, limit).await)
    }

    fn list_wrapped_keys(&self, owner: KeyOwner) -> StoreFuture<'_, Vec<WrappedKey>> {
        ask!(self, |held| read::list_wrapped_keys(&held, owner).await)
    }

    fn management_epoch(&self) -> Result<u64, StoreError> {
        self.epochs.current()
    }

    fn ask_management_epoch(&self) -> StoreFuture<'_, u64> {
        let epochs = self.epochs.clone();
        self.runtime.run(async move { epochs.ask().await })
    }

    fn confirm(&self) -> StoreFuture<'_, ()> {
        if !self.confirmations.is_due() {
            return Box::pin(std::future::ready(Ok(())));
        }
        let confirmations = self.confirmations.clone();
        self.runtime.run(async move { confirmations.confirm().await })
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        let epochs = self.epochs.clone();
        self.runtime.run(async move { epochs.ask().await.map(drop) })
    }
}
