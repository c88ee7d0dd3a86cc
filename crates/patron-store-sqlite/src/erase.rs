//! Erasing a customer: what goes, what is left of it, and whose bytes are to be seen to.

use patron::clock::Timestamp;
use patron::erasure::{ErasedCustomer, Erasure, ErasureParts};
use patron::history::HistoryHead;
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::seal::SealedCustomer;
use patron::store::StoreError;
use rusqlite::{Connection, Row};

use crate::apply::{count_down, find_deleted, put_entry, was_applied};
use crate::rows::{Columns, integer};
use crate::{outbox, sql};

/// Erases a customer. A refusal (`Stale`) has written nothing.
pub(crate) fn erase(connection: &Connection, erasure: &Erasure) -> Result<(), StoreError> {
    let ErasureParts { id, customer, erased, entry, event } = erasure.parts();
    let version = integer(customer.version, ("customer", "version"))?;
    let Some(deleted) = find_deleted(connection, customer, version)? else {
        // The same erasure may come again after a commit whose outcome its sender did not see.
        let is_done = was_applied(connection, &entry.header, id)?;
        return if is_done { Ok(()) } else { Err(StoreError::Stale) };
    };
    take_away(connection, customer)?;
    put_entry(connection, entry)?;
    outbox::put(connection, event)?;
    put_erased(connection, erased)?;
    if deleted.is_none() { count_down(connection, customer) } else { Ok(()) }
}

/// Everything that says who the customer was, and everything that opens it.
fn take_away(connection: &Connection, customer: &SealedCustomer) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM customer WHERE merchant = ?1 AND number = ?2",
        "DELETE FROM customer_key WHERE merchant = ?1 AND number = ?2",
        "DELETE FROM client_token WHERE merchant = ?1 AND number = ?2",
        "DELETE FROM outbox WHERE merchant = ?1 AND number = ?2",
        "UPDATE history SET sealed = NULL \
         WHERE merchant = ?1 AND number = ?2 AND sealed IS NOT NULL",
    ] {
        sql::execute(connection, statement, (customer.merchant.get(), customer.number.get()))?;
    }
    Ok(())
}

fn put_erased(connection: &Connection, erased: &ErasedCustomer) -> Result<(), StoreError> {
    let ErasedCustomer {
        merchant,
        number,
        version,
        erased,
        purged,
        history_head: HistoryHead(history_head),
        mac,
    } = erased;
    sql::execute(
        connection,
        "INSERT INTO erased_customer (merchant, number, version, erased_ms, purged_ms, \
         history_head, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            merchant.get(),
            number.get(),
            integer(*version, ("erased_customer", "version"))?,
            erased.as_ms(),
            purged.map(Timestamp::as_ms),
            history_head,
            mac,
        ),
    )?;
    Ok(())
}

/// Puts each in the place of what is kept of the same customer. One that is not there is passed over.
pub(crate) fn record_purges(
    connection: &Connection,
    purged: &[ErasedCustomer],
) -> Result<(), StoreError> {
    for erased in purged {
        let ErasedCustomer {
            merchant,
            number,
            version,
            erased,
            purged,
            history_head: HistoryHead(history_head),
            mac,
        } = erased;
        sql::execute(
            connection,
            "UPDATE erased_customer SET version = ?3, erased_ms = ?4, purged_ms = ?5, \
             history_head = ?6, mac = ?7 WHERE merchant = ?1 AND number = ?2 \
             AND purged_ms IS NULL",
            (
                merchant.get(),
                number.get(),
                integer(*version, ("erased_customer", "version"))?,
                erased.as_ms(),
                purged.map(Timestamp::as_ms),
                history_head,
                mac,
            ),
        )?;
    }
    Ok(())
}

/// Whether this number was a customer's that was erased.
pub(crate) fn was_erased(
    connection: &Connection,
    merchant: MerchantNumber,
    number: CustomerNumber,
) -> Result<bool, StoreError> {
    sql::exists(
        connection,
        "SELECT 1 FROM erased_customer WHERE merchant = ?1 AND number = ?2",
        (merchant.get(), number.get()),
    )
}

macro_rules! select_erased {
    ($rest:literal) => {
        concat!(
            "SELECT merchant, number, version, erased_ms, purged_ms, history_head, mac \
             FROM erased_customer ",
            $rest
        )
    };
}

/// What is left of the customer, if it was erased.
pub(crate) fn find(
    connection: &Connection,
    merchant: MerchantNumber,
    number: CustomerNumber,
) -> Result<Option<ErasedCustomer>, StoreError> {
    sql::find(
        connection,
        select_erased!("WHERE merchant = ?1 AND number = ?2"),
        (merchant.get(), number.get()),
        read_erased,
    )
}

/// Those whose bytes may still be there, the longest erased first.
pub(crate) fn list_unpurged(
    connection: &Connection,
    merchant: MerchantNumber,
    limit: u32,
) -> Result<Vec<ErasedCustomer>, StoreError> {
    sql::list(
        connection,
        select_erased!(
            "WHERE merchant = ?1 AND purged_ms IS NULL ORDER BY erased_ms, number LIMIT ?2"
        ),
        (merchant.get(), limit),
        read_erased,
    )
}

fn read_erased(row: &Row<'_>) -> Result<ErasedCustomer, StoreError> {
    let mut columns = Columns::of(row, "erased_customer");
    Ok(ErasedCustomer {
        merchant: columns.take_merchant("merchant")?,
        number: columns.take_customer("number")?,
        version: columns.take_number("version")?,
        erased: columns.take_time("erased_ms")?,
        purged: columns.take_optional_time("purged_ms")?,
        history_head: HistoryHead(columns.take("history_head")?),
        mac: columns.take("mac")?,
    })
}
