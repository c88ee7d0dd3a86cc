//! Where PostgreSQL's programs are, and how they are run: never as root, which they refuse.

#![expect(clippy::panic, reason = "a test without its database must fail where it notices")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use rustix::process::geteuid;

/// Where Debian's packages put the programs, a directory for each major version.
const VERSIONS: &str = "/usr/lib/postgresql";

static PROGRAMS: LazyLock<Option<PathBuf>> = LazyLock::new(|| newest().or_else(in_path));

/// One of the server's programs. Debian keeps them out of `PATH`, since several versions may be installed;
/// its `psql` in `PATH` is a script that looks for the right one, and slow.
pub(super) fn server_program(name: &str) -> PathBuf {
    match &*PROGRAMS {
        Some(directory) => directory.join(name),
        None => panic!(
            "the programs of PostgreSQL are neither below {VERSIONS} nor in PATH: install the package postgresql, \
             as ./test does"
        ),
    }
}

/// A program in `PATH`, or where Debian puts those for administrators.
pub(super) fn daemon(name: &str, package: &str) -> PathBuf {
    match directories().map(|directory| directory.join(name)).find(|path| path.is_file()) {
        Some(path) => path,
        None => panic!("{name} is not in PATH: install the package {package}, as ./test does"),
    }
}

fn newest() -> Option<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let major: u32 = entry.file_name().to_str()?.parse().ok()?;
        let programs = entry.path().join("bin");
        has_server(&programs).then_some((major, programs))
    });
    versions.max().map(|(_, programs)| programs)
}

fn in_path() -> Option<PathBuf> {
    directories().find(|directory| has_server(directory))
}

fn has_server(directory: &Path) -> bool {
    ["initdb", "postgres", "psql"].iter().all(|program| directory.join(program).is_file())
}

fn directories() -> impl Iterator<Item = PathBuf> {
    let path = std::env::split_paths(&path()).collect::<Vec<_>>();
    path.into_iter().chain([PathBuf::from("/usr/sbin")])
}

#[expect(clippy::disallowed_methods, reason = "what a test starts finds its tools where it did")]
fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// Whether the servers have to run as somebody else.
pub(super) fn are_we_root() -> bool {
    geteuid().is_root()
}

/// A program in an environment of its own, in which no setting of whoever runs the tests counts.
pub(super) fn clean(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.env_clear().env("PATH", path()).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// What `program` is run by, so that it is not root, and ends when we do.
pub(super) fn unprivileged(program: &Path) -> Vec<String> {
    let words: &[&str] = if are_we_root() {
        &["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    } else {
        &["setpriv"]
    };
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    // The server takes it as the order to end at once and to clean up after itself.
    words.extend(["--pdeathsig", "QUIT", "--"].map(str::to_owned));
    words.push(program.display().to_string());
    words
}

/// A command of these words.
pub(super) fn command(words: &[String]) -> Command {
    match words.split_first() {
        Some((program, arguments)) => {
            let mut command = clean(program);
            command.args(arguments);
            command
        }
        None => panic!("a command without words"),
    }
}
