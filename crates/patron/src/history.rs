//! The history of a customer: what happened, in entries that are chained by a keyed hash.

use crate::clock::Timestamp;
use crate::framing::Framed;
use crate::ids::{ChangeId, CustomerNumber, MerchantNumber};
use crate::keys::{Generation, MerchantKeys};
use crate::profile::Field;

/// What happened to a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// It was created.
    Created,
    /// Some of its fields changed.
    Updated,
    /// It was deleted: hidden, its reference free again.
    Deleted,
    /// It was erased: its key destroyed, nothing personal left.
    Erased,
}

impl Happened {
    /// Its number in stored history. Never change one that was released.
    pub const fn code(self) -> u8 {
        match self {
            Self::Created => 1,
            Self::Updated => 2,
            Self::Deleted => 3,
            Self::Erased => 4,
        }
    }

    /// What has this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Created),
            2 => Some(Self::Updated),
            3 => Some(Self::Deleted),
            4 => Some(Self::Erased),
            _ => None,
        }
    }
}

/// The keyed hash of the last entry of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryHead(pub [u8; 32]);

impl HistoryHead {
    /// What the first entry is chained to.
    pub const GENESIS: Self = Self([0; 32]);
}

/// The part of an entry that stands in clear. It says nothing about the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryHeader {
    /// Whose customer it is.
    pub merchant: MerchantNumber,
    /// Which customer.
    pub number: CustomerNumber,
    /// The version that the change made. Entries of a customer are numbered by it, from 1, without
    /// gaps.
    pub version: u64,
    /// What happened.
    pub happened: Happened,
    /// Which fields changed.
    pub changed: Vec<Field>,
    /// When.
    pub at: Timestamp,
    /// What kind of caller did it.
    pub actor_code: u8,
}

impl EntryHeader {
    fn framed(&self) -> Vec<u8> {
        let Self { merchant, number, version, happened, changed, at, actor_code } = self;
        let codes: Vec<u8> = changed.iter().map(|field| field.code()).collect();
        Framed::new("patron history header 1")
            .unsigned(merchant.get().into())
            .number(number.get())
            .unsigned(*version)
            .bytes(&[happened.code(), *actor_code])
            .bytes(&codes)
            .number(at.as_ms())
            .finish()
    }
}

/// An entry as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedEntry {
    /// What stands in clear.
    pub header: EntryHeader,
    /// Old and new values and who exactly it was, sealed under the customer's key. `None` once the
    /// customer is erased.
    pub sealed: Option<Vec<u8>>,
    /// SHA-256 of `sealed`; stays when `sealed` goes, so that the chain still verifies.
    pub digest: [u8; 32],
    /// The chain: HMAC of the previous entry, the header and the digest.
    pub head: HistoryHead,
    /// The change that wrote the entry.
    pub change: ChangeId,
    /// Which form the sealed part has.
    pub schema: u16,
    /// The generation of the customer's key that sealed it.
    pub key_generation: Generation,
}

/// The chain's value for an entry: HMAC(history key, previous ‖ header ‖ digest of the sealed part).
///
/// Whoever can write to the database, but does not hold the key, cannot make it.
pub fn chain(
    keys: &MerchantKeys,
    previous: HistoryHead,
    header: &EntryHeader,
    digest: &[u8; 32],
) -> HistoryHead {
    let message = Framed::new("patron history entry 1")
        .bytes(&previous.0)
        .bytes(&header.framed())
        .bytes(digest)
        .finish();
    HistoryHead(keys.history_mac(&message))
}

/// Whether a customer's history is expected to have its sealed parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedParts {
    /// All of them: the customer is there.
    Kept,
    /// None: the customer is erased, and the digests stand in for them.
    Erased,
}

/// What is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenChain {
    /// The first version whose entry is missing, out of place, or does not verify.
    pub version: u64,
}

/// Walks the whole chain of one customer, from its first entry to the `head` at `version` that the
/// customer's own sealed row vouches for.
///
/// # Errors
/// The first entry that does not fit; the version after the last entry when the tail is cut off.
pub fn verify(
    keys: &MerchantKeys,
    entries: &[SealedEntry],
    head: HistoryHead,
    version: u64,
    parts: SealedParts,
) -> Result<(), BrokenChain> {
    let mut previous = HistoryHead::GENESIS;
    let mut expected = 1;
    for entry in entries {
        let digest_fits = match (&entry.sealed, parts) {
            (Some(sealed), SealedParts::Kept) => crate::crypto::sha256(sealed) == entry.digest,
            (None, SealedParts::Erased) => true,
            (Some(_), SealedParts::Erased) | (None, SealedParts::Kept) => false,
        };
        let head = chain(keys, previous, &entry.header, &entry.digest);
        if entry.header.version != expected || !digest_fits || head != entry.head {
            return Err(BrokenChain { version: expected });
        }
        previous = head;
        expected = expected.saturating_add(1);
    }
    let complete = previous == head && expected == version.saturating_add(1);
    if complete { Ok(()) } else { Err(BrokenChain { version: expected }) }
}
