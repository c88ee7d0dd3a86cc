//! What changes that apply have to write: all of it in statements that they share, and the commit with it.

use std::collections::BTreeMap;

use patron::change::{ChangeParts, Expected};
use patron::history::{EntryHeader, HistoryHead, SealedEntry};
use patron::ids::MerchantNumber;
use patron::keys::WrappedCustomerKey;
use patron::seal::SealedCustomer;
use patron::store::StoreError;

use crate::apply::{CUSTOMER, Found};
use crate::by_merchant::{Rows, Write};
use crate::connections::Connection;
use crate::errors::{Doubt, Failed};
use crate::outbox::{PUT_EVENTS, event_values};
use crate::rows::{customer_values, integer};
use crate::sql::{Kind, RowsStatement, Statement, Value};
use crate::tokens::token_values;
use crate::transaction::{Step, in_order};
use crate::writer::Sharing;

/// The merchant comes as a parameter of its own in each row, and once more as a column to compare.
static UPDATE: RowsStatement = RowsStatement::new(
    "UPDATE customer AS c SET version = v.version, created_ms = v.created_ms, \
     updated_ms = v.updated_ms, deleted_ms = v.deleted_ms, status = v.status, \
     verification = v.verification, index_generation = v.index_generation, id_index = v.id_index, \
     reference_index = v.reference_index, email_search = v.email_search, \
     phone_search = v.phone_search, reference_search = v.reference_search, \
     name_search = v.name_search, history_head = v.history_head, schema = v.schema, \
     sealed = v.sealed, key_generation = v.key_generation \
     FROM (VALUES ",
    &CUSTOMER,
    ") AS v (merchant, number, version, created_ms, updated_ms, deleted_ms, status, verification, \
     index_generation, id_index, reference_index, email_search, phone_search, reference_search, \
     name_search, history_head, schema, sealed, key_generation) \
     WHERE c.merchant = $1 AND c.number = v.number",
);

/// One customer, in the plainest form there is: Citus does not join what it changes with rows of our own.
static UPDATE_ONE: Statement = Statement::new(
    "UPDATE customer SET version = $3, created_ms = $4, updated_ms = $5, deleted_ms = $6, \
     status = $7, verification = $8, index_generation = $9, id_index = $10, \
     reference_index = $11, email_search = $12, phone_search = $13, reference_search = $14, \
     name_search = $15, history_head = $16, schema = $17, sealed = $18, key_generation = $19 \
     WHERE merchant = $1 AND number = $2",
    &CUSTOMER,
);

pub(crate) static PUT_KEYS: RowsStatement = RowsStatement::new(
    "INSERT INTO customer_key (merchant, number, generation, wrap_generation, wrapped) VALUES ",
    &[Kind::Whole, Kind::Whole, Kind::Whole, Kind::Whole, Kind::Bytes],
    "",
);

pub(crate) static PUT_ENTRIES: RowsStatement = RowsStatement::new(
    "INSERT INTO history (merchant, number, version, happened, changed, at_ms, actor, sealed, \
     digest, head, change_id, schema, key_generation) VALUES ",
    &[
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Bytes,
        Kind::Whole,
        Kind::Whole,
        Kind::Bytes,
        Kind::Bytes,
        Kind::Bytes,
        Kind::Bytes,
        Kind::Whole,
        Kind::Whole,
    ],
    "",
);

pub(crate) static COUNT: RowsStatement = RowsStatement::new(
    "INSERT INTO customer_count AS n (merchant, slot, live) VALUES ",
    &[Kind::Whole, Kind::Whole, Kind::Whole],
    " ON CONFLICT (merchant, slot) DO UPDATE SET live = n.live + excluded.live",
);

/// Fails as a whole where a hash is taken, since what was sent behind it is committed otherwise.
static PUT_TOKENS: RowsStatement = RowsStatement::new(
    "INSERT INTO client_token (merchant, hash, number, issued_ms, expires_ms, uses_left) VALUES ",
    &[Kind::Whole, Kind::Bytes, Kind::Whole, Kind::Whole, Kind::Whole, Kind::Whole],
    "",
);

/// The statements of this file, for those who look at all of them.
pub(super) fn statements() -> impl Iterator<Item = &'static Statement> {
    let rows = [&UPDATE, &PUT_KEYS, &PUT_ENTRIES, &PUT_EVENTS, &PUT_TOKENS, &COUNT];
    rows.into_iter().flat_map(RowsStatement::all).chain([&UPDATE_ONE])
}

/// Writes all that is left to write about changes that apply, and commits. All of it goes out at once: a
/// statement that fails makes a rollback of the commit behind it.
pub(super) async fn write_and_commit(
    connection: &Connection,
    winners: &[&ChangeParts],
    found: &Found,
    sharing: Sharing,
) -> Result<(), Failed> {
    let changed: Vec<Vec<u8>> = winners
        .iter()
        .map(|change| change.entry.header.changed.iter().map(|field| field.code()).collect())
        .collect();
    let (mut updates, mut keys, mut entries) = (Rows::default(), Rows::default(), Rows::default());
    let (mut events, mut tokens, mut counts) = (Rows::default(), Rows::default(), Rows::default());
    let mut lives: BTreeMap<MerchantNumber, i64> = BTreeMap::new();
    for (change, changed) in winners.iter().zip(&changed) {
        let ChangeParts { id: _, expected, customer, entry, event, token } = change;
        let merchant = customer.merchant;
        match expected {
            Expected::Absent => keys.add(merchant, &key_values(customer)),
            Expected::Version(_) => updates.add(merchant, &customer_values(customer)?),
        }
        entries.add(entry.header.merchant, &entry_values(entry, changed)?);
        events.add(event.merchant, &event_values(event)?);
        if let Some(token) = token {
            tokens.add(token.merchant, &token_values(token));
        }
        let live = lives.entry(merchant).or_default();
        *live = live.saturating_add(found.count(change));
    }
    for (merchant, live) in lives.into_iter().filter(|(_, live)| *live != 0) {
        let number = Value::Whole(merchant.get().into());
        counts.add(merchant, &[number, Value::Whole(connection.slot().into()), Value::Whole(live)]);
    }
    let mut statements = Vec::new();
    let mut writes = match sharing {
        Sharing::Everybody => updates.chunks(&UPDATE, &mut statements),
        Sharing::WithinMerchant => updates.singly(&UPDATE_ONE, &mut statements),
    };
    // Counts last, since others may wait for their rows.
    let rows = [
        (keys, &PUT_KEYS),
        (entries, &PUT_ENTRIES),
        (events, &PUT_EVENTS),
        (tokens, &PUT_TOKENS),
        (counts, &COUNT),
    ];
    for (rows, of) in rows {
        writes.extend(rows.chunks(of, &mut statements));
    }
    connection.prepare(&statements).await?;
    commit(connection, writes).await
}

/// Sends what is to be written, and the commit behind it.
async fn commit(connection: &Connection, writes: Vec<Write<'_>>) -> Result<(), Failed> {
    let mut steps: Vec<Step<'_, ()>> = Vec::new();
    for (_, statement, values) in writes {
        steps.push(Box::pin(async move {
            connection.execute(statement, &values).await?;
            Ok(())
        }));
    }
    steps.push(Box::pin(connection.commit()));
    let mut outcome = Ok(());
    for step in in_order(steps).await {
        match step {
            Ok(()) => {}
            // What was sent may have been done, though its answer was lost.
            Err(failed) if failed.spoils_connection() => return Err(Failed::Unknown(Doubt::Lost)),
            Err(failed) if outcome.is_ok() => outcome = Err(failed),
            Err(_) => {}
        }
    }
    outcome
}

fn key_values(customer: &SealedCustomer) -> [Value<'_>; 5] {
    let WrappedCustomerKey { generation, wrap_generation, wrapped } = &customer.key;
    [
        Value::Whole(customer.merchant.get().into()),
        Value::Whole(customer.number.get()),
        Value::Whole((*generation).into()),
        Value::Whole((*wrap_generation).into()),
        Value::Bytes(wrapped),
    ]
}

/// An entry as values to bind, when `changed` is the codes of the fields that changed.
pub(crate) fn entry_values<'a>(
    entry: &'a SealedEntry,
    changed: &'a [u8],
) -> Result<[Value<'a>; 13], StoreError> {
    let SealedEntry {
        header,
        sealed,
        digest,
        head: HistoryHead(head),
        change,
        schema,
        key_generation,
    } = entry;
    let EntryHeader { merchant, number, version, happened, changed: _, at, actor_code } = header;
    Ok([
        Value::Whole(merchant.get().into()),
        Value::Whole(number.get()),
        Value::Whole(integer(*version, ("history", "version"))?),
        Value::Whole(happened.code().into()),
        Value::Bytes(changed),
        Value::Whole(at.as_ms()),
        Value::Whole((*actor_code).into()),
        Value::OptionalBytes(sealed.as_deref()),
        Value::Bytes(digest),
        Value::Bytes(head),
        Value::Bytes(change.as_bytes()),
        Value::Whole((*schema).into()),
        Value::Whole((*key_generation).into()),
    ])
}
