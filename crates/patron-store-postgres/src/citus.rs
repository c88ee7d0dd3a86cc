//! Citus: the tables spread over several servers by merchant, and what that asks of everybody else.
//!
//! What belongs to a merchant's customers is distributed by the merchant and lies together on one server.
//! Merchants and keys are on every server. What no customer's statement touches stays on the coordinator.

use patron::store::StoreError;
use tokio::time::sleep;

use crate::connections::Connection;
use crate::errors::Failed;
use crate::migrations::TRY_AGAIN_AFTER;
use crate::open_error::OpenError;
use crate::purge::drop_copies;
use crate::read::one;
use crate::rows::Columns;
use crate::sql::{Kind, Statement, Value};
use crate::transaction::Database;

/// Every table that is distributed by its column `merchant`, the first before those that lie beside it.
pub(crate) const DISTRIBUTED: [&str; 8] = [
    "customer",
    "customer_key",
    "history",
    "outbox",
    "customer_count",
    "client_token",
    "erased_customer",
    "access_log",
];

/// Every table that each server has a copy of. They change seldom.
pub(crate) const REFERENCE: [&str; 7] = [
    "installation",
    "management_epoch",
    "wrapped_key",
    "merchant",
    "merchant_setting",
    "api_key",
    "operator",
];

/// Every table that stays where it is, on the coordinator. Sessions come and go too often for a copy on every
/// server, belong to no merchant alone, and are never joined with anything.
pub(crate) const LOCAL: [&str; 5] = ["migration", "counter", "job", "api_key_use", "session"];

static HAS_CITUS: Statement =
    Statement::new("SELECT 1::bigint FROM pg_extension WHERE extname = 'citus'", &[]);

static IS_SPREAD: Statement = Statement::new(
    "SELECT count(*) FROM pg_dist_partition WHERE logicalrelid = to_regclass($1)",
    &[Kind::Text],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![&HAS_CITUS, &IS_SPREAD]
}

/// Whether the database is a cluster's coordinator, be its tables spread or not.
pub(crate) async fn is_cluster(connection: &Connection) -> Result<bool, Failed> {
    Ok(!connection.query(&HAS_CITUS, &[]).await?.is_empty())
}

/// Spreads the tables; what was done, a line for each. Done again, it goes on where it was stopped.
pub(crate) async fn distribute(database: &Database) -> Result<Vec<String>, OpenError> {
    let is_cluster = database.ask_once(|held| async move { is_cluster(&held).await }).await?;
    if !is_cluster {
        return Err(OpenError::NoCitus);
    }
    // What is left of them from before cannot be distributed with the table.
    while !drop_copies(database).await? {
        sleep(TRY_AGAIN_AFTER).await;
    }
    let mut done = Vec::new();
    for table in REFERENCE {
        let sql = format!("SELECT create_reference_table('{table}')");
        done.push(spread(database, table, sql, "a copy on every server").await?);
    }
    for table in DISTRIBUTED {
        done.push(spread(database, table, distribution(table), "distributed by merchant").await?);
    }
    Ok(done)
}

fn distribution(table: &str) -> String {
    let [first, ..] = DISTRIBUTED;
    let beside = if table == first { "none" } else { first };
    format!("SELECT create_distributed_table('{table}', 'merchant', colocate_with => '{beside}')")
}

async fn spread(
    database: &Database,
    table: &'static str,
    sql: String,
    what: &str,
) -> Result<String, OpenError> {
    let was_spread: i64 = database
        .ask_once(|held| async move {
            let rows = held.query(&IS_SPREAD, &[Value::Text(table)]).await?;
            let count =
                one(&rows, |row| Columns::of(row, "pg_dist_partition").take_number("count"))?;
            let corrupt = StoreError::Corrupt { table: "pg_dist_partition", column: "count" };
            Ok(count.ok_or(corrupt)?)
        })
        .await?;
    if was_spread > 0 {
        return Ok(format!("{table}: was spread before"));
    }
    let sql = &sql;
    database
        .write_once(|held| async move {
            // A table that is full takes its time.
            held.run("SET LOCAL statement_timeout = 0").await?;
            held.run(sql).await
        })
        .await?;
    Ok(format!("{table}: {what}"))
}
