//! Power that can be cut: of what the program wrote, what it synced is there afterwards, and of the rest nothing
//! or any part.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use patron_testkit::chance::Chance;
use patron_testkit::server::{Launch, Outcome};

/// What keeps account of what is synced, in the program's own process.
const ACCOUNTANT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/durability/power_cut.c");

/// The power of one installation.
pub(crate) struct Power {
    live: PathBuf,
    kept: PathBuf,
    log: PathBuf,
}

impl Power {
    /// The launch with its data on this power. From now on, whenever one of its processes has ended, the
    /// power is to be cut, since the account of what waits is gone with the process.
    pub(crate) fn under(launch: Launch) -> (Launch, Self) {
        let directory = launch.directory().canonicalize().unwrap();
        let library = directory.join("power_cut.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        Outcome::of(compiler.arg(&library).args([ACCOUNTANT, "-ldl"])).ok();
        let [live, kept, log] = ["data", "kept", "log"].map(|name| directory.join(name));
        fs::create_dir(&kept).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let launch = launch
            .with_data(&live)
            .with_variable("LD_PRELOAD", text(&library))
            .with_variable("POWER_LIVE", text(&live))
            .with_variable("POWER_KEPT", text(&kept))
            .with_variable("POWER_LOG", text(&log));
        (launch, Self { live, kept, log })
    }

    /// Takes away what was not synced, or a part of it. No process may have the data.
    pub(crate) fn cut(&self, chance: &mut Chance) {
        if !self.live.exists() {
            return;
        }
        if self.log.exists() {
            if chance.below(2) == 0 {
                self.keep_a_part(&fs::read(&self.log).unwrap(), chance);
            }
            fs::remove_file(&self.log).unwrap();
        }
        for path in files(&self.live) {
            fs::remove_file(path).unwrap();
        }
        for path in files(&self.kept) {
            fs::copy(&path, self.live.join(path.file_name().unwrap())).unwrap();
        }
    }

    /// Does some of what was done and not synced, in its order.
    fn keep_a_part(&self, log: &[u8], chance: &mut Chance) {
        let mut waiting = Vec::new();
        let mut rest = log;
        while let Some((step, after)) = Step::read(rest) {
            rest = after;
            if step.kind == "sync" {
                waiting.retain(|one: &Step<'_>| !one.is_done_by_sync(step.name));
            } else {
                waiting.push(step);
            }
        }
        // Names become durable in their order.
        let mut keeps_names = true;
        for step in waiting {
            keeps_names &= chance.below(4) > 0;
            if if step.is_of_names() { keeps_names } else { chance.below(2) == 0 } {
                step.take(&self.kept, chance);
            }
        }
    }
}

/// One thing that was done to a file.
struct Step<'a> {
    kind: &'a str,
    name: &'a str,
    /// The other name of one that is renamed.
    to: &'a str,
    at: u64,
    bytes: &'a [u8],
}

impl<'a> Step<'a> {
    /// The first step in a log, and what follows it; `None` where the log ends, whole or not.
    fn read(log: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let end = log.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<&str> = std::str::from_utf8(&log[..end]).unwrap().split(' ').collect();
        let [kind, name, to, at, size] = line[..] else { panic!("what was done? {line:?}") };
        let (bytes, rest) = log[end + 1..].split_at_checked(size.parse().unwrap())?;
        Some((Self { kind, name, to, at: at.parse().unwrap(), bytes }, rest))
    }

    fn is_of_names(&self) -> bool {
        ["rename", "remove"].contains(&self.kind)
    }

    fn is_done_by_sync(&self, of: &str) -> bool {
        self.is_of_names() || self.name == of
    }

    /// Does it, or a part of it.
    fn take(&self, directory: &Path, chance: &mut Chance) {
        let path = directory.join(self.name);
        match self.kind {
            // What is not there was never synced.
            "rename" => drop(fs::rename(path, directory.join(self.to))),
            "remove" => drop(fs::remove_file(path)),
            kind => {
                let file = OpenOptions::new().create(true).write(true).truncate(false).open(path);
                let file = file.unwrap();
                if kind == "length" {
                    return file.set_len(self.at).unwrap();
                }
                let is_torn = chance.below(8) == 0;
                let length = self.bytes.len();
                let length = if is_torn { chance.below(length) } else { length };
                file.write_all_at(&self.bytes[..length], self.at).unwrap();
            }
        }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| !path.is_dir()).collect()
}
