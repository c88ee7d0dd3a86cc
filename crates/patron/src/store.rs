//! What the core asks of a store. Few, coarse methods; the same contract on every engine.
//!
//! The contract's tests are `patron_testkit::store_contract`, which every store passes on its real
//! engine. A store never sees an open personal value: everything arrives sealed or as a blind index.

mod query;

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::access_log::{AccessPlace, SealedAccess};
use crate::api_key::ApiKey;
use crate::blind_index::BlindIndex;
use crate::change::Change;
use crate::clock::Timestamp;
use crate::erasure::{ErasedCustomer, Erasure, Purged};
use crate::event::Event;
use crate::history::SealedEntry;
use crate::ids::{
    CustomerNumber, KeyNumber, MerchantId, MerchantNumber, OperatorNumber, ProcessId,
};
use crate::installation::Installation;
use crate::keys::{KeyOwner, WrappedKey};
use crate::merchant::Merchant;
use crate::operator::SealedOperator;
use crate::seal::SealedCustomer;
use crate::session::SessionRecord;
pub use crate::store::query::{COUNTED_MAX, CustomerAge, SealedPage, SealedQuery, Start};
use crate::token::TokenRecord;

/// A store's answer that may take a while.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// One unique name of a customer within its merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UniqueKey {
    /// By the index over its public id.
    Id(BlindIndex),
    /// By the index over its reference.
    Reference(BlindIndex),
    /// By its number.
    Number(CustomerNumber),
}

/// What is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unique {
    /// A merchant's customer's public id.
    CustomerId,
    /// A merchant's customer's number.
    CustomerNumber,
    /// A merchant's customer's reference.
    CustomerReference,
    /// A merchant's id.
    MerchantId,
    /// The hash of an API key.
    ApiKey,
    /// The hash of a client auth token.
    ClientToken,
    /// An operator's email address.
    OperatorEmail,
    /// The hash of a session.
    Session,
    /// The installation itself.
    Installation,
}

/// What a store can answer instead.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another row has this already. Nothing was written.
    #[error("duplicate {0:?}")]
    Duplicate(Unique),
    /// The customer (or merchant) is not at the expected version. Nothing was written.
    #[error("stale version")]
    Stale,
    /// What was to be changed is not there. Nothing was written.
    #[error("no such row")]
    Missing,
    /// The store cannot answer now; a retry may succeed. Nothing was acknowledged.
    #[error("store unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// A row holds what no version of the program writes.
    #[error("corrupt value in {table}.{column}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}

/// Numbers that a store hands out in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Customers' numbers, over all merchants.
    Customer,
    /// Merchants' numbers.
    Merchant,
    /// API keys' numbers.
    ApiKey,
    /// Operators' numbers.
    Operator,
}

impl Counter {
    /// All counters.
    pub const ALL: [Self; 4] = [Self::Customer, Self::Merchant, Self::ApiKey, Self::Operator];

    /// The counter's name in the store. Never change one that was released.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Merchant => "merchant",
            Self::ApiKey => "api_key",
            Self::Operator => "operator",
        }
    }
}

/// Work in the background that one process at a time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Job {
    /// Deleting client auth tokens that have expired.
    ClearTokens,
    /// Deleting sessions that have expired.
    ClearSessions,
    /// Erasing customers whose time is over by their merchant's retention.
    Retain,
    /// Seeing to it that the bytes of erased customers are gone from the live files.
    PurgeErased,
}

impl Job {
    /// All jobs.
    pub const ALL: [Self; 4] =
        [Self::ClearTokens, Self::ClearSessions, Self::Retain, Self::PurgeErased];

    /// The job's name in the store. Never change one that was released.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClearTokens => "clear_tokens",
            Self::ClearSessions => "clear_sessions",
            Self::Retain => "retain",
            Self::PurgeErased => "purge_erased",
        }
    }
}

/// A part of a merchant's list of customers, newest first.
#[derive(Debug, Clone)]
pub struct SealedList {
    /// The customers.
    pub customers: Vec<SealedCustomer>,
    /// How many there are in all, from counters kept with the changes.
    pub total: u64,
}

/// All that is kept of one customer, deleted or not, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeCustomer {
    /// The customer itself.
    pub customer: Option<SealedCustomer>,
    /// What is left of it, if it was erased.
    pub erased: Option<ErasedCustomer>,
    /// Its history, oldest first.
    pub entries: Vec<SealedEntry>,
    /// Its events, by version ascending. All of one moment, as the rest.
    pub events: Vec<Event>,
}

/// An API key and when it was last used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// The key.
    pub key: ApiKey,
    /// When it was last used; up to some seconds behind.
    pub last_used: Option<Timestamp>,
}

/// A change of merchants or keys. Each is atomic.
#[derive(Debug, Clone)]
pub enum ManagementChange {
    /// A new merchant and its keys. `Duplicate(MerchantId)` when the id is taken.
    CreateMerchant {
        /// The merchant, at revision 1.
        merchant: Merchant,
        /// Its wrapped keys.
        keys: Vec<WrappedKey>,
    },
    /// The merchant becomes this; its revision is one more than the stored one, else `Stale`. Its
    /// id and its time of creation stay. `Missing` when there is no merchant with its number.
    UpdateMerchant(Merchant),
    /// A new API key. `Duplicate(ApiKey)` when its hash is taken, `Missing` when there is no such
    /// merchant.
    CreateKey(ApiKey),
    /// The key is revoked. `Missing` when the merchant has no such key. A key that was revoked before
    /// stays revoked from then.
    RevokeKey {
        /// Whose key it is.
        merchant: MerchantNumber,
        /// Which key.
        key: KeyNumber,
        /// When.
        at: Timestamp,
    },
    /// A new key takes the place of an old one, whose grace ends at `old_ends`; without any grace left
    /// when the new key is created, it is revoked. `Missing` when the merchant has no such key in force,
    /// or it was rolled before.
    RollKey {
        /// The old key.
        old: KeyNumber,
        /// The end of the old key's grace.
        old_ends: Timestamp,
        /// The new key.
        new: ApiKey,
    },
    /// A new operator, at revision 1. `Duplicate(OperatorEmail)` when its address is taken, `Missing` when
    /// there is no such merchant.
    CreateOperator(SealedOperator),
    /// The operator becomes this; its revision is one more than the stored one, else `Stale`. Its merchant
    /// and its time of creation stay. `Duplicate(OperatorEmail)` when its address is taken, `Missing` when
    /// there is no operator with its number.
    UpdateOperator(SealedOperator),
}

/// A durable, transactional store of sealed customers.
///
/// Every method that writes returns only when what it wrote is durable, and in case of an error
/// has written nothing of it. Every read sees all that was acknowledged before it began.
pub trait Store: Send + Sync {
    /// The record of the store's birth; `None` in a new store.
    fn find_installation(&self) -> StoreFuture<'_, Option<Installation>>;

    /// Writes the record of birth and the deployment's keys. `Duplicate(Installation)` when the
    /// store has one already.
    fn found(&self, installation: Installation, keys: Vec<WrappedKey>) -> StoreFuture<'_, ()>;

    /// Applies changes, each atomic on its own, and answers each, in order.
    ///
    /// `Duplicate` when a new customer's number, id or reference is taken; `Stale` when a customer is
    /// not at the expected version or not there. A change that was applied before is not applied again: `Ok`.
    fn apply(&self, changes: Vec<Change>) -> StoreFuture<'_, Vec<Result<(), StoreError>>>;

    /// The merchant's customer with this name; never a deleted one.
    fn find_customer(
        &self,
        merchant: MerchantNumber,
        key: UniqueKey,
    ) -> StoreFuture<'_, Option<Arc<SealedCustomer>>>;

    /// A part of the merchant's customers, newest first (by created, then number), without deleted ones.
    fn list_customers(
        &self,
        merchant: MerchantNumber,
        offset: u32,
        limit: u32,
    ) -> StoreFuture<'_, SealedList>;

    /// The merchant's customer with this name, be it deleted or not; never an erased one, whose names are
    /// gone. Slower than [`Store::find_customer`].
    fn find_kept_customer(
        &self,
        merchant: MerchantNumber,
        key: UniqueKey,
    ) -> StoreFuture<'_, Option<SealedCustomer>>;

    /// A page of `limit` of the merchant's customers that the query finds, newest first, and how many it
    /// finds in all. Of one moment.
    fn search_customers(
        &self,
        merchant: MerchantNumber,
        query: SealedQuery,
        start: Start,
        limit: u32,
    ) -> StoreFuture<'_, SealedPage>;

    /// How old the merchant's customers with numbers above `after` are, deleted ones among them and erased ones
    /// not, the lowest `limit` numbers in ascending order.
    fn list_ages(
        &self,
        merchant: MerchantNumber,
        after: i64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<CustomerAge>>;

    /// Erases a customer, deleted or not, in one commit: see [`Erasure`]. Its names are free again, and it counts
    /// no more.
    ///
    /// `Stale` when it is not at the version at which it was found, or not there. An erasure that was applied
    /// before is not applied again: `Ok`.
    fn erase(&self, erasure: Erasure) -> StoreFuture<'_, ()>;

    /// What is left of the merchant's customer with this number, if it was erased.
    fn find_erased(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, Option<ErasedCustomer>>;

    /// The merchant's erased customers that are not purged, the longest erased first, `limit` of them at most.
    fn list_unpurged(
        &self,
        merchant: MerchantNumber,
        limit: u32,
    ) -> StoreFuture<'_, Vec<ErasedCustomer>>;

    /// Makes the bytes of all that was erased before this call go from the engine's live files. Takes long,
    /// and keeps nobody else waiting for long.
    fn purge_erased(&self) -> StoreFuture<'_, Purged>;

    /// Writes down what [`Store::purge_erased`] has done: each of these takes the place of what is kept of the
    /// same customer. Those that are not there, or are purged already, are passed over.
    ///
    /// `Stale` when the engine's files are not those any more that were purged: then they have to be purged again.
    fn record_purges(&self, purged: Vec<ErasedCustomer>) -> StoreFuture<'_, ()>;

    /// A page of a customer's history, newest first: `limit` entries of versions below `before`.
    fn list_entries(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
        before: Option<u64>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<SealedEntry>>;

    /// Writes entries of access logs.
    fn log_accesses(&self, accesses: Vec<SealedAccess>) -> StoreFuture<'_, ()>;

    /// A page of a merchant's access log, newest first (by time, then id): `limit` entries that come after
    /// `after`, of this customer if one is named.
    fn list_accesses(
        &self,
        merchant: MerchantNumber,
        customer: Option<CustomerNumber>,
        after: Option<AccessPlace>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<SealedAccess>>;

    /// The whole history of a customer, oldest first.
    fn list_history(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, Vec<SealedEntry>>;

    /// The numbers above `after` of the merchant's customers of whom anything is kept, be it a history
    /// or events only, the lowest `limit` of them in ascending order. Deleted customers are among them.
    fn list_kept_customers(
        &self,
        merchant: MerchantNumber,
        after: i64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<CustomerNumber>>;

    /// All that is kept of one customer, deleted or not, of one moment.
    fn find_whole_customer(
        &self,
        merchant: MerchantNumber,
        customer: CustomerNumber,
    ) -> StoreFuture<'_, WholeCustomer>;

    /// Keeps a client auth token.
    fn issue_token(&self, token: TokenRecord) -> StoreFuture<'_, ()>;

    /// Uses a token once: whose customer it is for, or `None` when it is unknown, expired at `now`
    /// or used up. Two uses at once never spend the same use.
    fn spend_token(
        &self,
        merchant: MerchantNumber,
        hash: [u8; 32],
        now: Timestamp,
    ) -> StoreFuture<'_, Option<CustomerNumber>>;

    /// The token with this hash, whatever is left of it. It is not used by that.
    fn find_token(
        &self,
        merchant: MerchantNumber,
        hash: [u8; 32],
    ) -> StoreFuture<'_, Option<TokenRecord>>;

    /// Deletes tokens of the merchant that have expired at `now`, `limit` of them at most; how many.
    fn clear_expired_tokens(
        &self,
        merchant: MerchantNumber,
        now: Timestamp,
        limit: u32,
    ) -> StoreFuture<'_, u32>;

    /// Whether `holder` may do the job from now on for `lease`: nobody else holds it. Claimed again by
    /// its holder, the lease begins anew. Time is the engine's own, so that clocks of processes do not
    /// matter.
    fn claim_job(&self, job: Job, holder: ProcessId, lease: Duration) -> StoreFuture<'_, bool>;

    /// The first of `count` numbers that nobody else is ever given. The first of all is 1.
    fn lease_numbers(&self, counter: Counter, count: u32) -> StoreFuture<'_, i64>;

    /// Applies a change of merchants or keys.
    fn manage(&self, change: ManagementChange) -> StoreFuture<'_, ()>;

    /// The merchant with this number.
    fn find_merchant(&self, number: MerchantNumber) -> StoreFuture<'_, Option<Merchant>>;

    /// The merchant with this id.
    fn find_merchant_by_id<'a>(&'a self, id: &'a MerchantId) -> StoreFuture<'a, Option<Merchant>>;

    /// All merchants, by the bytes of their ids.
    fn list_merchants(&self) -> StoreFuture<'_, Vec<Merchant>>;

    /// The API key with this hash, in force or not.
    fn find_api_key(&self, hash: [u8; 32]) -> StoreFuture<'_, Option<ApiKey>>;

    /// The merchant's API keys, by number.
    fn list_api_keys(&self, merchant: MerchantNumber) -> StoreFuture<'_, Vec<ListedKey>>;

    /// Notes when keys were last used. Never moves a time back; keys that are not there are skipped.
    fn record_key_uses(&self, uses: Vec<(KeyNumber, Timestamp)>) -> StoreFuture<'_, ()>;

    /// The operator with this number.
    fn find_operator(&self, number: OperatorNumber) -> StoreFuture<'_, Option<SealedOperator>>;

    /// The operator whose email address has this index.
    fn find_operator_by_email(
        &self,
        email_index: [u8; 32],
    ) -> StoreFuture<'_, Option<SealedOperator>>;

    /// The merchant's operators, or the deployment's, by number.
    fn list_operators(
        &self,
        merchant: Option<MerchantNumber>,
    ) -> StoreFuture<'_, Vec<SealedOperator>>;

    /// Keeps a session. `Duplicate(Session)` when its hash is taken.
    fn open_session(&self, session: SessionRecord) -> StoreFuture<'_, ()>;

    /// The session with this hash, expired or not.
    fn find_session(&self, hash: [u8; 32]) -> StoreFuture<'_, Option<SessionRecord>>;

    /// Ends a session; whether there was one.
    fn close_session(&self, hash: [u8; 32]) -> StoreFuture<'_, bool>;

    /// Deletes sessions that have expired before `now`, `limit` of them at most; how many.
    fn clear_expired_sessions(&self, now: Timestamp, limit: u32) -> StoreFuture<'_, u32>;

    /// The wrapped keys of this owner, of all purposes and generations.
    fn list_wrapped_keys(&self, owner: KeyOwner) -> StoreFuture<'_, Vec<WrappedKey>>;

    /// A number that grows with every acknowledged [`Store::manage`]: of this process at once, of
    /// another within a second. What was read of merchants and keys after asking for it may be remembered
    /// until it has grown.
    ///
    /// # Errors
    /// `Unavailable` when what this process knows is older than a second.
    fn management_epoch(&self) -> Result<u64, StoreError>;

    /// The same, asked of the engine itself: takes longer, and is right.
    fn ask_management_epoch(&self) -> StoreFuture<'_, u64>;

    /// Waits until all that was read of customers so far is as lasting as what is acknowledged. Whoever acknowledges
    /// what it has found, and not written, does so after this only: it may be what somebody else wrote who was
    /// never told that it is done. In most engines nothing is seen before it is lasting.
    fn confirm(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether the store can answer now.
    fn check(&self) -> StoreFuture<'_, ()>;
}
