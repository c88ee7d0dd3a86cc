//! The access log: who looked at whom.

use patron::access_log::{AccessPlace, Accessed, SealedAccess};
use patron::ids::{AccessId, CustomerNumber, MerchantNumber};
use patron::store::StoreError;
use rusqlite::{Connection, Row};

use crate::rows::Columns;
use crate::sql;

/// Writes entries. One that is there stays as it is: its random name tells that it came twice.
pub(crate) fn put(connection: &Connection, accesses: &[SealedAccess]) -> Result<(), StoreError> {
    for access in accesses {
        let SealedAccess { merchant, at, id, accessed, customer, actor_code, actor_number, sealed } =
            access;
        sql::execute(
            connection,
            "INSERT INTO access_log (merchant, at_ms, id, accessed, number, actor, actor_number, \
             sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
            (
                merchant.get(),
                at.as_ms(),
                id.as_bytes(),
                accessed.code(),
                customer.map(CustomerNumber::get),
                actor_code,
                actor_number,
                sealed,
            ),
        )?;
    }
    Ok(())
}

macro_rules! page {
    ($of:literal) => {
        concat!(
            "SELECT merchant, at_ms, id, accessed, number, actor, actor_number, sealed \
             FROM access_log WHERE merchant = ?1 AND (at_ms, id) < (?2, ?3) ",
            $of,
            " ORDER BY at_ms DESC, id DESC LIMIT ?4"
        )
    };
}

/// A page, newest first.
pub(crate) fn list(
    connection: &Connection,
    merchant: MerchantNumber,
    customer: Option<CustomerNumber>,
    after: Option<AccessPlace>,
    limit: u32,
) -> Result<Vec<SealedAccess>, StoreError> {
    // Nothing is written at the end of time.
    let (at_ms, id) =
        after.map_or((i64::MAX, [0; 16]), |AccessPlace { at, id }| (at.as_ms(), *id.as_bytes()));
    let merchant = merchant.get();
    match customer {
        None => sql::list(connection, page!(""), (merchant, at_ms, id, limit), read_access),
        Some(customer) => sql::list(
            connection,
            page!("AND number = ?5"),
            (merchant, at_ms, id, limit, customer.get()),
            read_access,
        ),
    }
}

fn read_access(row: &Row<'_>) -> Result<SealedAccess, StoreError> {
    let mut columns = Columns::of(row, "access_log");
    Ok(SealedAccess {
        merchant: columns.take_merchant("merchant")?,
        at: columns.take_time("at_ms")?,
        id: AccessId::from_bytes(columns.take("id")?),
        accessed: columns.take_parsed("accessed", |code: u8| Accessed::from_code(code))?,
        customer: columns.take_optional_customer("number")?,
        actor_code: columns.take_number("actor")?,
        actor_number: columns.take("actor_number")?,
        sealed: columns.take("sealed")?,
    })
}
