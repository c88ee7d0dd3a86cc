//! Reading what a walk over everything reads: customers that are deleted or erased too, and what may be left of
//! others.

use patron::event::Event;
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::store::{StoreError, WholeCustomer};
use rusqlite::Connection;

use crate::read::{find_by_number, list_history};
use crate::rows::{Columns, read_event};
use crate::{erase, sql};

/// Each of the five is limited by itself, so that a page costs the same wherever it begins.
pub(crate) fn list_customers(
    connection: &Connection,
    merchant: MerchantNumber,
    after: i64,
    limit: u32,
) -> Result<Vec<CustomerNumber>, StoreError> {
    sql::list(
        connection,
        "SELECT number FROM (SELECT number FROM customer \
             WHERE merchant = ?1 AND number > ?2 ORDER BY number LIMIT ?3) \
         UNION SELECT number FROM (SELECT DISTINCT number FROM history \
             WHERE merchant = ?1 AND number > ?2 ORDER BY number LIMIT ?3) \
         UNION SELECT number FROM (SELECT DISTINCT number FROM customer_key \
             WHERE merchant = ?1 AND number > ?2 ORDER BY number LIMIT ?3) \
         UNION SELECT number FROM (SELECT DISTINCT number FROM outbox \
             WHERE merchant = ?1 AND number > ?2 ORDER BY number LIMIT ?3) \
         UNION SELECT number FROM (SELECT number FROM erased_customer \
             WHERE merchant = ?1 AND number > ?2 ORDER BY number LIMIT ?3) \
         ORDER BY number LIMIT ?3",
        (merchant.get(), after, limit),
        |row| Columns::of(row, "customer").take_customer("number"),
    )
}

pub(crate) fn find_customer(
    connection: &Connection,
    merchant: MerchantNumber,
    number: CustomerNumber,
) -> Result<WholeCustomer, StoreError> {
    Ok(WholeCustomer {
        customer: find_by_number(connection, merchant, number)?,
        erased: erase::find(connection, merchant, number)?,
        entries: list_history(connection, merchant, number)?,
        events: list_events(connection, merchant, number)?,
    })
}

fn list_events(
    connection: &Connection,
    merchant: MerchantNumber,
    number: CustomerNumber,
) -> Result<Vec<Event>, StoreError> {
    sql::list(
        connection,
        "SELECT merchant, number, version, happened, at_ms FROM outbox \
         WHERE merchant = ?1 AND number = ?2 ORDER BY version",
        (merchant.get(), number.get()),
        read_event,
    )
}
