//! What went wrong, in the vendor's words: one exhaustive table.
//!
//! Sources: the vendor's error page, for the shape and the codes VAL001, VAL002, AUTH001 and AUTH002; rows
//! that it does not document have the same shape.

use std::fmt;

use http::header::{self, HeaderName, HeaderValue};
use patron::clock::Timestamp;
use patron::error::{Error, Kind};
use serde::Serialize;

use crate::fields::FieldName;

/// Why a request is refused: a row of the contract's error table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// These fields are required and were not sent.
    Missing(Vec<FieldName>),
    /// Wrong values in these fields.
    Wrong(Vec<FieldName>),
    /// The body (or query) cannot be read.
    Malformed,
    /// The body is an array, such as an RFC 6902 patch.
    PatchDocument,
    /// The `id` in the body is not the one in the path.
    OtherId,
    /// Wrong, missing or inactive credentials.
    Unauthenticated,
    /// The access token expired.
    Expired,
    /// The credentials do not reach this far.
    Forbidden,
    /// The client's address is not on the merchant's allow-list.
    BadOrigin,
    /// The merchant has no such customer, or the token is for another one.
    CustomerNotFound,
    /// The merchant's reference is taken.
    AlreadyExists,
    /// `If-Match` is not met.
    PreconditionFailed,
    /// Too many requests.
    TooManyRequests {
        /// Seconds until the next one is welcome.
        retry_after_s: u32,
    },
    /// An idempotency key is in use by a request that has not ended.
    IdempotencyConflict,
    /// An idempotency key was used for another request.
    IdempotencyMismatch,
    /// No such path.
    EndpointNotFound,
    /// The path is known, the method is not.
    MethodNotAllowed {
        /// The methods that are.
        allow: &'static str,
    },
    /// The body did not arrive in time.
    RequestTimeout,
    /// The body is too large.
    PayloadTooLarge,
    /// The body is of a type that cannot be read.
    UnsupportedMediaType,
    /// Our fault.
    Internal,
    /// The store is away.
    Unavailable {
        /// Seconds until a retry makes sense.
        retry_after_s: u32,
    },
}

/// A refusal, and what the log should know about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) refusal: Refusal,
    pub(crate) cause: Option<Error>,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, cause: None }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let refusal = match error.kind() {
            Kind::Invalid(fields) => Refusal::Wrong(match WrongFields::behind(&error) {
                Some(WrongFields(names)) => names.clone(),
                None => in_order(fields.iter().filter_map(|field| FieldName::of(*field))),
            }),
            Kind::Unauthenticated => Refusal::Unauthenticated,
            Kind::Expired => Refusal::Expired,
            Kind::Denied => Refusal::Forbidden,
            Kind::AddressRefused => Refusal::BadOrigin,
            Kind::NotFound => Refusal::CustomerNotFound,
            Kind::AlreadyExists => Refusal::AlreadyExists,
            Kind::Stale => Refusal::PreconditionFailed,
            Kind::RateLimited { retry_after_s } => {
                Refusal::TooManyRequests { retry_after_s: *retry_after_s }
            }
            Kind::Unavailable { retry_after_s } => {
                Refusal::Unavailable { retry_after_s: *retry_after_s }
            }
            Kind::Internal => Refusal::Internal,
        };
        Self { refusal, cause: Some(error) }
    }
}

/// The vendor's names, each once, in the order of its documents.
fn in_order(names: impl Iterator<Item = FieldName>) -> Vec<FieldName> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Which of the vendor's fields are wrong. The core's error carries it along, since two of them can be
/// one field of the core.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrongFields(pub(crate) Vec<FieldName>);

impl WrongFields {
    fn behind(error: &Error) -> Option<&Self> {
        std::error::Error::source(error).and_then(|source| source.downcast_ref())
    }
}

impl fmt::Display for WrongFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|name| name.text()).collect();
        f.write_str(&names.join(", "))
    }
}

impl std::error::Error for WrongFields {}

/// The body of an error.
#[derive(Debug, Serialize)]
struct ErrorBody<'a> {
    error: &'static str,
    message: &'static str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    timestamp: String,
    #[serde(rename = "requestId")]
    request_id: &'a str,
}

/// Which fields an error is about. Names only, never what was in them.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Details {
    Missing {
        #[serde(rename = "missingFields")]
        missing_fields: Vec<&'static str>,
    },
    Wrong {
        field: Option<&'static str>,
        fields: Vec<&'static str>,
    },
}

/// The fixed words of a row: status, `error`, `code`, `message`.
pub(crate) struct Words {
    pub(crate) http_status: u16,
    pub(crate) error: &'static str,
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
}

const fn words(
    http_status: u16,
    error: &'static str,
    code: &'static str,
    message: &'static str,
) -> Words {
    Words { http_status, error, code, message }
}

const INVALID: &str = "VALIDATION_ERROR";
const FORBIDDEN: &str = "FORBIDDEN";

impl Refusal {
    /// The row's words.
    pub(crate) const fn words(&self) -> Words {
        match self {
            Self::Missing(_) => words(400, INVALID, "VAL001", "Required field missing"),
            Self::Wrong(_) => words(400, "INVALID_FORMAT", "VAL002", "Invalid format"),
            Self::Malformed => words(400, INVALID, "VAL003", "The request cannot be read"),
            Self::PatchDocument => words(
                400,
                INVALID,
                "VAL003",
                "The body must be a JSON object with the fields to change, not a list of patch \
                 operations",
            ),
            Self::OtherId => {
                words(400, INVALID, "VAL003", "The id in the body is not the id in the path")
            }
            Self::Unauthenticated => {
                words(401, "UNAUTHORIZED", "AUTH001", "Invalid or missing credentials")
            }
            Self::Expired => words(401, "UNAUTHORIZED", "AUTH003", "The access token has expired"),
            Self::Forbidden => words(403, FORBIDDEN, "AUTH002", "Not allowed"),
            Self::BadOrigin => words(403, FORBIDDEN, "AUTH002", "Not allowed from this address"),
            Self::CustomerNotFound => words(404, "NOT_FOUND", "CUST001", "Customer not found"),
            Self::AlreadyExists => {
                words(409, "CONFLICT", "CUST002", "A customer with this memberId exists")
            }
            Self::PreconditionFailed => {
                words(412, "PRECONDITION_FAILED", "CUST003", "The customer was changed meanwhile")
            }
            Self::TooManyRequests { .. } => {
                words(429, "RATE_LIMITED", "RATE001", "Too many requests")
            }
            Self::IdempotencyConflict => words(
                409,
                "CONFLICT",
                "IDEM001",
                "A request with this idempotency key has not ended yet",
            ),
            Self::IdempotencyMismatch => {
                words(422, INVALID, "IDEM002", "This idempotency key was used for another request")
            }
            Self::EndpointNotFound => words(404, "NOT_FOUND", "REQ001", "There is no such path"),
            Self::MethodNotAllowed { .. } => {
                words(405, "METHOD_NOT_ALLOWED", "REQ001", "This path does not know the method")
            }
            Self::RequestTimeout => {
                words(408, "REQUEST_TIMEOUT", "REQ001", "The request did not arrive in time")
            }
            Self::PayloadTooLarge => {
                words(413, "PAYLOAD_TOO_LARGE", "REQ001", "The request body is too large")
            }
            Self::UnsupportedMediaType => {
                words(415, "UNSUPPORTED_MEDIA_TYPE", "REQ001", "The request body must be JSON")
            }
            Self::Internal => words(500, "INTERNAL_ERROR", "SRV001", TRY_AGAIN),
            Self::Unavailable { .. } => words(503, "INTERNAL_ERROR", "SRV001", TRY_AGAIN),
        }
    }

    fn details(&self) -> Option<Details> {
        let texts = |names: &[FieldName]| names.iter().map(|name| name.text()).collect();
        match self {
            Self::Missing(names) => Some(Details::Missing { missing_fields: texts(names) }),
            Self::Wrong(names) => Some(Details::Wrong {
                field: names.first().map(|name| name.text()),
                fields: texts(names),
            }),
            Self::Malformed
            | Self::PatchDocument
            | Self::OtherId
            | Self::Unauthenticated
            | Self::Expired
            | Self::Forbidden
            | Self::BadOrigin
            | Self::CustomerNotFound
            | Self::AlreadyExists
            | Self::PreconditionFailed
            | Self::TooManyRequests { .. }
            | Self::IdempotencyConflict
            | Self::IdempotencyMismatch
            | Self::EndpointNotFound
            | Self::MethodNotAllowed { .. }
            | Self::RequestTimeout
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::Internal
            | Self::Unavailable { .. } => None,
        }
    }

    /// One of each row of the table, in its order.
    pub fn samples() -> Vec<Self> {
        vec![
            Self::Missing(vec![FieldName::Name, FieldName::Email]),
            Self::Wrong(vec![FieldName::Phone, FieldName::MemberId]),
            Self::Malformed,
            Self::PatchDocument,
            Self::OtherId,
            Self::Unauthenticated,
            Self::Expired,
            Self::Forbidden,
            Self::BadOrigin,
            Self::CustomerNotFound,
            Self::AlreadyExists,
            Self::PreconditionFailed,
            Self::TooManyRequests { retry_after_s: 7 },
            Self::IdempotencyConflict,
            Self::IdempotencyMismatch,
            Self::EndpointNotFound,
            Self::MethodNotAllowed { allow: "POST" },
            Self::RequestTimeout,
            Self::PayloadTooLarge,
            Self::UnsupportedMediaType,
            Self::Internal,
            Self::Unavailable { retry_after_s: 1 },
        ]
    }

    /// The status code.
    pub const fn http_status(&self) -> u16 {
        self.words().http_status
    }

    /// The headers that this refusal adds.
    pub(crate) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let fixed = HeaderValue::from_static;
        match self {
            Self::Unauthenticated => Some((header::WWW_AUTHENTICATE, fixed("Bearer"))),
            // RFC 6750, section 3.1.
            Self::Expired => {
                Some((header::WWW_AUTHENTICATE, fixed("Bearer error=\"invalid_token\"")))
            }
            Self::MethodNotAllowed { allow } => Some((header::ALLOW, fixed(allow))),
            Self::TooManyRequests { retry_after_s } | Self::Unavailable { retry_after_s } => {
                Some((header::RETRY_AFTER, HeaderValue::from(*retry_after_s)))
            }
            Self::Missing(_)
            | Self::Wrong(_)
            | Self::Malformed
            | Self::PatchDocument
            | Self::OtherId
            | Self::Forbidden
            | Self::BadOrigin
            | Self::CustomerNotFound
            | Self::AlreadyExists
            | Self::PreconditionFailed
            | Self::IdempotencyConflict
            | Self::IdempotencyMismatch
            | Self::EndpointNotFound
            | Self::RequestTimeout
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::Internal => None,
        }
    }

    /// The body.
    pub(crate) fn body(&self, request_id: &str, now: Timestamp) -> Vec<u8> {
        let Words { http_status: _, error, code, message } = self.words();
        let timestamp = now.to_rfc3339_seconds();
        let details = self.details();
        let body = ErrorBody { error, message, code, details, timestamp, request_id };
        // Strings only: serialising them cannot fail.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

const TRY_AGAIN: &str = "Internal error. Please try again.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let lines: Vec<String> = Refusal::samples()
            .iter()
            .map(|refusal| {
                let header = refusal.header().map_or(String::new(), |(name, value)| {
                    format!(" [{name}: {}]", value.to_str().unwrap())
                });
                let body = refusal.body("r-1", Timestamp::from_ms(1_705_314_600_000));
                let body = String::from_utf8(body).unwrap();
                format!("{}{header} {body}", refusal.http_status())
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
