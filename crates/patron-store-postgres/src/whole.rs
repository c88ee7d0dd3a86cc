//! Reading what a walk over everything reads: customers that are deleted too, and what may be left of others.

use patron::ids::{CustomerNumber, MerchantNumber};
use patron::store::WholeCustomer;

use crate::connections::Connection;
use crate::erase;
use crate::errors::Failed;
use crate::read::{all, list_history, one};
use crate::rows::{Columns, read_customer, read_event, select_customer};
use crate::sql::{Kind, Statement, Value};

/// Each of them is limited by itself, so that a page costs the same wherever it begins.
static LIST_KEPT: Statement = Statement::new(
    "SELECT number FROM (\
         (SELECT number FROM customer \
             WHERE merchant = $1 AND number > $2 ORDER BY number LIMIT $3) \
         UNION (SELECT DISTINCT number FROM history \
             WHERE merchant = $1 AND number > $2 ORDER BY number LIMIT $3) \
         UNION (SELECT DISTINCT number FROM customer_key \
             WHERE merchant = $1 AND number > $2 ORDER BY number LIMIT $3) \
         UNION (SELECT DISTINCT number FROM outbox \
             WHERE merchant = $1 AND number > $2 ORDER BY number LIMIT $3) \
         UNION (SELECT number FROM erased_customer \
             WHERE merchant = $1 AND number > $2 ORDER BY number LIMIT $3)) AS kept \
     ORDER BY number LIMIT $3",
    &[Kind::Whole, Kind::Whole, Kind::Whole],
);

pub(crate) static FIND_WHOLE: Statement = Statement::new(
    select_customer!("WHERE c.merchant = $1 AND c.number = $2"),
    &[Kind::Whole, Kind::Whole],
);

static LIST_EVENTS: Statement = Statement::new(
    "SELECT merchant, number, version, happened, at_ms FROM outbox \
     WHERE merchant = $1 AND number = $2 ORDER BY version",
    &[Kind::Whole, Kind::Whole],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![&LIST_KEPT, &FIND_WHOLE, &LIST_EVENTS]
}

pub(crate) async fn list_customers(
    connection: &Connection,
    merchant: MerchantNumber,
    after: i64,
    limit: u32,
) -> Result<Vec<CustomerNumber>, Failed> {
    let page =
        [Value::Whole(merchant.get().into()), Value::Whole(after), Value::Whole(limit.into())];
    let rows = connection.query(&LIST_KEPT, &page).await?;
    all(&rows, |row| Columns::of(row, "customer").take_customer("number"))
}

pub(crate) async fn find_customer(
    connection: &Connection,
    merchant: MerchantNumber,
    number: CustomerNumber,
) -> Result<WholeCustomer, Failed> {
    let place = [Value::Whole(merchant.get().into()), Value::Whole(number.get())];
    let customer = one(&connection.query(&FIND_WHOLE, &place).await?, read_customer)?;
    let entries = list_history(connection, merchant, number).await?;
    let events = all(&connection.query(&LIST_EVENTS, &place).await?, read_event)?;
    let erased = erase::find(connection, merchant, number).await?;
    Ok(WholeCustomer { customer, erased, entries, events })
}
