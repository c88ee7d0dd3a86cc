//! Erasing a customer: what goes, what is left of it, and whose bytes are still to be seen to.
//!
//! It is one transaction, which locks in the order of the groups of changes (`apply.rs`): the customer first, counts
//! last.

use patron::clock::Timestamp;
use patron::erasure::{ErasedCustomer, Erasure, ErasureParts};
use patron::history::HistoryHead;
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::store::StoreError;

use crate::apply::{COUNT, LOCK, PUT_ENTRIES, entry_values, was_applied};
use crate::by_merchant::{Rows, Write, send};
use crate::connections::Connection;
use crate::errors::Failed;
use crate::outbox::{PUT_EVENTS, event_values};
use crate::read::{all, one};
use crate::rows::{Columns, integer, read_erased};
use crate::sql::{Kind, Statement, Value};
use crate::transaction::Database;

/// What names a customer in a statement.
const PLACE: [Kind; 2] = [Kind::Whole, Kind::Whole];

static DELETE_KEYS: Statement =
    Statement::new("DELETE FROM customer_key WHERE merchant = $1 AND number = $2", &PLACE);

static DELETE_TOKENS: Statement =
    Statement::new("DELETE FROM client_token WHERE merchant = $1 AND number = $2", &PLACE);

static DELETE_EVENTS: Statement =
    Statement::new("DELETE FROM outbox WHERE merchant = $1 AND number = $2", &PLACE);

static FORGET_VALUES: Statement = Statement::new(
    "UPDATE history SET sealed = NULL WHERE merchant = $1 AND number = $2 AND sealed IS NOT NULL",
    &PLACE,
);

static DELETE_CUSTOMER: Statement =
    Statement::new("DELETE FROM customer WHERE merchant = $1 AND number = $2", &PLACE);

/// The types of the columns of `erased_customer`, in the order of [`erased_values`].
const ERASED: [Kind; 7] =
    [Kind::Whole, Kind::Whole, Kind::Whole, Kind::Whole, Kind::Whole, Kind::Bytes, Kind::Bytes];

static PUT_ERASED: Statement = Statement::new(
    "INSERT INTO erased_customer (merchant, number, version, erased_ms, purged_ms, history_head, \
     mac) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    &ERASED,
);

static REPLACE_ERASED: Statement = Statement::new(
    "UPDATE erased_customer SET version = $3, erased_ms = $4, purged_ms = $5, history_head = $6, \
     mac = $7 WHERE merchant = $1 AND number = $2 AND purged_ms IS NULL",
    &ERASED,
);

static FIND_ERASED: Statement = Statement::new(
    "SELECT merchant, number, version, erased_ms, purged_ms, history_head, mac \
     FROM erased_customer WHERE merchant = $1 AND number = $2",
    &PLACE,
);

static LIST_UNPURGED: Statement = Statement::new(
    "SELECT merchant, number, version, erased_ms, purged_ms, history_head, mac \
     FROM erased_customer WHERE merchant = $1 AND purged_ms IS NULL ORDER BY erased_ms LIMIT $2",
    &PLACE,
);

/// What takes away everything that says who a customer was, and everything that opens it.
static TAKE_AWAY: [&Statement; 5] =
    [&DELETE_KEYS, &DELETE_TOKENS, &DELETE_EVENTS, &FORGET_VALUES, &DELETE_CUSTOMER];

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    let others = [&PUT_ERASED, &REPLACE_ERASED, &FIND_ERASED, &LIST_UNPURGED];
    TAKE_AWAY.into_iter().chain(others).collect()
}

/// Erases a customer. A commit whose outcome nobody saw is looked for until the time is up.
pub(crate) async fn erase(database: &Database, erasure: &Erasure) -> Result<(), Failed> {
    database
        .until_known(|_| async move {
            database.write(|held| async move { erase_in(&held, erasure).await }).await
        })
        .await
}

async fn erase_in(connection: &Connection, erasure: &Erasure) -> Result<(), Failed> {
    let ErasureParts { id, customer, erased: _, entry: _, event: _ } = erasure.parts();
    let (merchant, number) = (customer.merchant, customer.number);
    let numbers = [number.get()];
    let place = [Value::Whole(merchant.get().into()), Value::Wholes(&numbers)];
    let found = one(&connection.query(&LOCK, &place).await?, |row| {
        let mut columns = Columns::after(row, "customer", 1);
        let version: u64 = columns.take_number("version")?;
        Ok((version, columns.take_optional_time("deleted_ms")?))
    })?;
    match found {
        Some((version, deleted)) if version == customer.version => {
            write(connection, erasure, deleted).await
        }
        // The same erasure may come again after a commit whose outcome its sender did not see.
        Some(_) | None if was_applied(connection, (merchant, number), *id).await? => Ok(()),
        Some(_) | None => Err(StoreError::Stale.into()),
    }
}

/// Writes all of it, when the customer is locked.
async fn write(
    connection: &Connection,
    erasure: &Erasure,
    deleted: Option<Timestamp>,
) -> Result<(), Failed> {
    let ErasureParts { id: _, customer, erased, entry, event } = erasure.parts();
    let merchant = customer.merchant;
    let place = [Value::Whole(merchant.get().into()), Value::Whole(customer.number.get())];
    let mut statements = TAKE_AWAY.to_vec();
    let mut writes: Vec<Write<'_>> =
        TAKE_AWAY.into_iter().map(|statement| (merchant, statement, place.to_vec())).collect();
    let (mut entries, mut events, mut counts) = (Rows::default(), Rows::default(), Rows::default());
    let changed: Vec<u8> = entry.header.changed.iter().map(|field| field.code()).collect();
    entries.add(merchant, &entry_values(entry, &changed)?);
    events.add(merchant, &event_values(event)?);
    if deleted.is_none() {
        let [number, _] = place;
        counts.add(merchant, &[number, Value::Whole(connection.slot().into()), Value::Whole(-1)]);
    }
    writes.extend(entries.chunks(&PUT_ENTRIES, &mut statements));
    writes.extend(events.chunks(&PUT_EVENTS, &mut statements));
    writes.push((merchant, &PUT_ERASED, erased_values(erased)?.to_vec()));
    statements.push(&PUT_ERASED);
    // Last, since others may wait for its row.
    writes.extend(counts.chunks(&COUNT, &mut statements));
    connection.prepare(&statements).await?;
    send(connection, writes).await
}

fn erased_values(erased: &ErasedCustomer) -> Result<[Value<'_>; 7], StoreError> {
    let ErasedCustomer {
        merchant,
        number,
        version,
        erased,
        purged,
        history_head: HistoryHead(history_head),
        mac,
    } = erased;
    Ok([
        Value::Whole(merchant.get().into()),
        Value::Whole(number.get()),
        Value::Whole(integer(*version, ("erased_customer", "version"))?),
        Value::Whole(erased.as_ms()),
        Value::OptionalWhole(purged.map(Timestamp::as_ms)),
        Value::Bytes(history_head),
        Value::Bytes(mac),
    ])
}

/// What is left of the customer, if it was erased.
pub(crate) async fn find(
    connection: &Connection,
    merchant: MerchantNumber,
    customer: CustomerNumber,
) -> Result<Option<ErasedCustomer>, Failed> {
    let place = [Value::Whole(merchant.get().into()), Value::Whole(customer.get())];
    one(&connection.query(&FIND_ERASED, &place).await?, read_erased)
}

/// Those whose bytes may still be there, the longest erased first.
pub(crate) async fn list_unpurged(
    connection: &Connection,
    merchant: MerchantNumber,
    limit: u32,
) -> Result<Vec<ErasedCustomer>, Failed> {
    let values = [Value::Whole(merchant.get().into()), Value::Whole(limit.into())];
    all(&connection.query(&LIST_UNPURGED, &values).await?, read_erased)
}

/// Puts each in the place of what is kept of the same customer, in the order in which everybody does. One that is
/// not there is passed over.
pub(crate) async fn record_purges(
    connection: &Connection,
    purged: &[ErasedCustomer],
) -> Result<(), Failed> {
    let mut purged: Vec<&ErasedCustomer> = purged.iter().collect();
    purged.sort_by_key(|erased| (erased.merchant, erased.number));
    let mut rows = Rows::default();
    for erased in purged {
        rows.add(erased.merchant, &erased_values(erased)?);
    }
    let mut statements = Vec::new();
    let writes = rows.singly(&REPLACE_ERASED, &mut statements);
    connection.prepare(&statements).await?;
    send(connection, writes).await
}
