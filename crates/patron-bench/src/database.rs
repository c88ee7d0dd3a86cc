//! The PostgreSQL server that is measured: one that was named, or one of our own that is thrown away.

use std::cell::RefCell;
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;
use std::process::Command;

use patron_testkit::postgres::{Cluster, Setup};
use serde::Serialize;

use crate::machine::{family_time_s, pin};
use crate::options::Options;
use crate::{Fault, Outcome, tell};

/// Where Debian's packages put the programs, a directory for each major version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// How many connections the program gets, and `pgbench` too.
pub(crate) const CONNECTIONS: u16 = 16;

/// A server, and the database in it whose customers are read. Dropped, databases that were made are removed.
pub(crate) struct Database {
    url: String,
    pgbench: PathBuf,
    made: RefCell<Vec<String>>,
    own: Option<Cluster>,
}

/// What there is to know about a server.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Description {
    pub(crate) version: String,
    pub(crate) fsync: String,
    pub(crate) synchronous_commit: String,
    pub(crate) shared_buffers: String,
    /// The connections that the program may make, and those of `pgbench`.
    pub(crate) connections: u16,
    /// The core of the server, where it is one of our own.
    pub(crate) core: Option<usize>,
}

impl Database {
    /// The server that was asked for, if one was. One of our own runs on `core`.
    pub(crate) fn find(options: &Options, core: usize) -> Outcome<Option<Self>> {
        if options.database_url.is_none() && !options.postgres {
            return Ok(None);
        }
        let pgbench = find_pgbench(options)?;
        let made = RefCell::default();
        if let Some(url) = &options.database_url {
            return Ok(Some(Self { url: url.clone(), pgbench, made, own: None }));
        }
        // What it starts is bound as we are.
        pin(core)?;
        let cluster = Setup::new()
            .durable()
            .with("shared_buffers", "512MB")
            .with("max_wal_size", "4GB")
            .start();
        cluster.psql("alter role patron createdb");
        Ok(Some(Self { url: cluster.url(), pgbench, made, own: Some(cluster) }))
    }

    /// Where the customers are that are read.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Makes a database in which there is nothing, and says where it is.
    pub(crate) fn make(&self, name: &str) -> Outcome<String> {
        let (base, own, parameters) = split(&self.url)?;
        let name = format!("{own}_{name}");
        drop_database(self, &name)?;
        let made = self.sql(&format!("CREATE DATABASE \"{name}\""));
        made.map_err(|Fault(text)| {
            Fault::new(format!("no database can be made to measure creates in: {text}"))
        })?;
        self.made.borrow_mut().push(name.clone());
        Ok(format!("{base}{name}{parameters}"))
    }

    /// What SQL answers in the database whose customers are read.
    pub(crate) fn sql(&self, sql: &str) -> Outcome<String> {
        self.sql_at(&self.url, sql)
    }

    /// What SQL answers: a line for each row, with `|` between columns.
    pub(crate) fn sql_at(&self, url: &str, sql: &str) -> Outcome<String> {
        let mut input = tempfile::tempfile()?;
        input.write_all(sql.as_bytes())?;
        input.rewind()?;
        let psql = self.pgbench.with_file_name("psql");
        let mut command = Command::new(&psql);
        command.args(["-XAtq", "--set", "ON_ERROR_STOP=1", "--file", "-", url]).stdin(input);
        let output = command.output().map_err(Fault::at(psql.display()))?;
        if !output.status.success() {
            return Err(Fault::new(String::from_utf8_lossy(&output.stderr).trim()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// The program that measures the server by itself, about to run.
    pub(crate) fn pgbench(&self) -> Command {
        Command::new(&self.pgbench)
    }

    /// How much processor time the server has taken so far, in seconds, where that can be seen.
    pub(crate) fn processor_time_s(&self) -> Outcome<Option<f64>> {
        let Some(own) = &self.own else {
            return Ok(None);
        };
        let file = own.data_directory().join("postmaster.pid");
        let text = std::fs::read_to_string(&file).map_err(Fault::at(file.display()))?;
        let first = text.lines().next().unwrap_or_default();
        let process = first.parse().map_err(Fault::at(file.display()))?;
        family_time_s(process).map(Some)
    }

    /// What it says about itself.
    pub(crate) fn describe(&self, core: usize) -> Outcome<Description> {
        let said = self.sql(
            "SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('fsync'), \
             current_setting('synchronous_commit'), current_setting('shared_buffers')",
        )?;
        let mut words = said.split('|').map(str::to_owned);
        let mut next = || words.next().unwrap_or_default();
        Ok(Description {
            version: next(),
            fsync: next(),
            synchronous_commit: next(),
            shared_buffers: next(),
            connections: CONNECTIONS,
            core: self.own.is_some().then_some(core),
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Ours goes as a whole.
        if self.own.is_none() {
            for name in self.made.take() {
                if let Err(Fault(text)) = drop_database(self, &name) {
                    tell(&format!("the database {name} is left behind: {text}"));
                }
            }
        }
    }
}

fn drop_database(database: &Database, name: &str) -> Outcome<()> {
    database.sql(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).map(drop)
}

/// A URL as what stands before the database's name, the name, and what stands behind it.
fn split(url: &str) -> Outcome<(&str, &str, &str)> {
    let end = url.find('?').unwrap_or(url.len());
    let (place, parameters) = url.split_at_checked(end).unwrap_or((url, ""));
    let at = place.rfind('/').map_or(0, |at| at + 1);
    match place.split_at_checked(at) {
        Some((base, name)) if base.ends_with('/') && !base.ends_with("//") && !name.is_empty() => {
            Ok((base, name, parameters))
        }
        Some(_) | None => Err(Fault::new(
            "the database URL names no database: it must be postgres://user:password@host:port/name",
        )),
    }
}

fn find_pgbench(options: &Options) -> Outcome<PathBuf> {
    let found = match &options.pgbench {
        Some(file) => Some(file.clone()),
        None => newest().or_else(in_path),
    };
    found.filter(|file| file.is_file()).ok_or_else(|| {
        Fault::new(format!(
            "`pgbench`, which the program is measured against, is neither below {VERSIONS} nor in PATH: install \
             the package postgresql, or name it with --pgbench"
        ))
    })
}

fn newest() -> Option<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let major: u32 = entry.file_name().to_str()?.parse().ok()?;
        let file = entry.path().join("bin/pgbench");
        file.is_file().then_some((major, file))
    });
    versions.max().map(|(_, file)| file)
}

#[expect(
    clippy::disallowed_methods,
    reason = "programs are looked for where the system keeps them"
)]
fn in_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|place| place.join("pgbench")).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_database() {
        let of = |url| split(url).ok();
        assert_eq!(of("postgres://u:p@h:1/n?a=/b"), Some(("postgres://u:p@h:1/", "n", "?a=/b")));
        assert_eq!(of("postgres://h/n"), Some(("postgres://h/", "n", "")));
        assert_eq!(of("postgres://h/"), None);
        assert_eq!(of("postgres://h"), None);
    }
}
