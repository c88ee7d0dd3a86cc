//! What is wrong with a database, as far as it says so itself.

use patron::store::StoreError;
use tokio_postgres::Row;

use crate::connections::Connection;
use crate::errors::Failed;
use crate::sql::Statement;
use crate::transaction::Database;

static SETTINGS: Statement = Statement::new(
    "SELECT current_setting('synchronous_commit'), current_setting('fsync'), \
     current_setting('full_page_writes')",
    &[],
);

static VERSION: Statement = Statement::new("SELECT current_setting('server_version')", &[]);

/// Indexes that a build left behind half-made: they keep nothing unique and are not looked into.
static INVALID_INDEXES: Statement = Statement::new(
    "SELECT c.relname::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid \
     JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE NOT (i.indisvalid AND i.indisready) AND n.nspname = current_schema() ORDER BY 1",
    &[],
);

/// What the server has noted of columns that it is not to know: of before it was told not to.
static STATISTICS: Statement = Statement::new(
    "SELECT attname::text FROM pg_stats WHERE schemaname = current_schema() \
     AND tablename = 'customer' AND attname IN ('id_index', 'reference_index', 'email_search', \
     'phone_search', 'reference_search', 'name_search') ORDER BY 1",
    &[],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![&SETTINGS, &VERSION, &INVALID_INDEXES, &STATISTICS]
}

/// Whether a crash of the server loses what this session was told is committed.
pub(crate) async fn loses_commits(connection: &Connection) -> Result<bool, Failed> {
    Ok(settings(connection)
        .await?
        .is_some_and(|[synchronous_commit, ..]| synchronous_commit == "off"))
}

async fn settings(connection: &Connection) -> Result<Option<[String; 3]>, Failed> {
    let rows = connection.query(&SETTINGS, &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let text = |column| {
        let corrupt = |_| StoreError::Corrupt { table: "pg_settings", column: "setting" };
        row.try_get::<_, String>(column).map_err(corrupt)
    };
    Ok(Some([text(0)?, text(1)?, text(2)?]))
}

/// The server's version, as it writes it.
pub(crate) async fn version(connection: &Connection) -> Result<String, Failed> {
    let rows = connection.query(&VERSION, &[]).await?;
    Ok(rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default())
}

/// What is wrong, a line for each.
pub(crate) async fn check(database: &Database) -> Result<Vec<String>, StoreError> {
    let (settings, invalid, noted) = database
        .ask(|held| async move {
            let names = |rows: Vec<Row>| -> Vec<String> {
                rows.iter().filter_map(|row| row.try_get(0).ok()).collect()
            };
            let settings = settings(&held).await?;
            let invalid = names(held.query(&INVALID_INDEXES, &[]).await?);
            Ok((settings, invalid, names(held.query(&STATISTICS, &[]).await?)))
        })
        .await?;
    let mut found = Vec::new();
    if let Some([synchronous_commit, fsync, full_page_writes]) = settings {
        if synchronous_commit == "off" {
            found.push("synchronous_commit is off: a crash loses what was acknowledged".to_owned());
        }
        if fsync == "off" {
            found.push("fsync is off: a power cut destroys the database".to_owned());
        }
        if full_page_writes == "off" {
            found.push("full_page_writes is off: a power cut may tear pages".to_owned());
        }
    }
    for index in invalid {
        found.push(format!("the index {index} is not valid: REINDEX INDEX CONCURRENTLY {index}"));
    }
    if !noted.is_empty() {
        found.push(format!(
            "the server's statistics hold a hundred values each of customer.{}, of customers that may have been \
             erased since: see \"What is erased\" in docs/scale.md",
            noted.join(", customer.")
        ));
    }
    Ok(found)
}
