//! An HTTP/1.1 client that sends exactly what it is told, however wrong, and shows exactly what came.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose server does not answer in HTTP must fail where it notices"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::exact_json;
use crate::wait::SOON;

/// A request, built step by step.
#[derive(Debug, Clone)]
pub struct Call {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    None,
    Whole(Vec<u8>),
    Chunks(Vec<Vec<u8>>),
}

/// The value of an `Authorization` header for an API key, as most clients write it.
pub fn basic(key: &str) -> String {
    colonless(&format!("{key}:"))
}

/// The same without the colon, as two official clients write it.
pub fn colonless(key: &str) -> String {
    format!("Basic {}", STANDARD.encode(key))
}

impl Call {
    /// Any method and any target, both sent as they are.
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            headers: Vec::new(),
            body: Body::None,
        }
    }

    /// `GET`.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// `POST`. Without a body it says `Content-Length: 0`.
    pub fn post(target: impl Into<String>) -> Self {
        Self::new("POST", target).bytes("")
    }

    /// Adds a header line; the same name again adds another line.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Shows an API key.
    #[must_use]
    pub fn basic(self, key: &str) -> Self {
        let value = basic(key);
        self.header("Authorization", value)
    }

    /// Shows a client auth token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// A form, already encoded.
    #[must_use]
    pub fn form(self, encoded: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type", "application/x-www-form-urlencoded").bytes(encoded)
    }

    /// A JSON document, as text, well-formed or not.
    #[must_use]
    pub fn json(self, text: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type", "application/json").bytes(text)
    }

    /// A body, and no word about its type.
    #[must_use]
    pub fn bytes(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.body = Body::Whole(bytes.as_ref().to_vec());
        self
    }

    /// A body in chunks (RFC 9112, section 7.1), and no word about its type.
    #[must_use]
    pub fn chunks<C: AsRef<[u8]>>(mut self, chunks: impl IntoIterator<Item = C>) -> Self {
        let chunks = chunks.into_iter().map(|chunk| chunk.as_ref().to_vec());
        self.body = Body::Chunks(chunks.collect());
        self
    }

    /// Everything up to and including the empty line after the headers.
    pub fn head(&self, host: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.says("host") {
            text.push_str(&format!("Host: {host}\r\n"));
        }
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        match &self.body {
            _ if self.says("content-length") || self.says("transfer-encoding") => {}
            Body::None => {}
            Body::Whole(bytes) => text.push_str(&format!("Content-Length: {}\r\n", bytes.len())),
            Body::Chunks(_) => text.push_str("Transfer-Encoding: chunked\r\n"),
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// What follows the head.
    pub fn body(&self) -> Vec<u8> {
        match &self.body {
            Body::None => Vec::new(),
            Body::Whole(bytes) => bytes.clone(),
            Body::Chunks(chunks) => {
                let mut framed = Vec::new();
                for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                    framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    framed.extend_from_slice(chunk);
                    framed.extend_from_slice(b"\r\n");
                }
                framed.extend_from_slice(b"0\r\n\r\n");
                framed
            }
        }
    }

    fn says(&self, name: &str) -> bool {
        self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
    }

    /// Sends it on a connection of its own and waits for the answer.
    ///
    /// # Panics
    /// When there is no answer, or it is not HTTP.
    pub fn send(&self, to: impl Into<SocketAddr>) -> Reply {
        Connection::open(to).send(self)
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: String,
    received: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn open(to: impl Into<SocketAddr>) -> Self {
        let address = to.into();
        match Self::try_open(address) {
            Some(connection) => connection,
            None => panic!("nobody listens on {address}"),
        }
    }

    /// Connects, if anybody listens.
    ///
    /// # Panics
    /// When the system does not give a connection its limits of time.
    pub fn try_open(to: impl Into<SocketAddr>) -> Option<Self> {
        let address = to.into();
        let stream = TcpStream::connect_timeout(&address, SOON).ok()?;
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        stream.set_nodelay(true).unwrap();
        Some(Self { stream, host: address.to_string(), received: Vec::new() })
    }

    /// Sends a request and waits for its answer. The connection stays open.
    ///
    /// # Panics
    /// When there is no answer, or it is not HTTP.
    pub fn send(&mut self, call: &Call) -> Reply {
        match self.try_send(call) {
            Some(reply) => reply,
            None => panic!("the server closed without an answer"),
        }
    }

    /// Sends a request and waits for its answer, or for the server to close without one.
    ///
    /// # Panics
    /// When the answer is not HTTP, or neither comes.
    pub fn try_send(&mut self, call: &Call) -> Option<Reply> {
        // In one piece, so that small requests arrive as one packet, as real clients send them.
        let mut whole = call.head(&self.host);
        whole.extend_from_slice(&call.body());
        // A server may answer and hang up before it has read everything: the answer counts.
        let _ = self.stream.write_all(&whole);
        self.next_reply(call.method == "HEAD")
    }

    /// Sends the head of a request only.
    pub fn send_head(&mut self, call: &Call) {
        let head = call.head(&self.host);
        self.write(&head);
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// When the server does not take them.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends bytes as they are, to a server that may have hung up; whether it took them.
    pub fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The next answer.
    ///
    /// # Panics
    /// When there is none, or it is not HTTP.
    pub fn reply(&mut self) -> Reply {
        self.next_reply(false).unwrap()
    }

    /// The next answer, if there is one before the server closes.
    ///
    /// # Panics
    /// When what comes is not HTTP, or neither comes.
    pub fn reply_if_any(&mut self) -> Option<Reply> {
        self.next_reply(false)
    }

    /// Whether an answer, or its beginning, is there. Does not wait for one.
    ///
    /// # Panics
    /// When the connection is broken.
    pub fn is_answered(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        match peeked {
            Ok(length) => length > 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// Says that nothing more will be sent.
    ///
    /// # Panics
    /// When the connection is broken.
    pub fn finish(&mut self) {
        match self.stream.shutdown(Shutdown::Write) {
            Err(error) if error.kind() != ErrorKind::NotConnected => panic!("{error}"),
            _ => {}
        }
    }

    /// The status of an interim answer, such as `100 Continue`, which [`Connection::reply`] skips.
    ///
    /// # Panics
    /// When there is no answer, or it is not HTTP.
    pub fn interim(&mut self) -> u16 {
        self.read_head().unwrap().status
    }

    /// Whether the server closes without another byte.
    pub fn is_closed(&mut self) -> bool {
        self.received.is_empty() && !self.read_more()
    }

    /// Waits until the server closes, whatever it says before.
    ///
    /// # Panics
    /// When it does not.
    pub fn ends(&mut self) -> bool {
        while self.read_more() {}
        true
    }

    fn next_reply(&mut self, to_head: bool) -> Option<Reply> {
        loop {
            let mut reply = self.read_head()?;
            if (100..200).contains(&reply.status) {
                continue;
            }
            if !to_head && !matches!(reply.status, 204 | 304) {
                reply.body = self.read_body(&reply);
            }
            return Some(reply);
        }
    }

    fn read_head(&mut self) -> Option<Reply> {
        let end = loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                break end;
            }
            if !self.read_more() {
                assert!(self.received.is_empty(), "the answer broke off in its head");
                return None;
            }
        };
        let head: Vec<u8> = self.received.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let mut status_line = lines.next().unwrap().splitn(3, ' ');
        // An older client is answered in its own version.
        assert!(matches!(status_line.next(), Some("HTTP/1.1" | "HTTP/1.0")), "{head}");
        let status = status_line.next().unwrap().parse().unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_owned(), value.trim().to_owned())
        });
        Some(Reply { status, headers: headers.collect(), body: Vec::new() })
    }

    fn read_body(&mut self, reply: &Reply) -> Vec<u8> {
        if reply.header("transfer-encoding").is_some() {
            return self.read_chunks();
        }
        match reply.header("content-length") {
            Some(length) => self.take(length.parse().unwrap()),
            None => {
                while self.read_more() {}
                std::mem::take(&mut self.received)
            }
        }
    }

    fn read_chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = self.take_line();
            let size = usize::from_str_radix(line.split(';').next().unwrap().trim(), 16).unwrap();
            if size == 0 {
                while !self.take_line().is_empty() {}
                return body;
            }
            body.extend(self.take(size));
            assert_eq!(self.take_line(), "", "a chunk is longer than it says");
        }
    }

    fn take_line(&mut self) -> String {
        let end = loop {
            if let Some(end) = find(&self.received, b"\r\n") {
                break end;
            }
            assert!(self.read_more(), "the answer broke off in a chunk's head");
        };
        let line: Vec<u8> = self.received.drain(..end + 2).collect();
        String::from_utf8(line[..end].to_vec()).unwrap()
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length {
            assert!(self.read_more(), "the answer broke off in its body");
        }
        self.received.drain(..length).collect()
    }

    /// Reads what there is; `false` at the end.
    fn read_more(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(length) => {
                self.received.extend_from_slice(&piece[..length]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The header lines in their order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body, unframed.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header, whatever the case of its name.
    ///
    /// # Panics
    /// When the header stands there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands there twice");
        first
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON, or has a key twice.
    pub fn json(&self) -> Value {
        match exact_json::parse(&self.body) {
            Ok(value) => value,
            Err(error) => panic!(
                "{} with a body that is not JSON ({error}): {:?}",
                self.status,
                String::from_utf8_lossy(&self.body)
            ),
        }
    }

    /// The JSON of an answer that must have this status.
    ///
    /// # Panics
    /// When the status is another one, or the body is not JSON.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}
