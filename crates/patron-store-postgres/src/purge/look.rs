//! What a table and its copy are, and what hangs on the table.

use patron::store::StoreError;

use super::Table;
use crate::connections::Connection;
use crate::errors::{Failed, NotAnswering};
use crate::read::one;
use crate::rows::Columns;
use crate::sql::{Kind, Statement, Value};

/// What a table and its copy are: the server's own numbers of both; whether there is anything of a copy; their schema;
/// everything about the table that its copy must have too, with the copy's own triggers, as text; and what would be lost
/// with the table.
static LOOK: Statement = Statement::new(
    "SELECT c.oid::bigint, coalesce(k.oid::bigint, 0), \
     k.oid IS NOT NULL \
         OR EXISTS (SELECT FROM pg_proc WHERE proname = 'patron_copy_of_' || c.relname \
             AND pronamespace = c.relnamespace) \
         OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname IN \
             ('patron_copy_rows', 'patron_copy_truncate')), \
     quote_ident(n.nspname), \
     concat_ws(' ', c.relowner, c.relacl, c.reloptions, c.reltablespace, \
         (SELECT string_agg(concat_ws(' ', attnum, attname, atttypid, atttypmod, attnotnull, attstattarget, \
             attoptions, attstorage, attisdropped), ',' ORDER BY attnum) FROM pg_attribute \
             WHERE attrelid = c.oid AND attnum > 0), \
         (SELECT string_agg(concat_ws(' ', indexrelid, indisvalid, pg_get_indexdef(indexrelid)), ',' \
             ORDER BY indexrelid) FROM pg_index WHERE indrelid = c.oid), \
         (SELECT string_agg(concat_ws(' ', conname, pg_get_constraintdef(oid)), ',' ORDER BY oid) \
             FROM pg_constraint WHERE conrelid = c.oid), \
         (SELECT string_agg(concat_ws(' ', adnum, pg_get_expr(adbin, adrelid)), ',' ORDER BY adnum) \
             FROM pg_attrdef WHERE adrelid = c.oid), \
         (SELECT string_agg(concat_ws(' ', oid, tgenabled), ',' ORDER BY oid) FROM pg_trigger \
             WHERE tgrelid = c.oid AND tgname IN ('patron_copy_rows', 'patron_copy_truncate'))), \
     (SELECT string_agg(what, ', ') FROM ( \
         SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend AS d WHERE deptype = 'n' \
             AND ((refclassid = 'pg_class'::regclass AND refobjid = c.oid) \
                 OR (refclassid = 'pg_type'::regclass AND refobjid = c.reltype)) \
             AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE d.classid = 'pg_constraint'::regclass \
                 AND k.oid = d.objid AND k.conrelid = c.oid) \
         UNION SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend \
             JOIN pg_class AS s ON s.oid = objid AND classid = 'pg_class'::regclass \
             WHERE refclassid = 'pg_class'::regclass AND refobjid = c.oid AND s.relkind = 'S' \
         UNION SELECT 'the generated column ' || attname FROM pg_attribute \
             WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped \
             AND (attidentity <> '' OR attgenerated <> '') \
         UNION SELECT 'the foreign key ' || conname FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f' \
         UNION SELECT 'the trigger ' || tgname FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal \
             AND tgname NOT IN ('patron_copy_rows', 'patron_copy_truncate') \
         UNION SELECT 'the rule ' || rulename FROM pg_rewrite WHERE ev_class = c.oid \
         UNION SELECT 'the policy ' || polname FROM pg_policy WHERE polrelid = c.oid \
         UNION SELECT 'the publication ' || pubname FROM pg_publication_tables \
             WHERE schemaname = n.nspname AND tablename = c.relname \
         UNION SELECT 'a subscription' FROM pg_subscription_rel WHERE srrelid = c.oid \
         UNION SELECT 'its inheritance' FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent) \
         UNION SELECT 'what is granted of the column ' || attname FROM pg_attribute \
             WHERE attrelid = c.oid AND NOT attisdropped AND attacl IS NOT NULL \
         UNION SELECT 'its row level security' WHERE c.relrowsecurity OR c.relforcerowsecurity \
         UNION SELECT 'its replica identity' WHERE c.relreplident <> 'd' \
     ) AS found (what)) \
     FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     LEFT JOIN pg_class AS k ON k.relname = 'patron_copy_of_' || c.relname AND k.relnamespace = c.relnamespace \
     WHERE c.oid = to_regclass($1)",
    &[Kind::Text],
);

/// The statements of this file, for those who look at all of them.
pub(super) fn statements() -> Vec<&'static Statement> {
    vec![&LOOK]
}

/// A table and its copy, if there is one, as long as nobody changes what they are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// The table with its schema, as SQL.
    pub(super) table: String,
    /// The server's own number of it.
    pub(super) number: i64,
    /// The copy with its schema, as SQL, be there one or not.
    pub(super) copy_name: String,
    /// The server's own number of the copy. 0: there is none.
    pub(super) copy_number: i64,
    /// Whether there is a copy, or something of one.
    pub(super) has_copy: bool,
    pub(super) shape: String,
    /// What would be lost with the table.
    pub(super) in_the_way: Option<String>,
}

/// `None` when there is no such table.
pub(super) async fn look(connection: &Connection, table: Table) -> Result<Option<Look>, Failed> {
    let rows = connection.query(&LOOK, &[Value::Text(table.name)]).await?;
    one(&rows, |row| {
        let mut columns = Columns::of(row, "(server)");
        let (number, copy_number) = (columns.take_number("oid")?, columns.take_number("oid")?);
        let has_copy = columns.take("has_copy")?;
        let home: &str = columns.take("schema")?;
        Ok(Look {
            table: format!("{home}.{}", table.name),
            number,
            copy_name: format!("{home}.patron_copy_of_{}", table.name),
            copy_number,
            has_copy,
            shape: columns.take("shape")?,
            in_the_way: columns.take("in_the_way")?,
        })
    })
}

impl Look {
    /// The error where something would be lost with the table.
    pub(super) fn check(&self, table: Table) -> Result<(), Failed> {
        let Some(what) = self.in_the_way.clone() else {
            return Ok(());
        };
        Err(StoreError::from(NotAnswering::NotCopied { table: table.name, what }).into())
    }
}

/// The error where something would be lost with the table.
pub(super) async fn check(connection: &Connection, table: Table) -> Result<(), Failed> {
    look(connection, table).await?.map_or(Ok(()), |look| look.check(table))
}

/// Whether there is a copy of a table, or something of one.
pub(super) async fn has_copy(connection: &Connection, table: Table) -> Result<bool, Failed> {
    Ok(look(connection, table).await?.is_some_and(|look| look.has_copy))
}
