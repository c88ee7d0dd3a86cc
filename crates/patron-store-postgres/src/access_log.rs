//! The access log: who looked at whom.

use patron::access_log::{AccessPlace, Accessed, SealedAccess};
use patron::clock::Timestamp;
use patron::ids::{AccessId, CustomerNumber, MerchantNumber};
use patron::store::StoreError;
use tokio_postgres::Row;

use crate::by_merchant::{Rows, send};
use crate::connections::Connection;
use crate::errors::Failed;
use crate::read::all;
use crate::rows::Columns;
use crate::sql::{Kind, RowsStatement, Statement, Value};

/// An entry that is there already was written before by whoever did not hear of it: its name is random.
static PUT_ACCESSES: RowsStatement = RowsStatement::new(
    "INSERT INTO access_log (merchant, at_ms, id, accessed, number, actor, actor_number, sealed) \
     VALUES ",
    &[
        Kind::Whole,
        Kind::Whole,
        Kind::Bytes,
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Bytes,
    ],
    " ON CONFLICT DO NOTHING",
);

static LIST_ACCESSES: Statement = Statement::new(
    "SELECT merchant, at_ms, id, accessed, number, actor, actor_number, sealed FROM access_log \
     WHERE merchant = $1 AND (at_ms, id) < ($2, $3) ORDER BY at_ms DESC, id DESC LIMIT $4",
    &[Kind::Whole, Kind::Whole, Kind::Bytes, Kind::Whole],
);

static LIST_ACCESSES_OF_CUSTOMER: Statement = Statement::new(
    "SELECT merchant, at_ms, id, accessed, number, actor, actor_number, sealed FROM access_log \
     WHERE merchant = $1 AND (at_ms, id) < ($2, $3) AND number = $5 \
     ORDER BY at_ms DESC, id DESC LIMIT $4",
    &[Kind::Whole, Kind::Whole, Kind::Bytes, Kind::Whole, Kind::Whole],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    let single = [&LIST_ACCESSES, &LIST_ACCESSES_OF_CUSTOMER];
    PUT_ACCESSES.all().into_iter().chain(single).collect()
}

/// Before the newest entry.
const BEFORE_ALL: AccessPlace =
    AccessPlace { at: Timestamp::from_ms(i64::MAX), id: AccessId::from_bytes([0xFF; 16]) };

fn access_values(access: &SealedAccess) -> [Value<'_>; 8] {
    let SealedAccess { merchant, at, id, accessed, customer, actor_code, actor_number, sealed } =
        access;
    [
        Value::Whole(merchant.get().into()),
        Value::Whole(at.as_ms()),
        Value::Bytes(id.as_bytes()),
        Value::Whole(accessed.code().into()),
        Value::OptionalWhole(customer.map(CustomerNumber::get)),
        Value::Whole((*actor_code).into()),
        Value::Whole(*actor_number),
        Value::Bytes(sealed),
    ]
}

/// Writes entries.
pub(crate) async fn log(connection: &Connection, accesses: &[SealedAccess]) -> Result<(), Failed> {
    let mut rows = Rows::default();
    for access in accesses {
        rows.add(access.merchant, &access_values(access));
    }
    let mut statements = Vec::new();
    let writes = rows.chunks(&PUT_ACCESSES, &mut statements);
    connection.prepare(&statements).await?;
    send(connection, writes).await
}

/// A page of a merchant's entries, newest first, of one customer if it is named.
pub(crate) async fn list(
    connection: &Connection,
    merchant: MerchantNumber,
    customer: Option<CustomerNumber>,
    after: Option<AccessPlace>,
    limit: u32,
) -> Result<Vec<SealedAccess>, Failed> {
    let AccessPlace { at, id } = after.unwrap_or(BEFORE_ALL);
    let mut values = vec![
        Value::Whole(merchant.get().into()),
        Value::Whole(at.as_ms()),
        Value::Bytes(id.as_bytes()),
        Value::Whole(limit.into()),
    ];
    let statement = match customer {
        None => &LIST_ACCESSES,
        Some(customer) => {
            values.push(Value::Whole(customer.get()));
            &LIST_ACCESSES_OF_CUSTOMER
        }
    };
    all(&connection.query(statement, &values).await?, read_access)
}

/// Reads merchant, at_ms, id, accessed, number, actor, actor_number, sealed.
fn read_access(row: &Row) -> Result<SealedAccess, StoreError> {
    let mut columns = Columns::of(row, "access_log");
    Ok(SealedAccess {
        merchant: columns.take_merchant("merchant")?,
        at: columns.take_time("at_ms")?,
        id: AccessId::from_bytes(columns.take_bytes("id")?),
        accessed: columns.take_code("accessed", Accessed::from_code)?,
        customer: columns.take_optional_customer("number")?,
        actor_code: columns.take_number("actor")?,
        actor_number: columns.take_number("actor_number")?,
        sealed: columns.take("sealed")?,
    })
}
