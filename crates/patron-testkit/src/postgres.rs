//! PostgreSQL as tests need it: servers of their own, which they start, stop, kill and throw away.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test without its database must fail where it notices"
)]

mod certificates;
mod disk;
mod home;
mod pgbouncer;
mod port;
mod process;
mod programs;
mod replica;
mod sessions;
mod setup;
mod template;

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Signal;

use crate::postgres::disk::Disk;
use crate::postgres::home::Home;
use crate::postgres::port::Port;
use crate::postgres::process::Process;
use crate::postgres::programs::{clean, command, server_program, unprivileged};
use crate::server::Outcome;

pub use crate::postgres::pgbouncer::Pgbouncer;
pub use crate::postgres::sessions::Sessions;
pub use crate::postgres::setup::Setup;

/// The role that the program uses, and its database. It owns the database and has no other right.
pub const USER: &str = "patron";

/// The role that may do everything, for what tests do to the server themselves.
pub const SUPERUSER: &str = "postgres";

/// The password of both.
pub const PASSWORD: &str = "ThePasswordOfAllTests-4cG7";

/// A PostgreSQL server on a free port of 127.0.0.1, with its data in a directory of its own. Dropped, it is killed
/// and the directory removed.
#[derive(Debug)]
pub struct Cluster {
    // In the order in which they go: nothing is removed while a server runs.
    server: Mutex<Option<Process>>,
    disk: Option<Disk>,
    home: Home,
    port: Port,
    /// As whom it follows its primary, if it does.
    name: Option<String>,
}

impl Cluster {
    /// A server as it comes, except that it does not sync: see [`Setup`] for others.
    ///
    /// # Panics
    /// When it does not start; what it said is in the message.
    #[expect(clippy::new_without_default, reason = "a server is started, which no default does")]
    pub fn new() -> Self {
        Setup::new().start()
    }

    /// One that has its files and does not run yet.
    fn prepared(disk: Option<Disk>, home: Home, name: Option<String>) -> Self {
        Self { server: Mutex::new(None), disk, home, port: Port::free(), name }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// The database of the program, and who it is there.
    pub fn url(&self) -> String {
        self.url_of(USER)
    }

    /// A database in it, as the program's role.
    pub fn url_of(&self, database: &str) -> String {
        url(USER, self.port(), database)
    }

    /// The database of the program, for whoever may do everything.
    pub fn superuser_url(&self) -> String {
        url(SUPERUSER, self.port(), USER)
    }

    /// The certificate of the authority that vouches for it, if it was set up with TLS.
    pub fn authority(&self) -> PathBuf {
        self.home.path().join("authority.pem")
    }

    /// Its data, as we see them.
    pub fn data_directory(&self) -> PathBuf {
        match &self.disk {
            Some(disk) => disk.seen("data"),
            None => self.home.path().join("data"),
        }
    }

    /// All that it has said.
    ///
    /// # Panics
    /// When it was never started.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap()).into_owned()
    }

    /// Makes a database that belongs to the program's role.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn create_database(&self, name: &str) {
        self.psql(&format!("create database \"{name}\" owner {USER}"));
    }

    /// What SQL returns that is run by the superuser in the program's database: a line for each row, columns with `|`
    /// between them. Each statement is a transaction, unless it says otherwise.
    ///
    /// # Panics
    /// When one of the statements fails.
    #[track_caller]
    pub fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).ok().trim_end().to_owned()
    }

    /// The same, when it may fail.
    ///
    /// # Panics
    /// When `psql` cannot be run at all.
    pub fn try_psql(&self, sql: &str) -> Outcome {
        psql(&self.superuser_url(), sql)
    }

    /// Starts it again, with the same data on the same port.
    ///
    /// # Panics
    /// When it runs already, or does not start; what it said is in the message.
    pub fn start(&self) {
        let mut server = self.server();
        assert!(server.is_none(), "the server runs already");
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let mut postgres = match &self.disk {
            Some(disk) => disk.unprivileged(&server_program("postgres")),
            None => unprivileged(&server_program("postgres")),
        };
        postgres.push("-D".to_owned());
        // As the server sees it, which is not how we do when it has a disk of its own.
        let inside = if self.disk.is_some() { "disk/data" } else { "data" };
        postgres.push(self.home.path().join(inside).display().to_string());
        let mut postgres = command(&postgres);
        postgres.stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = Process::start(postgres);
        let file = self.data_directory().join("postmaster.pid");
        let ready =
            process.wait_for("PostgreSQL is ready", |id| says_ready(&file, id).then_some(()));
        if let Err(status) = ready {
            panic!("PostgreSQL did not start ({status}):\n{}", self.log());
        }
        *server = Some(process);
    }

    /// Ends it in good order, without waiting for its clients.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    pub fn stop(&self) {
        self.running().take().unwrap().end_by(Signal::INT);
    }

    /// Ends it and all its processes on the spot, as a power cut does.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self) {
        self.running().take().unwrap().kill();
    }

    /// Stops it and starts it again.
    ///
    /// # Panics
    /// When it does not run, does not end, or does not start.
    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Stops all its processes where they are: it says nothing and takes nothing, and its connections stay.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pause(&self) {
        self.running().as_mut().unwrap().pause();
    }

    /// Lets it go on after [`Cluster::pause`].
    ///
    /// # Panics
    /// When it does not run.
    pub fn resume(&self) {
        self.running().as_mut().unwrap().resume();
    }

    /// Leaves no room on the disk that it was set up with.
    ///
    /// # Panics
    /// When it was set up without.
    pub fn fill_disk(&self) {
        self.disk.as_ref().unwrap().fill();
    }

    /// Gives back the room that [`Cluster::fill_disk`] took.
    ///
    /// # Panics
    /// When the disk was not filled.
    pub fn free_disk(&self) {
        self.disk.as_ref().unwrap().free();
    }

    fn log_file(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn server(&self) -> MutexGuard<'_, Option<Process>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, Option<Process>> {
        let server = self.server();
        assert!(server.is_some(), "the server does not run");
        server
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(process) = self.server().take() {
            process.end_by(Signal::QUIT);
        }
        forget_memory(&self.data_directory());
    }
}

/// Where a role finds a database.
fn url(role: &str, port: u16, database: &str) -> String {
    format!("postgres://{role}:{PASSWORD}@127.0.0.1:{port}/{database}")
}

/// Runs SQL by way of `psql`, wherever the URL points: at a server, or at a pooler before it.
///
/// # Panics
/// When `psql` cannot be run at all.
pub fn psql(url: &str, sql: &str) -> Outcome {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(sql.as_bytes()).unwrap();
    input.rewind().unwrap();
    let mut psql: Command = clean(server_program("psql"));
    psql.env("PGCONNECT_TIMEOUT", "20").stdin(input);
    Outcome::of(psql.args(["-XAtq", "--set", "ON_ERROR_STOP=1", "--file", "-", url]))
}

/// Whether the server of this id says in its file that connections are welcome.
fn says_ready(file: &Path, id: u32) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    // The file may be left over from a server that was killed.
    lines.first() == Some(&id.to_string().as_str()) && lines.get(7) == Some(&"ready")
}

/// Removes the piece of shared memory that a server that was killed has left and the system would keep for
/// ever, of which there may be a few thousand only. Its number stands in the server's file.
fn forget_memory(data: &Path) {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let number = text.lines().nth(6).and_then(|line| line.split_whitespace().nth(1));
    if let Some(number) = number {
        // It may be gone: then there is nothing to do.
        let _ = clean("ipcrm").args(["--shmem-id", number]).output();
    }
}
