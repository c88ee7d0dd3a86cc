//! Lists from a replica: only ever what a read of the primary would have answered too.
//!
//! Before each the primary is asked how far its log has come, which costs it next to nothing. A replica that has
//! come as far has all that was acknowledged before, whichever process acknowledged it. One that stays behind is
//! not waited for.

use std::time::Duration;

use patron::ids::MerchantNumber;
use patron::store::SealedList;
use tokio::time::sleep;
use tokio_postgres::Row;

use crate::connections::Connection;
use crate::errors::Failed;
use crate::read::list_customers;
use crate::sql::{Kind, Statement, Value};
use crate::transaction::Database;

/// How often a replica that is a little behind is looked at again, and the wait in between.
const LOOKS_MAX: u32 = 8;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

static POSITION: Statement = Statement::new("SELECT pg_current_wal_lsn()::text", &[]);

static HAS_COME_TO: Statement = Statement::new(
    "SELECT 1::bigint WHERE pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= $1::pg_lsn",
    &[Kind::Text],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![&POSITION, &HAS_COME_TO]
}

/// A replica of the primary. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) primary: Database,
    pub(crate) replica: Database,
}

impl Replica {
    /// The list, if the replica has everything that it must hold; else the primary is the one to ask.
    pub(crate) async fn list_customers(
        &self,
        merchant: MerchantNumber,
        (offset, limit): (u32, u32),
    ) -> Option<SealedList> {
        let position =
            self.primary.ask(|held| async move { position(&held).await }).await.ok()??;
        let position = position.as_str();
        let mut looks = 0_u32;
        loop {
            let asked = self
                .replica
                .ask_once(|held| async move { has_come_to(&held, position).await })
                .await;
            match asked {
                Ok(true) => break,
                Ok(false) if looks < LOOKS_MAX => {
                    looks = looks.saturating_add(1);
                    sleep(LOOK_AGAIN_AFTER).await;
                }
                Ok(false) | Err(_) => return None,
            }
        }
        let list = self.replica.ask_snapshot(|held| async move {
            list_customers(&held, merchant, offset, limit).await
        });
        list.await.ok()
    }
}

async fn position(connection: &Connection) -> Result<Option<String>, Failed> {
    let rows = connection.query(&POSITION, &[]).await?;
    Ok(rows.first().and_then(|row: &Row| row.try_get(0).ok()))
}

async fn has_come_to(connection: &Connection, position: &str) -> Result<bool, Failed> {
    Ok(!connection.query(&HAS_COME_TO, &[Value::Text(position)]).await?.is_empty())
}
