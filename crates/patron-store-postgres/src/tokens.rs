//! Client auth tokens: kept, spent, and cleared away once they have expired.

use patron::clock::Timestamp;
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::store::{StoreError, Unique};
use patron::token::TokenRecord;

use crate::connections::Connection;
use crate::errors::Failed;
use crate::read::one;
use crate::rows::{Columns, read_token};
use crate::sql::{Kind, RowsStatement, Statement, Value};

/// Answers a row for each token that was kept: a hash that is taken is left out.
pub(crate) static PUT_TOKENS: RowsStatement = RowsStatement::new(
    "INSERT INTO client_token (merchant, hash, number, issued_ms, expires_ms, uses_left) VALUES ",
    &[Kind::Whole, Kind::Bytes, Kind::Whole, Kind::Whole, Kind::Whole, Kind::Whole],
    " ON CONFLICT DO NOTHING",
);

/// One statement: whoever comes second finds one use less.
static SPEND: Statement = Statement::new(
    "UPDATE client_token SET uses_left = uses_left - 1 \
     WHERE merchant = $1 AND hash = $2 AND uses_left > 0 AND expires_ms > $3 RETURNING number",
    &[Kind::Whole, Kind::Bytes, Kind::Whole],
);

static FIND: Statement = Statement::new(
    "SELECT merchant, hash, number, issued_ms, expires_ms, uses_left FROM client_token \
     WHERE merchant = $1 AND hash = $2",
    &[Kind::Whole, Kind::Bytes],
);

static CLEAR: Statement = Statement::new(
    "DELETE FROM client_token WHERE merchant = $1 AND hash IN (\
         SELECT hash FROM client_token WHERE merchant = $1 AND expires_ms <= $2 \
         ORDER BY expires_ms LIMIT $3)",
    &[Kind::Whole, Kind::Whole, Kind::Whole],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    PUT_TOKENS.all().into_iter().chain([&SPEND, &FIND, &CLEAR]).collect()
}

pub(crate) fn token_values(token: &TokenRecord) -> [Value<'_>; 6] {
    let TokenRecord { merchant, hash, customer, issued, expires, uses_left } = token;
    [
        Value::Whole(merchant.get().into()),
        Value::Bytes(hash),
        Value::Whole(customer.get()),
        Value::Whole(issued.as_ms()),
        Value::Whole(expires.as_ms()),
        Value::Whole((*uses_left).into()),
    ]
}

/// Keeps a token. `Duplicate` when its hash is taken.
pub(crate) async fn issue(connection: &Connection, token: &TokenRecord) -> Result<(), Failed> {
    let Some((statement, _)) = PUT_TOKENS.for_up_to(1) else {
        return Ok(());
    };
    match connection.execute(statement, &token_values(token)).await? {
        0 => Err(StoreError::Duplicate(Unique::ClientToken).into()),
        _ => Ok(()),
    }
}

/// Uses a token once.
pub(crate) async fn spend(
    connection: &Connection,
    merchant: MerchantNumber,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<CustomerNumber>, Failed> {
    let values =
        [Value::Whole(merchant.get().into()), Value::Bytes(hash), Value::Whole(now.as_ms())];
    let rows = connection.query(&SPEND, &values).await?;
    one(&rows, |row| Columns::of(row, "client_token").take_customer("number"))
}

/// The token with this hash, whatever is left of it.
pub(crate) async fn find(
    connection: &Connection,
    merchant: MerchantNumber,
    hash: &[u8; 32],
) -> Result<Option<TokenRecord>, Failed> {
    let values = [Value::Whole(merchant.get().into()), Value::Bytes(hash)];
    one(&connection.query(&FIND, &values).await?, read_token)
}

/// Deletes tokens that have expired; how many.
pub(crate) async fn clear(
    connection: &Connection,
    merchant: MerchantNumber,
    now: Timestamp,
    limit: u32,
) -> Result<u32, Failed> {
    let values = [
        Value::Whole(merchant.get().into()),
        Value::Whole(now.as_ms()),
        Value::Whole(limit.into()),
    ];
    let cleared = connection.execute(&CLEAR, &values).await?;
    Ok(u32::try_from(cleared).unwrap_or(u32::MAX))
}
