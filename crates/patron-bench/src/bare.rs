//! The bare SQLite loop: the same rows as the program writes, with nothing around them.
//!
//! It is what creates are measured against. Its database was made by the program; its rows are those
//! that the program wrote for customers that came over HTTP, under new numbers and with new indexes.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use patron_testkit::chance::Chance;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Statement};

use crate::figures::Lap;
use crate::load::{Effort, Mark, send_all};
use crate::machine::{now, pin};
use crate::program::{Data, Program};
use crate::traffic::Requests;
use crate::{Fault, Outcome};

/// How many customers the program writes for the loop to take after.
const SAMPLES: u32 = 256;

/// The tables that a create adds rows to, in the order in which it does.
const TABLES: [&str; 4] = ["customer", "customer_key", "history", "outbox"];

/// A create counts, too.
const COUNT: &str = "INSERT INTO customer_count (merchant, slot, live) VALUES (1, ?1, 1) \
                     ON CONFLICT DO UPDATE SET live = live + 1";
const COUNT_SLOTS: i64 = 16;

/// The loop's database and what it writes.
pub(crate) struct Bare {
    connection: Connection,
    tables: Vec<Table>,
    /// Of the last customer that was written.
    number: i64,
    /// What its time is ahead of its number.
    ahead_ms: i64,
    chance: Chance,
}

/// Rows of one table, as the program wrote them.
struct Table {
    insert: String,
    rows: Vec<Vec<Cell>>,
}

/// One value of a row.
enum Cell {
    /// Written as it is.
    Same(Value),
    /// The customer's number, a new one for each.
    Number,
    /// The time, later for each: an index in the order of time grows at its end.
    Time,
    /// An index or a change's id: bytes that have no order.
    Random,
}

impl Bare {
    /// Has the program write some customers into `data` and takes over from there.
    pub(crate) fn prepare(program: &Program, data: &Path, connections: u16) -> Outcome<Self> {
        let server = program.start(&Data::Directory(data.to_owned()))?;
        send_all(server.address, connections, SAMPLES, &mut Requests::creates(0), &|_| ())?;
        server.stop()?;
        let connection = open(&data.join("patron.db"))?;
        let tables = TABLES.map(|name| Table::sample(&connection, name));
        let tables: Vec<_> = tables.into_iter().collect::<Outcome<_>>()?;
        let last = "SELECT max(number), max(created_ms) - max(number) FROM customer";
        let (number, ahead_ms) =
            connection.query_row(last, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let chance = Chance::new(SAMPLES.into());
        Ok(Self { connection, tables, number, ahead_ms, chance })
    }

    /// Writes customers in groups of this size, each group one durable commit, on a thread of its own
    /// on the server's core.
    pub(crate) fn run(&mut self, core: usize, group: u16, effort: Effort) -> Outcome<Lap> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                pin(core)?;
                self.write(group, effort)
            });
            thread.join().unwrap_or_else(|_| Err(Fault::new("the bare SQLite loop broke")))
        })
    }

    fn write(&mut self, group: u16, effort: Effort) -> Outcome<Lap> {
        let Self { connection, tables, number, ahead_ms, chance } = self;
        let connection = &*connection;
        let mut begin = connection.prepare("BEGIN IMMEDIATE")?;
        let mut commit = connection.prepare("COMMIT")?;
        let mut count = connection.prepare(COUNT)?;
        let mut inserts: Vec<(Statement<'_>, _)> = tables
            .iter()
            .map(|table| Ok((connection.prepare(&table.insert)?, table.rows.iter().cycle())))
            .collect::<rusqlite::Result<_>>()?;
        let (counted_from, ends) = effort.from(now());
        let mut mark = None;
        let mut written = 0;
        loop {
            begin.execute([])?;
            for _ in 0..group {
                *number += 1;
                for (insert, rows) in &mut inserts {
                    let row = rows.next().ok_or_else(|| Fault::new("a table has no rows"))?;
                    put(insert, row, (*number, *number + *ahead_ms), chance)?;
                }
                count.execute([*number % COUNT_SLOTS])?;
            }
            commit.execute([])?;
            written += u64::from(group);
            let time = now();
            match &mark {
                None if time >= counted_from => mark = Some(mark_here(time, written)?),
                Some(start) if time >= ends => {
                    return Ok(Mark::until(start, &mark_here(time, written)?));
                }
                None | Some(_) => {}
            }
        }
    }
}

/// The loop is the server here, and part of this process.
fn mark_here(time: Instant, written: u64) -> Outcome<Mark> {
    Mark::set(std::process::id(), time, written, Duration::ZERO)
}

fn put(
    insert: &mut Statement<'_>,
    row: &[Cell],
    (number, time_ms): (i64, i64),
    chance: &mut Chance,
) -> rusqlite::Result<()> {
    for (place, cell) in (1..).zip(row) {
        match cell {
            Cell::Same(value) => insert.raw_bind_parameter(place, value)?,
            Cell::Number => insert.raw_bind_parameter(place, number)?,
            Cell::Time => insert.raw_bind_parameter(place, time_ms)?,
            Cell::Random => insert.raw_bind_parameter(place, random(chance))?,
        }
    }
    insert.raw_execute().map(|_| ())
}

/// How long an index is.
const INDEX: usize = 16;

fn random(chance: &mut Chance) -> [u8; INDEX] {
    // Each number has 48 bits; they overlap where they are zero.
    let low = u128::from(chance.next()) | u128::from(chance.next()) << 48;
    (low | u128::from(chance.next()) << 80).to_le_bytes()
}

impl Table {
    fn sample(connection: &Connection, name: &str) -> Outcome<Self> {
        let list = "SELECT name FROM pragma_table_info(?1) ORDER BY cid";
        let mut list = connection.prepare(list)?;
        let columns: Vec<String> =
            list.query_map([name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let joined = columns.join(", ");
        let mut select = connection.prepare(&format!("SELECT {joined} FROM {name}"))?;
        let rows = select.query_map([], |row| {
            let cell = |(at, column): (usize, &String)| Ok(Cell::of(column, row.get(at)?));
            columns.iter().enumerate().map(cell).collect::<rusqlite::Result<_>>()
        })?;
        let rows: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
        let mut insert = format!("INSERT INTO {name} ({joined}) VALUES (?1");
        for place in 2..=columns.len() {
            // Memory takes all.
            let _ = write!(insert, ", ?{place}");
        }
        insert.push(')');
        Ok(Self { insert, rows })
    }
}

impl Cell {
    fn of(column: &str, value: Value) -> Self {
        let is_index = matches!(&value, Value::Blob(bytes) if bytes.len() == INDEX);
        match column {
            "number" => Self::Number,
            _ if column.ends_with("_ms") && value != Value::Null => Self::Time,
            _ if is_index => Self::Random,
            _ => Self::Same(value),
        }
    }
}

/// With every setting of the program's own writer (`connections.rs` of its store).
fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    for (name, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("secure_delete", "ON"),
        ("wal_autocheckpoint", "8000"),
        ("journal_size_limit", "67108864"),
        ("trusted_schema", "OFF"),
        ("temp_store", "MEMORY"),
        ("cache_size", "-65536"),
        ("cell_size_check", "ON"),
    ] {
        connection.execute_batch(&format!("PRAGMA {name} = {value}"))?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_differ_in_all_their_bytes() {
        let mut chance = Chance::new(1);
        let seen: Vec<_> = (0..100).map(|_| random(&mut chance)).collect();
        for at in 0..INDEX {
            assert!(seen.iter().any(|bytes| bytes[at] != seen[0][at]), "byte {at}");
        }
    }

    #[test]
    fn what_must_be_new_in_each_row_is_told_from_what_stays() {
        assert!(matches!(Cell::of("number", Value::Integer(7)), Cell::Number));
        assert!(matches!(Cell::of("created_ms", Value::Integer(7)), Cell::Time));
        assert!(matches!(Cell::of("id_index", Value::Blob(vec![0; INDEX])), Cell::Random));
        assert!(matches!(Cell::of("sealed", Value::Blob(vec![0; 90])), Cell::Same(_)));
        assert!(matches!(Cell::of("deleted_ms", Value::Null), Cell::Same(Value::Null)));
    }
}
