//! What went wrong, as problem details (RFC 9457): one exhaustive table.

use std::borrow::Cow;

use http::header::{self, HeaderName, HeaderValue};
use patron::error::{Error, Kind};
use patron::profile::Field;
use serde::Serialize;
use utoipa::ToSchema;

use crate::fields;

/// The media type of every refusal.
pub(crate) const PROBLEM: &str = "application/problem+json";

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The request, its query or its body cannot be read.
    Malformed,
    /// These fields hold values that are not allowed, are missing, or are not known.
    Invalid(Vec<WrongField>),
    /// No credential, or one that is not in force.
    Unauthenticated,
    /// The session was in force and has expired.
    Expired,
    /// The credential does not reach this far.
    Denied,
    /// The client's address is not on the merchant's allow-list.
    AddressRefused,
    /// There is no such thing here.
    NotFound,
    /// No such path.
    EndpointNotFound,
    /// The path is known, the method is not.
    MethodNotAllowed {
        /// The methods that are.
        allow: String,
    },
    /// The body did not arrive in time.
    RequestTimeout,
    /// There is one with this name already.
    AlreadyExists,
    /// Somebody else changed the same thing at the same moment.
    Conflict,
    /// `If-Match` is not met.
    PreconditionFailed,
    /// The body is too large.
    PayloadTooLarge,
    /// The body is of a type that cannot be read.
    UnsupportedMediaType,
    /// Too many requests of this kind.
    RateLimited {
        /// Seconds until the next one is heard.
        retry_after_s: u32,
    },
    /// The store is away.
    Unavailable {
        /// Seconds until a retry makes sense.
        retry_after_s: u32,
    },
    /// Our fault.
    Internal,
}

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WrongField {
    /// Which field of the body or the query. A field within another one is `outer.inner`, an entry of a list
    /// `list[0]`.
    pub field: String,
    /// What it should be.
    pub detail: &'static str,
}

/// A refusal, what is said about it, and what the log should know.
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
            Kind::Invalid(fields) => {
                Refusal::Invalid(fields.iter().map(|field| wrong_in_core(*field)).collect())
            }
            Kind::Unauthenticated => Refusal::Unauthenticated,
            Kind::Expired => Refusal::Expired,
            Kind::Denied => Refusal::Denied,
            Kind::AddressRefused => Refusal::AddressRefused,
            Kind::NotFound => Refusal::NotFound,
            Kind::AlreadyExists => Refusal::AlreadyExists,
            Kind::Stale => Refusal::PreconditionFailed,
            Kind::RateLimited { retry_after_s } => {
                Refusal::RateLimited { retry_after_s: *retry_after_s }
            }
            Kind::Unavailable { retry_after_s } => {
                Refusal::Unavailable { retry_after_s: *retry_after_s }
            }
            Kind::Internal => Refusal::Internal,
        };
        Self { refusal, cause: Some(error) }
    }
}

fn wrong_in_core(field: Field) -> WrongField {
    let detail = "The value breaks a rule that holds for every customer.";
    WrongField { field: fields::name(field).to_owned(), detail }
}

impl Failure {
    /// The failure of a change that has no `If-Match`: whoever was faster is not what the caller asked about.
    pub(crate) fn of_change(error: Error) -> Self {
        let mut failure = Self::from(error);
        if failure.refusal == Refusal::PreconditionFailed {
            failure.refusal = Refusal::Conflict;
        }
        failure
    }

    /// The body.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let Words { status, name, title, detail } = self.refusal.words();
        let cause = self.cause.as_ref().map(|cause| Cow::Owned(sentence(&cause.to_string())));
        let problem = Problem {
            kind: format!("/docs/errors/{name}"),
            title,
            status,
            detail: cause.unwrap_or(Cow::Borrowed(detail)),
            request_id,
            errors: self.refusal.errors(),
        };
        // Texts and numbers only: serialising them cannot fail.
        serde_json::to_vec(&problem).unwrap_or_default()
    }
}

/// The core's sentences begin small and end without a stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}

/// What went wrong (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(rename_all = "camelCase")]
pub(crate) struct Problem<'a> {
    /// Which kind of problem it is: an address below this server's, which stays the same for ever.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    kind: String,
    /// The kind in a few words.
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened.
    detail: Cow<'a, str>,
    /// The request's id, which stands in the log as well where it is a UUID.
    request_id: &'a str,
    /// Each field that is wrong, where fields are.
    errors: &'a [WrongField],
}

/// The fixed words of a kind of problem.
pub(crate) struct Words {
    /// The status of the answer.
    pub(crate) status: u16,
    /// The last part of its address.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What is said where the core has no sentence of its own.
    pub(crate) detail: &'static str,
}

const fn words(
    status: u16,
    name: &'static str,
    title: &'static str,
    detail: &'static str,
) -> Words {
    Words { status, name, title, detail }
}

impl Refusal {
    /// One refusal of each kind, for documents.
    pub fn all() -> [Self; 18] {
        [
            Self::Malformed,
            Self::Invalid(Vec::new()),
            Self::Unauthenticated,
            Self::Expired,
            Self::Denied,
            Self::AddressRefused,
            Self::NotFound,
            Self::EndpointNotFound,
            Self::MethodNotAllowed { allow: "GET".to_owned() },
            Self::RequestTimeout,
            Self::AlreadyExists,
            Self::Conflict,
            Self::PreconditionFailed,
            Self::PayloadTooLarge,
            Self::UnsupportedMediaType,
            Self::RateLimited { retry_after_s: 1 },
            Self::Unavailable { retry_after_s: 1 },
            Self::Internal,
        ]
    }

    #[rustfmt::skip]
    pub(crate) const fn words(&self) -> Words {
        match self {
            Self::Malformed => words(400, "malformed", "Malformed request",
                "The request cannot be read."),
            Self::Invalid(_) => words(400, "invalid", "Wrong values",
                "Fields are missing, not known, or hold values that are not allowed."),
            Self::Unauthenticated => words(401, "unauthenticated", "Not signed in",
                "There is no credential, or it is not in force."),
            Self::Expired => words(401, "session-expired", "Session expired",
                "The session has expired."),
            Self::Denied => words(403, "denied", "Not allowed",
                "The caller may not do this."),
            Self::AddressRefused => words(403, "address-refused", "Address refused",
                "The address is not on the allow-list."),
            Self::NotFound => words(404, "not-found", "Not found",
                "There is no such thing."),
            Self::EndpointNotFound => words(404, "no-such-endpoint", "No such endpoint",
                "There is no such endpoint."),
            Self::MethodNotAllowed { .. } => words(405, "method-not-allowed", "Method not allowed",
                "This endpoint does not know the method."),
            Self::RequestTimeout => words(408, "request-timeout", "Request timeout",
                "The request did not arrive in time."),
            Self::AlreadyExists => words(409, "already-exists", "Already exists",
                "There is one with this name already."),
            Self::Conflict => words(409, "conflict", "Changed meanwhile",
                "Somebody else changed it at the same moment: read it and try again."),
            Self::PreconditionFailed => words(412, "precondition-failed", "Precondition failed",
                "It was changed meanwhile."),
            Self::PayloadTooLarge => words(413, "payload-too-large", "Payload too large",
                "The request body is too large."),
            Self::UnsupportedMediaType => words(415, "unsupported-media-type",
                "Unsupported media type", "The request body is of a type that is not read here."),
            Self::RateLimited { .. } => words(429, "rate-limited", "Too many requests",
                "Too many requests of this kind."),
            Self::Unavailable { .. } => words(503, "unavailable", "Not available",
                "The same request succeeds later."),
            Self::Internal => words(500, "internal", "Internal error",
                "Internal error."),
        }
    }

    fn errors(&self) -> &[WrongField] {
        match self {
            Self::Invalid(wrong) => wrong,
            Self::Malformed
            | Self::Unauthenticated
            | Self::Expired
            | Self::Denied
            | Self::AddressRefused
            | Self::NotFound
            | Self::EndpointNotFound
            | Self::MethodNotAllowed { .. }
            | Self::RequestTimeout
            | Self::AlreadyExists
            | Self::Conflict
            | Self::PreconditionFailed
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::Internal => &[],
        }
    }

    /// The header that this refusal adds.
    pub(crate) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Unauthenticated | Self::Expired => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE)))
            }
            Self::MethodNotAllowed { allow } => {
                HeaderValue::from_str(allow).ok().map(|allow| (header::ALLOW, allow))
            }
            Self::RateLimited { retry_after_s } | Self::Unavailable { retry_after_s } => {
                Some((header::RETRY_AFTER, HeaderValue::from(*retry_after_s)))
            }
            Self::Malformed
            | Self::Invalid(_)
            | Self::Denied
            | Self::AddressRefused
            | Self::NotFound
            | Self::EndpointNotFound
            | Self::RequestTimeout
            | Self::AlreadyExists
            | Self::Conflict
            | Self::PreconditionFailed
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::Internal => None,
        }
    }
}

/// How to sign in. Browsers ask their user for a password of their own when they are told of `Basic`, which is
/// taken as well.
const CHALLENGE: &str = "Bearer realm=\"patron\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let lines: Vec<String> = Refusal::all()
            .into_iter()
            .map(|refusal| {
                let header = refusal.header().map_or(String::new(), |(name, value)| {
                    format!(" [{name}: {}]", value.to_str().unwrap())
                });
                let status = refusal.words().status;
                let body = String::from_utf8(Failure::from(refusal).body("r-1")).unwrap();
                format!("{status}{header} {body}")
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn the_cores_sentence_is_said_and_its_cause_is_not() {
        let error = Error::customer_not_found().because("jon@example.com");
        let body = String::from_utf8(Failure::from(error).body("r-1")).unwrap();
        assert!(body.contains(r#""detail":"Customer not found.""#), "{body}");
        assert!(!body.contains("jon@"), "{body}");
    }

    #[test]
    fn who_was_faster_is_a_conflict_where_no_version_was_named() {
        let stale = || Error::new(Kind::Stale, "changed meanwhile");
        assert_eq!(Failure::from(stale()).refusal, Refusal::PreconditionFailed);
        assert_eq!(Failure::of_change(stale()).refusal, Refusal::Conflict);
        assert_eq!(Failure::of_change(Error::customer_not_found()).refusal, Refusal::NotFound);
    }
}
