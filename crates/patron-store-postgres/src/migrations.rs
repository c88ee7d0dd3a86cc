//! Migrations: numbered SQL files, each run once, in order, in a transaction of its own, by one process at a time.
//!
//! Old and new versions of the program work side by side while they are exchanged one by one. So a migration first
//! adds, and a later one takes away what no version that still runs uses: each says with which program's schema
//! it can still be used, and a program goes on beside a newer schema for as long as that allows it.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use patron::clock::Timestamp;
use tokio::time::sleep;

use crate::Schema;
use crate::advisory;
use crate::connections::Connection;
use crate::errors::Failed;
use crate::open_error::OpenError;
use crate::purge::{drop_copies, has_copies};
use crate::rows::Columns;
use crate::sql::{Kind, Statement, Value};
use crate::transaction::Database;

/// One file of `migrations/`. Its number is its place in the list, from 1.
struct Migration {
    name: &'static str,
    sql: &'static str,
    /// The oldest schema whose programs still work once this migration was run.
    works_from: i64,
}

const MIGRATIONS: &[Migration] = &[
    Migration { name: "initial", sql: include_str!("migrations/0001_initial.sql"), works_from: 1 },
    Migration {
        name: "search_erasure_operators",
        sql: include_str!("migrations/0002_search_erasure_operators.sql"),
        works_from: 1,
    },
];

/// The number of the schema that this program is made for.
pub(crate) const OWN_SCHEMA: i64 = 2;

const _: () = assert!(MIGRATIONS.len() == 2, "OWN_SCHEMA is the number of the last migration");

/// Between two attempts to take away copies of tables.
pub(crate) const TRY_AGAIN_AFTER: Duration = Duration::from_secs(3);

static LOCK: Statement =
    Statement::new("SELECT 1::bigint FROM pg_advisory_xact_lock($1)", &[Kind::Whole]);

/// Reads the catalogue as any other table: `to_regclass` would answer from what its session remembers, and whoever
/// has waited for another's migration would not see what that has made.
static TABLES: Statement = Statement::new(
    "SELECT count(*) FILTER (WHERE c.relname = 'migration'), \
     count(*) FILTER (WHERE c.relname <> 'migration') \
     FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = ANY (current_schemas(false)) \
     AND c.relname IN ('migration', 'customer', 'merchant')",
    &[],
);

static LIST: Statement =
    Statement::new("SELECT number, checksum, works_from FROM migration ORDER BY number", &[]);

static IS_FOUNDED: Statement = Statement::new("SELECT 1::bigint FROM installation", &[]);

static NOTE: Statement = Statement::new(
    "INSERT INTO migration (number, name, checksum, works_from, applied_ms) \
     VALUES ($1, $2, $3, $4, $5)",
    &[Kind::Whole, Kind::Text, Kind::Bytes, Kind::Whole, Kind::Whole],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![&LOCK, &TABLES, &LIST, &IS_FOUNDED, &NOTE]
}

/// Which files were run, so that none runs twice, is skipped, or changes afterwards.
const OWN_TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (\
     number     bigint PRIMARY KEY, \
     name       text   NOT NULL, \
     checksum   bytea  NOT NULL CHECK (length(checksum) = 32), \
     works_from bigint NOT NULL, \
     applied_ms bigint NOT NULL)";

impl Migration {
    fn checksum(&self) -> Vec<u8> {
        digest(&SHA256, self.sql.as_bytes()).as_ref().to_vec()
    }
}

/// A migration as the database remembers it.
struct Applied {
    number: i64,
    checksum: [u8; 32],
    works_from: i64,
}

/// What is there.
enum Found {
    Nothing,
    Foreign,
    Migrations(Vec<Applied>),
}

/// How far the schema is, found without changing anything.
pub(crate) async fn inspect(database: &Database) -> Result<Schema, OpenError> {
    let found = database.ask_once(|held| async move { find(&held).await }).await?;
    match found {
        Found::Nothing => return Ok(Schema::None),
        Found::Foreign => return Err(OpenError::Foreign),
        Found::Migrations(applied) => {
            check(&applied)?;
            if missing(&applied).next().is_some() {
                return Ok(if applied.is_empty() { Schema::None } else { Schema::Behind });
            }
        }
    }
    let founded =
        database.ask_once(|held| async move { held.query(&IS_FOUNDED, &[]).await }).await?;
    // A start that was stopped early leaves tables behind and nothing in them.
    Ok(if founded.is_empty() { Schema::None } else { Schema::Current })
}

/// Brings the schema up to date; the names of the migrations that were run.
pub(crate) async fn migrate(database: &Database, now: Timestamp) -> Result<Vec<String>, OpenError> {
    // Whoever may not change the schema need not, once somebody else has.
    if inspect(database).await? == Schema::Current {
        return Ok(Vec::new());
    }
    let database = database.patient();
    let mut run = Vec::new();
    loop {
        let next = database.write_once(|held| async move { run_next(&held, now).await }).await?;
        match next {
            Step::Ran(name) => run.push(name),
            Step::Done => return Ok(run),
            Step::FoundCopies => {
                // Not together with the migration, which would keep others from the table for as long as somebody has
                // the copy.
                if !drop_copies(&database).await? {
                    sleep(TRY_AGAIN_AFTER).await;
                }
            }
            Step::Refused(error) => return Err(error),
        }
    }
}

enum Step {
    Ran(String),
    Done,
    /// Tables are being copied, as they were before.
    FoundCopies,
    Refused(OpenError),
}

/// Runs the first migration that is missing, while nobody else does.
async fn run_next(connection: &Connection, now: Timestamp) -> Result<Step, Failed> {
    // Another process' migration, and our own, may take their time.
    connection.run("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
    connection.query(&LOCK, &[Value::Whole(advisory::MIGRATION)]).await?;
    let applied = match find(connection).await? {
        Found::Foreign => return Ok(Step::Refused(OpenError::Foreign)),
        Found::Nothing => {
            connection.run(OWN_TABLE).await?;
            Vec::new()
        }
        Found::Migrations(applied) => applied,
    };
    if let Err(error) = check(&applied) {
        return Ok(Step::Refused(error));
    }
    let Some((number, migration)) = missing(&applied).next() else {
        return Ok(Step::Done);
    };
    // One would bring back the table as it was. None begins as long as this is locked.
    if has_copies(connection).await? {
        return Ok(Step::FoundCopies);
    }
    connection.run(migration.sql).await?;
    let values = [
        Value::Whole(number),
        Value::Text(migration.name),
        Value::Bytes(&migration.checksum()),
        Value::Whole(migration.works_from),
        Value::Whole(now.as_ms()),
    ];
    connection.execute(&NOTE, &values).await?;
    Ok(Step::Ran(format!("{number:04}_{}", migration.name)))
}

async fn find(connection: &Connection) -> Result<Found, Failed> {
    let rows = connection.query(&TABLES, &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(Found::Nothing);
    };
    let mut columns = Columns::of(row, "migration");
    let (has_migrations, has_others): (i64, i64) =
        (columns.take_number("number")?, columns.take_number("number")?);
    match (has_migrations, has_others) {
        (0, 0) => return Ok(Found::Nothing),
        (0, _) => return Ok(Found::Foreign),
        _ => {}
    }
    let mut applied = Vec::new();
    for row in connection.query(&LIST, &[]).await? {
        let mut columns = Columns::of(&row, "migration");
        applied.push(Applied {
            number: columns.take_number("number")?,
            checksum: columns.take_bytes("checksum")?,
            works_from: columns.take_number("works_from")?,
        });
    }
    Ok(Found::Migrations(applied))
}

/// Refuses what another program made of the schema, unless this one can work beside it.
fn check(applied: &[Applied]) -> Result<(), OpenError> {
    for Applied { number, checksum, works_from } in applied {
        if *works_from > OWN_SCHEMA {
            return Err(OpenError::NewerSchema);
        }
        let known = (1..).zip(MIGRATIONS).find(|(known, _)| known == number);
        match known {
            Some((number, migration)) if *checksum != *migration.checksum() => {
                return Err(OpenError::MigrationChanged { number, name: migration.name });
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

fn missing(applied: &[Applied]) -> impl Iterator<Item = (i64, &'static Migration)> {
    (1..).zip(MIGRATIONS).filter(|(number, _)| !applied.iter().any(|one| one.number == *number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(number: i64, works_from: i64) -> Applied {
        let known = usize::try_from(number - 1).ok().and_then(|index| MIGRATIONS.get(index));
        let checksum = known.map_or([7; 32], |known| known.checksum().try_into().unwrap());
        Applied { number, checksum, works_from }
    }

    #[test]
    fn a_newer_schema_is_used_as_long_as_it_allows() {
        assert!(check(&[applied(1, 1)]).is_ok());
        let (next, beyond) = (OWN_SCHEMA + 1, OWN_SCHEMA + 1);
        assert!(check(&[applied(1, 1), applied(next, OWN_SCHEMA)]).is_ok());
        let error = check(&[applied(1, 1), applied(next, beyond)]).unwrap_err();
        assert!(matches!(error, OpenError::NewerSchema));
        let error = check(&[Applied { works_from: beyond, ..applied(1, 1) }]).unwrap_err();
        assert!(matches!(error, OpenError::NewerSchema));
    }

    #[test]
    fn a_migration_that_changed_is_refused() {
        let changed = Applied { checksum: [0; 32], ..applied(1, 1) };
        let error = check(&[changed]).unwrap_err();
        assert!(matches!(error, OpenError::MigrationChanged { number: 1, name: "initial" }));
    }

    #[test]
    fn what_is_missing_is_run_in_order() {
        let names =
            |applied: &[Applied]| missing(applied).map(|(number, _)| number).collect::<Vec<_>>();
        assert_eq!(names(&[]), [1, 2]);
        assert_eq!(names(&[applied(1, 1)]), [2]);
    }
}
