//! How a command ended, and what it said.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test whose command does not run must fail where it notices"
)]

use std::process::{Command, ExitStatus};

use serde_json::Value;

use crate::exact_json;

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// What it said on stdout.
    pub stdout: String,
    /// What it said on stderr.
    pub stderr: String,
}

impl Outcome {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it cannot be run, or says something that is not text.
    pub fn of(command: &mut Command) -> Self {
        let output = match command.output() {
            Ok(output) => output,
            Err(error) => panic!("{command:?}: {error}"),
        };
        Self {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What it said on stdout.
    ///
    /// # Panics
    /// When it failed.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert!(self.status.success(), "{self:?}");
        &self.stdout
    }

    /// The JSON that it said on stdout.
    ///
    /// # Panics
    /// When it failed, or said something else.
    #[track_caller]
    pub fn json(&self) -> Value {
        exact_json::parse(self.ok().as_bytes()).unwrap()
    }

    /// What it said on stderr.
    ///
    /// # Panics
    /// When it did not fail, or ended by a signal.
    #[track_caller]
    pub fn refused(&self) -> &str {
        let code = self.status.code();
        assert!(code.is_some_and(|code| code != 0), "{self:?}");
        &self.stderr
    }
}
