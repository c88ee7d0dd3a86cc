//! `pgbench` on the server that is measured: what the store's own statements reach with nothing around them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patron_store_postgres::plain;

use crate::database::{CONNECTIONS, Database};
use crate::figures::Lap;
use crate::load::send_all;
use crate::machine::now;
use crate::program::{Data, Program};
use crate::scripts::{self, MERCHANT, Sending, reference_of};
use crate::traffic::{HOT, Requests};
use crate::{Fault, Outcome, tell};

/// How many of its own sessions there are still.
const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'";

/// How many customers the program writes for `pgbench` to take after.
const SAMPLES: u32 = 256;

/// How many customers are read or created together.
pub(crate) const GROUP: u16 = 16;

/// The tables that hold a customer's rows to be read.
const TABLES: [&str; 2] = ["customer", "customer_key"];

/// The tables that a creation adds rows to.
const CREATED: [&str; 5] = ["customer", "customer_key", "history", "outbox", "customer_count"];

/// What `pgbench` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// One customer of those that are always asked for.
    ReadHot,
    /// One customer.
    Read,
    /// [`GROUP`] customers in one statement.
    ReadGroup,
    /// One customer, one statement after the other.
    Create,
    /// One customer, all statements sent together.
    CreatePipelined,
    /// [`GROUP`] customers in each statement.
    CreateGroup,
}

impl Script {
    const ALL: [Self; 6] = [
        Self::ReadHot,
        Self::Read,
        Self::ReadGroup,
        Self::Create,
        Self::CreatePipelined,
        Self::CreateGroup,
    ];

    const fn file(self) -> &'static str {
        match self {
            Self::ReadHot => "read-hot.sql",
            Self::Read => "read.sql",
            Self::ReadGroup => "read-group.sql",
            Self::Create => "create.sql",
            Self::CreatePipelined => "create-pipelined.sql",
            Self::CreateGroup => "create-group.sql",
        }
    }

    /// How many customers one run of it is about.
    const fn customers(self) -> u16 {
        match self {
            Self::ReadHot | Self::Read | Self::Create | Self::CreatePipelined => 1,
            Self::ReadGroup | Self::CreateGroup => GROUP,
        }
    }

    pub(crate) const fn reads(self) -> bool {
        match self {
            Self::ReadHot | Self::Read | Self::ReadGroup => true,
            Self::Create | Self::CreatePipelined | Self::CreateGroup => false,
        }
    }
}

/// `pgbench`, its scripts and where it runs them.
pub(crate) struct Pgbench<'a> {
    database: &'a Database,
    directory: PathBuf,
    /// Where creates go.
    creates: String,
    /// How often it was run, so that no number comes twice.
    runs: i64,
}

/// Where numbers begin in the next run.
const NUMBERS_A_RUN: i64 = 10_000_000_000;

impl<'a> Pgbench<'a> {
    /// Has the program write some customers into the database at `creates`, to take after them, and copies those
    /// that are read to a merchant of their own.
    pub(crate) fn prepare(
        program: &Program,
        database: &'a Database,
        creates: &str,
        customers: u32,
        directory: &Path,
    ) -> Outcome<Self> {
        let server = program.start(&Data::Database(creates.to_owned()))?;
        send_all(server.address, CONNECTIONS, SAMPLES, &mut Requests::samples(), &|_| ())?;
        server.stop()?;
        let sample = |table: &str, columns: &[&str]| {
            let values: Vec<_> =
                columns.iter().map(|of| format!("quote_nullable({of}::text)")).collect();
            // Of an old customer nobody knows whether it is like the others.
            let sql = format!(
                "SELECT concat_ws(E'\\n', {}) FROM {table} WHERE merchant <> {MERCHANT} LIMIT 1",
                values.join(", ")
            );
            Ok(database.sql_at(creates, &sql)?.lines().map(str::to_owned).collect())
        };
        for script in Script::ALL {
            let text = match script {
                Script::ReadHot => scripts::lookup(1, HOT.min(customers)),
                Script::Read | Script::ReadGroup => scripts::lookup(script.customers(), customers),
                Script::Create | Script::CreateGroup => {
                    scripts::creation(script.customers(), Sending::InTurn, sample)?
                }
                Script::CreatePipelined => scripts::creation(1, Sending::Pipelined, sample)?,
            };
            let file = directory.join(script.file());
            fs::write(&file, text).map_err(Fault::at(file.display()))?;
        }
        tell("copying the customers for pgbench");
        remove(database)?;
        copy(database)?;
        let (creates, directory) = (creates.to_owned(), directory.to_owned());
        Ok(Self { database, directory, creates, runs: 0 })
    }

    /// Runs a script with so many clients, and counts customers.
    pub(crate) fn run(&mut self, script: Script, clients: u16, counted: Duration) -> Outcome<Lap> {
        self.runs += 1;
        let url = if script.reads() { self.database.url() } else { &self.creates };
        let mut command = self.database.pgbench();
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=1"]);
        command.arg(format!("--client={clients}"));
        // It knows whole seconds only.
        command.arg(format!("--time={:.0}", counted.as_secs_f64().ceil()));
        command.args(["--define=next=0", &format!("--define=first={}", self.runs * NUMBERS_A_RUN)]);
        command.arg("--file").arg(self.directory.join(script.file())).arg(url);
        command.env("PGOPTIONS", plain::SESSION.trim());
        let (before, began) = (self.database.processor_time_s()?, now());
        let output = command.output().map_err(Fault::at("pgbench"))?;
        let seconds = now().saturating_duration_since(began).as_secs_f64();
        // The time of a process that is ending belongs to nobody for a moment.
        while self.database.sql(SESSIONS)? != "0" {}
        let after = self.database.processor_time_s()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let Some(rate) = rate_in(&said).filter(|_| output.status.success()) else {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(Fault::new(format!("pgbench did not measure anything: {why}{said}")));
        };
        Ok(Lap {
            rate: rate * f64::from(script.customers()),
            server_busy: 0.0,
            database_busy: after.zip(before).map(|(after, before)| (after - before) / seconds),
            load_busy: 0.0,
        })
    }
}

impl Drop for Pgbench<'_> {
    fn drop(&mut self) {
        if let Err(Fault(text)) = remove(self.database) {
            tell(&format!("the customers of pgbench are left behind: {text}"));
        }
    }
}

/// Copies the customers that are read, in the order of their numbers.
fn copy(database: &Database) -> Outcome<()> {
    let reference = reference_of("(row_number() OVER (ORDER BY number) - 1)");
    for table in TABLES {
        let list = format!(
            "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute \
             WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped"
        );
        let columns = database.sql(&list)?;
        let values: Vec<_> = columns
            .split(',')
            .map(|column| match column {
                "merchant" => MERCHANT.to_string(),
                "reference_index" => format!("{reference}::text::bytea"),
                _ => column.to_owned(),
            })
            .collect();
        database.sql(&format!(
            "SET statement_timeout = 0; INSERT INTO {table} ({columns}) SELECT {} FROM {table} \
             WHERE merchant <> {MERCHANT}",
            values.join(", ")
        ))?;
        database.sql(&format!("VACUUM ANALYZE {table}"))?;
    }
    Ok(())
}

fn remove(database: &Database) -> Outcome<()> {
    let tables = CREATED.map(|table| format!("DELETE FROM {table} WHERE merchant = {MERCHANT};"));
    database.sql(&tables.concat()).map(drop)
}

/// The rate in what `pgbench` says at the end.
fn rate_in(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.starts_with("tps = "))?;
    line.split_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_what_pgbench_says_it_is() {
        let said = "latency average = 0.5 ms\ntps = 1234.56 (without initial connection time)\n";
        assert_eq!(rate_in(said), Some(1234.56));
        assert_eq!(rate_in("pgbench: error"), None);
    }
}
