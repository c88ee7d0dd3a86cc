//! Answers: pages that a browser may show and must not do anything else with.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use patron_wire::Answer;
use patron_wire::etag::is_known;
use patron_wire::request_id::X_REQUEST_ID;

use crate::pages;

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const CSS: &str = "text/css; charset=utf-8";
pub(crate) const JSON: &str = "application/json";

/// The methods that every path of ours knows.
pub(crate) const ALLOW: &str = "GET, HEAD";

/// What every answer has. Nothing is loaded but the style sheet, nothing runs, nobody frames a page, and nobody
/// learns where its reader came from.
pub(crate) const ALWAYS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // What is kept is asked for again each time, which costs a 304.
    (header::CACHE_CONTROL, "no-cache"),
];

/// Something that is there to be read.
#[derive(Debug)]
pub(crate) struct Page {
    kind: &'static str,
    body: Bytes,
    tag: String,
}

impl Page {
    pub(crate) fn new(kind: &'static str, body: String) -> Self {
        let tag = format!("\"{:016x}\"", digest(body.as_bytes()));
        Self { kind, body: body.into(), tag }
    }
}

/// FNV-1a. The tag only has to differ when the page does; nobody gains by making two pages alike.
fn digest(bytes: &[u8]) -> u64 {
    const START: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(START, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// A page, or the word that the client has it.
pub(crate) fn shown(page: &Page, headers: &HeaderMap, route: &'static str, id: &str) -> Answer {
    let mut answer = if is_known(headers, &page.tag) {
        empty(StatusCode::NOT_MODIFIED, route, id)
    } else {
        with_body(StatusCode::OK, page.kind, page.body.clone(), route, id)
    };
    insert(&mut answer, header::ETAG, &page.tag);
    answer
}

/// Why there is no page.
pub(crate) fn refused(status: StatusCode, route: &'static str, id: &str) -> Answer {
    let body = pages::refusal(status).into();
    let mut answer = with_body(status, HTML, body, route, id);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        insert(&mut answer, header::ALLOW, ALLOW);
    }
    answer
}

fn with_body(
    status: StatusCode,
    kind: &'static str,
    body: Bytes,
    route: &'static str,
    id: &str,
) -> Answer {
    let mut answer = empty(status, route, id);
    *answer.response.body_mut() = body;
    insert(&mut answer, header::CONTENT_TYPE, kind);
    answer
}

fn empty(status: StatusCode, route: &'static str, id: &str) -> Answer {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let mut answer = Answer { response, route, failure: None };
    for (name, value) in ALWAYS {
        insert(&mut answer, name, value);
    }
    insert(&mut answer, X_REQUEST_ID, id);
    answer
}

/// All values are printable ASCII: ours, tags, and ids of requests.
fn insert(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.response.headers_mut().insert(name, value);
    }
}
