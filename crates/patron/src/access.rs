//! From a credential to a capability: what a caller may do is what its capability has methods for.
//!
//! The steps cannot be skipped or swapped, since each is a type that only the one before returns:
//! API key → [`Authenticated`] → address → [`Admitted`] → scope → [`CustomerReader`],
//! [`CustomerWriter`] or [`CustomerEraser`]. A client auth token leads to an [`OwnCustomer`], which reaches one
//! customer. Operators come by [`crate::sign_in`], and the management interface goes by [`crate::principal`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::actor::{Actor, ActorKind};
use crate::api_key::{ApiKey, Scope, Scopes};
use crate::cache::EpochCache;
use crate::clock::Timestamp;
use crate::desk::Desk;
use crate::error::{Error, Kind};
use crate::ids::{CustomerNumber, KeyNumber, MerchantNumber};
use crate::merchant::{Merchant, Standing};
use crate::operator::{Role, Sight};
use crate::patron::{MerchantContext, Patron};
use crate::recent_addresses::RecentAddresses;
use crate::token::ClientToken;

/// No credential is longer; a longer text is refused before it is hashed.
const KEY_LENGTH_MAX: usize = 256;

/// A key that the store knows, in force or not, with its merchant.
pub(crate) struct KnownKey {
    key: ApiKey,
    context: Arc<MerchantContext>,
    last_used_ms: Arc<AtomicI64>,
}

/// What is remembered of keys and merchants, and which keys were used.
pub(crate) struct Remembered {
    pub(crate) keys: EpochCache<[u8; 32], Arc<KnownKey>>,
    pub(crate) merchants: EpochCache<MerchantNumber, Arc<MerchantContext>>,
    uses: Mutex<HashMap<KeyNumber, Use>>,
    addresses: Mutex<HashMap<MerchantNumber, Arc<RecentAddresses>>>,
}

/// Of how many merchants it is remembered from where their keys were used: at most 10 KiB each.
const ADDRESSES_OF_MAX: usize = 4_000;

#[derive(Default)]
struct Use {
    last_used_ms: Arc<AtomicI64>,
    recorded_ms: i64,
}

impl Default for Remembered {
    fn default() -> Self {
        // A merchant's unwrapped keys take about 8 KiB, a known key less than 1.
        Self {
            keys: EpochCache::new(20_000),
            merchants: EpochCache::new(4_000),
            uses: Mutex::default(),
            addresses: Mutex::default(),
        }
    }
}

impl Remembered {
    fn last_used(&self, key: KeyNumber) -> Arc<AtomicI64> {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&uses.entry(key).or_default().last_used_ms)
    }

    /// From where the merchant's keys were used: kept over changes of the merchant.
    pub(crate) fn addresses(&self, merchant: MerchantNumber) -> Arc<RecentAddresses> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= ADDRESSES_OF_MAX && !addresses.contains_key(&merchant) {
            addresses.clear();
        }
        Arc::clone(addresses.entry(merchant).or_default())
    }
}

/// What a caller was given the right to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Grants {
    /// A key's scopes.
    Scopes(Scopes),
    /// An operator's role.
    Role(Role),
}

impl Grants {
    pub(crate) const fn include(self, scope: Scope) -> bool {
        match self {
            Self::Scopes(scopes) => scopes.include(scope),
            Self::Role(role) => role.includes(scope),
        }
    }

    /// Whether they include all that `others` do, so that whoever has them may hand those out.
    pub(crate) fn cover(self, others: Self) -> bool {
        Scope::ALL.into_iter().all(|scope| self.include(scope) || !others.include(scope))
    }

    pub(crate) const fn sight(self) -> Sight {
        match self {
            Self::Scopes(_) => Sight::Clear,
            Self::Role(role) => role.sight(),
        }
    }

    /// Whoever manages a merchant sees who looked at its customers, and so does whoever audits that.
    pub(crate) const fn may_read_access_log(self) -> bool {
        match self {
            Self::Scopes(scopes) => scopes.include(Scope::Admin),
            Self::Role(Role::Owner | Role::Auditor) => true,
            Self::Role(Role::Operator) => false,
        }
    }
}

const UNAUTHENTICATED: Error = Error::new(Kind::Unauthenticated, "the credential is not in force");

impl Patron {
    /// Checks an API key as it came over the wire.
    ///
    /// # Errors
    /// `Unauthenticated` when the key is unknown, revoked or expired, or its merchant suspended;
    /// `Unavailable` when the store cannot say.
    pub async fn authenticate_key(
        &self,
        text: &[u8],
        now: Timestamp,
    ) -> Result<Authenticated<'_>, Error> {
        if text.is_empty() || text.len() > KEY_LENGTH_MAX {
            return Err(UNAUTHENTICATED);
        }
        let known = self.find_key(text).await?.ok_or(UNAUTHENTICATED)?;
        let is_active = known.context.merchant.standing == Standing::Active;
        if !known.key.is_in_force(now) || !is_active {
            return Err(UNAUTHENTICATED);
        }
        known.last_used_ms.fetch_max(now.as_ms(), Ordering::Relaxed);
        Ok(Authenticated { patron: self, known, now })
    }

    async fn find_key(&self, text: &[u8]) -> Result<Option<Arc<KnownKey>>, Error> {
        let epoch = self.management_epoch().await?;
        for (_, hash) in self.deployment.api_key_hashes(text) {
            if let Some(known) = self.remembered.keys.find(epoch, &hash) {
                return Ok(Some(known));
            }
            let Some(key) = self.store.find_api_key(hash).await? else {
                continue;
            };
            let Some(context) = self.merchant_context(epoch, key.merchant).await? else {
                continue;
            };
            let last_used_ms = self.remembered.last_used(key.number);
            let known = Arc::new(KnownKey { key, context, last_used_ms });
            self.remembered.keys.remember(epoch, hash, Arc::clone(&known));
            return Ok(Some(known));
        }
        Ok(None)
    }

    /// Checks a client auth token and spends one use of it.
    ///
    /// # Errors
    /// `Expired` when the token was in force and is no more, as long as it is kept; `Unauthenticated` when it is
    /// unknown or used up, or its merchant suspended; `Unavailable` when the store cannot say.
    pub async fn authenticate_token(
        &self,
        token: &ClientToken,
        now: Timestamp,
    ) -> Result<TokenHolder<'_>, Error> {
        let epoch = self.management_epoch().await?;
        let merchant = token.merchant(&self.deployment);
        let context = self.merchant_context(epoch, merchant).await?.ok_or(UNAUTHENTICATED)?;
        if context.merchant.standing != Standing::Active {
            return Err(UNAUTHENTICATED);
        }
        let hash = token.hash(&self.deployment);
        let Some(customer) = self.store.spend_token(merchant, hash, now).await? else {
            let kept = self.store.find_token(merchant, hash).await?;
            return Err(match kept.filter(|record| now >= record.expires) {
                Some(_) => Error::new(Kind::Expired, "the token has expired"),
                None => UNAUTHENTICATED,
            });
        };
        Ok(TokenHolder { patron: self, context, customer, now })
    }

    /// Writes down when keys were last used, all at once. Called now and then, and at the end.
    ///
    /// # Errors
    /// When the store cannot write; the uses are kept for the next call.
    pub async fn record_key_uses(&self) -> Result<(), Error> {
        let due: Vec<(KeyNumber, Timestamp)> = {
            let uses = self.remembered.uses.lock().unwrap_or_else(PoisonError::into_inner);
            uses.iter()
                .map(|(key, one)| (*key, one.last_used_ms.load(Ordering::Relaxed), one.recorded_ms))
                .filter(|(_, last_used_ms, recorded_ms)| last_used_ms > recorded_ms)
                .map(|(key, last_used_ms, _)| (key, Timestamp::from_ms(last_used_ms)))
                .collect()
        };
        if due.is_empty() {
            return Ok(());
        }
        self.store.record_key_uses(due.clone()).await?;
        let mut uses = self.remembered.uses.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, at) in due {
            uses.entry(key).or_default().recorded_ms = at.as_ms();
        }
        Ok(())
    }
}

/// A caller with an API key in force, whose address is not yet checked.
pub struct Authenticated<'a> {
    patron: &'a Patron,
    known: Arc<KnownKey>,
    now: Timestamp,
}

impl<'a> Authenticated<'a> {
    /// The merchant whose key it is.
    pub fn merchant(&self) -> &Merchant {
        &self.known.context.merchant
    }

    /// Checks the client's address against the merchant's allow-list.
    ///
    /// # Errors
    /// `AddressRefused` when the list is on and does not hold the address, or there is none.
    pub fn admit(self, address: Option<IpAddr>) -> Result<Admitted<'a>, Error> {
        self.known.context.addresses.note(address);
        if !self.merchant().settings.allow_list.admits(address) {
            return Err(Error::new(Kind::AddressRefused, "the address is not on the allow-list"));
        }
        let Self { patron, known, now } = self;
        Ok(Admitted {
            patron,
            context: Arc::clone(&known.context),
            grants: Grants::Scopes(known.key.scopes),
            kind: ActorKind::ApiKey(known.key.number),
            address,
            now,
        })
    }
}

/// A caller with an API key in force from an address that is admitted, or an operator who is signed in.
pub struct Admitted<'a> {
    pub(crate) patron: &'a Patron,
    pub(crate) context: Arc<MerchantContext>,
    pub(crate) grants: Grants,
    pub(crate) kind: ActorKind,
    pub(crate) address: Option<IpAddr>,
    pub(crate) now: Timestamp,
}

impl<'a> Admitted<'a> {
    /// The merchant whose caller it is.
    pub fn merchant(&self) -> &Merchant {
        &self.context.merchant
    }

    /// Refuses what the caller was not given the right to.
    pub(crate) fn check(&self, scope: Scope) -> Result<(), Error> {
        if self.grants.include(scope) {
            return Ok(());
        }
        Err(Error::new(Kind::Denied, "the caller does not have the scope for this"))
    }

    pub(crate) fn desk(&self, scope: Scope, request_id: &str) -> Result<Desk<'a>, Error> {
        self.check(scope)?;
        let actor =
            Actor { kind: self.kind, address: self.address, request_id: request_id.to_owned() };
        // A token reads and updates, so only who may do both may hand one out. A person may not: whatever is
        // done with a token looks like the customer's own doing, and outlives the person's session.
        let both = [Scope::CustomersRead, Scope::CustomersWrite];
        let may_issue_tokens = match self.kind {
            ActorKind::Operator(_) => false,
            ActorKind::ApiKey(_)
            | ActorKind::ClientToken(_)
            | ActorKind::Console
            | ActorKind::System => both.into_iter().all(|scope| self.grants.include(scope)),
        };
        let context = Arc::clone(&self.context);
        Ok(Desk { patron: self.patron, context, actor, now: self.now, may_issue_tokens })
    }

    /// The right to read the merchant's customers.
    ///
    /// # Errors
    /// `Denied` without the scope `customers:read`.
    pub fn customer_reader(&self, request_id: &str) -> Result<CustomerReader<'a>, Error> {
        Ok(CustomerReader(self.desk(Scope::CustomersRead, request_id)?))
    }

    /// The right to create and update the merchant's customers.
    ///
    /// # Errors
    /// `Denied` without the scope `customers:write`.
    pub fn customer_writer(&self, request_id: &str) -> Result<CustomerWriter<'a>, Error> {
        Ok(CustomerWriter(self.desk(Scope::CustomersWrite, request_id)?))
    }

    /// The right to delete and erase the merchant's customers.
    ///
    /// # Errors
    /// `Denied` without the scope `customers:erase`.
    pub fn customer_eraser(&self, request_id: &str) -> Result<CustomerEraser<'a>, Error> {
        Ok(CustomerEraser(self.desk(Scope::CustomersErase, request_id)?))
    }
}

/// A caller with a client auth token.
pub struct TokenHolder<'a> {
    patron: &'a Patron,
    context: Arc<MerchantContext>,
    customer: CustomerNumber,
    now: Timestamp,
}

impl<'a> TokenHolder<'a> {
    /// The merchant whose customer it is.
    pub fn merchant(&self) -> &Merchant {
        &self.context.merchant
    }

    /// The right to read and update the token's own customer. Tokens come from customers' own
    /// devices, so the allow-list does not bind them; the address is only noted.
    pub fn own_customer(self, address: Option<IpAddr>, request_id: &str) -> OwnCustomer<'a> {
        let kind = ActorKind::ClientToken(self.customer);
        let actor = Actor { kind, address, request_id: request_id.to_owned() };
        let Self { patron, context, customer, now } = self;
        // A token does not beget tokens: its end would mean nothing.
        let desk = Desk { patron, context, actor, now, may_issue_tokens: false };
        OwnCustomer { desk, own: customer }
    }
}

/// The right to read a merchant's customers. Its methods are in [`crate::queries`].
pub struct CustomerReader<'a>(pub(crate) Desk<'a>);

/// The right to create and update a merchant's customers. Its methods are in [`crate::commands`].
pub struct CustomerWriter<'a>(pub(crate) Desk<'a>);

/// The right to delete and erase a merchant's customers. Its methods are in [`crate::forgetting`].
pub struct CustomerEraser<'a>(pub(crate) Desk<'a>);

/// The right to read and update one customer. Its methods are in [`crate::queries`] and
/// [`crate::commands`].
pub struct OwnCustomer<'a> {
    pub(crate) desk: Desk<'a>,
    pub(crate) own: CustomerNumber,
}
