//! Operators: the people who look after customers.

use patron::clock::Timestamp;
use patron::ids::{MerchantNumber, OperatorNumber};
use patron::operator::{Role, SealedOperator};
use patron::store::{StoreError, Unique};
use rusqlite::{Connection, Row};

use crate::manage::merchant_exists;
use crate::rows::{Columns, integer};
use crate::sql;

/// A new operator.
pub(crate) fn create(connection: &Connection, operator: &SealedOperator) -> Result<(), StoreError> {
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
        && !merchant_exists(connection, *merchant)?
    {
        return Err(StoreError::Missing);
    }
    let inserted = sql::execute(
        connection,
        "INSERT INTO operator (number, merchant, role, created_ms, disabled_ms, revision, \
         credential, email_index, sealed, password) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        (
            number.get(),
            merchant.map(MerchantNumber::get),
            role.code(),
            created.as_ms(),
            disabled.map(Timestamp::as_ms),
            integer(*revision, ("operator", "revision"))?,
            integer(*credential, ("operator", "credential"))?,
            email_index,
            sealed,
            password,
        ),
    )?;
    if inserted == 0 { Err(StoreError::Duplicate(Unique::OperatorEmail)) } else { Ok(()) }
}

/// Everything about an operator may change but its number, its merchant and its time of creation.
pub(crate) fn update(connection: &Connection, operator: &SealedOperator) -> Result<(), StoreError> {
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
    let (number, revision) = (number.get(), integer(*revision, ("operator", "revision"))?);
    let stored = sql::find(
        connection,
        "SELECT revision FROM operator WHERE number = ?1",
        [number],
        |row| Columns::of(row, "operator").take::<i64>("revision"),
    )?;
    let stored = stored.ok_or(StoreError::Missing)?;
    if stored.checked_add(1) != Some(revision) {
        return Err(StoreError::Stale);
    }
    let is_taken = sql::exists(
        connection,
        "SELECT 1 FROM operator WHERE email_index = ?1 AND number <> ?2",
        (email_index, number),
    )?;
    if is_taken {
        return Err(StoreError::Duplicate(Unique::OperatorEmail));
    }
    sql::execute(
        connection,
        "UPDATE operator SET role = ?2, disabled_ms = ?3, revision = ?4, credential = ?5, \
         email_index = ?6, sealed = ?7, password = ?8 WHERE number = ?1",
        (
            number,
            role.code(),
            disabled.map(Timestamp::as_ms),
            revision,
            integer(*credential, ("operator", "credential"))?,
            email_index,
            sealed,
            password,
        ),
    )?;
    Ok(())
}

macro_rules! select_operator {
    ($rest:literal) => {
        concat!(
            "SELECT number, merchant, role, created_ms, disabled_ms, revision, credential, \
             email_index, sealed, password FROM operator ",
            $rest
        )
    };
}

/// The operator with this number.
pub(crate) fn find(
    connection: &Connection,
    number: OperatorNumber,
) -> Result<Option<SealedOperator>, StoreError> {
    sql::find(connection, select_operator!("WHERE number = ?1"), [number.get()], read_operator)
}

/// The operator whose email address has this index.
pub(crate) fn find_by_email(
    connection: &Connection,
    email_index: &[u8; 32],
) -> Result<Option<SealedOperator>, StoreError> {
    sql::find(connection, select_operator!("WHERE email_index = ?1"), [email_index], read_operator)
}

/// The merchant's operators, or the deployment's, by number.
pub(crate) fn list(
    connection: &Connection,
    merchant: Option<MerchantNumber>,
) -> Result<Vec<SealedOperator>, StoreError> {
    sql::list(
        connection,
        select_operator!("WHERE merchant IS ?1 ORDER BY number"),
        [merchant.map(MerchantNumber::get)],
        read_operator,
    )
}

fn read_operator(row: &Row<'_>) -> Result<SealedOperator, StoreError> {
    let mut columns = Columns::of(row, "operator");
    Ok(SealedOperator {
        number: OperatorNumber::new(columns.take("number")?),
        merchant: columns.take::<Option<u32>>("merchant")?.map(MerchantNumber::new),
        role: columns.take_parsed("role", |code: u8| Role::from_code(code))?,
        created: columns.take_time("created_ms")?,
        disabled: columns.take_optional_time("disabled_ms")?,
        revision: columns.take_number("revision")?,
        credential: columns.take_number("credential")?,
        email_index: columns.take("email_index")?,
        sealed: columns.take("sealed")?,
        password: columns.take("password")?,
    })
}
