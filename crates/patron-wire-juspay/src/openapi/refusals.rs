//! The refusals: what each looks like, and where it can occur.

use std::collections::BTreeMap;

use patron_wire::openapi::{closed, header, like, one_of, text};
use serde_json::Value;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, Schema, Type};
use utoipa::openapi::{ContentBuilder, RefOr, Required, Response, ResponseBuilder};

use super::answers::{Named, REQUEST_ID, common_headers};
use super::fields::{names, read_by};
use super::{has_name, is_conditional, is_write};
use crate::errors::Refusal;
use crate::fields::FieldName;
use crate::route::Endpoint;

/// Whether an endpoint can answer so.
fn occurs(refusal: &Refusal, endpoint: Endpoint) -> bool {
    match refusal {
        Refusal::AlreadyExists => endpoint == Endpoint::CreateCustomer,
        Refusal::Missing(_) => match endpoint {
            Endpoint::CreateCustomer | Endpoint::EnsureCustomer => true,
            Endpoint::ListCustomers
            | Endpoint::FindCustomer
            | Endpoint::UpdateCustomer
            | Endpoint::EnsureNamedCustomer => false,
        },
        Refusal::Wrong(_) => read_by(endpoint).next().is_some(),
        Refusal::CustomerNotFound => match endpoint {
            Endpoint::FindCustomer | Endpoint::UpdateCustomer => true,
            Endpoint::CreateCustomer
            | Endpoint::ListCustomers
            | Endpoint::EnsureCustomer
            | Endpoint::EnsureNamedCustomer => false,
        },
        // Where a name is due in the path, an empty one makes another path of it.
        Refusal::EndpointNotFound => has_name(endpoint),
        Refusal::RequestTimeout | Refusal::PayloadTooLarge | Refusal::UnsupportedMediaType => {
            is_write(endpoint)
        }
        Refusal::FromAnotherSite => is_write(endpoint),
        Refusal::PreconditionFailed => is_conditional(endpoint),
        Refusal::Malformed
        | Refusal::Unauthenticated
        | Refusal::BadOrigin
        | Refusal::Forbidden
        | Refusal::Unavailable { .. }
        | Refusal::Internal => true,
        // An endpoint knows its own method.
        Refusal::MethodNotAllowed { .. } => false,
        // There are no idempotency keys and no limits of rates yet.
        Refusal::IdempotencyConflict
        | Refusal::IdempotencyMismatch
        | Refusal::TooManyRequests { .. } => false,
    }
}

/// What the refusal is called, and when it is answered.
const fn words(refusal: &Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::AlreadyExists => ("AlreadyExists", "The reference is taken."),
        Refusal::Wrong(_) => ("WrongValue", "Values are wrong. All wrong keys are named."),
        Refusal::Missing(_) => ("MissingValue", "Required keys were not sent. All are named."),
        Refusal::Malformed => ("Malformed", "The body or the query cannot be read."),
        Refusal::CustomerNotFound => {
            ("UnknownCustomer", "The merchant has no such customer, or the token is another one's.")
        }
        Refusal::Unauthenticated => {
            ("Unauthorized", "The key or token is missing, wrong, expired, used up or revoked.")
        }
        Refusal::BadOrigin => {
            ("BadOrigin", "The client's address is not on the merchant's allow-list.")
        }
        Refusal::Forbidden => ("Forbidden", "The API key does not have the scope for this."),
        Refusal::FromAnotherSite => (
            "FromAnotherSite",
            "A web page of another site had a browser send the API key that it remembers.",
        ),
        Refusal::EndpointNotFound => ("UnknownEndpoint", "There is no such path."),
        Refusal::MethodNotAllowed { .. } => {
            ("MethodNotAllowed", "The path does not know the method.")
        }
        Refusal::RequestTimeout => ("RequestTimeout", "The body did not arrive in time."),
        Refusal::IdempotencyConflict => {
            ("IdempotencyConflict", "A request with this idempotency key has not ended yet.")
        }
        Refusal::PreconditionFailed => {
            ("PreconditionFailed", "`If-Match` is not met. Nothing was changed.")
        }
        Refusal::PayloadTooLarge => ("PayloadTooLarge", "The body is too large."),
        Refusal::UnsupportedMediaType => {
            ("UnsupportedMediaType", "The body is multipart or compressed.")
        }
        Refusal::IdempotencyMismatch => {
            ("IdempotencyMismatch", "This idempotency key was used for another request.")
        }
        Refusal::TooManyRequests { .. } => ("TooManyRequests", "Too many requests."),
        Refusal::Unavailable { .. } => ("Unavailable", "The store is away. A retry makes sense."),
        Refusal::Internal => ("InternalError", "Something broke on our side."),
    }
}

/// Whether the answer names the merchant: only where it is known already.
const fn named(refusal: &Refusal) -> Named {
    match refusal {
        Refusal::Unauthenticated
        | Refusal::FromAnotherSite
        | Refusal::EndpointNotFound
        | Refusal::MethodNotAllowed { .. } => Named::Never,
        // The head may be bad already, and the store may be away when the key is looked for.
        Refusal::Malformed | Refusal::Unavailable { .. } | Refusal::Internal => Named::Perhaps,
        Refusal::AlreadyExists
        | Refusal::Wrong(_)
        | Refusal::Missing(_)
        | Refusal::CustomerNotFound
        | Refusal::BadOrigin
        | Refusal::Forbidden
        | Refusal::RequestTimeout
        | Refusal::IdempotencyConflict
        | Refusal::PreconditionFailed
        | Refusal::PayloadTooLarge
        | Refusal::UnsupportedMediaType
        | Refusal::IdempotencyMismatch
        | Refusal::TooManyRequests { .. } => Named::Always,
    }
}

/// A refusal's body, as it is answered.
fn sample(refusal: &Refusal) -> Value {
    serde_json::from_slice(&refusal.body(REQUEST_ID)).unwrap_or_default()
}

/// The refusals that some endpoint answers, each by its name.
pub(super) fn schemas() -> Vec<(&'static str, RefOr<Schema>)> {
    let all = Refusal::one_of_each().into_iter();
    let answered = all.filter(|refusal| Endpoint::ALL.iter().any(|one| occurs(refusal, *one)));
    let schemas = answered.map(|refusal| {
        let (name, _) = words(&refusal);
        (name, like(&sample(&refusal), &|key| varying(&refusal, key)))
    });
    schemas.collect()
}

/// What in a refusal differs from one request to the next.
fn varying(refusal: &Refusal, key: &str) -> Option<RefOr<Schema>> {
    match (refusal, key) {
        (_, "request_id") => Some(Ref::from_schema_name("RequestId").into()),
        (Refusal::Wrong(_), "error_message") => {
            let messages = FieldName::ALL.map(|field| format!("Wrong value in {}", field.text()));
            Some(one_of(messages.iter().map(String::as_str)).into())
        }
        (Refusal::Wrong(_) | Refusal::Missing(_), "fields") => {
            let reason = sample(refusal).pointer("/error_info/fields/0/reason").cloned();
            let reason = like(&reason.unwrap_or_default(), &|_| None);
            let name = names(FieldName::ALL.into_iter());
            let each = closed([("field_name", name), ("reason", reason)]);
            Some(ArrayBuilder::new().items(each).min_items(Some(1)).into())
        }
        _ => None,
    }
}

/// What an endpoint answers but what was asked for, by status: references to answers that stand by their names.
pub(super) fn responses(endpoint: Endpoint) -> impl Iterator<Item = (String, Ref)> {
    by_status(endpoint).into_iter().map(|(status, refusals)| {
        (status.to_string(), Ref::from_response_name(name_of_any(&refusals)))
    })
}

/// These answers, each once.
pub(super) fn named_responses() -> BTreeMap<String, Response> {
    let all = Endpoint::ALL.into_iter().flat_map(by_status);
    all.map(|(_, refusals)| (name_of_any(&refusals), response(&refusals))).collect()
}

fn by_status(endpoint: Endpoint) -> BTreeMap<u16, Vec<Refusal>> {
    let mut by_status = BTreeMap::<u16, Vec<Refusal>>::new();
    for refusal in Refusal::one_of_each() {
        if occurs(&refusal, endpoint) {
            by_status.entry(refusal.http_status()).or_default().push(refusal);
        }
    }
    by_status
}

fn name_of_any(refusals: &[Refusal]) -> String {
    refusals.iter().map(|refusal| words(refusal).0).collect::<Vec<_>>().join("Or")
}

fn response(refusals: &[Refusal]) -> Response {
    let about: Vec<_> = refusals.iter().map(|refusal| words(refusal).1).collect();
    let names = refusals.iter().map(|refusal| words(refusal).0);
    let schema: RefOr<Schema> = match names.clone().collect::<Vec<_>>().as_slice() {
        [only] => Ref::from_schema_name(*only).into(),
        several => {
            let each = several.iter().map(|name| Ref::from_schema_name(*name));
            each.fold(OneOfBuilder::new(), OneOfBuilder::item).into()
        }
    };
    let examples = refusals.iter().map(|refusal| {
        let (name, about) = words(refusal);
        (name, ExampleBuilder::new().summary(about).value(Some(sample(refusal))))
    });
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples);
    let start = ResponseBuilder::new()
        .description(about.join(" "))
        .content("application/json", content.build());
    let named = refusals.iter().map(named).reduce(Named::or).unwrap_or(Named::Perhaps);
    let start = common_headers(start, named);
    refusals
        .iter()
        .filter_map(Refusal::header)
        .fold(start, |response, (name, value)| {
            let value = value.to_str().unwrap_or_default();
            let required = if refusals.len() == 1 { Required::True } else { Required::False };
            let (schema, about) = if value.bytes().all(|byte| byte.is_ascii_digit()) {
                let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
                (seconds, "Seconds until another attempt makes sense.")
            } else {
                (one_of([value]), "The scheme by which to show a key.")
            };
            response.header(name.as_str(), header(required, schema, about))
        })
        .build()
}

/// The id of a request, as it is repeated.
pub(super) fn request_id() -> ObjectBuilder {
    let id = text("^[ -~]+$").min_length(Some(1)).max_length(Some(128));
    id.description(Some("The request's id: the one that was sent, or a UUID."))
}
