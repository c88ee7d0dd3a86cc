//! Erasure: what is left of a customer that was forgotten, and the receipt for it.

use std::pin::Pin;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::event::Event;
use crate::framing::Framed;
use crate::hex;
use crate::history::{HistoryHead, SealedEntry};
use crate::ids::{ChangeId, CustomerNumber, MerchantId, MerchantNumber};
use crate::keys::MerchantKeys;
use crate::seal::SealedCustomer;

/// What a store keeps in the place of a customer that was erased: whose it was, and what its history
/// ends with, so that the chain can still be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedCustomer {
    /// Whose customer it was.
    pub merchant: MerchantNumber,
    /// The store's number of it, which nobody else is ever given.
    pub number: CustomerNumber,
    /// The version that its erasure made: the number of its history's last entry.
    pub version: u64,
    /// When it was erased.
    pub erased: Timestamp,
    /// When its bytes had gone from the live files; `None` until they have.
    pub purged: Option<Timestamp>,
    /// The last entry of its history.
    pub history_head: HistoryHead,
    /// A keyed hash over all of the above: no sealed row vouches for the history any more.
    pub mac: [u8; 32],
}

/// The parts of an [`ErasedCustomer`] that its keyed hash is over.
fn remains(erased: &ErasedCustomer) -> Vec<u8> {
    let ErasedCustomer { merchant, number, version, erased, purged, history_head, mac: _ } = erased;
    Framed::new("patron erased customer 1")
        .unsigned(merchant.get().into())
        .number(number.get())
        .unsigned(*version)
        .number(erased.as_ms())
        .moment(*purged)
        .bytes(&history_head.0)
        .finish()
}

impl ErasedCustomer {
    /// The same with its keyed hash made anew.
    #[must_use]
    pub(crate) fn signed(mut self, keys: &MerchantKeys) -> Self {
        self.mac = keys.history_mac(&remains(&self));
        self
    }

    /// The same, purged at `now`. `None` when it is not what was written under these keys.
    pub(crate) fn purged_at(self, now: Timestamp, keys: &MerchantKeys) -> Option<Self> {
        let purged = Some(now.max(self.erased));
        self.is_genuine(keys).then(|| Self { purged, ..self }.signed(keys))
    }

    /// Whether it is what was written under these keys.
    pub(crate) fn is_genuine(&self, keys: &MerchantKeys) -> bool {
        self.merchant == keys.merchant() && keys.is_history_mac(&remains(self), &self.mac)
    }
}

/// Everything that one erasure writes: one atomic commit, or nothing of it.
///
/// In it the store takes away the customer's row, its wrapped keys, its client auth tokens, the sealed
/// parts of its history and its events, and keeps the rest.
#[derive(Debug, Clone)]
pub struct ErasureParts {
    /// The change's own name; applying the same erasure twice is applying it once.
    pub id: ChangeId,
    /// The customer as it was found: the store must find this very version.
    pub customer: SealedCustomer,
    /// What takes its place.
    pub erased: ErasedCustomer,
    /// The last entry of its history. It has no sealed part.
    pub entry: SealedEntry,
    /// What is told to those who listen, in the place of all that was to be told before.
    pub event: Event,
}

/// An erasure. Only [`crate::seal`] makes one, and only for a named actor.
#[derive(Debug, Clone)]
pub struct Erasure(ErasureParts);

impl Erasure {
    pub(crate) const fn new(parts: ErasureParts) -> Self {
        Self(parts)
    }

    /// What it is made of.
    pub const fn parts(&self) -> &ErasureParts {
        &self.0
    }
}

/// How long what was erased lives on elsewhere, as whoever runs the installation has arranged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasurePolicy {
    /// How long logs are kept.
    pub logs_kept: Duration,
    /// How far replicas may be behind.
    pub replicas_behind: Duration,
    /// How long backups are kept that hold wrapped keys of customers.
    pub backups_kept: Duration,
}

impl Default for ErasurePolicy {
    /// 30 days, an hour, 35 days.
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days.saturating_mul(86_400));
        Self {
            logs_kept: days(30),
            replicas_behind: Duration::from_secs(3_600),
            backups_kept: days(35),
        }
    }
}

/// The proof that a customer was forgotten. It is issued only once the bytes are gone from the live files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Whose customer it was.
    pub merchant: MerchantId,
    /// The store's number of it.
    pub customer: CustomerNumber,
    /// The number of its history's last entry, which is its erasure.
    pub version: u64,
    /// The keyed hash of that entry.
    pub history_head: HistoryHead,
    /// When it was erased.
    pub erased: Timestamp,
    /// When its bytes had gone from the live files.
    pub purged: Timestamp,
    /// When the last log will have expired that may name it.
    pub logs_expire: Timestamp,
    /// When the last replica will have followed.
    pub replicas_expire: Timestamp,
    /// When the last backup will have expired that holds its key.
    pub backups_expire: Timestamp,
    /// A keyed hash over all of the above, which this installation can check.
    pub signature: [u8; 32],
}

impl Receipt {
    /// The receipt for a customer whose bytes are gone; `None` as long as they are not.
    pub(crate) fn issue(
        erased: &ErasedCustomer,
        merchant: &MerchantId,
        policy: &ErasurePolicy,
        keys: &MerchantKeys,
    ) -> Option<Self> {
        let ErasedCustomer { merchant: _, number, version, erased, purged, history_head, mac: _ } =
            erased;
        let purged = (*purged)?;
        let mut receipt = Self {
            merchant: merchant.clone(),
            customer: *number,
            version: *version,
            history_head: *history_head,
            erased: *erased,
            purged,
            logs_expire: purged.after(policy.logs_kept),
            replicas_expire: purged.after(policy.replicas_behind),
            backups_expire: purged.after(policy.backups_kept),
            signature: [0; 32],
        };
        receipt.signature = keys.history_mac(&receipt.framed());
        Some(receipt)
    }

    fn framed(&self) -> Vec<u8> {
        let Self {
            merchant,
            customer,
            version,
            history_head,
            erased,
            purged,
            logs_expire,
            replicas_expire,
            backups_expire,
            signature: _,
        } = self;
        Framed::new("patron erasure receipt 1")
            .bytes(merchant.as_str().as_bytes())
            .number(customer.get())
            .unsigned(*version)
            .bytes(&history_head.0)
            .number(erased.as_ms())
            .number(purged.as_ms())
            .number(logs_expire.as_ms())
            .number(replicas_expire.as_ms())
            .number(backups_expire.as_ms())
            .finish()
    }
}

/// A line of the ledger of erasures, which is kept outside the store: whoever restores an older copy of the
/// store erases again what stands there. It is written before the erasure is, so that none can be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Whose customer it was.
    pub merchant: MerchantNumber,
    /// Which customer.
    pub customer: CustomerNumber,
    /// When its erasure was asked for.
    pub at: Timestamp,
    /// A keyed hash, so that whoever can write to the ledger cannot have customers erased.
    mac: [u8; 32],
}

impl LedgerEntry {
    pub(crate) fn new(keys: &MerchantKeys, customer: CustomerNumber, at: Timestamp) -> Self {
        let entry = Self { merchant: keys.merchant(), customer, at, mac: [0; 32] };
        Self { mac: keys.history_mac(&entry.framed()), ..entry }
    }

    pub(crate) fn is_genuine(&self, keys: &MerchantKeys) -> bool {
        self.merchant == keys.merchant() && keys.is_history_mac(&self.framed(), &self.mac)
    }

    fn framed(&self) -> Vec<u8> {
        let Self { merchant, customer, at, mac: _ } = self;
        Framed::new("patron erasure ledger 1")
            .unsigned(merchant.get().into())
            .number(customer.get())
            .number(at.as_ms())
            .finish()
    }

    /// The entry as a line of text, without the end of the line.
    pub fn to_line(&self) -> String {
        let Self { merchant, customer, at, mac } = self;
        let mac = hex::encode(mac);
        format!("1 {} {} {} {}", merchant.get(), customer.get(), at.as_ms(), mac.as_str())
    }

    /// Reads what [`LedgerEntry::to_line`] writes.
    pub fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split(' ');
        let mut next = || parts.next();
        if next()? != "1" {
            return None;
        }
        let merchant = MerchantNumber::new(next()?.parse().ok()?);
        let customer = CustomerNumber::new(next()?.parse().ok()?)?;
        let at = Timestamp::from_ms(next()?.parse().ok()?);
        let mac = *hex::decode::<32>(next()?)?;
        next().is_none().then_some(Self { merchant, customer, at, mac })
    }
}

/// The future of an entry of the ledger.
pub type LedgerFuture<'a> = Pin<Box<dyn Future<Output = Result<(), LedgerFailure>> + Send + 'a>>;

/// Why an entry of the ledger is not written.
pub type LedgerFailure = Box<dyn std::error::Error + Send + Sync>;

/// Where the ledger of erasures is written.
pub trait ErasureLedger: Send + Sync {
    /// Writes an entry; done when it is as lasting as the store itself. An error says that it cannot be
    /// written, and nothing is erased then.
    fn note(&self, entry: LedgerEntry) -> LedgerFuture<'_>;
}

/// Whether the bytes of what was erased are gone from an engine's live files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// They are.
    Done,
    /// Somebody still reads what was there before (a long read, a replica, an open transaction), or it was done a
    /// moment ago and costs much: again later.
    HeldUp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::merchant_keys;

    #[test]
    fn a_ledger_entry_is_read_as_it_is_written_and_cannot_be_made_up() {
        let keys = merchant_keys(1);
        let number = CustomerNumber::new(77).unwrap();
        let entry = LedgerEntry::new(&keys, number, Timestamp::from_ms(5));
        let line = entry.to_line();
        assert_eq!(LedgerEntry::parse(&line), Some(entry.clone()));
        assert!(entry.is_genuine(&keys) && !entry.is_genuine(&merchant_keys(2)));
        let other = LedgerEntry::parse(&line.replacen("77", "78", 1)).unwrap();
        assert!(!other.is_genuine(&keys), "another customer");
        for bad in ["", "2 1 77 5 00", &line[1..], &line[..line.len() - 1], &format!("{line} x")] {
            assert_eq!(LedgerEntry::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn there_is_no_receipt_before_the_bytes_are_gone() {
        let keys = merchant_keys(1);
        let kept = ErasedCustomer {
            merchant: keys.merchant(),
            number: CustomerNumber::new(7).unwrap(),
            version: 3,
            erased: Timestamp::from_ms(1_000),
            purged: None,
            history_head: HistoryHead([4; 32]),
            mac: [0; 32],
        };
        let merchant = MerchantId::parse("acme").unwrap();
        let issue = |erased: &ErasedCustomer| {
            Receipt::issue(erased, &merchant, &ErasurePolicy::default(), &keys)
        };
        assert_eq!(issue(&kept), None);
        let gone = ErasedCustomer { purged: Some(Timestamp::from_ms(2_000)), ..kept };
        let receipt = issue(&gone).unwrap();
        assert_eq!(receipt.replicas_expire, Timestamp::from_ms(2_000 + 3_600_000));
        let later = ErasedCustomer { purged: Some(Timestamp::from_ms(2_001)), ..gone };
        assert_ne!(issue(&later).unwrap().signature, receipt.signature);
    }
}
