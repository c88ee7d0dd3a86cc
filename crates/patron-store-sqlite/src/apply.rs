//! Applying a change: the customer, its history, its event and its token in one transaction.
//!
//! Everything that can refuse a change comes before its first row, and a statement that finds its
//! key taken or its version passed writes nothing. So a refused change leaves the transaction as it
//! was, and the other changes of its group go on.

use patron::change::{Change, ChangeParts, Expected};
use patron::clock::Timestamp;
use patron::history::{EntryHeader, HistoryHead, SealedEntry};
use patron::ids::ChangeId;
use patron::keys::WrappedCustomerKey;
use patron::seal::SealedCustomer;
use patron::store::{StoreError, Unique};
use rusqlite::{Connection, params};

use crate::rows::{Columns, customer_values, integer};
use crate::{erase, outbox, sql, tokens};

/// Applies one change. A refusal (`Duplicate`, `Stale`) has written nothing.
pub(crate) fn apply(connection: &Connection, change: &Change) -> Result<(), StoreError> {
    match write(connection, change.parts()) {
        // The same change may come again after a commit whose outcome its sender did not see.
        Err(StoreError::Duplicate(_) | StoreError::Stale)
            if was_applied(connection, &change.parts().entry.header, &change.parts().id)? =>
        {
            Ok(())
        }
        other => other,
    }
}

fn write(connection: &Connection, change: &ChangeParts) -> Result<(), StoreError> {
    let ChangeParts { id: _, expected, customer, entry, event, token } = change;
    if let Some(token) = token
        && tokens::is_taken(connection, token)?
    {
        return Err(StoreError::Duplicate(Unique::ClientToken));
    }
    match expected {
        Expected::Absent => create(connection, customer)?,
        Expected::Version(version) => replace(connection, customer, *version)?,
    }
    put_entry(connection, entry)?;
    outbox::put(connection, event)?;
    token.as_ref().map_or(Ok(()), |token| tokens::issue(connection, token))
}

/// Whether the history has this entry of this very change.
pub(crate) fn was_applied(
    connection: &Connection,
    header: &EntryHeader,
    change: &ChangeId,
) -> Result<bool, StoreError> {
    let version = integer(header.version, ("history", "version"))?;
    sql::exists(
        connection,
        "SELECT 1 FROM history \
         WHERE merchant = ?1 AND number = ?2 AND version = ?3 AND change_id = ?4",
        (header.merchant.get(), header.number.get(), version, change.as_bytes()),
    )
}

fn create(connection: &Connection, customer: &SealedCustomer) -> Result<(), StoreError> {
    // Its history is still there, and nobody else may go on with it.
    if erase::was_erased(connection, customer.merchant, customer.number)? {
        return Err(StoreError::Duplicate(Unique::CustomerNumber));
    }
    let inserted = sql::execute(
        connection,
        "INSERT INTO customer (merchant, number, version, created_ms, updated_ms, deleted_ms, \
         status, verification, index_generation, id_index, reference_index, email_search, \
         phone_search, reference_search, name_search, history_head, schema, sealed, key_generation) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) \
         ON CONFLICT DO NOTHING",
        customer_values(customer)?,
    )?;
    if inserted == 0 {
        let taken = find_taken(connection, customer)?.unwrap_or(Unique::CustomerNumber);
        return Err(StoreError::Duplicate(taken));
    }
    put_key(connection, customer)?;
    if customer.deleted.is_none() { count_up(connection, customer) } else { Ok(()) }
}

fn put_key(connection: &Connection, customer: &SealedCustomer) -> Result<(), StoreError> {
    let WrappedCustomerKey { generation, wrap_generation, wrapped } = &customer.key;
    sql::execute(
        connection,
        "INSERT INTO customer_key (merchant, number, generation, wrap_generation, wrapped) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        (customer.merchant.get(), customer.number.get(), generation, wrap_generation, wrapped),
    )?;
    Ok(())
}

fn replace(
    connection: &Connection,
    customer: &SealedCustomer,
    expected: u64,
) -> Result<(), StoreError> {
    let expected = integer(expected, ("customer", "version"))?;
    let Some(deleted) = find_deleted(connection, customer, expected)? else {
        return Err(StoreError::Stale);
    };
    if let Some(taken) = find_taken(connection, customer)? {
        return Err(StoreError::Duplicate(taken));
    }
    sql::execute(
        connection,
        "UPDATE customer SET version = ?3, created_ms = ?4, updated_ms = ?5, deleted_ms = ?6, \
         status = ?7, verification = ?8, index_generation = ?9, id_index = ?10, \
         reference_index = ?11, email_search = ?12, phone_search = ?13, reference_search = ?14, \
         name_search = ?15, history_head = ?16, schema = ?17, sealed = ?18, key_generation = ?19 \
         WHERE merchant = ?1 AND number = ?2",
        customer_values(customer)?,
    )?;
    match (deleted, customer.deleted) {
        (None, Some(_)) => count_down(connection, customer),
        (Some(_), None) => count_up(connection, customer),
        (None, None) | (Some(_), Some(_)) => Ok(()),
    }
}

/// When the customer at this version was deleted, if it was; `None` when it is not at this version.
pub(crate) fn find_deleted(
    connection: &Connection,
    customer: &SealedCustomer,
    version: i64,
) -> Result<Option<Option<Timestamp>>, StoreError> {
    sql::find(
        connection,
        "SELECT deleted_ms FROM customer WHERE merchant = ?1 AND number = ?2 AND version = ?3",
        (customer.merchant.get(), customer.number.get(), version),
        |row| {
            let ms: Option<i64> = Columns::of(row, "customer").take("deleted_ms")?;
            Ok(ms.map(Timestamp::from_ms))
        },
    )
}

/// Which of the customer's names another customer of the merchant has.
fn find_taken(
    connection: &Connection,
    customer: &SealedCustomer,
) -> Result<Option<Unique>, StoreError> {
    let (merchant, number) = (customer.merchant.get(), customer.number.get());
    let id_is_taken = sql::exists(
        connection,
        "SELECT 1 FROM customer WHERE merchant = ?1 AND id_index = ?2 AND number <> ?3",
        (merchant, &customer.indexes.id, number),
    )?;
    if id_is_taken {
        return Ok(Some(Unique::CustomerId));
    }
    let reference_is_taken = sql::exists(
        connection,
        "SELECT 1 FROM customer WHERE merchant = ?1 AND reference_index = ?2 AND number <> ?3",
        (merchant, &customer.indexes.reference, number),
    )?;
    Ok(reference_is_taken.then_some(Unique::CustomerReference))
}

pub(crate) fn put_entry(connection: &Connection, entry: &SealedEntry) -> Result<(), StoreError> {
    let SealedEntry {
        header,
        sealed,
        digest,
        head: HistoryHead(head),
        change,
        schema,
        key_generation,
    } = entry;
    let EntryHeader { merchant, number, version, happened, changed, at, actor_code } = header;
    let changed: Vec<u8> = changed.iter().map(|field| field.code()).collect();
    sql::execute(
        connection,
        "INSERT INTO history (merchant, number, version, happened, changed, at_ms, actor, sealed, \
         digest, head, change_id, schema, key_generation) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            merchant.get(),
            number.get(),
            integer(*version, ("history", "version"))?,
            happened.code(),
            changed,
            at.as_ms(),
            actor_code,
            sealed,
            digest,
            head,
            change.as_bytes(),
            schema,
            key_generation,
        ],
    )?;
    Ok(())
}

/// Over how many rows a merchant's count of customers is spread.
const COUNT_SLOTS: i64 = 16;

fn count_up(connection: &Connection, customer: &SealedCustomer) -> Result<(), StoreError> {
    sql::execute(
        connection,
        "INSERT INTO customer_count (merchant, slot, live) VALUES (?1, ?2, 1) \
         ON CONFLICT DO UPDATE SET live = live + 1",
        (customer.merchant.get(), customer.number.get() % COUNT_SLOTS),
    )?;
    Ok(())
}

pub(crate) fn count_down(
    connection: &Connection,
    customer: &SealedCustomer,
) -> Result<(), StoreError> {
    sql::execute(
        connection,
        "UPDATE customer_count SET live = live - 1 WHERE merchant = ?1 AND slot = ?2",
        (customer.merchant.get(), customer.number.get() % COUNT_SLOTS),
    )?;
    Ok(())
}
