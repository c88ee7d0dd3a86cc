//! The hierarchy of keys: the root key wraps the deployment's and each merchant's keys; a merchant's
//! key wraps the key of each of its customers.

use crate::blind_index::IndexKeys;
use crate::crypto::{Cipher, DoesNotOpen, KeyBytes, Mac, derive_key, random_key};
use crate::entropy::Entropy;
use crate::framing::Framed;
use crate::ids::{CustomerNumber, MerchantNumber};

/// Which secret came first, second, …: several may be in force while one replaces the other.
pub type Generation = u32;

/// The first generation of any key.
pub const FIRST_GENERATION: Generation = 1;

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// The whole installation's.
    Deployment,
    /// One merchant's.
    Merchant(MerchantNumber),
}

impl KeyOwner {
    /// The owner's number in the store: 0 for the deployment, else the merchant's.
    pub const fn code(self) -> u32 {
        match self {
            Self::Deployment => 0,
            Self::Merchant(merchant) => merchant.get(),
        }
    }

    /// The owner with this number.
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Deployment,
            number => Self::Merchant(MerchantNumber::new(number)),
        }
    }
}

/// What a key is for. One key has one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPurpose {
    /// The deployment's: API keys are stored as HMAC under it.
    ApiKeyPepper,
    /// The deployment's: client auth tokens are stored as HMAC under it.
    TokenPepper,
    /// The deployment's: enciphers the merchant inside a client auth token.
    TokenCipher,
    /// A merchant's: wraps its customers' keys.
    CustomerKeys,
    /// A merchant's: its blind indexes.
    BlindIndexes,
    /// A merchant's: chains the history. Never rotated, since a chain cannot be made anew.
    History,
}

impl KeyPurpose {
    /// The purpose's number in the store. Never change one that was released.
    pub const fn code(self) -> u8 {
        match self {
            Self::ApiKeyPepper => 1,
            Self::TokenPepper => 2,
            Self::TokenCipher => 3,
            Self::CustomerKeys => 4,
            Self::BlindIndexes => 5,
            Self::History => 6,
        }
    }

    /// The purpose with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::ApiKeyPepper),
            2 => Some(Self::TokenPepper),
            3 => Some(Self::TokenCipher),
            4 => Some(Self::CustomerKeys),
            5 => Some(Self::BlindIndexes),
            6 => Some(Self::History),
            _ => None,
        }
    }

    const OF_DEPLOYMENT: [Self; 3] = [Self::ApiKeyPepper, Self::TokenPepper, Self::TokenCipher];
    const OF_MERCHANT: [Self; 3] = [Self::CustomerKeys, Self::BlindIndexes, Self::History];
}

/// A key of the deployment or of a merchant as a store keeps it: wrapped by the root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Whose key it is.
    pub owner: KeyOwner,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Its own generation.
    pub generation: Generation,
    /// The generation of the root key that wraps it.
    pub root_generation: Generation,
    /// The wrapped key: nonce ‖ ciphertext ‖ tag.
    pub wrapped: Vec<u8>,
}

impl WrappedKey {
    fn place(owner: KeyOwner, purpose: KeyPurpose, generation: Generation) -> Vec<u8> {
        Framed::new("patron wrapped key 1")
            .unsigned(owner.code().into())
            .bytes(&[purpose.code()])
            .unsigned(generation.into())
            .finish()
    }
}

/// A customer's key as a store keeps it: wrapped by its merchant's key. Destroying it erases the
/// customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedCustomerKey {
    /// The customer key's own generation.
    pub generation: Generation,
    /// The generation of the merchant's key that wraps it.
    pub wrap_generation: Generation,
    /// The wrapped key: nonce ‖ ciphertext ‖ tag.
    pub wrapped: Vec<u8>,
}

/// The key above all others. It comes from a file or the environment and never touches the store.
pub struct RootKey {
    generation: Generation,
    cipher: Cipher,
}

impl RootKey {
    /// The root key with these 32 random bytes.
    ///
    /// # Errors
    /// None for 32 bytes; the primitive's type has one.
    pub fn new(bytes: [u8; 32]) -> Result<Self, DoesNotOpen> {
        let cipher = Cipher::aes_gcm_siv(&KeyBytes::new(bytes))?;
        Ok(Self { generation: FIRST_GENERATION, cipher })
    }

    fn wrap(
        &self,
        entropy: &dyn Entropy,
        owner: KeyOwner,
        purpose: KeyPurpose,
    ) -> Result<WrappedKey, DoesNotOpen> {
        let generation = FIRST_GENERATION;
        let place = WrappedKey::place(owner, purpose, generation);
        let wrapped = self.cipher.seal(entropy, &place, random_key(entropy).as_slice())?;
        Ok(WrappedKey { owner, purpose, generation, root_generation: self.generation, wrapped })
    }

    fn unwrap(&self, key: &WrappedKey) -> Result<KeyBytes, DoesNotOpen> {
        let place = WrappedKey::place(key.owner, key.purpose, key.generation);
        let plain = self.cipher.open(&place, &key.wrapped)?;
        key_from(&plain)
    }

    /// Fresh keys for a new deployment.
    ///
    /// # Errors
    /// Only a failure of the primitive.
    pub fn wrap_deployment_keys(
        &self,
        entropy: &dyn Entropy,
    ) -> Result<Vec<WrappedKey>, DoesNotOpen> {
        KeyPurpose::OF_DEPLOYMENT
            .into_iter()
            .map(|purpose| self.wrap(entropy, KeyOwner::Deployment, purpose))
            .collect()
    }

    /// Fresh keys for a new merchant.
    ///
    /// # Errors
    /// Only a failure of the primitive.
    pub fn wrap_merchant_keys(
        &self,
        entropy: &dyn Entropy,
        merchant: MerchantNumber,
    ) -> Result<Vec<WrappedKey>, DoesNotOpen> {
        KeyPurpose::OF_MERCHANT
            .into_iter()
            .map(|purpose| self.wrap(entropy, KeyOwner::Merchant(merchant), purpose))
            .collect()
    }
}

fn key_from(plain: &[u8]) -> Result<KeyBytes, DoesNotOpen> {
    plain.try_into().map(KeyBytes::new).map_err(|_| DoesNotOpen)
}

/// The unwrapped keys with this purpose, newest first.
fn unwrap_all(
    root: &RootKey,
    keys: &[WrappedKey],
    purpose: KeyPurpose,
) -> Result<Vec<(Generation, KeyBytes)>, DoesNotOpen> {
    let mut found = keys
        .iter()
        .filter(|key| key.purpose == purpose)
        .map(|key| Ok((key.generation, root.unwrap(key)?)))
        .collect::<Result<Vec<_>, DoesNotOpen>>()?;
    found.sort_by_key(|(generation, _)| std::cmp::Reverse(*generation));
    if found.is_empty() { Err(DoesNotOpen) } else { Ok(found) }
}

/// The newest of [`unwrap_all`], which is never empty.
fn newest(
    root: &RootKey,
    keys: &[WrappedKey],
    purpose: KeyPurpose,
) -> Result<(Generation, KeyBytes), DoesNotOpen> {
    unwrap_all(root, keys, purpose)?.into_iter().next().ok_or(DoesNotOpen)
}

/// The deployment's keys, unwrapped.
pub struct DeploymentKeys {
    api_key_peppers: Vec<(Generation, Mac)>,
    token_pepper: Mac,
    token_cipher: Mac,
    session_pepper: Mac,
    operator_index: Mac,
    operator_cipher: Cipher,
}

impl DeploymentKeys {
    /// Unwraps what the store keeps for the deployment.
    ///
    /// # Errors
    /// `DoesNotOpen` when a key is missing or the root key is not the one that wrapped it.
    pub fn unwrap(root: &RootKey, keys: &[WrappedKey]) -> Result<Self, DoesNotOpen> {
        let peppers = unwrap_all(root, keys, KeyPurpose::ApiKeyPepper)?;
        let (_, token_pepper) = newest(root, keys, KeyPurpose::TokenPepper)?;
        // What came later has keys of its own, derived from one that every deployment has.
        let derived = |purpose: &[u8]| derive_key(&token_pepper, purpose);
        Ok(Self {
            api_key_peppers: peppers.iter().map(|(g, key)| (*g, Mac::new(key))).collect(),
            token_pepper: Mac::new(&token_pepper),
            session_pepper: Mac::new(&derived(b"patron session pepper 1")?),
            operator_index: Mac::new(&derived(b"patron operator index 1")?),
            operator_cipher: Cipher::aes_gcm_siv(&derived(b"patron operator cipher 1")?)?,
            token_cipher: Mac::new(&newest(root, keys, KeyPurpose::TokenCipher)?.1),
        })
    }

    /// The hashes under which an API key may be stored, the newest pepper's first.
    pub(crate) fn api_key_hashes(
        &self,
        text: &[u8],
    ) -> impl Iterator<Item = (Generation, [u8; 32])> {
        self.api_key_peppers.iter().map(|(generation, mac)| (*generation, mac.sign(text)))
    }

    pub(crate) fn session_hash(&self, session: &[u8; 32]) -> [u8; 32] {
        self.session_pepper.sign(session)
    }

    /// The index of an operator's email address, normalised.
    pub(crate) fn operator_email_index(&self, normalised: &str) -> [u8; 32] {
        self.operator_index.sign(normalised.as_bytes())
    }

    /// What seals operators' addresses and names.
    pub(crate) const fn operator_cipher(&self) -> &Cipher {
        &self.operator_cipher
    }

    pub(crate) fn token_hash(&self, token: &[u8; 16]) -> [u8; 32] {
        self.token_pepper.sign(token)
    }

    /// Four bytes that only the holder of the key can tell from random, for each random part.
    pub(crate) fn token_mask(&self, random: &[u8; 12]) -> [u8; 4] {
        let [a, b, c, d, ..] = self.token_cipher.sign(random);
        [a, b, c, d]
    }
}

/// A merchant's keys, unwrapped.
pub struct MerchantKeys {
    merchant: MerchantNumber,
    wraps: Vec<(Generation, Cipher)>,
    indexes: IndexKeys,
    history: Mac,
    access_log: Cipher,
}

impl MerchantKeys {
    /// Unwraps what the store keeps for this merchant.
    ///
    /// # Errors
    /// `DoesNotOpen` when a key is missing, another merchant's, or wrapped by another root key.
    pub fn unwrap(
        root: &RootKey,
        merchant: MerchantNumber,
        keys: &[WrappedKey],
    ) -> Result<Self, DoesNotOpen> {
        if keys.iter().any(|key| key.owner != KeyOwner::Merchant(merchant)) {
            return Err(DoesNotOpen);
        }
        let wraps = unwrap_all(root, keys, KeyPurpose::CustomerKeys)?
            .iter()
            .map(|(generation, key)| Ok((*generation, Cipher::aes_gcm_siv(key)?)))
            .collect::<Result<Vec<_>, DoesNotOpen>>()?;
        let (generation, index) = newest(root, keys, KeyPurpose::BlindIndexes)?;
        let (_, history) = newest(root, keys, KeyPurpose::History)?;
        // Derived, so that merchants that are older than their access log have its key too.
        let access_log = derive_key(&history, b"patron access log 1")?;
        Ok(Self {
            merchant,
            wraps,
            indexes: IndexKeys::derive(&index, generation)?,
            history: Mac::new(&history),
            access_log: Cipher::aes_gcm_siv(&access_log)?,
        })
    }

    /// Whose keys they are.
    pub const fn merchant(&self) -> MerchantNumber {
        self.merchant
    }

    /// The keys of the blind indexes.
    pub const fn indexes(&self) -> &IndexKeys {
        &self.indexes
    }

    /// What seals the merchant's access log.
    pub(crate) const fn access_log(&self) -> &Cipher {
        &self.access_log
    }

    pub(crate) fn is_history_mac(&self, message: &[u8], mac: &[u8; 32]) -> bool {
        self.history.verify(message, mac)
    }

    pub(crate) fn history_mac(&self, message: &[u8]) -> [u8; 32] {
        self.history.sign(message)
    }

    fn customer_place(
        &self,
        number: CustomerNumber,
        generation: Generation,
        wrap_generation: Generation,
    ) -> Vec<u8> {
        Framed::new("patron customer key 1")
            .unsigned(self.merchant.get().into())
            .number(number.get())
            .unsigned(generation.into())
            .unsigned(wrap_generation.into())
            .finish()
    }

    /// A fresh key for a new customer, and the same wrapped.
    pub(crate) fn issue_customer_key(
        &self,
        entropy: &dyn Entropy,
        number: CustomerNumber,
    ) -> Result<(CustomerKey, WrappedCustomerKey), DoesNotOpen> {
        let (wrap_generation, wrap) = self.wraps.first().ok_or(DoesNotOpen)?;
        let generation = FIRST_GENERATION;
        let bytes = random_key(entropy);
        let place = self.customer_place(number, generation, *wrap_generation);
        let wrapped = wrap.seal(entropy, &place, bytes.as_slice())?;
        let key = CustomerKey { cipher: Cipher::aes_gcm(&bytes)? };
        Ok((key, WrappedCustomerKey { generation, wrap_generation: *wrap_generation, wrapped }))
    }

    pub(crate) fn unwrap_customer_key(
        &self,
        number: CustomerNumber,
        key: &WrappedCustomerKey,
    ) -> Result<CustomerKey, DoesNotOpen> {
        let (_, wrap) = self
            .wraps
            .iter()
            .find(|(generation, _)| *generation == key.wrap_generation)
            .ok_or(DoesNotOpen)?;
        let place = self.customer_place(number, key.generation, key.wrap_generation);
        let bytes = key_from(&wrap.open(&place, &key.wrapped)?)?;
        Ok(CustomerKey { cipher: Cipher::aes_gcm(&bytes)? })
    }
}

/// A customer's key, unwrapped. Lives as long as its row is held, by a request or by a store that may
/// be asked for it again; wiped when dropped.
pub(crate) struct CustomerKey {
    pub(crate) cipher: Cipher,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Entropy for unit tests of the core: a counter, hashed.
    pub(crate) struct TestEntropy(std::sync::atomic::AtomicU64);

    impl TestEntropy {
        pub(crate) const fn new(seed: u64) -> Self {
            Self(std::sync::atomic::AtomicU64::new(seed))
        }
    }

    impl Entropy for TestEntropy {
        fn fill(&self, bytes: &mut [u8]) {
            for chunk in bytes.chunks_mut(32) {
                let n = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let block = crate::crypto::sha256(&n.to_be_bytes());
                chunk.copy_from_slice(&block[..chunk.len()]);
            }
        }
    }

    pub(crate) fn merchant_keys(number: u32) -> MerchantKeys {
        let entropy = TestEntropy::new(u64::from(number) * 1_000_000);
        let root = RootKey::new([7; 32]).unwrap();
        let merchant = MerchantNumber::new(number);
        let wrapped = root.wrap_merchant_keys(&entropy, merchant).unwrap();
        MerchantKeys::unwrap(&root, merchant, &wrapped).unwrap()
    }

    #[test]
    fn a_wrapped_key_opens_only_in_its_own_place() {
        let entropy = TestEntropy::new(1);
        let root = RootKey::new([7; 32]).unwrap();
        let wrapped = root.wrap_merchant_keys(&entropy, MerchantNumber::new(1)).unwrap();
        for key in &wrapped {
            assert!(root.unwrap(key).is_ok());
            let moved =
                WrappedKey { owner: KeyOwner::Merchant(MerchantNumber::new(2)), ..key.clone() };
            assert!(root.unwrap(&moved).is_err());
            let other = WrappedKey { generation: 2, ..key.clone() };
            assert!(root.unwrap(&other).is_err());
            let purpose = WrappedKey { purpose: KeyPurpose::TokenPepper, ..key.clone() };
            assert!(root.unwrap(&purpose).is_err());
        }
        assert!(RootKey::new([8; 32]).unwrap().unwrap(&wrapped[0]).is_err());
    }

    #[test]
    fn a_customer_key_opens_only_for_its_customer() {
        let entropy = TestEntropy::new(1);
        let keys = merchant_keys(1);
        let number = |n| CustomerNumber::new(n).unwrap();
        let (_, wrapped) = keys.issue_customer_key(&entropy, number(1)).unwrap();
        assert!(keys.unwrap_customer_key(number(1), &wrapped).is_ok());
        assert!(keys.unwrap_customer_key(number(2), &wrapped).is_err());
        assert!(merchant_keys(2).unwrap_customer_key(number(1), &wrapped).is_err());
    }
}
