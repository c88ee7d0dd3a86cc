//! A network between the program and a PostgreSQL server that fails when it is told to.
//!
//! It knows where messages of the protocol begin and end, so that a connection can be broken between any two
//! of them. It does not speak TLS: whoever comes through says `sslmode=disable`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test whose network is not as it should be must fail where it notices"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_linger;

/// How often a connection on which nothing comes looks whether it is still to be there.
const LOOKS_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// How many looks at a server that says nothing tell that it has said all that it has to say.
const QUIET_MAX: u32 = 40;

/// How a connection fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The client is told that it is broken. The server gets all up to the last message, and then the end.
    Cut,
    /// Nobody is told anything: what is sent is lost.
    Silence,
    /// The last message does not arrive. The client hears all that the server has to say until then, and that the
    /// connection is broken.
    Lost,
}

/// Which moment of a connection it is at which it fails.
#[derive(Debug, Clone, Copy)]
struct Trap {
    text: &'static str,
    later: usize,
    failure: Failure,
}

/// What is done with new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Refusing,
    Silent,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    mode: Mutex<Mode>,
    trap: Mutex<Option<Trap>>,
    sprung: AtomicUsize,
    /// Grows when all connections are to be cut, or to go silent.
    cuts: AtomicUsize,
    silences: AtomicUsize,
    is_over: AtomicBool,
}

/// A port of 127.0.0.1 behind which the server is.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    listener: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Before the server on this port.
    ///
    /// # Panics
    /// When there is no port for it.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            server: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            mode: Mutex::new(Mode::Open),
            trap: Mutex::new(None),
            sprung: AtomicUsize::new(0),
            cuts: AtomicUsize::new(0),
            silences: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || accept(&listener, &shared));
        Self { port: own, state, listener: Some(thread) }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Breaks all connections, and refuses new ones.
    pub fn cut(&self) {
        *lock(&self.state.mode) = Mode::Refusing;
        self.state.cuts.fetch_add(1, Ordering::SeqCst);
    }

    /// Loses all that is sent from now on. New connections are taken, and hear nothing.
    pub fn silence(&self) {
        *lock(&self.state.mode) = Mode::Silent;
        self.state.silences.fetch_add(1, Ordering::SeqCst);
    }

    /// Loses all that is sent on the connections that are there. New ones are as they should be.
    pub fn forget(&self) {
        self.state.silences.fetch_add(1, Ordering::SeqCst);
    }

    /// Lets new connections through. Those that were lost stay lost.
    pub fn restore(&self) {
        *lock(&self.state.mode) = Mode::Open;
    }

    /// Has a connection fail, once: the first whose client sends a message that contains `text`, so many messages in
    /// either direction later.
    pub fn fail_after(&self, text: &'static str, later: usize, failure: Failure) {
        *lock(&self.state.trap) = Some(Trap { text, later, failure });
    }

    /// Has none fail any more by [`Proxy::fail_after`].
    pub fn fail_no_more(&self) {
        *lock(&self.state.trap) = None;
    }

    /// How many connections have failed by [`Proxy::fail_after`].
    pub fn failures(&self) -> usize {
        self.state.sprung.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // Whoever accepts looks up when somebody comes.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.listener.take() {
            thread.join().unwrap();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    let mut links: Vec<JoinHandle<()>> = Vec::new();
    loop {
        let (client, _) = listener.accept().unwrap();
        if state.is_over.load(Ordering::SeqCst) {
            break;
        }
        let shared = Arc::clone(state);
        // What is cut or silenced from now on is this one, too.
        let link = Link::new(client, &shared);
        links.push(std::thread::spawn(move || link.serve(&shared)));
        links.retain(|link| !link.is_finished());
    }
    for link in links {
        link.join().unwrap();
    }
}

/// Resets a connection: whoever has the other end hears of it at once.
fn reset(stream: &TcpStream) {
    // It may be gone already.
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}

/// A connection of a client's.
struct Link {
    client: TcpStream,
    mode: Mode,
    /// How many cuts and silences there had been when it came.
    cuts: usize,
    silences: usize,
}

/// One that goes through to the server.
struct Wire {
    /// The client's end and the server's.
    ends: [TcpStream; 2],
    flows: [Flow; 2],
    /// How many messages there are until it fails.
    countdown: Option<(usize, Failure)>,
    /// Whether nothing of the client's arrives any more.
    is_losing: bool,
}

/// One direction of a connection.
#[derive(Default)]
struct Flow {
    received: Vec<u8>,
    /// Whether messages begin with a letter, which the first one of a client's does not.
    is_typed: bool,
}

impl Flow {
    /// The next whole message.
    fn next(&mut self) -> Option<Vec<u8>> {
        let before = usize::from(self.is_typed);
        let length = self.received.get(before..before + 4)?;
        let length = u32::from_be_bytes(length.try_into().unwrap());
        let end = before + usize::try_from(length).unwrap();
        if self.received.len() < end {
            return None;
        }
        self.is_typed = true;
        Some(self.received.drain(..end).collect())
    }

    /// Takes in what has come; whether there may be more.
    fn fill(&mut self, from: &mut TcpStream) -> bool {
        let mut piece = [0; 16 * 1024];
        match from.read(&mut piece) {
            Ok(0) => false,
            Ok(length) => {
                self.received.extend_from_slice(&piece[..length]);
                true
            }
            Err(error) => error.kind() == ErrorKind::Interrupted,
        }
    }
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoesOn,
    Ends,
    Fails(Failure),
}

impl Wire {
    fn new(client: TcpStream, server: TcpStream) -> Self {
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
        }
        let flows = [Flow::default(), Flow { is_typed: true, ..Flow::default() }];
        Self { ends: [client, server], flows, countdown: None, is_losing: false }
    }

    /// Takes over what has come from one side.
    fn carry(&mut self, side: usize, state: &State) -> Then {
        let is_open = self.flows[side].fill(&mut self.ends[side]);
        while let Some(message) = self.flows[side].next() {
            if self.is_losing {
                // What the server still says to what has arrived.
                if side == 1 && self.ends[0].write_all(&message).is_err() {
                    return Then::Ends;
                }
                continue;
            }
            let then = state.look_at(&message, side == 0, &mut self.countdown);
            if then == Then::Fails(Failure::Lost) {
                self.is_losing = true;
                continue;
            }
            let is_taken = self.ends[1 - side].write_all(&message).is_ok();
            match then {
                Then::GoesOn if is_taken => {}
                Then::GoesOn => return Then::Ends,
                Then::Ends | Then::Fails(_) => return then,
            }
        }
        if is_open { Then::GoesOn } else { Then::Ends }
    }
}

impl Link {
    fn new(client: TcpStream, state: &State) -> Self {
        let cuts = state.cuts.load(Ordering::SeqCst);
        let silences = state.silences.load(Ordering::SeqCst);
        Self { client, mode: *lock(&state.mode), cuts, silences }
    }

    fn serve(self, state: &State) {
        let Self { client, mode, cuts, silences } = self;
        let is_cut = || state.is_over() || state.cuts.load(Ordering::SeqCst) > cuts;
        match mode {
            Mode::Open => {}
            Mode::Refusing => return reset(&client),
            Mode::Silent => return keep_silent(client, None, is_cut),
        }
        let Ok(server) = TcpStream::connect(state.server) else {
            return reset(&client);
        };
        let mut wire = Wire::new(client, server);
        let mut quiet = 0;
        let mut then = Then::GoesOn;
        while then == Then::GoesOn {
            let ready = ready([&wire.ends[0], &wire.ends[1]]);
            quiet = if wire.is_losing && !ready[1] { quiet + 1 } else { 0 };
            if is_cut() || quiet > QUIET_MAX {
                then = Then::Fails(Failure::Cut);
            } else if state.silences.load(Ordering::SeqCst) > silences {
                then = Then::Fails(Failure::Silence);
            }
            for side in (0..2).filter(|side| ready[*side]) {
                if then == Then::GoesOn {
                    then = wire.carry(side, state);
                }
            }
        }
        let [client, server] = wire.ends;
        match then {
            Then::GoesOn | Then::Ends => {}
            Then::Fails(Failure::Silence) => keep_silent(client, Some(server), is_cut),
            Then::Fails(Failure::Cut | Failure::Lost) => cut(client, server, state),
        }
    }
}

/// The client hears that it is broken; the server reads what it was sent, and then the end.
fn cut(client: TcpStream, mut server: TcpStream, state: &State) {
    reset(&client);
    drop(client);
    let _ = server.shutdown(Shutdown::Write);
    // It would lose what it has not read yet if it were to answer into nothing.
    let mut piece = [0; 1024];
    while !state.is_over() {
        let [is_ready, _] = ready([&server, &server]);
        if is_ready && !matches!(server.read(&mut piece), Ok(length) if length > 0) {
            break;
        }
    }
}

/// Loses what comes until the client gives up. The server hears nothing of that either.
fn keep_silent(mut client: TcpStream, server: Option<TcpStream>, is_cut: impl Fn() -> bool) {
    let mut piece = [0; 16 * 1024];
    while !is_cut() {
        let [is_ready, _] = ready([&client, &client]);
        if is_ready && !matches!(client.read(&mut piece), Ok(length) if length > 0) {
            break;
        }
    }
    reset(&client);
    // Only now, when the client has long gone, does the server's end go too.
    drop(server);
}

impl State {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn look_at(
        &self,
        message: &[u8],
        is_clients: bool,
        countdown: &mut Option<(usize, Failure)>,
    ) -> Then {
        match countdown {
            Some((left, _)) => *left = left.saturating_sub(1),
            None if is_clients => {
                let mut trap = lock(&self.trap);
                let is_it = trap.is_some_and(|trap| contains(message, trap.text.as_bytes()));
                *countdown =
                    if is_it { trap.take().map(|trap| (trap.later, trap.failure)) } else { None };
            }
            None => {}
        }
        match *countdown {
            Some((0, failure)) => {
                self.sprung.fetch_add(1, Ordering::SeqCst);
                Then::Fails(failure)
            }
            Some(_) | None => Then::GoesOn,
        }
    }
}

fn contains(message: &[u8], text: &[u8]) -> bool {
    text.is_empty() || message.windows(text.len()).any(|window| window == text)
}

/// On which of them something has come, or the end.
fn ready(streams: [&TcpStream; 2]) -> [bool; 2] {
    let mut fds = streams.map(|stream| PollFd::new(stream, PollFlags::IN));
    // A signal makes it come back early, and it looks again.
    let _ = poll(&mut fds, Some(&LOOKS_EVERY));
    fds.map(|fd| !fd.revents().is_empty())
}
