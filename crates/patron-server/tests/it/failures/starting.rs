//! A program that is starting, and what it says meanwhile.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use patron_testkit::server::{Launch, Outcome};
use patron_testkit::wait::soon;

use super::story::tells_no_secret;

/// A program that is starting, and what it says meanwhile.
pub(super) struct Starting {
    process: Child,
    log: PathBuf,
}

impl Starting {
    pub(super) fn of(launch: &Launch) -> Self {
        let log = launch.directory().join("log");
        let mut command = launch.serve();
        let process = command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn();
        Self { process: process.unwrap(), log }
    }

    fn said(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap();
        tells_no_secret(&said);
        said
    }

    /// Waits until it says this, which must not make it end.
    pub(super) fn says(&mut self, text: &str) {
        soon("it says that it waits", || {
            assert!(self.process.try_wait().unwrap().is_none(), "it ended: {}", self.said());
            self.said().contains(text).then_some(())
        });
    }
}

impl Starting {
    /// Asks it to end, as an init system does, which it must do well.
    pub(super) fn ends_on_a_signal(&mut self) {
        let script = format!("kill -TERM {}", self.process.id());
        Outcome::of(Command::new("sh").args(["-c", &script])).ok();
        let ended = soon("it has ended", || self.process.try_wait().unwrap());
        assert!(ended.success(), "{ended}: {}", self.said());
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
