//! Overwriting the room that erased keys have left in a table that is too large to be written anew.
//!
//! New rows go where PostgreSQL knows of room, and begin a new page only when there is none. So rows without a meaning
//! are put into the table until they begin new pages: then each place that a key had is written over, since they are as
//! long as keys, and whoever vacuums moves rows up within their page only. They are never committed.

use patron::store::StoreError;

use crate::connections::{Connection, Isolation};
use crate::errors::Failed;
use crate::read::{all, one};
use crate::rows::Columns;
use crate::sql::{Kind, ROWS_MAX, RowsStatement, Statement, Value};
use crate::transaction::Database;

/// How long a wrapped key is. A test holds it to what the core makes.
const KEY_BYTES: usize = 60;

/// How many statements are taken back together: a transaction that lasts keeps others from being cleaned up after.
const STATEMENTS_MAX: u32 = 64;

/// As of a customer's key. Answers in which pages of the table the rows are.
static PUT_NOTHING: RowsStatement = RowsStatement::new(
    "INSERT INTO customer_key (merchant, number, generation, wrap_generation, wrapped) VALUES ",
    &[Kind::Whole, Kind::Whole, Kind::Whole, Kind::Whole, Kind::Bytes],
    " RETURNING (ctid::text::point)[0]::bigint",
);

static PAGES: Statement = Statement::new(
    "SELECT pg_relation_size(to_regclass($1)) / current_setting('block_size')::bigint",
    &[Kind::Text],
);

/// The statements of this file, for those who look at all of them.
pub(super) fn statements() -> Vec<&'static Statement> {
    PUT_NOTHING.all().into_iter().chain([&PAGES]).collect()
}

/// Overwrites all the room that PostgreSQL knows of in the table of keys, a moment after it was vacuumed.
pub(super) async fn overwrite_keys(database: &Database) -> Result<(), Failed> {
    let pages = database.ask_once(|held| async move { pages(&held).await }).await?;
    let mut next = 1_i64;
    loop {
        let first = next;
        let put = database.ask_once(|held| async move {
            held.begin(Isolation::Committed).await?;
            let put = put_nothing(&held, first, pages).await;
            held.roll_back().await;
            put
        });
        match put.await? {
            Some(after) => next = after,
            None => return Ok(()),
        }
    }
}

async fn pages(connection: &Connection) -> Result<i64, Failed> {
    let rows = connection.query(&PAGES, &[Value::Text("customer_key")]).await?;
    let pages = one(&rows, |row| Columns::of(row, "(server)").take_number("pages"))?;
    Ok(pages.ok_or(StoreError::Corrupt { table: "(server)", column: "(pages)" })?)
}

/// Puts rows with numbers from `first` on into the table, which is to be taken back. The number after the last, or
/// `None` when they begin pages beyond those that there were.
async fn put_nothing(
    connection: &Connection,
    first: i64,
    pages: i64,
) -> Result<Option<i64>, Failed> {
    let Some((statement, _)) = PUT_NOTHING.for_up_to(ROWS_MAX) else {
        return Ok(None);
    };
    let mut numbers = first..;
    for _ in 0..STATEMENTS_MAX {
        let values: Vec<Value<'_>> =
            numbers.by_ref().take(ROWS_MAX).flat_map(nobodys_key).collect();
        let rows = connection.query(statement, &values).await?;
        let put: Vec<i64> = all(&rows, |row| Columns::of(row, "customer_key").take_number("ctid"))?;
        if put.iter().all(|page| *page >= pages) {
            return Ok(None);
        }
    }
    Ok(Some(numbers.start))
}

/// No merchant has the number 0.
fn nobodys_key(number: i64) -> [Value<'static>; 5] {
    static NOTHING: [u8; KEY_BYTES] = [0; KEY_BYTES];
    let zero = Value::Whole(0);
    [zero, Value::Whole(number), zero, zero, Value::Bytes(&NOTHING)]
}
