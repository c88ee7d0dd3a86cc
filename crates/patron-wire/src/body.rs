//! Reading a request's body under a limit and in a bounded time.

use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use http::{HeaderMap, Version};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::time::Duration;
use tokio::time::timeout;

use crate::Limits;

/// How much of a body that nobody wants is read all the same, so that the client, which sends before
/// it listens, gets its answer instead of a reset connection.
const DRAIN_SIZE_MAX: usize = 1024 * 1024;

/// How long such a body is waited for.
const DRAIN_TIME_MAX: Duration = Duration::from_millis(500);

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed.
    #[error("the body is too large")]
    TooLarge,
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    TooLate,
    /// It broke off, or its framing is not HTTP.
    #[error("the body broke off")]
    Broken,
}

/// A request's body, read at most once.
pub struct RequestBody {
    incoming: Option<Incoming>,
    /// What is there already.
    arrived: Bytes,
    /// Whether the client waits for leave to send it (`Expect: 100-continue`). Asking for the first
    /// piece gives leave.
    waits_for_leave: bool,
}

impl RequestBody {
    /// The body of a request that just arrived with this head.
    pub fn new(incoming: Incoming, version: Version, headers: &HeaderMap) -> Self {
        let expects = headers.get(EXPECT).map(|value| value.as_bytes());
        // An HTTP/1.0 client does not wait (RFC 9110, section 10.1.1), whatever it says.
        let waits_for_leave = version == Version::HTTP_11
            && expects.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
        Self { incoming: Some(incoming), arrived: Bytes::new(), waits_for_leave }
    }

    /// A body that is there already as a whole: no connection has to be waited for.
    pub const fn arrived(bytes: Bytes) -> Self {
        Self { incoming: None, arrived: bytes, waits_for_leave: false }
    }

    /// Reads the whole body. A second call finds it empty.
    ///
    /// # Errors
    /// When it is too large, too late, or broke off.
    pub async fn read(&mut self, limits: Limits) -> Result<Bytes, BodyError> {
        let size_max = limits.body_size_max;
        let Some(incoming) = &mut self.incoming else {
            let body = std::mem::take(&mut self.arrived);
            return if body.len() > size_max { Err(BodyError::TooLarge) } else { Ok(body) };
        };
        if incoming.size_hint().lower() > u64::try_from(size_max).unwrap_or(u64::MAX) {
            return Err(BodyError::TooLarge);
        }
        self.waits_for_leave = false;
        let body = timeout(limits.body_time_max, collect(incoming, size_max)).await;
        let body = body.unwrap_or(Err(BodyError::TooLate))?;
        self.incoming = None;
        Ok(body)
    }

    /// Reads and forgets what is left, within bounds. Called before an answer is sent.
    pub async fn drain(&mut self) -> Drained {
        let Some(mut incoming) = self.incoming.take().filter(|body| !body.is_end_stream()) else {
            return Drained::Wholly;
        };
        // A body that was not invited is not waited for.
        if self.waits_for_leave {
            return Drained::InPart;
        }
        let drained = async {
            let mut size = 0_usize;
            while let Some(Ok(frame)) = incoming.frame().await {
                size = size.saturating_add(frame.data_ref().map_or(0, Bytes::len));
                if size > DRAIN_SIZE_MAX {
                    return Drained::InPart;
                }
            }
            Drained::Wholly
        };
        timeout(DRAIN_TIME_MAX, drained).await.unwrap_or(Drained::InPart)
    }
}

/// Whether anything of a body is left on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Drained {
    /// Nothing: the next request can follow.
    Wholly,
    /// Something may be: the connection has to end with this answer, which should say so.
    InPart,
}

async fn collect(incoming: &mut Incoming, size_max: usize) -> Result<Bytes, BodyError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let frame = match incoming.frame().await {
            Some(Err(_)) => return Err(BodyError::Broken),
            Some(Ok(frame)) => frame,
            None if rest.is_empty() => return Ok(first),
            None => return Ok(rest.freeze()),
        };
        // Trailers are not data; nobody asked for them.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len().max(rest.len()).saturating_add(data.len()) > size_max {
            return Err(BodyError::TooLarge);
        }
        // Nearly every body comes in one piece, which is then passed on without a copy.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
}
