//! Migrations: numbered SQL files, each run once, in order, in a transaction of its own.

use aws_lc_rs::digest::{SHA256, digest};
use patron::clock::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use crate::OpenError;

/// Marks the database file as Patron's (the text `ptrn`), so that another program's is refused.
pub(crate) const APPLICATION_ID: i32 = 0x7074_726e;

/// One file of `migrations/`. Its number is its place in the list, from 1.
struct Migration {
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { name: "initial", sql: include_str!("migrations/0001_initial.sql") },
    Migration {
        name: "search_erasure_operators",
        sql: include_str!("migrations/0002_search_erasure_operators.sql"),
    },
];

impl Migration {
    fn checksum(&self) -> Vec<u8> {
        digest(&SHA256, self.sql.as_bytes()).as_ref().to_vec()
    }
}

/// A migration as the database remembers it.
struct Applied {
    number: i64,
    checksum: Vec<u8>,
}

/// Refuses a file that is neither empty nor Patron's. Changes nothing.
pub(crate) fn check_origin(connection: &Connection) -> Result<(), OpenError> {
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let count = "SELECT count(*) FROM sqlite_schema";
    let objects: i64 = connection.query_row(count, [], |row| row.get(0))?;
    let is_new = id == 0 && objects == 0;
    if is_new || id == APPLICATION_ID { Ok(()) } else { Err(OpenError::Foreign) }
}

/// How far the schema of a data directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// There is none, or no store was founded on it.
    None,
    /// It is behind the program's. Opening the store brings it up to date.
    Behind,
    /// It is the program's own.
    Current,
}

/// How far the schema is, found without changing anything.
pub(crate) fn inspect(connection: &Connection) -> Result<Schema, OpenError> {
    check_origin(connection)?;
    let applied = list_applied(connection)?;
    check_applied(&applied)?;
    Ok(match applied.len() {
        0 => Schema::None,
        count if count < MIGRATIONS.len() => Schema::Behind,
        // A start that was stopped early leaves tables behind and nothing in them.
        _ if !connection.prepare("SELECT 1 FROM installation")?.exists([])? => Schema::None,
        _ => Schema::Current,
    })
}

/// Brings the schema up to date.
pub(crate) fn migrate(connection: &mut Connection, now: Timestamp) -> Result<(), OpenError> {
    let applied = list_applied(connection)?;
    check_applied(&applied)?;
    for (number, migration) in (1..).zip(MIGRATIONS) {
        if !applied.iter().any(|applied| applied.number == number) {
            run(connection, number, migration, now)?;
        }
    }
    Ok(())
}

/// Refuses what another program, older or newer, made of the schema.
fn check_applied(applied: &[Applied]) -> Result<(), OpenError> {
    let known = |number| (1..).zip(MIGRATIONS).find(|(known, _)| *known == number);
    for Applied { number, checksum } in applied {
        match known(*number) {
            None => return Err(OpenError::NewerSchema),
            Some((number, migration)) if *checksum != migration.checksum() => {
                return Err(OpenError::MigrationChanged { number, name: migration.name });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn list_applied(connection: &Connection) -> rusqlite::Result<Vec<Applied>> {
    if !connection.table_exists(None, "migration")? {
        return Ok(Vec::new());
    }
    connection
        .prepare("SELECT number, checksum FROM migration ORDER BY number")?
        .query_map([], |row| Ok(Applied { number: row.get(0)?, checksum: row.get(1)? }))?
        .collect()
}

fn run(
    connection: &mut Connection,
    number: i64,
    migration: &Migration,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.execute_batch(migration.sql)?;
    transaction.execute(
        "INSERT INTO migration (number, name, checksum, applied_ms) VALUES (?1, ?2, ?3, ?4)",
        (number, migration.name, migration.checksum(), now.as_ms()),
    )?;
    transaction.commit()
}
