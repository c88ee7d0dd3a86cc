//! A way to a server that a test can break: cut, held up, or lost at a word.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test whose network does not obey must fail where it notices"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A free port of 127.0.0.1 from which everything is passed on to another one, and back. Dropped, it is cut.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    way: Way,
    /// Both ends of every connection.
    ends: Vec<TcpStream>,
    lose_request: Option<Vec<u8>>,
    lose_answer: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Nothing passes, and nobody is told.
    Held,
    /// Every connection is closed, each new one at once.
    Cut,
    /// As that, and for ever.
    Gone,
}

/// Which way a pump carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carries {
    Requests,
    Answers,
}

impl Proxy {
    /// A way to this port of 127.0.0.1. It is open.
    ///
    /// # Panics
    /// When there is no port to listen on.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let state =
            State { way: Way::Open, ends: Vec::new(), lose_request: None, lose_answer: None };
        let shared = Arc::new(Shared {
            to: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener));
        Self { port: own, shared }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// A URL that names the port behind, as it is by this way.
    pub fn url(&self, direct: &str) -> String {
        let (from, to) = (format!(":{}/", self.shared.to.port()), format!(":{}/", self.port));
        direct.replace(&from, &to)
    }

    /// Closes every connection, and each new one at once.
    pub fn cut(&self) {
        self.shared.go(Way::Cut);
    }

    /// Holds up all that comes, and tells nobody: neither end sees a connection close.
    pub fn hold(&self) {
        self.shared.go(Way::Held);
    }

    /// Opens the way again. What was held up arrives.
    pub fn restore(&self) {
        self.shared.go(Way::Open);
    }

    /// Cuts a connection instead of passing on the next request in which these bytes are.
    pub fn lose_request(&self, bytes: &str) {
        self.shared.lock().lose_request = Some(bytes.as_bytes().to_vec());
    }

    /// Cuts a connection instead of passing on the next answer in which these bytes are.
    pub fn lose_answer(&self, bytes: &str) {
        self.shared.lock().lose_answer = Some(bytes.as_bytes().to_vec());
    }

    /// Whether all that was to be lost was lost.
    pub fn has_lost(&self) -> bool {
        let state = self.shared.lock();
        state.lose_request.is_none() && state.lose_answer.is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.go(Way::Gone);
        // The thread that accepts looks when somebody comes.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go(&self, way: Way) {
        let mut state = self.lock();
        state.way = way;
        if matches!(way, Way::Cut | Way::Gone) {
            for end in state.ends.drain(..) {
                // It may have closed by itself.
                let _ = end.shutdown(Shutdown::Both);
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            let way = self.lock().way;
            match (way, client) {
                (Way::Gone, _) => return,
                (Way::Cut, _) | (_, Err(_)) => {}
                (Way::Open | Way::Held, Ok(client)) => {
                    let shared = Arc::clone(self);
                    thread::spawn(move || shared.connect(client));
                }
            }
        }
    }

    /// Waits while nothing passes; whether the way is open then.
    fn passes(&self) -> bool {
        let state = self.lock();
        let held = |state: &mut State| state.way == Way::Held;
        let state = self.changed.wait_while(state, held);
        state.unwrap_or_else(PoisonError::into_inner).way == Way::Open
    }

    fn connect(self: Arc<Self>, client: TcpStream) {
        if !self.passes() {
            return;
        }
        let Ok(server) = TcpStream::connect(self.to) else {
            return;
        };
        for end in [&client, &server] {
            end.set_nodelay(true).unwrap();
        }
        {
            let mut state = self.lock();
            if matches!(state.way, Way::Cut | Way::Gone) {
                return;
            }
            state.ends.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        }
        let ends = [client.try_clone().unwrap(), server.try_clone().unwrap()];
        let back = Arc::clone(&self);
        thread::spawn(move || back.pump(server, client, Carries::Answers));
        let [client, server] = ends;
        self.pump(client, server, Carries::Requests);
    }

    /// Carries all that one end says to the other, until one of them closes.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream, carries: Carries) {
        let mut piece = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            let piece = &piece[..length];
            if !self.passes() || self.is_to_be_lost(piece, carries) || to.write_all(piece).is_err()
            {
                break;
            }
        }
        for end in [&from, &to] {
            // It may have closed by itself.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn is_to_be_lost(&self, piece: &[u8], carries: Carries) -> bool {
        let mut state = self.lock();
        let lose = match carries {
            Carries::Requests => &mut state.lose_request,
            Carries::Answers => &mut state.lose_answer,
        };
        let is_it = |bytes: &Vec<u8>| piece.windows(bytes.len().max(1)).any(|found| found == bytes);
        lose.take_if(|bytes| is_it(bytes)).is_some()
    }
}
