//! The data of an installation in the hands of a person with a tool: SQL, on whichever store it has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use patron::hex;
use patron_testkit::postgres::psql;
use patron_testkit::server::Launch;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// What a column of a row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl Value {
    #[track_caller]
    pub(crate) fn integer(&self) -> i64 {
        let Self::Integer(number) = self else { panic!("{self:?} is no number") };
        *number
    }

    #[track_caller]
    fn text(&self) -> &str {
        let Self::Text(text) = self else { panic!("{self:?} is no text") };
        text
    }
}

/// A row: its columns and their values.
pub(crate) type Row = Vec<(String, Value)>;

/// The tables of an installation, for whoever may do everything with them.
pub(crate) enum Data {
    File(Connection),
    /// Its URL. Who the program is there owns the tables.
    Database(String),
}

impl Data {
    pub(crate) fn of(launch: &Launch) -> Self {
        match launch.database_url() {
            Some(url) => Self::Database(url),
            None => {
                let connection = Connection::open(launch.data().join("patron.db")).unwrap();
                // A tool does not insist on them, unless it is told to.
                connection.pragma_update(None, "foreign_keys", false).unwrap();
                Self::File(connection)
            }
        }
    }

    /// Runs statements.
    #[track_caller]
    pub(crate) fn run(&self, sql: &str) {
        match self {
            Self::File(connection) => connection.execute_batch(sql).unwrap(),
            Self::Database(url) => drop(psql(url, sql).ok()),
        }
    }

    /// Runs a statement that changes rows, and says how many.
    #[track_caller]
    pub(crate) fn change(&self, sql: &str) -> usize {
        match self {
            Self::File(connection) => connection.execute(sql, []).unwrap(),
            Self::Database(url) => {
                let counted =
                    format!("WITH changed AS ({sql} RETURNING 1) SELECT count(*) FROM changed");
                psql(url, &counted).ok().trim().parse().unwrap()
            }
        }
    }

    /// The one number that a question is answered with.
    #[track_caller]
    pub(crate) fn number(&self, sql: &str) -> i64 {
        let row = self.rows(sql).concat();
        assert_eq!(row.len(), 1, "{sql}: {row:?}");
        row[0].1.integer()
    }

    /// The rows that a question is answered with.
    #[track_caller]
    pub(crate) fn rows(&self, sql: &str) -> Vec<Row> {
        match self {
            Self::File(connection) => rows_of_file(connection, sql),
            Self::Database(url) => {
                let asked = format!("SELECT row_to_json(asked) FROM ({sql}) AS asked");
                psql(url, &asked).ok().lines().map(row_of_line).collect()
            }
        }
    }

    /// The columns of a table in their order, and whether each may be null, from the schema itself.
    pub(crate) fn columns(&self, table: &str) -> Vec<(String, bool)> {
        let sql = match self {
            Self::File(_) => format!(
                "SELECT name, \"notnull\" = 0 AND pk = 0 AS may_be_null FROM pragma_table_info('{table}')"
            ),
            Self::Database(_) => format!(
                "SELECT column_name AS name, (is_nullable = 'YES')::int AS may_be_null \
                 FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name = '{table}' ORDER BY ordinal_position"
            ),
        };
        let column = |row: &Row| {
            (field(row, "name").text().to_owned(), field(row, "may_be_null").integer() != 0)
        };
        self.rows(&sql).iter().map(column).collect()
    }

    /// The tables.
    pub(crate) fn tables(&self) -> BTreeSet<String> {
        let sql = match self {
            Self::File(_) => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            }
            Self::Database(_) => {
                "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'"
            }
        };
        self.rows(sql).iter().map(|row| field(row, "name").text().to_owned()).collect()
    }

    /// An expression for so many zero bytes.
    pub(crate) fn zeros(&self, length: &str) -> String {
        match self {
            Self::File(_) => format!("zeroblob({length})"),
            Self::Database(_) => format!("decode(repeat('00', {length}), 'hex')"),
        }
    }

    /// An expression for 32 bytes that are others in every row.
    pub(crate) const fn random_hash(&self) -> &'static str {
        match self {
            Self::File(_) => "randomblob(32)",
            Self::Database(_) => "sha256(random()::text::bytea)",
        }
    }

    /// A statement that puts a row in.
    pub(crate) fn insertion(&self, table: &str, row: &Row) -> String {
        let names: Vec<&str> = row.iter().map(|(name, _)| name.as_str()).collect();
        let values: Vec<String> = row.iter().map(|(_, value)| self.literal(value)).collect();
        format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "))
    }

    fn literal(&self, value: &Value) -> String {
        match value {
            Value::Null => "NULL".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Value::Blob(bytes) => match self {
                Self::File(_) => format!("x'{}'", *hex::encode(bytes)),
                Self::Database(_) => format!("'\\x{}'::bytea", *hex::encode(bytes)),
            },
        }
    }
}

/// The value of a column.
pub(crate) fn field<'r>(row: &'r Row, column: &str) -> &'r Value {
    let found = row.iter().find(|(name, _)| name == column);
    found.map(|(_, value)| value).unwrap_or_else(|| panic!("no column {column}"))
}

fn rows_of_file(connection: &Connection, sql: &str) -> Vec<Row> {
    let mut statement = connection.prepare(sql).unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let value = |at: usize| match row.get_ref(at).unwrap() {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).unwrap()),
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
            ValueRef::Real(number) => panic!("no column holds {number}"),
        };
        found.push(names.iter().cloned().zip((0..names.len()).map(value)).collect());
    }
    found
}

/// A row as PostgreSQL writes it in JSON, where bytes are a text that no other text here begins like.
fn row_of_line(line: &str) -> Row {
    let values: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
    let value = |value: serde_json::Value| match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Number(number) => Value::Integer(number.as_i64().unwrap()),
        serde_json::Value::String(text) => match text.strip_prefix("\\x") {
            Some(digits) => Value::Blob(bytes_of(digits)),
            None => Value::Text(text),
        },
        other @ (serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_)) => panic!("no column holds {other}"),
    };
    values.into_iter().map(|(name, one)| (name, value(one))).collect()
}

fn bytes_of(digits: &str) -> Vec<u8> {
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Copies the data that a server that has ended left behind. With the copy it is the same installation, in the
/// state of now.
pub(crate) fn copy(launch: &Launch, name: &str) -> Launch {
    match launch.cluster() {
        Some(cluster) => {
            let of = launch.database_url().unwrap();
            let of = of.rsplit('/').next().unwrap();
            cluster.psql(&format!("CREATE DATABASE \"{name}\" TEMPLATE \"{of}\" OWNER \"{of}\""));
            launch.clone().on(cluster.url_of(name))
        }
        None => {
            let data = launch.directory().join(name);
            copy_directory(&launch.data(), &data);
            launch.clone().with_data(data)
        }
    }
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    let leftover = to.join("patron.db-wal");
    assert!(!leftover.exists(), "the server did not end in good order");
}
