//! A cluster that is made once on a machine and copied for each server, since making one takes half a second.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test without its database must fail where it notices"
)]

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::postgres::programs::{are_we_root, clean, command, server_program, unprivileged};
use crate::postgres::{PASSWORD, SUPERUSER, USER};

/// Text is ordered as people order it, as in most databases of this world: whoever needs the order of bytes has
/// to say so. Small segments of the log make it quick to copy.
const INITDB: [&str; 10] = [
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--locale-provider=icu",
    "--icu-locale=en",
    "--wal-segsize=1",
    "--auth=reject",
    "--no-sync",
    "--no-instructions",
    "--pgdata",
];

/// For every cluster; what comes later in the file wins.
const SETTINGS: &str = "
# Of all tests.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 16MB
max_connections = 100
# Files of the cluster, which go with its directory however it ends.
dynamic_shared_memory_type = mmap
fsync = off
full_page_writes = off
# A replica whose primary was away tries again soon.
wal_retrieve_retry_interval = 100ms
";

static TEMPLATE: LazyLock<PathBuf> = LazyLock::new(|| {
    let template = place();
    if !template.exists() {
        make(&template);
    }
    template
});

/// The directory to copy.
pub(super) fn template() -> &'static Path {
    &TEMPLATE
}

/// What makes the cluster: a line is a statement. The database that every installation has is made the tests'
/// own, which saves copying another.
fn statements() -> [String; 4] {
    [
        format!("alter role {SUPERUSER} password '{PASSWORD}'"),
        format!("create role {USER} login password '{PASSWORD}'"),
        format!("alter database postgres rename to {USER}"),
        format!("alter database {USER} owner to {USER}"),
    ]
}

/// Beside the tests' programs. Another recipe, server or user has another place.
fn place() -> PathBuf {
    let server = server_program("postgres");
    let metadata = fs::metadata(&server).unwrap();
    let mut recipe = DefaultHasher::new();
    (INITDB, SETTINGS, statements(), geteuid().as_raw()).hash(&mut recipe);
    (&server, metadata.len(), metadata.mtime()).hash(&mut recipe);
    let name = format!("postgres-template-{:016x}", recipe.finish());
    std::env::current_exe().unwrap().with_file_name(name)
}

/// Makes it aside and gives it its name when it is whole: other tests may be at the same, and we may be killed.
fn make(template: &Path) {
    let lock = File::create(template.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if template.exists() {
        return;
    }
    // The server's user may not enter the directories of ours, but it may enter this one.
    let cradle = tempfile::tempdir().unwrap();
    give(cradle.path());
    let data = cradle.path().join("data");
    let mut initdb = unprivileged(&server_program("initdb"));
    initdb.extend(INITDB.map(str::to_owned));
    initdb.push(data.display().to_string());
    // It would look for the machine's time zone, at length.
    run(command(&initdb).env("TZ", "UTC"), "");
    let mut single = unprivileged(&server_program("postgres"));
    single.extend(["--single", "-D"].map(str::to_owned));
    single.push(data.display().to_string());
    single.extend(["-F", "-c", "log_min_messages=error", "template1"].map(str::to_owned));
    run(&mut command(&single), &format!("{}\n", statements().join("\n")));
    let settings = File::options().append(true).open(data.join("postgresql.conf"));
    settings.unwrap().write_all(SETTINGS.as_bytes()).unwrap();

    let beside = template.parent().unwrap();
    let whole = TempDir::with_prefix_in("postgres-template-", beside).unwrap();
    copy(&data, &whole.path().join("data"), true);
    fs::rename(whole.path().join("data"), template).unwrap();
}

/// Gives a directory to the user as whom the servers run.
fn give(directory: &Path) {
    if are_we_root() {
        run(clean("chown").arg("postgres:postgres").arg(directory), "");
    }
}

/// Copies a directory. The file system shares what it can share. With their owners, when they are not all ours.
pub(super) fn copy(from: &Path, to: &Path, with_owners: bool) {
    let mut cp = clean("cp");
    cp.args(["--archive", "--reflink=auto"]);
    if !with_owners {
        cp.arg("--no-preserve=ownership");
    }
    run(cp.arg(from).arg(to), "");
    // Whoever copied the directory of the builds may have made the template his own.
    if with_owners && are_we_root() {
        run(clean("chown").arg("--recursive").arg("postgres:postgres").arg(to), "");
    }
}

/// Runs a command that has to succeed.
pub(super) fn run(command: &mut Command, input: &str) {
    let said = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!("{said}: {error}"),
    };
    // What does not read it says why in its own words.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    let said_in_turn = [stdout, stderr].map(|stream| String::from_utf8_lossy(stream));
    assert!(output.status.success(), "{said}: {}: {}", output.status, said_in_turn.join("\n"));
}
