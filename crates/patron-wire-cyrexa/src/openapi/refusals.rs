//! Which refusals stand at which endpoint, and the schemas of their bodies.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::Content;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Schema, Type};

use super::{header, shapes};
use crate::errors::{Refusal, Words};
use crate::route::Endpoint;

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

/// The refusals of an endpoint, by status.
pub(super) fn of(endpoint: Endpoint) -> BTreeMap<String, Response> {
    let mut by_status: BTreeMap<u16, Vec<Refusal>> = BTreeMap::new();
    for refusal in Refusal::samples() {
        if can_occur(&refusal, endpoint) {
            by_status.entry(refusal.http_status()).or_default().push(refusal);
        }
    }
    let response =
        |(status, refusals): (u16, Vec<Refusal>)| (status.to_string(), response(&refusals));
    by_status.into_iter().map(response).collect()
}

fn response(refusals: &[Refusal]) -> Response {
    let texts: Vec<&str> = refusals.iter().map(|refusal| refusal.words().message).collect();
    let content = Content::new(Some(body(refusals)));
    let mut response = ResponseBuilder::new()
        .description(texts.join("; "))
        .content("application/json", content)
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
