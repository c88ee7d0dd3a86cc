//! Management commands that read something, such as a password.

#![expect(clippy::unwrap_used, reason = "a test that cannot write a file must fail")]

use std::io::{Seek as _, Write as _};
use std::process::Stdio;

use super::{Launch, Outcome, Server};

impl Launch {
    /// As [`Launch::manage`], with this on the command's stdin.
    ///
    /// # Panics
    /// When the program cannot be run at all.
    pub fn manage_with(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(input.as_bytes()).unwrap();
        file.rewind().unwrap();
        let mut command = self.command();
        command.args(arguments).arg("--data").arg(self.data()).stdin(Stdio::from(file));
        self.name_database(&mut command, arguments);
        Outcome::of(&mut command)
    }
}

impl Server {
    /// As [`Server::manage`], with this on the command's stdin.
    ///
    /// # Panics
    /// When the program cannot be run at all, or does not learn of a change.
    pub fn manage_with(&self, arguments: &[&str], input: &str) -> Outcome {
        let outcome = self.launch.manage_with(arguments, input);
        if outcome.status.success() {
            self.learn_of_changes();
        }
        outcome
    }
}
