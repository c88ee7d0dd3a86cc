//! Which refusals stand at which endpoint, and the schemas of their bodies.

use std::collections::BTreeMap;

use patron::clock::Timestamp;
use serde_json::Value;
use utoipa::openapi::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Ref, Schema, Type};

use super::{header, shapes};
use crate::errors::{Refusal, Words};
use crate::route::Endpoint;

/// When the answers of examples were given: 2024-01-15T10:30:00Z, as in the vendor's.
const SAMPLE_TIME: Timestamp = Timestamp::from_ms(1_705_314_600_000);

/// Whether a refusal can be the answer of an endpoint.
pub(super) const fn can_occur(refusal: &Refusal, endpoint: Endpoint) -> bool {
    use Endpoint::{
        CreateCustomer, DeleteCustomer, FindCustomer, IssueToken, ListCustomers, LogIn,
        UpdateBareCustomer, UpdateCustomer,
    };
    let is_update = matches!(endpoint, UpdateCustomer | UpdateBareCustomer);
    let reads_body = is_update || matches!(endpoint, CreateCustomer | LogIn);
    let names_customer =
        is_update || matches!(endpoint, FindCustomer | DeleteCustomer | IssueToken);
    match refusal {
        Refusal::Missing(_) => matches!(endpoint, CreateCustomer | LogIn),
        Refusal::Wrong(_) => reads_body || matches!(endpoint, ListCustomers),
        Refusal::PatchDocument
        | Refusal::RequestTimeout
        | Refusal::PayloadTooLarge
        | Refusal::UnsupportedMediaType => reads_body,
        Refusal::OtherId => is_update,
        // A head that two could read differently is refused wherever it goes.
        Refusal::Malformed
        | Refusal::Unauthenticated
        | Refusal::Forbidden
        | Refusal::Internal
        | Refusal::Unavailable { .. } => true,
        Refusal::Expired | Refusal::BadOrigin => !matches!(endpoint, LogIn),
        Refusal::CustomerNotFound => names_customer,
        Refusal::AlreadyExists => is_update || matches!(endpoint, CreateCustomer),
        Refusal::PreconditionFailed => is_update || matches!(endpoint, DeleteCustomer),
        Refusal::TooManyRequests { .. } => matches!(endpoint, LogIn),
        // What is asked for is then none of the endpoints; where it looks like one, it stands there. Other
        // methods at the bare path are another wire's.
        Refusal::EndpointNotFound => names_customer,
        Refusal::MethodNotAllowed { .. } => !matches!(endpoint, UpdateBareCustomer),
        // There are no idempotency keys yet.
        Refusal::IdempotencyConflict | Refusal::IdempotencyMismatch => false,
    }
}

/// The refusals of an endpoint, by status: references to answers that stand by their names.
pub(super) fn of(endpoint: Endpoint) -> impl Iterator<Item = (String, Ref)> {
    by_status(endpoint).into_iter().map(|(status, refusals)| {
        (status.to_string(), Ref::from_response_name(name_of_any(&refusals)))
    })
}

/// These answers, each once.
pub(super) fn named() -> BTreeMap<String, Response> {
    let all = Endpoint::ALL.into_iter().flat_map(by_status);
    all.map(|(_, refusals)| (name_of_any(&refusals), response(&refusals))).collect()
}

fn by_status(endpoint: Endpoint) -> BTreeMap<u16, Vec<Refusal>> {
    let mut by_status = BTreeMap::<u16, Vec<Refusal>>::new();
    for refusal in Refusal::samples() {
        if can_occur(&refusal, endpoint) {
            by_status.entry(refusal.http_status()).or_default().push(refusal);
        }
    }
    by_status
}

const fn name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Missing(_) => "MissingField",
        Refusal::Wrong(_) => "WrongFormat",
        Refusal::Malformed => "Malformed",
        Refusal::PatchDocument => "PatchDocument",
        Refusal::OtherId => "OtherId",
        Refusal::Unauthenticated => "Unauthorized",
        Refusal::Expired => "TokenExpired",
        Refusal::Forbidden => "Forbidden",
        Refusal::BadOrigin => "AddressRefused",
        Refusal::CustomerNotFound => "UnknownCustomer",
        Refusal::AlreadyExists => "MemberIdTaken",
        Refusal::PreconditionFailed => "PreconditionFailed",
        Refusal::TooManyRequests { .. } => "TooManyRequests",
        Refusal::IdempotencyConflict => "IdempotencyConflict",
        Refusal::IdempotencyMismatch => "IdempotencyMismatch",
        Refusal::EndpointNotFound => "UnknownPath",
        Refusal::MethodNotAllowed { .. } => "MethodNotAllowed",
        Refusal::RequestTimeout => "RequestTimeout",
        Refusal::PayloadTooLarge => "PayloadTooLarge",
        Refusal::UnsupportedMediaType => "UnsupportedMediaType",
        Refusal::Internal => "InternalError",
        Refusal::Unavailable { .. } => "Unavailable",
    }
}

fn name_of_any(refusals: &[Refusal]) -> String {
    refusals.iter().map(name).collect::<Vec<_>>().join("Or")
}

fn response(refusals: &[Refusal]) -> Response {
    let texts: Vec<&str> = refusals.iter().map(|refusal| refusal.words().message).collect();
    let examples = refusals.iter().map(|refusal| {
        let body = refusal.body("7f0c5a52-8b0e-4e0e-9d57-2f6b3c1d9e10", SAMPLE_TIME);
        let summary = refusal.words().message;
        let value = serde_json::from_slice(&body).ok();
        (name(refusal), ExampleBuilder::new().summary(summary).value(value))
    });
    let content = ContentBuilder::new().schema(Some(body(refusals))).examples_from_iter(examples);
    let mut response = ResponseBuilder::new()
        .description(texts.join("; "))
        .content("application/json", content.build())
        .header("X-Request-Id", header("The request's id"));
    for (name, _) in refusals.iter().filter_map(Refusal::header) {
        response = response.header(name.as_str(), header("As in HTTP"));
    }
    response.build()
}

/// The body of an error: its words are among those of the refusals with the same status.
fn body(refusals: &[Refusal]) -> Schema {
    let among = |of: fn(&Words) -> &'static str| {
        let mut texts: Vec<&str> = refusals.iter().map(|refusal| of(&refusal.words())).collect();
        texts.sort_unstable();
        texts.dedup();
        let values: Vec<Value> = texts.into_iter().map(Value::from).collect();
        Schema::from(shapes::of(Type::String).enum_values(Some(values)).build())
    };
    let names = || Schema::from(shapes::list(shapes::text(), None).build());
    let mut error = shapes::object([
        ("error", among(|words| words.error).into()),
        ("message", among(|words| words.message).into()),
        ("code", among(|words| words.code).into()),
        ("timestamp", shapes::moment().into()),
        ("requestId", shapes::text().into()),
    ]);
    for name in ["error", "message", "code", "timestamp", "requestId"] {
        error = error.required(name);
    }
    let names_fields =
        |refusal: &Refusal| matches!(refusal, Refusal::Missing(_) | Refusal::Wrong(_));
    if refusals.iter().any(names_fields) {
        let details = shapes::object([
            ("missingFields", names().into()),
            ("field", shapes::text().into()),
            ("fields", names().into()),
        ]);
        error = error.property("details", shapes::closed(details));
    }
    shapes::closed(error)
}
