//! Opening entries of a history.

use crate::framing::Framed;
use crate::history::{EntryHeader, SealedEntry};
use crate::keys::{Generation, MerchantKeys, WrappedCustomerKey};
use crate::profile::Profile;
use crate::records::EntryV1;
use crate::seal::{SealError, decoded};

/// What the sealed part of an entry is bound to.
pub(super) fn entry_place(header: &EntryHeader, schema: u16, generation: Generation) -> Vec<u8> {
    Framed::new("patron history sealed 1")
        .unsigned(header.merchant.get().into())
        .number(header.number.get())
        .unsigned(header.version)
        .unsigned(schema.into())
        .unsigned(generation.into())
        .finish()
}

/// The old and new values of a history entry, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedEntry {
    /// The changed fields' old values; all others unset.
    pub before: Profile,
    /// The changed fields' new values; all others unset.
    pub after: Profile,
    /// Which key, customer or operator it was, by number.
    pub actor_number: i64,
    /// The client's address.
    pub address: Option<String>,
    /// The request's id.
    pub request_id: String,
    /// Why, where a reason was given.
    pub reason: Option<String>,
}

/// Opens an entry of this customer's history. `None` when its sealed part was erased.
///
/// # Errors
/// `DoesNotOpen` when the entry was changed or moved.
pub fn open_entry(
    keys: &MerchantKeys,
    customer_key: &WrappedCustomerKey,
    entry: &SealedEntry,
) -> Result<Option<OpenedEntry>, SealError> {
    let Some(sealed) = &entry.sealed else {
        return Ok(None);
    };
    if entry.key_generation != customer_key.generation {
        return Err(SealError::DoesNotOpen);
    }
    let key = keys.unwrap_customer_key(entry.header.number, customer_key)?;
    let place = entry_place(&entry.header, entry.schema, entry.key_generation);
    let plain = key.cipher.open(&place, sealed)?;
    let entry: EntryV1 = decoded(entry.schema, &plain)?;
    let EntryV1 { before, after, actor_number, address, request_id, reason } = entry;
    Ok(Some(OpenedEntry {
        before: before.into_profile()?,
        after: after.into_profile()?,
        actor_number,
        address,
        request_id,
        reason,
    }))
}
