//! Answers: what all of them have, and the headers of each.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use patron_wire::etag::entity_tag;
use patron_wire::request_id::X_REQUEST_ID;
use patron_wire::{Answer, Context};
use serde::Serialize;

use crate::bodies::JSON;
use crate::call::Outcome;
use crate::errors::{Failure, PROBLEM};

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
    version: Option<u64>,
    location: Option<String>,
}

impl Reply {
    const fn new(status: StatusCode, body: Vec<u8>) -> Self {
        Self { status, body, version: None, location: None }
    }

    /// What was asked for, or what it has become.
    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, json(body))
    }

    /// What is new.
    pub(crate) fn created(body: &impl Serialize) -> Self {
        Self::new(StatusCode::CREATED, json(body))
    }

    /// What has begun and is not at its end.
    pub(crate) fn accepted(body: &impl Serialize) -> Self {
        Self::new(StatusCode::ACCEPTED, json(body))
    }

    /// It is done, and there is nothing to say.
    pub(crate) const fn done() -> Self {
        Self::new(StatusCode::NO_CONTENT, Vec::new())
    }

    /// The same with the version of the customer that it is about.
    pub(crate) fn at_version(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }

    /// The same with where it is to be found.
    pub(crate) fn at(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }
}

/// Texts, numbers and lists only: serialising them cannot fail.
fn json(body: &impl Serialize) -> Vec<u8> {
    // Most answers are about as long, and a text that grows is copied each time.
    let mut text = Vec::with_capacity(1_024);
    if serde_json::to_writer(&mut text, body).is_err() {
        text.clear();
    }
    text
}

/// The answer to one request.
pub(crate) fn answer(context: &Context, route: &'static str, outcome: Outcome) -> Answer {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_REQUEST_ID, ascii(&context.request_id));
    let (status, kind, body, failure) = match outcome {
        Ok(Reply { status, body, version, location }) => {
            headers.extend(version.map(|version| (header::ETAG, ascii(&entity_tag(version)))));
            headers.extend(location.map(|path| (header::LOCATION, ascii(&path))));
            (status, JSON, body, None)
        }
        Err(failure) => {
            let body = failure.body(&context.request_id);
            let Failure { refusal, cause } = failure;
            headers.extend(refusal.header());
            let status = StatusCode::from_u16(refusal.words().status);
            (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), PROBLEM, body, cause)
        }
    };
    // A 204 has no body, and so nothing to say about it.
    if !body.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    *response.status_mut() = status;
    *response.body_mut() = body.into();
    Answer { response, route, failure }
}

/// A header's value from text that is printable ASCII: request ids, paths and versions are.
fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
