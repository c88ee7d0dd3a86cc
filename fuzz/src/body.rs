//! Bodies: read twice they say the same, refusals are the contract's, and simple readers agree.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use patron::clock::Timestamp;
use patron_wire::{Limits, Request, RequestBody};
use patron_wire_juspay::bodies::{Presence, Said};
use patron_wire_juspay::errors::Refusal;
use patron_wire_juspay::fields::FieldName;
use serde_json::Value;

use super::{reference, split};

/// The keys that the wire looks for.
pub const FIELDS: [FieldName; 10] = [
    FieldName::ObjectReferenceId,
    FieldName::MobileNumber,
    FieldName::EmailAddress,
    FieldName::FirstName,
    FieldName::LastName,
    FieldName::MobileCountryCode,
    FieldName::GetClientAuthToken,
    FieldName::Update,
    FieldName::Count,
    FieldName::Offset,
];

const TYPES: [&str; 6] = [
    "",
    "application/json",
    "application/x-www-form-urlencoded",
    "application/json; charset=utf-16",
    "text/plain",
    "multipart/form-data",
];

/// The least and the greatest limit that is tried, so that short inputs reach it as well.
const LIMITS: [usize; 2] = [64, 64 * 1024];

/// A request with this body, as the server would hand it to a wire.
pub fn request(headers: HeaderMap, body: &[u8], body_size_max: usize) -> Request {
    Request {
        method: Method::POST,
        path: "/customers".to_owned(),
        query: None,
        headers,
        body: RequestBody::arrived(Bytes::copy_from_slice(body)),
        context: patron_wire::Context {
            request_id: "r-1".to_owned(),
            loggable_id: "r-1".to_owned(),
            client: None,
            received: Timestamp::from_ms(0),
            limits: Limits { body_size_max, body_time_max: Duration::from_secs(1) },
        },
    }
}

/// What the wire reads of a body that is there: it waits for nothing.
pub fn read(headers: &HeaderMap, body: &[u8], limit: usize) -> Result<Said, Refusal> {
    let mut request = request(headers.clone(), body, limit);
    let reading = pin!(Said::from_body(&mut request));
    match reading.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(said) => said,
        Poll::Pending => panic!("a body that is there is waited for"),
    }
}

/// Checks one input: the first byte chooses headers and limit.
pub fn check(data: &[u8]) {
    let (variant, body) = split(data);
    let variant = usize::from(variant);
    let kind = TYPES[variant % TYPES.len()];
    let is_node = variant & 0x40 != 0;
    let limit = LIMITS[usize::from(variant & 0x80 == 0)];
    let mut headers = HeaderMap::new();
    if !kind.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if is_node {
        headers.insert(USER_AGENT, HeaderValue::from_static("NODEJS_SDK/1.0.0"));
    }
    let said = read(&headers, body, limit);
    assert_eq!(said, read(&headers, body, limit), "read twice, it says two things");
    let is_multipart = kind.starts_with("multipart/");
    assert_eq!(said == Err(Refusal::UnsupportedMediaType), is_multipart);
    let is_long = !is_multipart && body.len() > limit;
    assert_eq!(said == Err(Refusal::PayloadTooLarge), is_long);
    if is_multipart || is_long {
        return;
    }
    let unmarked = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    if unmarked.trim_ascii_start().first() == Some(&b'{') {
        agrees_with_json(&said, unmarked, is_node);
    } else if kind.starts_with("application/json") && said == Err(Refusal::Malformed) {
        // Another JSON value than an object, or a malformed form.
    } else {
        agrees_with_form(&said, unmarked, is_node);
    }
    match said {
        Ok(said) => round_trips(&said, &headers),
        Err(refusal) => assert_eq!(refusal, Refusal::Malformed),
    }
}

fn agrees_with_form(said: &Result<Said, Refusal>, text: &[u8], is_node: bool) {
    let pairs = reference::form(text);
    assert_eq!(said.is_ok(), pairs.is_some(), "one reader takes it for a form, the other does not");
    if let (Ok(said), Some(pairs)) = (said, pairs) {
        for field in FIELDS {
            let expect = reference::said_in_form(&pairs, field.text(), is_node);
            assert_eq!(said.about(field), expect, "{field:?}");
        }
    }
}

/// `serde_json::Value` swallows repeated keys, cannot hold long numbers and bounds the depth, so it is
/// asked only about what it reads and writes back without a loss.
fn agrees_with_json(said: &Result<Said, Refusal>, text: &[u8], is_node: bool) {
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(text) else {
        return;
    };
    let Ok(said) = said else {
        panic!("refused, though it is a JSON object");
    };
    for field in FIELDS {
        let found = said.about(field);
        if found != reference::said_in_json(&object, field.text(), is_node) {
            let raw = String::from_utf8_lossy(text);
            assert!(is_hard(&raw), "{field:?} is {found:?} in {raw}");
        }
    }
}

/// Repeated keys, nested options, and integers that `serde_json::Value` rounds or normalises: in all of
/// these the two may differ. Colons and digits are counted rather than read, so that this errs on the
/// side of letting a difference pass.
fn is_hard(text: &str) -> bool {
    let has_long_number = {
        let mut run = 0_usize;
        text.bytes().any(|byte| {
            run = if byte.is_ascii_digit() { run + 1 } else { 0 };
            run >= 19
        })
    };
    let names = text.matches("_").count() + text.matches("update").count();
    text.contains("options")
        || text.contains("\\u")
        || has_long_number
        || text.contains("-0")
        || names + text.matches("count").count() + text.matches("offset").count() > 1
}

/// What was understood can be said again, as a form and as JSON, and is understood as the same.
fn round_trips(said: &Said, headers: &HeaderMap) {
    let mut plain = headers.clone();
    plain.remove(CONTENT_TYPE);
    let texts: Vec<(FieldName, String)> = FIELDS
        .into_iter()
        .filter_map(|field| match said.about(field) {
            Presence::Text(text) => Some((field, text)),
            Presence::Absent | Presence::Wrong => None,
        })
        .collect();
    let form: Vec<String> = texts
        .iter()
        .map(|(field, text)| format!("{}={}", field.text(), reference::percent_encoded(text)))
        .collect();
    let json: serde_json::Map<String, Value> = texts
        .iter()
        .map(|(field, text)| (field.text().to_owned(), Value::String(text.clone())))
        .collect();
    for again in [form.join("&").into_bytes(), Value::Object(json).to_string().into_bytes()] {
        let again = read(&plain, &again, usize::MAX).unwrap_or_default();
        for (field, text) in &texts {
            assert_eq!(again.about(*field), Presence::Text(text.clone()), "said again");
        }
    }
}
