//! Client auth tokens: kept, spent, and cleared away once they have expired.

use patron::clock::Timestamp;
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::store::{StoreError, Unique};
use patron::token::TokenRecord;
use rusqlite::{Connection, Row};

use crate::rows::Columns;
use crate::sql;

/// Keeps a token. `Duplicate` when its hash is taken.
pub(crate) fn issue(connection: &Connection, token: &TokenRecord) -> Result<(), StoreError> {
    let TokenRecord { merchant, hash, customer, issued, expires, uses_left } = token;
    let inserted = sql::execute(
        connection,
        "INSERT INTO client_token (merchant, hash, number, issued_ms, expires_ms, uses_left) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        (merchant.get(), hash, customer.get(), issued.as_ms(), expires.as_ms(), uses_left),
    )?;
    if inserted == 0 { Err(StoreError::Duplicate(Unique::ClientToken)) } else { Ok(()) }
}

/// Whether the hash is taken.
pub(crate) fn is_taken(connection: &Connection, token: &TokenRecord) -> Result<bool, StoreError> {
    sql::exists(
        connection,
        "SELECT 1 FROM client_token WHERE merchant = ?1 AND hash = ?2",
        (token.merchant.get(), &token.hash),
    )
}

/// The token with this hash, whatever is left of it.
pub(crate) fn find(
    connection: &Connection,
    merchant: MerchantNumber,
    hash: &[u8; 32],
) -> Result<Option<TokenRecord>, StoreError> {
    sql::find(
        connection,
        "SELECT merchant, hash, number, issued_ms, expires_ms, uses_left FROM client_token \
         WHERE merchant = ?1 AND hash = ?2",
        (merchant.get(), hash),
        read_token,
    )
}

fn read_token(row: &Row<'_>) -> Result<TokenRecord, StoreError> {
    let mut columns = Columns::of(row, "client_token");
    Ok(TokenRecord {
        merchant: columns.take_merchant("merchant")?,
        hash: columns.take("hash")?,
        customer: columns.take_customer("number")?,
        issued: columns.take_time("issued_ms")?,
        expires: columns.take_time("expires_ms")?,
        uses_left: columns.take_number("uses_left")?,
    })
}

/// Whether a token of the merchant has expired.
pub(crate) fn has_expired(
    connection: &Connection,
    merchant: MerchantNumber,
    now: Timestamp,
) -> Result<bool, StoreError> {
    sql::exists(
        connection,
        "SELECT 1 FROM client_token WHERE merchant = ?1 AND expires_ms <= ?2",
        (merchant.get(), now.as_ms()),
    )
}

/// Deletes the merchant's tokens that have expired, the oldest first; how many. Each is deleted by its own
/// key: given the whole list, SQLite would search all of a merchant's tokens for it.
pub(crate) fn clear_expired(
    connection: &Connection,
    merchant: MerchantNumber,
    now: Timestamp,
    limit: u32,
) -> Result<u32, StoreError> {
    let expired: Vec<[u8; 32]> = sql::list(
        connection,
        "SELECT hash FROM client_token WHERE merchant = ?1 AND expires_ms <= ?2 \
         ORDER BY expires_ms LIMIT ?3",
        (merchant.get(), now.as_ms(), limit),
        |row| Columns::of(row, "client_token").take("hash"),
    )?;
    let mut cleared = 0;
    for hash in expired {
        let delete = "DELETE FROM client_token WHERE merchant = ?1 AND hash = ?2";
        sql::execute(connection, delete, (merchant.get(), hash))?;
        cleared += 1;
    }
    Ok(cleared)
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
