//! What went wrong, in the vendor's words: one exhaustive table.
//!
//! Sources: the error tables of "Create Customer API" and "Update Customer API" (India and global);
//! rows that the vendor does not document have the same shape.

use std::borrow::Cow;

use http::header::{self, HeaderName, HeaderValue};
use patron::error::{Error, Kind};
use patron::profile::Field;
use serde::Serialize;

use crate::fields::FieldName;

/// Why a request is refused: a row of the contract's error table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// v1 create: the reference is taken.
    AlreadyExists,
    /// Wrong values in these fields.
    Wrong(Vec<FieldName>),
    /// These fields are required and were not sent.
    Missing(Vec<FieldName>),
    /// The body (or query) cannot be read.
    Malformed,
    /// The merchant has no such customer, or the token is for another one.
    CustomerNotFound,
    /// Wrong, missing or inactive key or token.
    Unauthenticated,
    /// The client's address is not on the merchant's allow-list.
    BadOrigin,
    /// The key does not have the scope.
    Forbidden,
    /// A web page of another site had somebody's browser ask for a change.
    FromAnotherSite,
    /// No such path.
    EndpointNotFound,
    /// The path is known, the method is not.
    MethodNotAllowed {
        /// The methods that are.
        allow: &'static str,
    },
    /// The body did not arrive in time.
    RequestTimeout,
    /// An idempotency key is in use by a request that has not ended.
    IdempotencyConflict,
    /// `If-Match` is not met.
    PreconditionFailed,
    /// The body is too large.
    PayloadTooLarge,
    /// The body is of a type that cannot be read.
    UnsupportedMediaType,
    /// An idempotency key was used for another request.
    IdempotencyMismatch,
    /// Too many requests.
    TooManyRequests {
        /// Seconds until the next one is welcome.
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
            Kind::Invalid(fields) => Refusal::wrong_in_core(fields),
            // The vendor has one answer to what is not in force, whatever it was before.
            Kind::Unauthenticated | Kind::Expired => Refusal::Unauthenticated,
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

/// The body of an error. Keys that a row does not have are left out.
#[derive(Debug, Serialize)]
struct ErrorBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_message: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    error_info: ErrorInfo<'a>,
}

#[derive(Debug, Serialize)]
struct ErrorInfo<'a> {
    user_message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<FieldReason>>,
    developer_message: &'static str,
    code: &'static str,
    category: &'static str,
}

#[derive(Debug, Serialize)]
struct FieldReason {
    field_name: &'static str,
    reason: &'static str,
}

/// The fixed words of a row.
struct Words {
    http_status: u16,
    message: &'static str,
    status: &'static str,
    error_code: &'static str,
    user_message: &'static str,
    developer_message: &'static str,
    code: &'static str,
    category: &'static str,
}

impl Words {
    /// A row of the vendor's own tables.
    const fn documented(
        http_status: u16,
        [message, status, error_code]: [&'static str; 3],
        [user_message, developer_message, code]: [&'static str; 3],
    ) -> Self {
        let category = if http_status < 500 { "USER_ERROR" } else { "SERVER_ERROR" };
        Self {
            http_status,
            message,
            status,
            error_code,
            user_message,
            developer_message,
            code,
            category,
        }
    }

    /// A row that the vendor does not document, in the shape of those that it does.
    const fn ours(
        http_status: u16,
        error_code: &'static str,
        code: &'static str,
        message: &'static str,
    ) -> Self {
        let status = "invalid_request_error";
        Self::documented(http_status, [message, status, error_code], [message, message, code])
    }
}

const ALREADY_EXISTS: Words = Words::documented(
    400,
    [
        "Customer with given object reference id already exist for your account.",
        "invalid_request_error",
        "unique",
    ],
    [
        "Already exists.",
        "Customer account with given object reference already exists.",
        "ALREADY_EXISTS",
    ],
);
const WRONG: Words = Words::documented(
    400,
    ["Malformed request body", "Invalid Request", "Invalid Request"],
    [
        "Invalid request params. Please verify your input.",
        "Invalid request params",
        "INVALID_INPUT",
    ],
);
const MISSING: Words = Words::documented(
    400,
    ["Mandatory fields are missing", "Bad Request", "Mandatory fields are missing"],
    ["Invalid input data", "Invalid input data", "INVALID_INPUT"],
);
const CUSTOMER_NOT_FOUND: Words = Words::documented(
    404,
    ["Cannot find what you are looking for", "invalid_request_error", "object_not_found"],
    [
        "Cannot process your request as customer account not found.",
        "Customer account not found.",
        "RESOURCE_NOT_FOUND",
    ],
);
const UNAUTHENTICATED: Words = Words::documented(
    401,
    ["", "error", "access_denied"],
    ["Unauthorized.", "Invalid API Key. Please pass a valid and active api key.", "UNAUTHORIZED"],
);
const BAD_ORIGIN: Words = Words::documented(
    403,
    ["Internal Server error.", "", ""],
    ["Bad Origin.", "IP Verification Failed", "BAD_ORIGIN"],
);
const INTERNAL_ERROR: &str = "INTERNAL_ERROR";
const TRY_AGAIN: &str = "Internal error. Please try again.";
const INTERNAL: Words = Words::documented(
    500,
    [TRY_AGAIN, INTERNAL_ERROR, INTERNAL_ERROR],
    [TRY_AGAIN, TRY_AGAIN, INTERNAL_ERROR],
);
const UNAVAILABLE: Words = Words { http_status: 503, ..INTERNAL };
const FORBIDDEN: Words =
    Words::ours(403, "forbidden", "FORBIDDEN", "The API key does not have the scope for this.");
const FROM_ANOTHER_SITE: Words = Words::ours(
    403,
    "cross_site_request",
    "CROSS_SITE_REQUEST",
    "A web page of another site may not use an API key.",
);
const ENDPOINT_NOT_FOUND: Words =
    Words::ours(404, "endpoint_not_found", "ENDPOINT_NOT_FOUND", "There is no such endpoint.");
const METHOD_NOT_ALLOWED: Words = Words::ours(
    405,
    "method_not_allowed",
    "METHOD_NOT_ALLOWED",
    "This endpoint does not know the method.",
);
const REQUEST_TIMEOUT: Words =
    Words::ours(408, "request_timeout", "REQUEST_TIMEOUT", "The request did not arrive in time.");
const IDEMPOTENCY_CONFLICT: Words = Words::ours(
    409,
    "idempotency_conflict",
    "IDEMPOTENCY_CONFLICT",
    "A request with this idempotency key has not ended yet.",
);
const PRECONDITION_FAILED: Words = Words::ours(
    412,
    "precondition_failed",
    "PRECONDITION_FAILED",
    "The customer was changed meanwhile.",
);
const PAYLOAD_TOO_LARGE: Words =
    Words::ours(413, "payload_too_large", "PAYLOAD_TOO_LARGE", "The request body is too large.");
const UNSUPPORTED_MEDIA_TYPE: Words = Words::ours(
    415,
    "unsupported_media_type",
    "UNSUPPORTED_MEDIA_TYPE",
    "The request body must be a form or JSON.",
);
const IDEMPOTENCY_MISMATCH: Words = Words::ours(
    422,
    "idempotency_mismatch",
    "IDEMPOTENCY_MISMATCH",
    "This idempotency key was used for another request.",
);
const TOO_MANY_REQUESTS: Words =
    Words::ours(429, "too_many_requests", "RATE_LIMITED", "Too many requests.");

impl Refusal {
    /// Wrong values in these fields, said in the vendor's order.
    pub(crate) fn wrong(mut names: Vec<FieldName>) -> Self {
        names.sort_unstable();
        names.dedup();
        Self::Wrong(names)
    }

    /// Wrong values in these fields of the core.
    pub(crate) fn wrong_in_core(fields: &[Field]) -> Self {
        Self::wrong(fields.iter().filter_map(|field| FieldName::of(*field)).collect())
    }

    /// All refusals, in the order of the contract's table, with some values.
    pub(crate) fn one_of_each() -> [Self; 20] {
        [
            Self::AlreadyExists,
            Self::Wrong(vec![FieldName::MobileNumber, FieldName::FirstName]),
            Self::Missing(vec![FieldName::ObjectReferenceId]),
            Self::Malformed,
            Self::Unauthenticated,
            Self::BadOrigin,
            Self::Forbidden,
            Self::FromAnotherSite,
            Self::CustomerNotFound,
            Self::EndpointNotFound,
            Self::MethodNotAllowed { allow: "POST" },
            Self::RequestTimeout,
            Self::IdempotencyConflict,
            Self::PreconditionFailed,
            Self::PayloadTooLarge,
            Self::UnsupportedMediaType,
            Self::IdempotencyMismatch,
            Self::TooManyRequests { retry_after_s: 7 },
            Self::Internal,
            Self::Unavailable { retry_after_s: 1 },
        ]
    }

    const fn words(&self) -> &'static Words {
        match self {
            Self::AlreadyExists => &ALREADY_EXISTS,
            Self::Wrong(_) | Self::Malformed => &WRONG,
            Self::Missing(_) => &MISSING,
            Self::CustomerNotFound => &CUSTOMER_NOT_FOUND,
            Self::Unauthenticated => &UNAUTHENTICATED,
            Self::BadOrigin => &BAD_ORIGIN,
            Self::Forbidden => &FORBIDDEN,
            Self::FromAnotherSite => &FROM_ANOTHER_SITE,
            Self::EndpointNotFound => &ENDPOINT_NOT_FOUND,
            Self::MethodNotAllowed { .. } => &METHOD_NOT_ALLOWED,
            Self::RequestTimeout => &REQUEST_TIMEOUT,
            Self::IdempotencyConflict => &IDEMPOTENCY_CONFLICT,
            Self::PreconditionFailed => &PRECONDITION_FAILED,
            Self::PayloadTooLarge => &PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => &UNSUPPORTED_MEDIA_TYPE,
            Self::IdempotencyMismatch => &IDEMPOTENCY_MISMATCH,
            Self::TooManyRequests { .. } => &TOO_MANY_REQUESTS,
            Self::Unavailable { .. } => &UNAVAILABLE,
            Self::Internal => &INTERNAL,
        }
    }

    /// The fields that the error names, with the reason for each. `None` where the row has no list.
    fn fields(&self) -> Option<Vec<FieldReason>> {
        let reasons = |names: &[FieldName], reason: &'static str| {
            names.iter().map(|name| FieldReason { field_name: name.text(), reason }).collect()
        };
        match self {
            Self::Wrong(names) => Some(reasons(names, "Invalid value.")),
            Self::Missing(names) => Some(reasons(names, MISSING.message)),
            Self::Malformed => Some(Vec::new()),
            Self::AlreadyExists
            | Self::CustomerNotFound
            | Self::Unauthenticated
            | Self::BadOrigin
            | Self::Forbidden
            | Self::FromAnotherSite
            | Self::EndpointNotFound
            | Self::MethodNotAllowed { .. }
            | Self::RequestTimeout
            | Self::IdempotencyConflict
            | Self::PreconditionFailed
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::IdempotencyMismatch
            | Self::TooManyRequests { .. }
            | Self::Unavailable { .. }
            | Self::Internal => None,
        }
    }

    /// The status code.
    pub const fn http_status(&self) -> u16 {
        self.words().http_status
    }

    /// The headers that this refusal adds.
    pub(crate) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Unauthenticated => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic")))
            }
            Self::MethodNotAllowed { allow } => {
                Some((header::ALLOW, HeaderValue::from_static(allow)))
            }
            Self::TooManyRequests { retry_after_s } | Self::Unavailable { retry_after_s } => {
                Some((header::RETRY_AFTER, HeaderValue::from(*retry_after_s)))
            }
            Self::AlreadyExists
            | Self::Wrong(_)
            | Self::Missing(_)
            | Self::Malformed
            | Self::CustomerNotFound
            | Self::BadOrigin
            | Self::Forbidden
            | Self::FromAnotherSite
            | Self::EndpointNotFound
            | Self::RequestTimeout
            | Self::IdempotencyConflict
            | Self::PreconditionFailed
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::IdempotencyMismatch
            | Self::Internal => None,
        }
    }

    /// The body.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let words = self.words();
        let present = |text: &'static str| Some(text).filter(|text| !text.is_empty());
        let error_message = if let Self::Wrong(names) = self {
            names.first().map(|name| format!("Wrong value in {}", name.text()).into())
        } else {
            present(words.message).map(Cow::Borrowed)
        };
        // The answer to a refused address has a shape of its own.
        let is_bad_origin = *self == Self::BadOrigin;
        let body = ErrorBody {
            error: is_bad_origin.then_some(true),
            error_message,
            user_message: is_bad_origin.then_some(words.user_message),
            status: present(words.status),
            error_code: present(words.error_code),
            error_info: ErrorInfo {
                user_message: words.user_message,
                request_id: (!is_bad_origin).then_some(request_id),
                href: (!is_bad_origin).then_some("NA"),
                fields: self.fields(),
                developer_message: words.developer_message,
                code: words.code,
                category: words.category,
            },
        };
        // Strings and booleans only: serialising them cannot fail.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let table = Refusal::one_of_each();
        let lines: Vec<String> = table
            .iter()
            .map(|refusal| {
                let header = refusal.header().map_or(String::new(), |(name, value)| {
                    format!(" [{name}: {}]", value.to_str().unwrap())
                });
                let body = String::from_utf8(refusal.body("r-1")).unwrap();
                format!("{}{header} {body}", refusal.http_status())
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
