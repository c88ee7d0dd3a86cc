//! Power that can be cut: of what the program wrote, only what it synced is there afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patron_testkit::server::{Launch, Outcome};

/// What keeps account of what is synced, in the program's own process.
const ACCOUNTANT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/durability/power_cut.c");

/// The power of one installation.
pub(crate) struct Power {
    live: PathBuf,
    kept: PathBuf,
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
        let (live, kept) = (directory.join("data"), directory.join("kept"));
        fs::create_dir(&kept).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let launch = launch
            .with_data(&live)
            .with_variable("LD_PRELOAD", text(&library))
            .with_variable("POWER_LIVE", text(&live))
            .with_variable("POWER_KEPT", text(&kept));
        (launch, Self { live, kept })
    }

    /// Takes away everything that was not synced. No process may have the data.
    pub(crate) fn cut(&self) {
        if !self.live.exists() {
            return;
        }
        for path in files(&self.live) {
            fs::remove_file(path).unwrap();
        }
        for path in files(&self.kept) {
            fs::copy(&path, self.live.join(path.file_name().unwrap())).unwrap();
        }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| !path.is_dir()).collect()
}
