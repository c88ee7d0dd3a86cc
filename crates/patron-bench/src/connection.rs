//! One connection of the load: a request goes out, an answer comes in, with as little work as can be.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use httparse::{EMPTY_HEADER, Response, Status};

use crate::{Fault, Outcome};

/// How long an answer is waited for before the server counts as hanging.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Longer answers are not expected from anything that is measured.
const ANSWER_MAX: usize = 16 * 1_024;

pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    filled: usize,
    /// Since when the answer that is waited for is due; `None` while there is none.
    waits: Option<Instant>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).map_err(Fault::at("no connection"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, received: vec![0; ANSWER_MAX], filled: 0, waits: None })
    }

    /// Sends a request, whose time counts from `since`.
    pub(crate) fn send(&mut self, request: &[u8], since: Instant) -> Outcome<()> {
        // The server has answered all before, so that there is room for one that is small.
        match self.stream.write(request) {
            Ok(length) if length == request.len() => {
                self.waits = Some(since);
                Ok(())
            }
            Ok(_) => Err(Fault::new("the server did not take a whole request at once")),
            Err(error) => Err(Fault::at("the server took no request")(error)),
        }
    }

    /// Reads what there is. Once the answer is whole, says since when it was waited for.
    ///
    /// # Errors
    /// When anything but a 200 is answered: a rate of refusals is no rate.
    pub(crate) fn receive(&mut self) -> Outcome<Option<Instant>> {
        loop {
            let room = self.received.get_mut(self.filled..).unwrap_or_default();
            match self.stream.read(room) {
                Ok(0) => return Err(Fault::new("the server ended a connection without an answer")),
                Ok(length) => self.filled += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::at("no answer")(error)),
            }
            if is_whole(self.received.get(..self.filled).unwrap_or_default())? {
                self.filled = 0;
                return Ok(self.waits.take());
            }
        }
    }

    /// Waits for the answer that is still due, if there is one.
    pub(crate) fn finish(&mut self) -> Outcome<()> {
        if self.waits.is_none() {
            return Ok(());
        }
        self.stream.set_nonblocking(false)?;
        self.stream.set_read_timeout(Some(SILENCE_MAX))?;
        match self.receive()? {
            Some(_) => Ok(()),
            None => Err(Fault::new(format!("the server gave no answer for {SILENCE_MAX:?}"))),
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Whether the bytes are a whole answer, which must be a 200.
fn is_whole(bytes: &[u8]) -> Outcome<bool> {
    let mut headers = [EMPTY_HEADER; 32];
    let mut response = Response::new(&mut headers);
    let Status::Complete(head) = response.parse(bytes).map_err(Fault::at("not HTTP"))? else {
        return Ok(false);
    };
    let length = response.headers.iter().find(|header| {
        header.name.len() == CONTENT_LENGTH.len()
            && header.name.eq_ignore_ascii_case(CONTENT_LENGTH)
    });
    let length = length.and_then(|header| str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    let length = length.ok_or_else(|| Fault::new("an answer does not say how long it is"))?;
    if bytes.len() < head + length {
        if head + length > ANSWER_MAX {
            return Err(Fault::new(format!("an answer has more than {ANSWER_MAX} bytes")));
        }
        return Ok(false);
    }
    if response.code != Some(200) || bytes.len() > head + length {
        let text = String::from_utf8_lossy(bytes);
        return Err(Fault::new(format!(
            "the server should have answered one 200, and not\n{text}"
        )));
    }
    Ok(true)
}

const CONTENT_LENGTH: &str = "content-length";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\n{}";
        for cut in 0..whole.len() {
            assert!(is_whole(&whole[..cut]).is_ok_and(|is_whole| !is_whole), "{cut}");
        }
        assert!(is_whole(whole).is_ok_and(|is_whole| is_whole));
    }

    #[test]
    fn nothing_but_one_200_of_a_given_length_counts() {
        for wrong in [
            "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}more",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n",
        ] {
            assert!(is_whole(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
