//! What is measured: the program as a user starts it, and the ceiling, each bound to the server's core.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use patron_testkit::server::Launch;
use rustix::process::{Pid, Signal, kill_process};

use crate::database::CONNECTIONS;
use crate::load::Target;
use crate::machine::pinned;
use crate::options::Options;
use crate::{Fault, Outcome, tell};

/// Where the program keeps its customers.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    /// In a directory, in a file of SQLite's.
    Directory(PathBuf),
    /// In the PostgreSQL database at a URL.
    Database(String),
}

/// So that a database that is kept can be read by the next run. It protects nothing.
const ROOT_KEY: &str = "5b8e1f0c6a2d4937b1c05e7f98a3d264c7e09b15f3a8462d0e91c57ab86f3d42";

/// This program's own file.
pub(crate) fn own_file() -> Outcome<PathBuf> {
    std::env::current_exe().map_err(Fault::at("this program does not find its own file"))
}

/// The `patron` that is measured, and how it is started.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) file: PathBuf,
    core: usize,
    /// Where servers' logs go, for whoever asks why one did not start.
    log: PathBuf,
}

impl Program {
    /// The program at `file`, to be run on `core`.
    pub(crate) fn new(file: PathBuf, core: usize, directory: &Path) -> Self {
        Self { file, core, log: directory.join("log.txt") }
    }

    /// What it calls itself.
    pub(crate) fn version(&self) -> Outcome<String> {
        let output = Command::new(&self.file).arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(Fault::at(self.file.display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts it as in production, but with one worker, since it has one core.
    pub(crate) fn start(&self, data: &Data) -> Outcome<Server> {
        let [wrapper, flag, core] = &pinned(self.core);
        let launch = Launch::new(&self.file).wrapped_in(&[wrapper, flag, core]);
        let launch = match data {
            Data::Directory(data) => launch.with_data(data),
            Data::Database(url) => launch
                .with_variable("PATRON_DATABASE_URL", url)
                .with_variable("PATRON_ROOT_KEY", ROOT_KEY)
                .with("--mode")
                .with("sandbox")
                .with("--database-connections-max")
                .with(CONNECTIONS.to_string()),
        };
        let arguments = ["--workers", "1", "--log", "info"];
        let launch = arguments.into_iter().fold(launch, Launch::with);
        let mut server = Server::start(launch.serve(), &self.log)?;
        server.launch = Some(launch);
        Ok(server)
    }

    /// Starts this program as the ceiling.
    pub(crate) fn start_ceiling(&self) -> Outcome<Server> {
        let [wrapper, flag, core] = pinned(self.core);
        let mut command = Command::new(wrapper);
        command.args([flag, core]).arg(own_file()?).arg("ceiling").stdin(Stdio::null());
        Server::start(command, &self.log)
    }
}

/// The program that was asked for, or the one beside this one, which Cargo brings up to date.
pub(crate) fn find(options: &Options) -> Outcome<PathBuf> {
    let file = match &options.program {
        Some(file) => file.clone(),
        None if cfg!(debug_assertions) => {
            return Err(Fault::new(
                "built for debugging, nothing is as fast as it is: cargo run --release -p patron-bench",
            ));
        }
        None => {
            build()?;
            own_file()?.with_file_name("patron")
        }
    };
    file.canonicalize().map_err(Fault::at(format!("the program {} is not there", file.display())))
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn build() -> Outcome<()> {
    let Some(cargo) = std::env::var_os("CARGO") else {
        tell("not started by Cargo: the program beside this one is measured as it is");
        return Ok(());
    };
    let mut command = Command::new(cargo);
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    command.args(["build", "--release", "--package", "patron-server", "--manifest-path", manifest]);
    // Results alone go to stdout.
    let status = command.stdout(Stdio::null()).status().map_err(Fault::at("cargo"))?;
    if status.success() { Ok(()) } else { Err(Fault::new("the program could not be built")) }
}

/// A running server. Dropped, it is killed.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    /// Kept open, so that the server never finds it closed.
    _stdout: BufReader<ChildStdout>,
    /// Owns the directory in which the server runs.
    launch: Option<Launch>,
}

impl Server {
    /// Starts it and waits for its first line, which says where it listens.
    fn start(mut command: Command, log: &Path) -> Outcome<Self> {
        let stderr = File::create(log).map_err(Fault::at(log.display()))?;
        let program = format!("{:?}", command.get_program());
        let started = command.stdout(Stdio::piped()).stderr(stderr).spawn();
        let mut process = started.map_err(Fault::at(program))?;
        let stdout = process.stdout.take().ok_or_else(|| Fault::new("a server has no stdout"))?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let Some(address) = address_in(&line) else {
            // It may have ended already.
            let _ = process.kill();
            let _ = process.wait();
            let said = fs::read_to_string(log).unwrap_or_default();
            return Err(Fault::new(format!("the server did not start: {line}{said}")));
        };
        Ok(Self { process, address, _stdout: stdout, launch: None })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// It, to be asked.
    pub(crate) fn target(&self) -> Target {
        Target { address: self.address, process: self.id() }
    }

    /// Ends it in good order.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        let status = self.process.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(Fault::new(format!("the server did not end well: {status}")))
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address in the line that says that a server is ready.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_in_the_first_line() {
        let line = "Patron is listening on http://127.0.0.1:8080 (sandbox, data in ./data)\n";
        assert_eq!(address_in(line), "127.0.0.1:8080".parse().ok());
        assert_eq!(address_in("http://127.0.0.1:1\n"), "127.0.0.1:1".parse().ok());
        assert_eq!(address_in(""), None);
    }
}
