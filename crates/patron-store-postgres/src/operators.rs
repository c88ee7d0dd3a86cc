//! Operators: the people who look after customers.

use patron::clock::Timestamp;
use patron::ids::{MerchantNumber, OperatorNumber};
use patron::operator::{Role, SealedOperator};
use patron::store::{StoreError, Unique};
use tokio_postgres::Row;

use crate::connections::Connection;
use crate::errors::Failed;
use crate::manage::merchant_exists;
use crate::read::{all, one};
use crate::rows::{Columns, integer};
use crate::sql::{Kind, Statement, Value};

macro_rules! select_operator {
    ($rest:literal) => {
        concat!(
            "SELECT number, merchant, role, created_ms, disabled_ms, revision, credential, \
             email_index, sealed, password FROM operator ",
            $rest
        )
    };
}

static FIND: Statement = Statement::new(select_operator!("WHERE number = $1"), &[Kind::Whole]);

static FIND_BY_EMAIL: Statement =
    Statement::new(select_operator!("WHERE email_index = $1"), &[Kind::Bytes]);

static LIST_OF_MERCHANT: Statement =
    Statement::new(select_operator!("WHERE merchant = $1 ORDER BY number"), &[Kind::Whole]);

static LIST_OF_DEPLOYMENT: Statement =
    Statement::new(select_operator!("WHERE merchant IS NULL ORDER BY number"), &[]);

static CREATE: Statement = Statement::new(
    "INSERT INTO operator (number, merchant, role, created_ms, disabled_ms, revision, credential, \
     email_index, sealed, password) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
     ON CONFLICT DO NOTHING",
    &[
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Bytes,
        Kind::Bytes,
        Kind::Text,
    ],
);

static REVISION: Statement =
    Statement::new("SELECT revision FROM operator WHERE number = $1", &[Kind::Whole]);

static HAS_ADDRESS: Statement = Statement::new(
    "SELECT 1::bigint FROM operator WHERE email_index = $2 AND number <> $1",
    &[Kind::Whole, Kind::Bytes],
);

static UPDATE: Statement = Statement::new(
    "UPDATE operator SET role = $2, disabled_ms = $3, revision = $4, credential = $5, \
     email_index = $6, sealed = $7, password = $8 WHERE number = $1",
    &[
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Whole,
        Kind::Bytes,
        Kind::Bytes,
        Kind::Text,
    ],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![
        &FIND,
        &FIND_BY_EMAIL,
        &LIST_OF_MERCHANT,
        &LIST_OF_DEPLOYMENT,
        &CREATE,
        &REVISION,
        &HAS_ADDRESS,
        &UPDATE,
    ]
}

/// The operator with this number.
pub(crate) async fn find(
    connection: &Connection,
    number: OperatorNumber,
) -> Result<Option<SealedOperator>, Failed> {
    one(&connection.query(&FIND, &[Value::Whole(number.get())]).await?, read_operator)
}

/// The operator whose email address has this index.
pub(crate) async fn find_by_email(
    connection: &Connection,
    email_index: &[u8; 32],
) -> Result<Option<SealedOperator>, Failed> {
    one(&connection.query(&FIND_BY_EMAIL, &[Value::Bytes(email_index)]).await?, read_operator)
}

/// The merchant's operators, or the deployment's, by number.
pub(crate) async fn list(
    connection: &Connection,
    merchant: Option<MerchantNumber>,
) -> Result<Vec<SealedOperator>, Failed> {
    let rows = match merchant {
        Some(merchant) => {
            connection.query(&LIST_OF_MERCHANT, &[Value::Whole(merchant.get().into())]).await?
        }
        None => connection.query(&LIST_OF_DEPLOYMENT, &[]).await?,
    };
    all(&rows, read_operator)
}

/// Creates an operator, in a transaction that changes management.
pub(crate) async fn create(
    connection: &Connection,
    operator: &SealedOperator,
) -> Result<(), Failed> {
    let SealedOperator {
        number,
        merchant,
        role,
        created,
        disabled,
        revision,
        credential,
        email_index,
        sealed,
        password,
    } = operator;
    if let Some(merchant) = merchant
        && !merchant_exists(connection, *merchant).await?
    {
        return Err(StoreError::Missing.into());
    }
    let values = [
        Value::Whole(number.get()),
        Value::OptionalWhole(merchant.map(|merchant| merchant.get().into())),
        Value::Whole(role.code().into()),
        Value::Whole(created.as_ms()),
        Value::OptionalWhole(disabled.map(Timestamp::as_ms)),
        Value::Whole(integer(*revision, ("operator", "revision"))?),
        Value::Whole(integer(*credential, ("operator", "credential"))?),
        Value::Bytes(email_index),
        Value::Bytes(sealed),
        Value::Text(password),
    ];
    match connection.execute(&CREATE, &values).await? {
        0 => Err(StoreError::Duplicate(Unique::OperatorEmail).into()),
        _ => Ok(()),
    }
}

/// Changes an operator, in a transaction that changes management. Its merchant and its time of creation stay.
pub(crate) async fn update(
    connection: &Connection,
    operator: &SealedOperator,
) -> Result<(), Failed> {
    let SealedOperator {
        number,
        merchant: _,
        role,
        created: _,
        disabled,
        revision,
        credential,
        email_index,
        sealed,
        password,
    } = operator;
    let number = Value::Whole(number.get());
    let found: Option<u64> = one(&connection.query(&REVISION, &[number]).await?, |row| {
        Columns::of(row, "operator").take_number("revision")
    })?;
    let found = found.ok_or(StoreError::Missing)?;
    if found.checked_add(1) != Some(*revision) {
        return Err(StoreError::Stale.into());
    }
    // One transaction at a time changes management, so that nobody takes it meanwhile.
    let address = [number, Value::Bytes(email_index)];
    if !connection.query(&HAS_ADDRESS, &address).await?.is_empty() {
        return Err(StoreError::Duplicate(Unique::OperatorEmail).into());
    }
    let values = [
        number,
        Value::Whole(role.code().into()),
        Value::OptionalWhole(disabled.map(Timestamp::as_ms)),
        Value::Whole(integer(*revision, ("operator", "revision"))?),
        Value::Whole(integer(*credential, ("operator", "credential"))?),
        Value::Bytes(email_index),
        Value::Bytes(sealed),
        Value::Text(password),
    ];
    connection.execute(&UPDATE, &values).await?;
    Ok(())
}

/// Reads the columns of `operator`.
fn read_operator(row: &Row) -> Result<SealedOperator, StoreError> {
    let mut columns = Columns::of(row, "operator");
    Ok(SealedOperator {
        number: OperatorNumber::new(columns.take_number("number")?),
        merchant: columns.take_optional_merchant("merchant")?,
        role: columns.take_code("role", Role::from_code)?,
        created: columns.take_time("created_ms")?,
        disabled: columns.take_optional_time("disabled_ms")?,
        revision: columns.take_number("revision")?,
        credential: columns.take_number("credential")?,
        email_index: columns.take_bytes("email_index")?,
        sealed: columns.take("sealed")?,
        password: columns.take("password")?,
    })
}
