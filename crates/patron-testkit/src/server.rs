//! The program as a user starts it: a process of its own, with its data in a directory of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test whose program does not start must fail where it notices"
)]

mod captured;
mod input;
mod learning;
mod outcome;
mod store;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::postgres::Cluster;
use crate::server::captured::Captured;
use crate::server::store::Store;
use crate::wait::soon;

pub use crate::server::outcome::Outcome;

/// The API key of the merchant `testaccount` in servers that are started with one.
pub const SANDBOX_KEY: &str = "0F1E2D3C4B5A69788796A5B4C3D2E1F0";

/// What the first line of a server that is ready starts with.
const READY: &str = "Patron is listening on ";

/// How a server is to be started. Cloned and started again, it is the same installation.
#[derive(Debug, Clone)]
pub struct Launch {
    program: PathBuf,
    wrapper: Vec<String>,
    directory: Arc<TempDir>,
    data: PathBuf,
    store: Store,
    listen: String,
    sandbox_key: Option<String>,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Launch {
    /// A sandbox with an empty data directory of its own, the key [`SANDBOX_KEY`], and a free port. Where
    /// `PATRON_TEST_STORE` is `postgres`, it has a PostgreSQL server of its own as well.
    ///
    /// # Panics
    /// When no temporary directory can be made.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            program: program.into(),
            wrapper: Vec::new(),
            data: directory.path().join("data"),
            store: Store::of_this_run(),
            directory: Arc::new(directory),
            listen: "127.0.0.1:0".to_owned(),
            sandbox_key: Some(SANDBOX_KEY.to_owned()),
            arguments: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// With a flag or its value.
    #[must_use]
    pub fn with(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// With a variable in its environment, which is otherwise empty.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Without a key of the test's choosing: the program makes one.
    #[must_use]
    pub fn without_key(mut self) -> Self {
        self.sandbox_key = None;
        self
    }

    /// With its data elsewhere.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<PathBuf>) -> Self {
        self.data = data.into();
        self
    }

    /// With its customers in this database.
    #[must_use]
    pub fn on(mut self, database_url: impl Into<String>) -> Self {
        self.store = Store::Given(database_url.into());
        self
    }

    /// With the embedded store, whatever this run of the tests is about: for stories about its file.
    #[must_use]
    pub fn on_sqlite(mut self) -> Self {
        self.store = Store::Embedded;
        self
    }

    /// The PostgreSQL server that it has of its own, if it has one.
    ///
    /// # Panics
    /// When the server does not start.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.store.cluster()
    }

    /// Where its database is, if it has one.
    pub fn database_url(&self) -> Option<String> {
        self.store.url()
    }

    /// Listening elsewhere.
    #[must_use]
    pub fn listening_on(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    /// Started by another program, such as `unshare`, which gets the whole command line.
    #[must_use]
    pub fn wrapped_in(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The data directory. It does not exist before the first start.
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// A directory beside the data, for what a test puts down.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The command that serves, as [`Launch::start`] runs it.
    pub fn serve(&self) -> Command {
        let mut command = self.command();
        command.args(["serve", "--listen", &self.listen, "--data"]);
        command.arg(self.data());
        if let Some(key) = &self.sandbox_key {
            command.args(["--sandbox-api-key", key]);
        }
        command.args(&self.arguments);
        let said: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.name_database(&mut command, &said);
        command
    }

    /// Says where the database is, unless this was said, or there is none. Whoever has one names the mode:
    /// the one that the server was given, or else a sandbox.
    fn name_database(&self, command: &mut Command, said: &[&str]) {
        let is_said = |flag: &str, variable: &str| {
            said.iter().any(|word| is_flag(word, flag))
                || self.variables.iter().any(|(name, _)| name == variable)
        };
        if is_said("--database-url", "PATRON_DATABASE_URL") {
            return;
        }
        if let Some(url) = self.given("--database-url").or_else(|| self.store.url()) {
            command.args(["--database-url", &url]);
            if !is_said("--mode", "PATRON_MODE") {
                command.arg("--mode").arg(self.given("--mode").unwrap_or("sandbox".to_owned()));
            }
        }
    }

    /// The value of one of the server's flags.
    fn given(&self, flag: &str) -> Option<String> {
        let mut words = self.arguments.iter().skip_while(|word| !is_flag(word, flag));
        match words.next()?.split_once('=') {
            Some((_, value)) => Some(value.to_owned()),
            None => words.next().cloned(),
        }
    }

    /// The program without arguments, in the directory beside its data, in a clean environment.
    #[expect(
        clippy::disallowed_methods,
        reason = "what a test starts finds its tools where it did"
    )]
    pub fn command(&self) -> Command {
        let mut words = self.wrapper.iter();
        let mut command = match words.next() {
            None => Command::new(&self.program),
            Some(first) => {
                let mut command = Command::new(first);
                command.args(words).arg(&self.program);
                command
            }
        };
        command.env_clear().envs(self.variables.clone());
        // The two that outside tools need: to be found, and to say where coverage goes.
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.current_dir(self.directory.path());
        command.stdin(Stdio::null());
        command
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready; what it said is in the message.
    pub fn start(&self) -> Server {
        match self.try_start() {
            Ok(server) => server,
            Err(refusal) => panic!("the program did not start on {}: {refusal:?}", self.store),
        }
    }

    /// Starts it and waits until it is ready, or has ended.
    ///
    /// # Errors
    /// What it said when it ended instead.
    ///
    /// # Panics
    /// When the program cannot be run at all, or does neither.
    pub fn try_start(&self) -> Result<Server, Outcome> {
        let mut command = self.serve();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) => panic!("{command:?}: {error}"),
        };
        let stdout = Captured::of(process.stdout.take().unwrap());
        let stderr = Captured::of(process.stderr.take().unwrap());
        let mut server = Server {
            launch: self.clone(),
            process,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            stdout,
            stderr,
        };
        let ready = soon("the program is ready or has ended", || {
            let first = server.stdout.text().lines().next().map(str::to_owned);
            let ready = first.filter(|_| server.stdout.text().contains('\n'));
            match (ready, server.process.try_wait().unwrap()) {
                (Some(line), _) => Some(Ok(line)),
                (None, Some(status)) => Some(Err(status)),
                (None, None) => None,
            }
        });
        match ready {
            Ok(line) => {
                server.address = address_in(&line);
                Ok(server)
            }
            Err(status) => Err(server.outcome(status)),
        }
    }

    /// Runs a command such as `merchant create` on the same data.
    ///
    /// # Panics
    /// When the program cannot be run at all.
    pub fn manage(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.command();
        command.args(arguments).arg("--data").arg(self.data());
        self.name_database(&mut command, arguments);
        Outcome::of(&mut command)
    }
}

/// Whether a word of a command line is this flag, with its value or before it.
fn is_flag(word: &str, flag: &str) -> bool {
    word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

/// The address in the line that says that the server is ready.
fn address_in(line: &str) -> SocketAddr {
    let rest = line.strip_prefix(READY);
    let url = rest.and_then(|rest| rest.split(' ').next());
    let address = url.and_then(|url| {
        let address = url.strip_prefix("http://").or(url.strip_prefix("https://"))?;
        address.parse().ok()
    });
    match address {
        Some(address) => address,
        None => panic!("the first line names no address: {line}"),
    }
}

/// A running server. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    process: Child,
    address: SocketAddr,
    stdout: Captured,
    stderr: Captured,
}

impl Server {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key with which it was started.
    ///
    /// # Panics
    /// When it was started without one.
    pub fn key(&self) -> &str {
        self.launch.sandbox_key.as_deref().unwrap()
    }

    /// How it was started.
    pub const fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has said on stdout so far.
    pub fn stdout(&self) -> String {
        self.stdout.text().clone()
    }

    /// What it has said on stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.text().clone()
    }

    /// Runs a management command on its data while it runs. What the command changed is in force when it returns:
    /// with the embedded store by itself, and otherwise because it is waited for, as operators have to.
    ///
    /// # Panics
    /// When the program cannot be run at all, or does not learn of a change.
    pub fn manage(&self, arguments: &[&str]) -> Outcome {
        let outcome = self.launch.manage(arguments);
        if outcome.status.success() {
            self.learn_of_changes();
        }
        outcome
    }

    /// Asks it to end, as an init system does, without waiting.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn ask_to_end(&self) {
        // The shell has its own `kill`, which needs no package.
        let script = format!("kill -TERM {}", self.process.id());
        let status = Command::new("sh").args(["-c", &script]).status().unwrap();
        assert!(status.success(), "{script}: {status}");
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait(&mut self) -> ExitStatus {
        let status = soon("the program has ended", || self.process.try_wait().unwrap());
        self.hear_out();
        status
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Panics
    /// When it does not.
    pub fn terminate(&mut self) -> ExitStatus {
        self.ask_to_end();
        self.wait()
    }

    /// Ends it on the spot, as a power cut does.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.hear_out();
    }

    /// Stops it where it is: it says nothing and does nothing, and the system goes on taking connections for it.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
        soon("all threads of the program are stopped", || self.is_stopped().then_some(()));
    }

    /// Lets it go on after [`Server::pause`].
    ///
    /// # Panics
    /// When it does not run.
    pub fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Whether each of its threads is (see proc(5)).
    fn is_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The name before may hold spaces and brackets.
            stat.rsplit_once(')').is_none_or(|(_, rest)| rest.starts_with(" T"))
        })
    }

    /// Ends it in good order and starts it again on the same data, usually on another port.
    ///
    /// # Panics
    /// When it does not end well, or does not start again.
    pub fn restart(&mut self) {
        let status = self.terminate();
        assert!(status.success(), "{status}: {}", self.stderr());
        *self = self.launch.start();
    }

    /// Takes in everything that a process that has ended still said.
    fn hear_out(&mut self) {
        self.stdout.finish();
        self.stderr.finish();
    }

    fn outcome(&mut self, status: ExitStatus) -> Outcome {
        self.hear_out();
        Outcome { status, stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl From<&Server> for SocketAddr {
    fn from(server: &Server) -> Self {
        server.address()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.name_store_of_a_failure();
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
