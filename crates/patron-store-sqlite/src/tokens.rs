//! Client auth tokens: kept, spent, and cleared away once they have expired.

use patron::clock::Timestamp;
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::store::{StoreError, Unique};
use patron::token::TokenRecord;
use rusqlite::Connection;

use crate::rows::Columns;
use crate::sql;

/// How many expired tokens each new one clears away: more than one, so that they die out; few
/// enough that nobody waits for it.
const EXPIRED_CLEARED_MAX: u32 = 16;

/// Keeps a token. `Duplicate` when its hash is taken.
pub(crate) fn issue(connection: &Connection, token: &TokenRecord) -> Result<(), StoreError> {
    let TokenRecord { merchant, hash, customer, issued, expires, uses_left } = token;
    let inserted = sql::execute(
        connection,
        "INSERT INTO client_token (merchant, hash, number, issued_ms, expires_ms, uses_left) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        (merchant.get(), hash, customer.get(), issued.as_ms(), expires.as_ms(), uses_left),
    )?;
    if inserted == 0 {
        return Err(StoreError::Duplicate(Unique::ClientToken));
    }
    clear_expired(connection, *issued)
}

/// Whether the hash is taken.
pub(crate) fn is_taken(connection: &Connection, token: &TokenRecord) -> Result<bool, StoreError> {
    sql::exists(
        connection,
        "SELECT 1 FROM client_token WHERE merchant = ?1 AND hash = ?2",
        (token.merchant.get(), &token.hash),
    )
}

/// Each is deleted by its own key: given the whole list, SQLite would search all of a merchant's
/// tokens for it.
fn clear_expired(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    let expired: Vec<(i64, [u8; 32])> = sql::list(
        connection,
        "SELECT merchant, hash FROM client_token WHERE expires_ms <= ?1 \
         ORDER BY expires_ms LIMIT ?2",
        (now.as_ms(), EXPIRED_CLEARED_MAX),
        |row| {
            let mut columns = Columns::of(row, "client_token");
            Ok((columns.take("merchant")?, columns.take("hash")?))
        },
    )?;
    for key in expired {
        let delete = "DELETE FROM client_token WHERE merchant = ?1 AND hash = ?2";
        sql::execute(connection, delete, key)?;
    }
    Ok(())
}

/// Uses a token once. One statement: whoever comes second finds one use less.
pub(crate) fn spend(
    connection: &Connection,
    merchant: MerchantNumber,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<CustomerNumber>, StoreError> {
    sql::find(
        connection,
        "UPDATE client_token SET uses_left = uses_left - 1 \
         WHERE merchant = ?1 AND hash = ?2 AND uses_left > 0 AND expires_ms > ?3 \
         RETURNING number",
        (merchant.get(), hash, now.as_ms()),
        |row| Columns::of(row, "client_token").take_customer("number"),
    )
}
