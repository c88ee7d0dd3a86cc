//! What all wires share: how a request arrives, how an answer leaves, and the parts of HTTP that no
//! vendor has an own opinion on.
//!
//! A wire is one vendor's format: a crate that implements [`Wire`], and one line in the server's
//! list. It answers every request that it owns in its own shape, whatever is wrong with it.

pub mod address;
pub mod body;
pub mod credentials;
pub mod etag;
pub mod form;
pub mod head;
pub mod json;
pub mod mailbox;
pub mod media;
pub mod openapi;
pub mod phone;
pub mod request_id;

use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use patron::clock::Timestamp;
use utoipa::openapi::OpenApi;

pub use body::RequestBody;

/// The future of an answer.
pub type AnswerFuture<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// One vendor's format over the core.
pub trait Wire: Send + Sync {
    /// Its name: in metrics, in logs, and in front of its merchants' settings.
    fn name(&self) -> &'static str;

    /// Whether requests with this method for this path (as sent, still encoded, without query) are its own.
    fn owns(&self, method: &Method, path: &str) -> bool;

    /// Answers a request. It never fails: what is wrong becomes an answer in the vendor's shape.
    fn answer<'a>(&'a self, request: &'a mut Request) -> AnswerFuture<'a>;

    /// The answer to a request that is not HTTP as it should be: the vendor's shape of a 400.
    fn malformed(&self, context: &Context) -> Answer;

    /// The answer when the wire itself broke (it panicked): the vendor's shape of a 500.
    fn broken(&self, context: &Context) -> Answer;

    /// A request to try the wire with, as curl takes it: credentials, address and data.
    fn example(&self, key: &str, url: &str) -> String;

    /// What a merchant can set for this wire.
    fn settings(&self) -> &'static [Setting];

    /// Everything that the wire offers, described for machines: an OpenAPI 3.1 document, made from the same lists
    /// by which requests are answered.
    fn openapi(&self) -> OpenApi;
}

/// A setting that a wire offers to merchants.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its full name, `<wire>.<name>`.
    pub name: &'static str,
    /// The values that it takes; the first is the one out of the box.
    pub values: &'static [&'static str],
    /// What it does, for people.
    pub about: &'static str,
}

/// A request as a wire sees it.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as sent, still encoded, without the query.
    pub path: String,
    /// What follows the first `?`, still encoded.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, not yet read.
    pub body: RequestBody,
    /// What the server knows about it.
    pub context: Context,
}

/// What the server knows about a request.
#[derive(Debug, Clone)]
pub struct Context {
    /// The request's id: echoed from the client or made.
    pub request_id: String,
    /// The id under which the request is written down, in the log and beside what it did: the same, unless
    /// that one may name a person; see [`request_id::loggable_id`].
    pub loggable_id: String,
    /// The client's address, where it could be determined; see [`address::client_address`].
    pub client: Option<IpAddr>,
    /// When the head arrived.
    pub received: Timestamp,
    /// The limits that bind it.
    pub limits: Limits,
}

/// What a request may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a body.
    pub body_size_max: usize,
    /// Until the whole body must be there, from the moment it is asked for.
    pub body_time_max: Duration,
}

impl Default for Limits {
    /// 64 KiB in 10 seconds.
    fn default() -> Self {
        Self { body_size_max: 64 * 1024, body_time_max: Duration::from_secs(10) }
    }
}

/// An answer, and what the log and the metrics say about it.
#[derive(Debug)]
pub struct Answer {
    /// What is sent.
    pub response: Response<Bytes>,
    /// The route's template, such as `/customers/{id}`: never what stood in its place.
    pub route: &'static str,
    /// What went wrong, for the log.
    pub failure: Option<patron::error::Error>,
}
