//! Golden files: a request and its answer as text, run against the program as a user starts it.
//!
//! The format is described in this crate's GOLDENS.md.

#![expect(
    clippy::unwrap_used,
    reason = "a golden directory that cannot be read must fail the test"
)]

mod expectation;
mod file;
mod template;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::http::{Connection, Reply};
use crate::server::{Launch, SANDBOX_KEY, Server};
use file::{Golden, Step};
use template::Variables;

/// The golden files of a directory, by name.
///
/// # Panics
/// When the directory cannot be read or has none.
pub fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "http"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no goldens", directory.display());
    files
}

/// The page and the row that a golden says it is of.
///
/// # Errors
/// What is wrong with the file.
///
/// # Panics
/// When it cannot be read.
pub fn origin(path: &Path) -> Result<(String, String), String> {
    let golden = Golden::parse(&std::fs::read_to_string(path).unwrap())?;
    Ok((golden.page, golden.row))
}

/// The rows of the first table in `readme` whose header is `| page | row |`: pages and rows of which
/// there must be goldens.
pub fn listed_rows(readme: &str) -> Vec<(String, String)> {
    let mut lines = readme.lines().skip_while(|line| !is_header(line));
    lines.next();
    lines
        .skip(1)
        .map_while(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            let page = cells.next()?.trim_matches('`').to_owned();
            Some((page, cells.next()?.to_owned()))
        })
        .collect()
}

fn is_header(line: &str) -> bool {
    let cells: Vec<_> = line.split('|').map(str::trim).collect();
    cells == ["", "page", "row", ""]
}

/// Runs one golden on a server of its own.
///
/// # Errors
/// What differs, as text for people.
///
/// # Panics
/// When the file cannot be read, or the program does not start or answer.
pub fn run(path: &Path, program: &str) -> Result<(), String> {
    let golden = Golden::parse(&std::fs::read_to_string(path).unwrap())?;
    let mut launch = Launch::new(program);
    for argument in &golden.server {
        launch = launch.with(argument);
    }
    let mut stage =
        Stage { server: launch.start(), variables: Variables::new(SANDBOX_KEY), last: None };
    for step in &golden.steps {
        stage.play(step)?;
    }
    Ok(())
}

struct Stage {
    server: Server,
    variables: Variables,
    last: Option<Reply>,
}

impl Stage {
    fn play(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Manage { words, input, name } => {
                let words = words.iter().map(|word| self.variables.fill_text(word));
                let words: Vec<String> = words.collect::<Result<_, _>>()?;
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let outcome = self.server.manage_with(&words, &format!("{input}\n"));
                if !outcome.status.success() {
                    return Err(format!("`patron {}`: {outcome:?}", words.join(" ")));
                }
                if let Some(name) = name {
                    self.variables.capture(name, outcome.json());
                }
            }
            Step::Given { name, request } => {
                let reply = self.send(request)?;
                if !(200..300).contains(&reply.status) {
                    return Err(format!("the given {name} was refused:\n{}", shown(&reply)));
                }
                self.variables.capture(name, reply.json());
            }
            Step::When { request } => {
                let reply = self.send(request)?;
                self.last = Some(reply);
            }
            Step::Then { expectation } => {
                let reply = self.last.take().ok_or("a `then` without a `when`")?;
                let differences = expectation.differences(&reply, &self.variables)?;
                if !differences.is_empty() {
                    return Err(report(&differences, &reply));
                }
            }
        }
        Ok(())
    }

    fn send(&self, request: &str) -> Result<Reply, String> {
        let bytes = self.variables.fill_request(request)?;
        let mut connection = Connection::open(&self.server);
        connection.write(&bytes);
        Ok(connection.reply())
    }
}

fn report(differences: &[String], reply: &Reply) -> String {
    let mut text = String::new();
    for difference in differences {
        let _ = writeln!(text, "    {difference}");
    }
    let _ = write!(text, "the whole answer:\n{}", shown(reply));
    text
}

fn shown(reply: &Reply) -> String {
    let mut text = format!("    HTTP/1.1 {}\n", reply.status);
    for (name, value) in &reply.headers {
        let _ = writeln!(text, "    {name}: {value}");
    }
    let body = String::from_utf8_lossy(&reply.body);
    let pretty = serde_json::from_slice::<serde_json::Value>(&reply.body)
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok());
    for line in pretty.as_deref().unwrap_or(&body).lines() {
        let _ = writeln!(text, "    {line}");
    }
    text
}
