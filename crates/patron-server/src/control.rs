//! The control socket: how commands reach a server that runs on the same data.
//!
//! One JSON line with a [`Command`] in, one with a [`Report`] or a [`Failure`] out, per connection.
//! Only the user that owns the data can connect.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::management::{Command, Failure, Report, execute};
use crate::opening::Opened;

const SOCKET: &str = "control.sock";

/// A directory that is there only while the socket is made.
const CRADLE: &str = "control.new";

/// The most bytes of a request.
const REQUEST_SIZE_MAX: u64 = 64 * 1024;

/// The most bytes of an answer that a command reads.
const ANSWER_SIZE_MAX: u64 = 256 * 1024 * 1024;

/// How long a request may take to arrive, and an answer to leave.
const TIME_MAX: Duration = Duration::from_secs(10);

/// How long a command waits for its answer. A check of a large database takes its time.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(600);

/// Paths of sockets hold fewer than 108 bytes on Linux and 104 elsewhere.
const PATH_LENGTH_MAX: usize = 100;

/// An answer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Report(Report),
    Failure(Failure),
}

/// The server's end. Dropped, it takes the socket away.
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        // A socket that nobody listens at is taken as none.
        let _ = fs::remove_file(&self.path);
    }
}

impl Control {
    /// Puts the socket into the data directory, whose lock the caller holds.
    ///
    /// A socket's mode can only be changed once it is there, so it is made in a directory that nobody
    /// else can enter, closed, and moved to its place. Moving it also replaces what a server that
    /// was killed has left behind.
    pub(crate) fn bind(data: &Path) -> io::Result<Self> {
        let cradle = data.join(CRADLE);
        clear(&cradle)?;
        DirBuilder::new().mode(0o700).create(&cradle)?;
        let newborn = cradle.join(SOCKET);
        let listener = {
            let address = Address::of(&cradle)?;
            std::os::unix::net::UnixListener::bind(&address.path)?
        };
        fs::set_permissions(&newborn, Permissions::from_mode(0o600))?;
        let path = data.join(SOCKET);
        fs::rename(&newborn, &path)?;
        clear(&cradle)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener: UnixListener::from_std(listener)?, path })
    }

    /// Answers commands for as long as it is polled.
    pub(crate) async fn serve(self, opened: Opened) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let opened = opened.clone();
                    tokio::spawn(async move {
                        // A command that left before its answer is no business of ours.
                        let _ = answer(stream, &opened).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no command can be accepted at the moment");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// Removes the cradle that an earlier start has left behind.
fn clear(cradle: &Path) -> io::Result<()> {
    match fs::remove_dir_all(cradle) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where the socket in a directory is addressed.
struct Address {
    path: PathBuf,
    /// Keeps the directory open for as long as the path leads through its descriptor.
    _directory: Option<File>,
}

impl Address {
    /// The socket's path, or a detour when it is longer than the address of a socket can be.
    fn of(directory: &Path) -> io::Result<Self> {
        let path = directory.join(SOCKET);
        if path.as_os_str().as_bytes().len() <= PATH_LENGTH_MAX {
            return Ok(Self { path, _directory: None });
        }
        if !cfg!(target_os = "linux") {
            return Err(io::Error::new(
                io::ErrorKind::InvalidFilename,
                "the path of the data directory is too long for a socket: use a shorter one",
            ));
        }
        let directory = File::open(directory)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()));
        Ok(Self { path, _directory: Some(directory) })
    }
}

async fn answer(mut stream: UnixStream, opened: &Opened) -> io::Result<()> {
    // A command may hold a password.
    let mut line = Zeroizing::new(Vec::new());
    let (reader, _) = stream.split();
    let mut reader = BufReader::new(reader.take(REQUEST_SIZE_MAX));
    timeout(TIME_MAX, reader.read_until(b'\n', &mut line)).await??;
    let reply = match serde_json::from_slice(&line) {
        Ok(command) => match execute(opened, command).await {
            Ok(report) => Reply::Report(report),
            Err(failure) => Reply::Failure(failure),
        },
        Err(_) => Reply::Failure(Failure::invalid(
            "the running server does not know this command: it is another version of Patron, so \
             restart it with this one",
        )),
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    timeout(TIME_MAX, stream.write_all(&text)).await?
}

/// Why a command was not answered by a server.
pub(crate) enum Unanswered {
    /// There is none: nobody listens.
    NoServer,
    /// There is one, but something came between.
    Broken(io::Error),
}

/// Asks the server that runs on this data.
pub(crate) async fn ask(
    data: &Path,
    command: &Command,
) -> Result<Result<Report, Failure>, Unanswered> {
    let address = match Address::of(data) {
        Ok(address) => address,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unanswered::NoServer),
        Err(error) => return Err(Unanswered::Broken(error)),
    };
    let mut stream = match UnixStream::connect(&address.path).await {
        Ok(stream) => stream,
        Err(error) => {
            let is_nobody =
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
            let reason = if is_nobody { Unanswered::NoServer } else { Unanswered::Broken(error) };
            return Err(reason);
        }
    };
    match exchange(&mut stream, command).await {
        Ok(Reply::Report(report)) => Ok(Ok(report)),
        Ok(Reply::Failure(failure)) => Ok(Err(failure)),
        Err(error) => Err(Unanswered::Broken(error)),
    }
}

async fn exchange(stream: &mut UnixStream, command: &Command) -> io::Result<Reply> {
    let mut text = Zeroizing::new(serde_json::to_vec(command)?);
    text.push(b'\n');
    timeout(TIME_MAX, stream.write_all(&text)).await??;
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(ANSWER_SIZE_MAX));
    timeout(ANSWER_TIME_MAX, reader.read_until(b'\n', &mut line)).await??;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&line)?)
}
