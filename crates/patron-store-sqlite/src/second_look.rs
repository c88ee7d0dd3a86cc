//! A second look, before it is said that a customer is not there or that a list is complete.
//!
//! A damaged row does not open, but a damaged index merely does not find: SQLite follows what it
//! reads, and a search that was led astray by one damaged entry ends beside it. So whatever stands
//! beside the place where a customer would be must be what its own row says, and a page of a list
//! must be as long as the counters say.

use std::cmp::Ordering;

use patron::ids::MerchantNumber;
use patron::store::{StoreError, UniqueKey};
use rusqlite::{Connection, Params, Row};

use crate::rows::Columns;
use crate::sql;

/// An entry of an index: whose row it stands for, and under which key.
struct Entry {
    merchant: i64,
    number: i64,
    key: [u8; 16],
}

/// What a row says about its own entries.
struct Owner {
    id: [u8; 16],
    reference: Option<[u8; 16]>,
    is_deleted: bool,
}

const DAMAGED: StoreError = StoreError::Corrupt { table: "customer", column: "(index)" };

/// Nothing, when a customer that was not found by this name is not there.
pub(crate) fn confirm_absence(
    connection: &Connection,
    merchant: MerchantNumber,
    key: &UniqueKey,
) -> Result<(), StoreError> {
    let merchant = i64::from(merchant.get());
    match key {
        UniqueKey::Id(key) => {
            for entry in look(connection, &BESIDE_ID, (merchant, key), by_key)? {
                let owner = find_owner(connection, &entry)?.ok_or(DAMAGED)?;
                // A deleted customer keeps its id and nothing else.
                let is_half_deleted = owner.is_deleted && owner.reference.is_some();
                refuse_unless(owner.id == entry.key && !is_half_deleted)?;
            }
        }
        UniqueKey::Reference(key) => {
            for entry in look(connection, &BESIDE_REFERENCE, (merchant, key), by_key)? {
                let owner = find_owner(connection, &entry)?.ok_or(DAMAGED)?;
                refuse_unless(owner.reference == Some(entry.key) && !owner.is_deleted)?;
            }
        }
        UniqueKey::Number(number) => {
            let place = (merchant, number.get());
            for entry in look(connection, &BESIDE_NUMBER, place, by_number)? {
                refuse_unless(is_indexed(connection, &entry)?)?;
            }
        }
    }
    Ok(())
}

/// Nothing, when a page of the list has as many customers as it should, and, where it is behind the end
/// of the list, the end is where the counters say. The connection is in a transaction.
pub(crate) fn confirm_length(
    connection: &Connection,
    merchant: MerchantNumber,
    found: usize,
    (total, offset, limit): (u64, u32, u32),
) -> Result<(), StoreError> {
    let left = total.saturating_sub(offset.into());
    let expected = left.min(limit.into());
    refuse_unless(u64::try_from(found).is_ok_and(|found| found == expected))?;
    let Ok(total) = u32::try_from(total) else {
        return Ok(());
    };
    if left > 0 {
        return Ok(());
    }
    let (last, at_the_end) = total.checked_sub(1).map_or((0, 0), |last| (last, 1));
    let entries = sql::number(
        connection,
        "SELECT count(*) FROM (SELECT 1 FROM customer WHERE merchant = ?1 AND deleted_ms IS NULL \
         ORDER BY created_ms DESC, number DESC LIMIT 2 OFFSET ?2)",
        (merchant.get(), last),
        ("customer", "(index)"),
    )?;
    refuse_unless(entries == at_the_end)
}

const fn refuse_unless(is_whole: bool) -> Result<(), StoreError> {
    if is_whole { Ok(()) } else { Err(DAMAGED) }
}

/// The statements that look beside a place in an index. Each is a plain seek and takes whatever stands
/// there: a condition that is asked of the entry again would pass over one that is damaged.
struct Beside {
    /// The entries at the place and after it.
    after: &'static str,
    /// The ones before.
    before: &'static str,
    /// The last entry of all, if that is not before the place.
    last: &'static str,
    /// The first entry of all, if that is before the place.
    first: &'static str,
}

macro_rules! beside {
    ($key:literal, $index:literal) => {
        Beside {
            after: beside!($key, $index, ">= ?2", "ASC"),
            before: beside!($key, $index, "< ?2", "DESC"),
            last: beside!($key, $index, ">= ?2", "DESC"),
            first: beside!($key, $index, "< ?2", "ASC"),
        }
    };
    ($key:literal, $index:literal, $side:literal, $order:literal) => {
        concat!(
            "SELECT merchant, number, ",
            $index,
            " WHERE merchant = ?1 AND ",
            $key,
            " ",
            $side,
            " ORDER BY ",
            $key,
            " ",
            $order,
            " LIMIT 2"
        )
    };
}

const BESIDE_ID: Beside = beside!("id_index", "id_index FROM customer INDEXED BY customer_id");
const BESIDE_REFERENCE: Beside =
    beside!("reference_index", "reference_index FROM customer INDEXED BY customer_reference");
const BESIDE_NUMBER: Beside = beside!("number", "id_index FROM customer");

/// What stands on both sides of a place. What follows it on each side must be in order, and where nothing
/// stands, the search must have come to the end.
fn look<P: Params + Copy>(
    connection: &Connection,
    beside: &Beside,
    place: P,
    order: fn(&Entry, &Entry) -> Ordering,
) -> Result<impl Iterator<Item = Entry>, StoreError> {
    let after = sql::list(connection, beside.after, place, read_entry)?;
    let before = sql::list(connection, beside.before, place, read_entry)?;
    refuse_unless(after.is_sorted_by(|one, next| order(one, next).is_lt()))?;
    refuse_unless(before.is_sorted_by(|one, next| order(one, next).is_gt()))?;
    if after.is_empty() {
        refuse_unless(!sql::exists(connection, beside.last, place)?)?;
    }
    if before.is_empty() {
        refuse_unless(!sql::exists(connection, beside.first, place)?)?;
    }
    Ok(after.into_iter().take(1).chain(before.into_iter().take(1)))
}

fn by_key(one: &Entry, other: &Entry) -> Ordering {
    one.key.cmp(&other.key)
}

fn by_number(one: &Entry, other: &Entry) -> Ordering {
    one.number.cmp(&other.number)
}

fn read_entry(row: &Row<'_>) -> Result<Entry, StoreError> {
    let mut columns = Columns::of(row, "customer");
    Ok(Entry {
        merchant: columns.take("merchant")?,
        number: columns.take("number")?,
        key: columns.take("(index)")?,
    })
}

fn find_owner(connection: &Connection, entry: &Entry) -> Result<Option<Owner>, StoreError> {
    sql::find(
        connection,
        "SELECT id_index, reference_index, deleted_ms IS NOT NULL FROM customer \
         WHERE merchant = ?1 AND number = ?2",
        (entry.merchant, entry.number),
        |row| {
            let mut columns = Columns::of(row, "customer");
            Ok(Owner {
                id: columns.take("id_index")?,
                reference: columns.take("reference_index")?,
                is_deleted: columns.take("deleted_ms")?,
            })
        },
    )
}

/// Whether the index over ids leads to the row that was found beside the place.
fn is_indexed(connection: &Connection, row: &Entry) -> Result<bool, StoreError> {
    sql::exists(
        connection,
        "SELECT 1 FROM customer INDEXED BY customer_id \
         WHERE merchant = ?1 AND id_index = ?2 AND number = ?3",
        (row.merchant, row.key, row.number),
    )
}
