//! A disk that fails when it is told to: a library that stands before the C library of the unmodified
//! program (`tests/faults/disk.c`), and the file that steers it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patron_testkit::server::{Launch, Outcome};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/disk.c");

/// The files that steer the library and that it writes.
#[derive(Debug)]
pub(crate) struct Disk {
    preloaded: PathBuf,
    control: PathBuf,
    log: PathBuf,
}

impl Disk {
    /// Builds the library into a directory, with a disk that is whole.
    pub(crate) fn build(directory: &Path) -> Self {
        let library = directory.join("disk.so");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        Outcome::of(compile.arg(&library).arg(SOURCE)).ok();
        let disk = Self {
            preloaded: library,
            control: directory.join("disk.control"),
            log: directory.join("disk.log"),
        };
        disk.rule("");
        disk
    }

    /// Has the data of this installation on it.
    pub(crate) fn under(&self, launch: &Launch) -> Launch {
        launch
            .clone()
            .with_variable("LD_PRELOAD", self.preloaded.display().to_string())
            .with_variable("FAULTY_DISK_DATA", launch.data().display().to_string())
            .with_variable("FAULTY_DISK_CONTROL", self.control.display().to_string())
            .with_variable("FAULTY_DISK_LOG", self.log.display().to_string())
    }

    /// Fails calls from now on, by a rule as `disk.c` describes it, and forgets what was called.
    pub(crate) fn rule(&self, rule: &str) {
        let draft = self.control.with_extension("new");
        fs::write(&draft, rule).unwrap();
        fs::write(&self.log, "").unwrap();
        fs::rename(draft, &self.control).unwrap();
    }

    /// Is whole again.
    pub(crate) fn heal(&self) {
        self.rule("");
    }

    /// The calls that the rule was about, in their order.
    pub(crate) fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap();
        log.lines().map(str::to_owned).collect()
    }

    /// Whether a call was failed, or done by half.
    pub(crate) fn has_failed(&self) -> bool {
        self.calls().iter().any(|call| call.ends_with(" failed") || call.ends_with(" cut short"))
    }
}
