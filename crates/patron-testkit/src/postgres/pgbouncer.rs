//! The pooler that many put before their database.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test without its database must fail where it notices"
)]

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Signal;

use crate::postgres::home::Home;
use crate::postgres::port::Port;
use crate::postgres::process::Process;
use crate::postgres::programs::{command, daemon, unprivileged};
use crate::postgres::setup::put;
use crate::postgres::{Cluster, PASSWORD, SUPERUSER, USER, url};

/// A pgbouncer that gives each transaction a connection of its few, on a free port of 127.0.0.1. Dropped, it is
/// killed.
#[derive(Debug)]
pub struct Pgbouncer {
    // It goes before its files do.
    process: Mutex<Option<Process>>,
    home: Home,
    port: Port,
}

impl Pgbouncer {
    /// One as Debian has it, but for what it has to be told: whom it may let in, and how it pools. Five
    /// connections to each database for each role.
    ///
    /// # Panics
    /// When it does not start; what it said is in the message.
    pub fn before(cluster: &Cluster) -> Self {
        Self::before_with(cluster, &[])
    }

    /// The same with more settings, which win.
    ///
    /// # Panics
    /// When it does not start; what it said is in the message.
    pub fn before_with(cluster: &Cluster, settings: &[(&str, &str)]) -> Self {
        let (home, port) = (Home::quick(), Port::free());
        let place = home.path().display().to_string();
        let users = [USER, SUPERUSER].map(|role| format!("\"{role}\" \"{PASSWORD}\"\n"));
        put(home.path(), "users.txt", &users.concat());
        let mut text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {place}/users.txt\n\
             pool_mode = transaction\ndefault_pool_size = 5\nmax_client_conn = 5000\n",
            cluster.port(),
            port.number(),
        );
        for (name, value) in settings {
            text.push_str(&format!("{name} = {value}\n"));
        }
        put(home.path(), "pgbouncer.ini", &text);
        let pooler = Self { process: Mutex::new(None), home, port };
        pooler.start();
        pooler
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// The database of the program, by way of the pooler.
    pub fn url(&self) -> String {
        self.url_of(USER)
    }

    /// A database of the server's, by way of the pooler.
    pub fn url_of(&self, database: &str) -> String {
        url(USER, self.port(), database)
    }

    /// All that it has said.
    ///
    /// # Panics
    /// When it was never started.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.home.path().join("log")).unwrap()).into_owned()
    }

    /// Starts it again on the same port.
    ///
    /// # Panics
    /// When it runs already, or does not start; what it said is in the message.
    pub fn start(&self) {
        let mut running = self.process();
        assert!(running.is_none(), "the pooler runs already");
        let log = self.home.path().join("log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        // It needs a file for each client, and takes no more than it is given.
        let script = "ulimit -n \"$(ulimit -Hn)\"; exec \"$@\"";
        let mut words = ["sh", "-c", script, "sh"].map(str::to_owned).to_vec();
        words.extend(unprivileged(&daemon("pgbouncer", "pgbouncer")));
        words.push(self.home.path().join("pgbouncer.ini").display().to_string());
        let mut pgbouncer = command(&words);
        pgbouncer.stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = Process::start(pgbouncer);
        let address = (Ipv4Addr::LOCALHOST, self.port());
        let ready = process.wait_for("pgbouncer listens", |_| TcpStream::connect(address).ok());
        if let Err(status) = ready {
            panic!("pgbouncer did not start ({status}):\n{}", self.log());
        }
        *running = Some(process);
    }

    /// Ends it when the transactions that are under way have ended.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    pub fn stop(&self) {
        self.running().take().unwrap().end_by(Signal::INT);
    }

    /// Ends it on the spot, with all its connections.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self) {
        self.running().take().unwrap().kill();
    }

    /// Stops it where it is: it says nothing and takes nothing, and its connections stay.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pause(&self) {
        self.running().as_mut().unwrap().pause();
    }

    /// Lets it go on after [`Pgbouncer::pause`].
    ///
    /// # Panics
    /// When it does not run.
    pub fn resume(&self) {
        self.running().as_mut().unwrap().resume();
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, Option<Process>> {
        let process = self.process();
        assert!(process.is_some(), "the pooler does not run");
        process
    }
}
