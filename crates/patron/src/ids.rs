//! Identifiers: one type for each, made by `parse` or `issue`, never by hand.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::crypto::{KeyBytes, Mac};
use crate::entropy::{Entropy, random_bytes, random_text};
use crate::framing::Framed;
use crate::pii::Pii;

/// The store's number of a merchant, from 1. 32 bits, because a client auth token carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MerchantNumber(u32);

impl MerchantNumber {
    /// The merchant with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// The name by which a merchant is known on the wire, such as `testaccount`. Case matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MerchantId(String);

impl MerchantId {
    /// The most characters a merchant id may have.
    pub const LENGTH_MAX: usize = 64;

    /// Accepts 1 to 64 of `A-Z a-z 0-9 _ . -`, which are safe in a header, a URL and a file name.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        fits.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MerchantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The store's number of a customer: positive and below 2^53, so that every JSON reader keeps it
/// exact. Unique per merchant. Nothing may read a time or an order out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerNumber(i64);

impl CustomerNumber {
    /// One more than the largest number.
    pub const END: i64 = 1 << 53;

    /// Accepts 1 to 2^53 - 1.
    pub fn new(number: i64) -> Option<Self> {
        (1..Self::END).contains(&number).then_some(Self(number))
    }

    /// The number itself.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// A customer's public id: `cst_` and 16 of `[a-z0-9]` when Patron issued it, any text when it was
/// imported. An imported id may name a person, so the type is as closed as [`Pii`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CustomerId(Pii<String>);

impl CustomerId {
    const PREFIX: &str = "cst_";
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    const RANDOM_LENGTH: usize = 16;

    /// The id that a seed gives to a number: the same for ever, and another for each number.
    fn seeded(seed: &Mac, number: CustomerNumber) -> Self {
        Self::issue(&SeededBytes { seed, number, blocks: AtomicU64::new(0) })
    }

    /// A new id: about 82 bits that nobody can guess.
    pub fn issue(entropy: &dyn Entropy) -> Self {
        let random = random_text(entropy, Self::ALPHABET, Self::RANDOM_LENGTH);
        Self(Pii::new(format!("{}{random}", Self::PREFIX)))
    }

    /// Whether a text looks like an id that was made here. Customers that came from elsewhere may have
    /// ids of any form.
    pub(crate) fn has_our_form(text: &str) -> bool {
        let random = text.strip_prefix(Self::PREFIX);
        random.is_some_and(|random| random.len() == Self::RANDOM_LENGTH)
    }

    /// An id as it stands in sealed data.
    pub(crate) fn from_sealed(text: String) -> Self {
        Self(Pii::new(text))
    }

    /// The id as text; see [`Pii::reveal`].
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

/// Where new customers' ids come from.
pub struct CustomerIds(IdSource);

enum IdSource {
    Random,
    Seeded(Box<Mac>),
}

impl CustomerIds {
    /// Ids that nobody can guess.
    pub const fn random() -> Self {
        Self(IdSource::Random)
    }

    /// Ids that follow from a seed and the customer's number, for tests in a sandbox. Since a number
    /// is never given twice, neither is an id, whenever the program was started.
    pub fn seeded(seed: u64) -> Self {
        let mut key = KeyBytes::default();
        let (_, tail) = key.split_at_mut(24);
        tail.copy_from_slice(&seed.to_be_bytes());
        Self(IdSource::Seeded(Box::new(Mac::new(&key))))
    }

    pub(crate) fn issue(&self, entropy: &dyn Entropy, number: CustomerNumber) -> CustomerId {
        match &self.0 {
            IdSource::Random => CustomerId::issue(entropy),
            IdSource::Seeded(seed) => CustomerId::seeded(seed, number),
        }
    }
}

/// Bytes that follow from a seed and a number.
struct SeededBytes<'a> {
    seed: &'a Mac,
    number: CustomerNumber,
    blocks: AtomicU64,
}

impl Entropy for SeededBytes<'_> {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = self.blocks.fetch_add(1, Ordering::Relaxed);
            let message = Framed::new("patron seeded id 1").number(self.number.get());
            let random = self.seed.sign(&message.unsigned(block).finish());
            chunk.iter_mut().zip(random).for_each(|(byte, random)| *byte = random);
        }
    }
}

/// The store's number of an API key, from 1, unique over all merchants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyNumber(i64);

impl KeyNumber {
    /// The key with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// The store's number of an operator, from 1, unique over all merchants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperatorNumber(i64);

impl OperatorNumber {
    /// The operator with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// The name of an entry of an access log: a count, then random bytes. Those of one process that are of the same
/// millisecond are in the order in which they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessId([u8; 16]);

impl AccessId {
    /// A new one, the process' next by `count`.
    pub fn issue(count: u64, entropy: &dyn Entropy) -> Self {
        let random = u64::from_be_bytes(random_bytes(entropy));
        Self((u128::from(count) << 64 | u128::from(random)).to_be_bytes())
    }

    /// One that was stored or told before.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A change's own random name. A store keeps it with the change, so that applying the same change
/// again, after a commit whose outcome nobody saw, is recognised as success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChangeId([u8; 16]);

impl ChangeId {
    /// A new one.
    pub fn issue(entropy: &dyn Entropy) -> Self {
        Self(random_bytes(entropy))
    }

    /// One that was stored before.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A process among those that share a store. Drawn at random when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessId([u8; 16]);

impl ProcessId {
    /// A new one.
    pub fn issue(entropy: &dyn Entropy) -> Self {
        Self(random_bytes(entropy))
    }

    /// One that was stored before.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn issued_ids_have_the_documented_form() {
        let entropy = Counting(std::sync::atomic::AtomicU8::new(200));
        for _ in 0..50 {
            let id = CustomerId::issue(&entropy);
            let rest = id.reveal().strip_prefix("cst_").expect("prefix");
            assert_eq!(rest.len(), 16);
            assert!(rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        }
    }

    #[test]
    fn a_seed_gives_each_number_its_own_id_for_ever() {
        let entropy = Counting(std::sync::atomic::AtomicU8::new(0));
        let id = |seed, number| {
            let number = CustomerNumber::new(number).unwrap();
            CustomerIds::seeded(seed).issue(&entropy, number)
        };
        assert_eq!(id(7, 1), id(7, 1));
        assert_ne!(id(7, 1), id(7, 2));
        assert_ne!(id(7, 1), id(8, 1));
    }

    #[test]
    fn merchant_ids_are_safe_in_headers_and_paths() {
        for good in ["testaccount", "A.b-c_9", &"x".repeat(64)] {
            assert!(MerchantId::parse(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "a/b", "ü", "a\n", &"x".repeat(65)] {
            assert!(MerchantId::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn customer_numbers_stay_exact_in_json() {
        assert!(CustomerNumber::new(0).is_none());
        assert!(CustomerNumber::new((1 << 53) - 1).is_some());
        assert!(CustomerNumber::new(1 << 53).is_none());
    }
}
