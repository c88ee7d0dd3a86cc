//! Sealing: an open customer becomes what a store may keep, and back. The only place that does.

mod entries;
mod staff;
mod unwrapped;

use std::sync::Arc;

use crate::actor::Actor;
use crate::actor::ActorKind;
use crate::blind_index::Indexes;
use crate::change::{Change, ChangeParts, Expected};
use crate::clock::Timestamp;
use crate::crypto::{DoesNotOpen, sha256};
use crate::customer::Customer;
use crate::entropy::Entropy;
use crate::erasure::{ErasedCustomer, Erasure, ErasureParts};
use crate::event::Event;
use crate::framing::Framed;
use crate::history::{EntryHeader, Happened, HistoryHead, SealedEntry, chain};
use crate::ids::{ChangeId, CustomerId, CustomerNumber, KeyNumber, MerchantNumber};
use crate::keys::{CustomerKey, Generation, MerchantKeys, WrappedCustomerKey};
use crate::profile::{Field, Profile};
use crate::records::{EntryV1, ProfileV1, RecordV1, SCHEMA, Unreadable};

use crate::seal::entries::entry_place;
pub use crate::seal::entries::{OpenedEntry, open_entry};
pub(crate) use crate::seal::staff::{open_access, open_operator, seal_access, seal_operator};
pub use crate::seal::unwrapped::Unwrapped;
use crate::seal::unwrapped::key_of;

/// A customer as a store keeps it. What stands in clear says nothing about the person, and all of
/// it is bound into the sealed part: an older blob, a swapped index or a changed status does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedCustomer {
    /// Whose customer it is.
    pub merchant: MerchantNumber,
    /// The store's number of it.
    pub number: CustomerNumber,
    /// Its version.
    pub version: u64,
    /// When it was created.
    pub created: Timestamp,
    /// When something last changed.
    pub updated: Timestamp,
    /// When it was deleted.
    pub deleted: Option<Timestamp>,
    /// [`crate::profile::Status::code`], 0 when unset; for filters.
    pub status: u8,
    /// [`crate::profile::Verification::code`], 0 when unset; for filters.
    pub verification: u8,
    /// Its blind indexes.
    pub indexes: Indexes,
    /// The last entry of its history, which is entry number `version`.
    pub history_head: HistoryHead,
    /// Which form the sealed record has.
    pub schema: u16,
    /// The sealed record: nonce ‖ ciphertext ‖ tag.
    pub sealed: Vec<u8>,
    /// The customer's key, wrapped. Kept in a table of its own.
    pub key: WrappedCustomerKey,
    /// Room for the key itself. A store leaves it empty.
    pub unwrapped: Unwrapped,
}

/// Why something sealed cannot be opened or something open cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It is not what was sealed here: moved, changed, or sealed under another key.
    #[error("customer does not open: its row was changed by hand or belongs elsewhere")]
    DoesNotOpen,
    /// It opens, but the program does not know its form.
    #[error("customer opens but its record has an unknown form (schema {0})")]
    UnknownForm(u16),
    /// The record cannot be written: a bug.
    #[error("record cannot be encoded")]
    NotEncodable,
}

impl From<DoesNotOpen> for SealError {
    fn from(_: DoesNotOpen) -> Self {
        Self::DoesNotOpen
    }
}

impl From<Unreadable> for SealError {
    fn from(_: Unreadable) -> Self {
        Self::UnknownForm(SCHEMA)
    }
}

/// What the sealed record is bound to: every clear column of the row. The wrapped key is bound by
/// its own place (`keys.rs`), so that rewrapping it does not touch the record.
fn place(row: &SealedCustomer) -> Vec<u8> {
    let SealedCustomer {
        merchant,
        number,
        version,
        created,
        updated,
        deleted,
        status,
        verification,
        indexes,
        history_head,
        schema,
        sealed: _,
        key: WrappedCustomerKey { generation, wrap_generation: _, wrapped: _ },
        unwrapped: _,
    } = row;
    let Indexes {
        generation: index_generation,
        id,
        reference,
        email_search,
        phone_search,
        reference_search,
        name_search,
    } = indexes;
    Framed::new("patron customer 1")
        .unsigned(merchant.get().into())
        .number(number.get())
        .unsigned(*version)
        .unsigned((*generation).into())
        .unsigned((*schema).into())
        .bytes(&history_head.0)
        .number(created.as_ms())
        .number(updated.as_ms())
        .moment(*deleted)
        .bytes(&[*status, *verification])
        .unsigned((*index_generation).into())
        .bytes(id)
        .optional(reference.as_ref().map(<[u8; 16]>::as_slice))
        .optional(email_search.as_ref().map(<[u8; 16]>::as_slice))
        .optional(phone_search.as_ref().map(<[u8; 16]>::as_slice))
        .optional(reference_search.as_ref().map(<[u8; 16]>::as_slice))
        .optional(name_search.as_ref().map(<[u8; 16]>::as_slice))
        .finish()
}

/// A customer that was opened, with its row at hand to seal what becomes of it.
pub(crate) struct Opened {
    pub(crate) customer: Box<Customer>,
    row: Arc<SealedCustomer>,
}

impl Opened {
    /// The row that was opened.
    pub(crate) fn row(&self) -> &SealedCustomer {
        &self.row
    }
}

/// Opens a customer and keeps its row at hand.
pub(crate) fn open_for_change(
    keys: &MerchantKeys,
    row: Arc<SealedCustomer>,
) -> Result<Opened, SealError> {
    Ok(Opened { customer: open(keys, &row)?, row })
}

/// Opens a customer.
pub(crate) fn open(keys: &MerchantKeys, row: &SealedCustomer) -> Result<Box<Customer>, SealError> {
    if row.merchant != keys.merchant() {
        return Err(SealError::DoesNotOpen);
    }
    let plain = key_of(keys, row)?.cipher.open(&place(row), &row.sealed)?;
    let record: RecordV1 = decoded(row.schema, &plain)?;
    let RecordV1 { id, created_by, profile } = record;
    Ok(Box::new(Customer {
        merchant: row.merchant,
        number: row.number,
        id: CustomerId::from_sealed(id),
        version: row.version,
        created: row.created,
        updated: row.updated,
        deleted: row.deleted,
        created_by: created_by.map(KeyNumber::new),
        profile: profile.into_profile()?,
        history_head: row.history_head,
    }))
}

/// The change by which `actor` creates `customer`.
///
/// # Errors
/// `NotEncodable` and a failure of the primitive: bugs.
pub fn seal_creation(
    keys: &MerchantKeys,
    entropy: &dyn Entropy,
    actor: &Actor,
    customer: &Customer,
) -> Result<Change, SealError> {
    let changed = Profile::default().changed_fields(&customer.profile);
    let sealer = Sealer { keys, entropy, actor };
    sealer.create(customer, changed)
}

/// The change by which `actor` makes `after` of what is sealed in `before`. `after` still carries
/// the history head of `before`.
///
/// # Errors
/// `DoesNotOpen` when `before` is not what was sealed under these keys.
pub fn seal_update(
    keys: &MerchantKeys,
    entropy: &dyn Entropy,
    actor: &Actor,
    before: SealedCustomer,
    after: &Customer,
) -> Result<Change, SealError> {
    let before = open_for_change(keys, Arc::new(before))?;
    let changed = before.customer.profile.changed_fields(&after.profile);
    let sealer = Sealer { keys, entropy, actor };
    sealer.update(&before, after, changed)
}

/// The erasure by which `actor` has what is sealed in `before` forgotten.
///
/// # Errors
/// `DoesNotOpen` when `before` is not what was sealed under these keys.
pub fn seal_erasure(
    keys: &MerchantKeys,
    entropy: &dyn Entropy,
    actor: &Actor,
    before: SealedCustomer,
    now: Timestamp,
) -> Result<Erasure, SealError> {
    let before = open_for_change(keys, Arc::new(before))?;
    Ok(Sealer { keys, entropy, actor }.erase(&before, now))
}

/// Makes changes: the only maker of [`Change`] and [`Erasure`], and only for a named actor.
pub(crate) struct Sealer<'a> {
    pub(crate) keys: &'a MerchantKeys,
    pub(crate) entropy: &'a dyn Entropy,
    pub(crate) actor: &'a Actor,
}

impl Sealer<'_> {
    /// The change that creates `customer`.
    pub(crate) fn create(
        &self,
        customer: &Customer,
        changed: Vec<Field>,
    ) -> Result<Change, SealError> {
        let (cipher, key) = self.keys.issue_customer_key(self.entropy, customer.number)?;
        let step = Step {
            expected: Expected::Absent,
            happened: Happened::Created,
            before: &Profile::default(),
            after: customer,
            changed,
        };
        self.seal(step, &cipher, key)
    }

    /// The change that makes `after` of `before`.
    pub(crate) fn update(
        &self,
        before: &Opened,
        after: &Customer,
        changed: Vec<Field>,
    ) -> Result<Change, SealError> {
        let is_deletion = before.customer.deleted.is_none() && after.deleted.is_some();
        let happened = if is_deletion { Happened::Deleted } else { Happened::Updated };
        let step = Step {
            expected: Expected::Version(before.customer.version),
            happened,
            before: &before.customer.profile,
            after,
            changed,
        };
        let cipher = key_of(self.keys, &before.row)?;
        self.seal(step, cipher, before.row.key.clone())
    }

    /// The erasure of the customer that was opened. Nothing in it says who it was.
    pub(crate) fn erase(&self, before: &Opened, now: Timestamp) -> Erasure {
        let id = ChangeId::issue(self.entropy);
        let row = (*before.row).clone();
        let at = now.max(row.updated);
        let header = EntryHeader {
            merchant: row.merchant,
            number: row.number,
            version: row.version.saturating_add(1),
            happened: Happened::Erased,
            changed: Vec::new(),
            at,
            actor_code: self.actor.kind.code(),
        };
        // There is no key left that could seal anything.
        let digest = sha256(&[]);
        let head = chain(self.keys, row.history_head, &header, &digest);
        let event = Event {
            merchant: header.merchant,
            customer: header.number,
            version: header.version,
            happened: header.happened,
            at,
        };
        let erased = ErasedCustomer {
            merchant: header.merchant,
            number: header.number,
            version: header.version,
            erased: at,
            purged: None,
            history_head: head,
            mac: [0; 32],
        };
        let erased = erased.signed(self.keys);
        let entry = SealedEntry {
            header,
            sealed: None,
            digest,
            head,
            change: id,
            schema: SCHEMA,
            key_generation: row.key.generation,
        };
        Erasure::new(ErasureParts { id, customer: row, erased, entry, event })
    }

    fn seal(
        &self,
        step: Step<'_>,
        cipher: &CustomerKey,
        key: WrappedCustomerKey,
    ) -> Result<Change, SealError> {
        let id = ChangeId::issue(self.entropy);
        let entry = self.seal_entry(&step, id, cipher, key.generation)?;
        let customer = self.seal_customer(step.after, entry.head, cipher, key)?;
        let event = Event {
            merchant: customer.merchant,
            customer: customer.number,
            version: customer.version,
            happened: step.happened,
            at: customer.updated,
        };
        let expected = step.expected;
        Ok(Change::new(ChangeParts { id, expected, customer, entry, event, token: None }))
    }

    fn seal_entry(
        &self,
        step: &Step<'_>,
        change: ChangeId,
        cipher: &CustomerKey,
        generation: Generation,
    ) -> Result<SealedEntry, SealError> {
        let after = step.after;
        let header = EntryHeader {
            merchant: after.merchant,
            number: after.number,
            version: after.version,
            happened: step.happened,
            changed: step.changed.clone(),
            at: after.updated,
            actor_code: self.actor.kind.code(),
        };
        let record = EntryV1 {
            before: ProfileV1::from_profile(step.before.only(&step.changed)),
            after: ProfileV1::from_profile(after.profile.only(&step.changed)),
            actor_number: ActorKind::number(self.actor.kind),
            address: self.actor.address.map(|address| address.to_string()),
            request_id: self.actor.request_id.clone(),
            reason: None,
        };
        let place = entry_place(&header, SCHEMA, generation);
        let sealed = cipher.cipher.seal(self.entropy, &place, &encoded(&record)?)?;
        let digest = sha256(&sealed);
        // `after` still carries the head of the entry before this one.
        let head = chain(self.keys, after.history_head, &header, &digest);
        Ok(SealedEntry {
            header,
            sealed: Some(sealed),
            digest,
            head,
            change,
            schema: SCHEMA,
            key_generation: generation,
        })
    }

    fn seal_customer(
        &self,
        customer: &Customer,
        history_head: HistoryHead,
        cipher: &CustomerKey,
        key: WrappedCustomerKey,
    ) -> Result<SealedCustomer, SealError> {
        let indexes = self.keys.indexes().of(customer);
        let Customer {
            merchant,
            number,
            id,
            version,
            created,
            updated,
            deleted,
            created_by,
            profile,
            history_head: _,
        } = customer;
        let record = RecordV1 {
            id: id.reveal().to_owned(),
            created_by: created_by.map(KeyNumber::get),
            profile: ProfileV1::from_profile(profile.clone()),
        };
        let mut row = SealedCustomer {
            merchant: *merchant,
            number: *number,
            version: *version,
            created: *created,
            updated: *updated,
            deleted: *deleted,
            status: profile.status.map_or(0, crate::profile::Status::code),
            verification: profile.verification.map_or(0, crate::profile::Verification::code),
            indexes,
            history_head,
            schema: SCHEMA,
            sealed: Vec::new(),
            key,
            unwrapped: Unwrapped::default(),
        };
        row.sealed = cipher.cipher.seal(self.entropy, &place(&row), &encoded(&record)?)?;
        Ok(row)
    }
}

/// One step of a customer's life.
struct Step<'a> {
    expected: Expected,
    happened: Happened,
    before: &'a Profile,
    after: &'a Customer,
    changed: Vec<Field>,
}

/// Reads a record by its form. The next form gets an arm of its own, which makes the newest record
/// of the older one.
fn decoded<T: serde::de::DeserializeOwned>(schema: u16, plain: &[u8]) -> Result<T, SealError> {
    match schema {
        1 => postcard::from_bytes(plain).map_err(|_| SealError::UnknownForm(schema)),
        unknown => Err(SealError::UnknownForm(unknown)),
    }
}

fn encoded(record: &impl serde::Serialize) -> Result<zeroize::Zeroizing<Vec<u8>>, SealError> {
    postcard::to_stdvec(record).map(zeroize::Zeroizing::new).map_err(|_| SealError::NotEncodable)
}

#[cfg(test)]
mod tests;
