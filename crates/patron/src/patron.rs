//! `Patron`: the core put together, over one store.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::access::Remembered;
use crate::clock::Timestamp;
use crate::crypto::DoesNotOpen;
use crate::entropy::Entropy;
use crate::erasure::{ErasureLedger, ErasurePolicy};
use crate::error::Error;
use crate::ids::{CustomerIds, MerchantNumber};
use crate::installation::{Installation, Mode};
use crate::keys::{DeploymentKeys, KeyOwner, MerchantKeys, RootKey};
use crate::merchant::Merchant;
use crate::numbers::Numbers;
use crate::password::Passwords;
use crate::recent_addresses::RecentAddresses;
use crate::session::SessionPolicy;
use crate::sign_in;
use crate::store::{Store, StoreError, Unique};
use crate::throttle::Throttle;
use crate::token::TokenPolicy;

/// What [`Patron::open`] is put together from.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The key above all others.
    pub root: RootKey,
    /// For keys, nonces and tokens: the operating system's generator.
    pub entropy: Arc<dyn Entropy>,
    /// Where customers' public ids come from; a sandbox may steer it.
    pub ids: CustomerIds,
    /// How long and how often client auth tokens work.
    pub tokens: TokenPolicy,
    /// How long sessions live.
    pub sessions: SessionPolicy,
    /// How long what was erased lives on elsewhere.
    pub erasure: ErasurePolicy,
    /// Where the ledger of erasures is written.
    pub ledger: Arc<dyn ErasureLedger>,
    /// Where passwords are hashed.
    pub passwords: Arc<dyn Passwords>,
    /// What the caller takes the store for.
    pub mode: Mode,
}

/// The core over one store. Wires reach customers through its capabilities only ([`crate::access`]).
pub struct Patron {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) root: RootKey,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) ids: CustomerIds,
    pub(crate) tokens: TokenPolicy,
    pub(crate) sessions: SessionPolicy,
    pub(crate) erasure: ErasurePolicy,
    pub(crate) ledger: Arc<dyn ErasureLedger>,
    pub(crate) passwords: Arc<dyn Passwords>,
    pub(crate) failures: Failures,
    /// How many entries of access logs this process has made.
    accesses: AtomicU64,
    pub(crate) deployment: DeploymentKeys,
    pub(crate) numbers: Numbers,
    pub(crate) remembered: Remembered,
}

/// A merchant with its keys unwrapped.
pub(crate) struct MerchantContext {
    pub(crate) merchant: Merchant,
    pub(crate) keys: MerchantKeys,
    pub(crate) addresses: Arc<RecentAddresses>,
}

/// How often somebody who sees masked values only may look for a value within [`sign_in::WINDOW`].
const GUESSES_MAX: u32 = 60;

/// Failures to sign in, and other guessing.
pub(crate) struct Failures {
    /// At one operator, from one network.
    pub(crate) by_both: Throttle<([u8; 32], Option<IpAddr>)>,
    /// At one operator, from anywhere.
    pub(crate) by_email: Throttle<[u8; 32]>,
    /// From one network, at anybody.
    pub(crate) by_network: Throttle<Option<IpAddr>>,
    /// Searches for values by operators who see masked ones only.
    pub(crate) guesses: Throttle<i64>,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            by_both: Throttle::new(sign_in::FAILURES_PER_BOTH_MAX, sign_in::WINDOW),
            by_email: Throttle::new(sign_in::FAILURES_PER_EMAIL_MAX, sign_in::WINDOW),
            by_network: Throttle::new(sign_in::FAILURES_PER_NETWORK_MAX, sign_in::WINDOW),
            guesses: Throttle::new(GUESSES_MAX, sign_in::WINDOW),
        }
    }
}

/// Why an installation cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was born in another mode.
    #[error("this data was created in {} mode and cannot be used in {} mode", born.name(), asked.name())]
    OtherMode {
        /// The mode it was born in.
        born: Mode,
        /// The mode that was asked for.
        asked: Mode,
    },
    /// The root key does not unwrap its keys.
    #[error("the root key does not fit this data: its keys were wrapped with another one")]
    RootKeyDoesNotFit,
    /// The store does not answer.
    #[error("the store does not answer")]
    Store(#[from] StoreError),
}

impl From<DoesNotOpen> for OpenError {
    fn from(_: DoesNotOpen) -> Self {
        Self::RootKeyDoesNotFit
    }
}

impl Patron {
    /// The number of this process' next entry of an access log.
    pub(crate) fn next_access(&self) -> u64 {
        self.accesses.fetch_add(1, Ordering::Relaxed)
    }

    /// Opens an installation, or founds it when the store is new.
    ///
    /// # Errors
    /// When the store was born in another mode, the root key does not fit, or the store does not
    /// answer.
    pub async fn open(parts: Parts, now: Timestamp) -> Result<Self, OpenError> {
        let Parts { store, root, entropy, ids, tokens, sessions, erasure, ledger, passwords, mode } =
            parts;
        let installation = match store.find_installation().await? {
            Some(installation) => installation,
            None => found(&*store, &root, &*entropy, Installation { mode, created: now }).await?,
        };
        if installation.mode != mode {
            return Err(OpenError::OtherMode { born: installation.mode, asked: mode });
        }
        let wrapped = store.list_wrapped_keys(KeyOwner::Deployment).await?;
        let deployment = DeploymentKeys::unwrap(&root, &wrapped)?;
        Ok(Self {
            store,
            root,
            entropy,
            ids,
            tokens,
            sessions,
            erasure,
            ledger,
            passwords,
            failures: Failures::default(),
            accesses: AtomicU64::new(0),
            deployment,
            numbers: Numbers::default(),
            remembered: Remembered::default(),
        })
    }

    /// Whether requests can be answered now.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot answer.
    pub async fn check(&self) -> Result<(), Error> {
        Ok(self.store.check().await?)
    }

    /// The management epoch, as this process knows it; the engine is asked only when that is out of date.
    pub(crate) async fn management_epoch(&self) -> Result<u64, Error> {
        match self.store.management_epoch() {
            Ok(epoch) => Ok(epoch),
            Err(StoreError::Unavailable(_)) => Ok(self.store.ask_management_epoch().await?),
            Err(error) => Err(error.into()),
        }
    }

    /// The merchant with this number and its keys, remembered for the management epoch.
    pub(crate) async fn merchant_context(
        &self,
        epoch: u64,
        number: MerchantNumber,
    ) -> Result<Option<Arc<MerchantContext>>, Error> {
        if let Some(context) = self.remembered.merchants.find(epoch, &number) {
            return Ok(Some(context));
        }
        let Some(merchant) = self.store.find_merchant(number).await? else {
            return Ok(None);
        };
        let wrapped = self.store.list_wrapped_keys(KeyOwner::Merchant(number)).await?;
        let keys = MerchantKeys::unwrap(&self.root, number, &wrapped).map_err(Error::internal)?;
        let addresses = self.remembered.addresses(number);
        let context = Arc::new(MerchantContext { merchant, keys, addresses });
        self.remembered.merchants.remember(epoch, number, Arc::clone(&context));
        Ok(Some(context))
    }
}

/// Writes the record of birth. When another process was faster, its record counts.
async fn found(
    store: &dyn Store,
    root: &RootKey,
    entropy: &dyn Entropy,
    installation: Installation,
) -> Result<Installation, OpenError> {
    match store.found(installation, root.wrap_deployment_keys(entropy)?).await {
        Ok(()) => Ok(installation),
        Err(StoreError::Duplicate(Unique::Installation)) => {
            Ok(store.find_installation().await?.unwrap_or(installation))
        }
        Err(error) => Err(error.into()),
    }
}
