//! The document of this interface (OpenAPI 3.1), made from the endpoints that are routed and the types that are
//! read and answered.

mod components;
mod examples;
mod operations;
mod parameters;

use std::collections::BTreeMap;

use http::Method;
use patron_wire::Setting;
use patron_wire::openapi::{ProblemType, with_problem_types};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, HttpMethod, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder,
    Ref, Required, ServerBuilder, Type,
};

use crate::bodies::{FORM, JSON};
use crate::errors::{Failure, PROBLEM, Refusal, Words};
use crate::openapi::operations::{Said, Success};
use crate::route::Endpoint;

/// The document. `settings` is what merchants can set, over all wires.
pub fn openapi(settings: &[Setting]) -> OpenApi {
    let mut paths = PathsBuilder::new();
    for endpoint in Endpoint::ALL {
        let item = PathItem::new(method(*endpoint), operation(*endpoint));
        paths = paths.path(endpoint.template(), item);
    }
    let document = OpenApiBuilder::new()
        .info(
            InfoBuilder::new().title("Patron management API").version("1").description(Some(ABOUT)),
        )
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .paths(paths)
        .components(Some(components::components(settings, refusals())))
        .tags(Some(
            operations::TAGS
                .map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build()),
        ))
        .security(Some(components::CREDENTIALS.map(|name| {
            let no_scopes: [&str; 0] = [];
            SecurityRequirement::new(name, no_scopes)
        })));
    with_problem_types(document.build(), Refusal::all().map(|refusal| problem_type(&refusal)))
}

/// A kind of problem, which has a page of its own.
fn problem_type(refusal: &Refusal) -> ProblemType {
    let Words { status, name, title, detail } = refusal.words();
    ProblemType { name, title, status, about: detail }
}

const ABOUT: &str = "Merchants, their keys, allow-lists and operators; customers, found, looked at, exported, \
    deleted and erased. Bodies are JSON; what is not known in them is refused. Moments are in UTC as in RFC 3339. \
    Another merchant's things look like what is not there. Refusals are problem details (RFC 9457).";

fn method(endpoint: Endpoint) -> HttpMethod {
    match endpoint.method() {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(endpoint: Endpoint) -> OperationBuilder {
    let mut responses = ResponsesBuilder::new().response(
        operations::success(endpoint).status.to_string(),
        success(&operations::success(endpoint)),
    );
    for status in operations::refusals(endpoint) {
        responses = responses.response(status.to_string(), Ref::from_response_name(named(status)));
    }
    let mut operation = OperationBuilder::new()
        .operation_id(Some(operation_id(endpoint)))
        .tag(operations::tag(endpoint))
        .summary(Some(endpoint.about().trim_end_matches('.')))
        .description(Some(operations::description(endpoint)))
        .responses(responses);
    let parameters = parameters::parameters(endpoint);
    if !parameters.is_empty() {
        operation = operation.parameters(Some(parameters));
    }
    if endpoint == Endpoint::LogIn {
        operation = operation.securities(Some(Vec::<SecurityRequirement>::new()));
    }
    let body = match operations::said(endpoint) {
        Said::Nothing => return operation,
        Said::Json(name) => RequestBodyBuilder::new().content(JSON, said(endpoint, name)),
        Said::Form(name) => RequestBodyBuilder::new().content(FORM, said(endpoint, name)),
    };
    operation.request_body(Some(body.required(Some(Required::True)).build()))
}

/// `findCustomer`
fn operation_id(endpoint: Endpoint) -> String {
    let mut characters = endpoint.name().chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

fn content(schema: &str) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build()
}

fn said(endpoint: Endpoint, schema: &str) -> utoipa::openapi::Content {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema)));
    content.example(examples::body(endpoint)).build()
}

fn header(about: &str, kind: Type) -> utoipa::openapi::Header {
    let schema = ObjectBuilder::new().schema_type(kind);
    HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
}

fn response(about: impl Into<String>) -> ResponseBuilder {
    ResponseBuilder::new().description(about).header(
        "X-Request-Id",
        header("The request's id, the client's own or a new one.", Type::String),
    )
}

fn success(success: &Success) -> ResponseBuilder {
    let Success { status: _, about, schema, has_version, has_location } = success;
    let mut response = response(*about);
    if let Some(schema) = schema {
        response = response.content(JSON, content(schema));
    }
    if *has_version {
        let about = "The customer's version, for `If-Match`.";
        response = response.header("ETag", header(about, Type::String));
    }
    if *has_location {
        let about = "Where it is to be found.";
        response = response.header("Location", header(about, Type::String));
    }
    response
}

/// The name of all refusals with a status.
fn named(status: u16) -> String {
    format!("Refused{status}")
}

/// What endpoints refuse with, by these names.
fn refusals() -> BTreeMap<String, ResponseBuilder> {
    let statuses = Endpoint::ALL.iter().flat_map(|endpoint| operations::refusals(*endpoint));
    statuses.map(|status| (named(status), refusal(status))).collect()
}

/// A refusal as it is answered.
fn example(title: &str, refusal: Refusal) -> ExampleBuilder {
    let body = Failure::from(refusal).body("7f0c5a52-8b0e-4e0e-9d57-2f6b3c1d9e10");
    ExampleBuilder::new().summary(title).value(serde_json::from_slice(&body).ok())
}

fn refusal(status: u16) -> ResponseBuilder {
    let mut titles = Vec::new();
    let mut headers = Vec::new();
    let mut problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    for refusal in Refusal::all() {
        let words = refusal.words();
        if words.status != status || refusal == Refusal::EndpointNotFound {
            continue;
        }
        titles.push(format!("`/docs/errors/{}`: {}", words.name, words.title));
        headers.extend(refusal.header().map(|(name, _)| name));
        problem = problem.examples_from_iter([(words.name, example(words.title, refusal))]);
    }
    let mut response = response(titles.join("; ")).content(PROBLEM, problem.build());
    for name in headers {
        let (name, about, kind) = match name {
            http::header::RETRY_AFTER => {
                ("Retry-After", "Seconds until a retry makes sense.", Type::Integer)
            }
            _ => ("WWW-Authenticate", "How to sign in.", Type::String),
        };
        response = response.header(name, header(about, kind));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    const SETTINGS: [Setting; 1] =
        [Setting { name: "wire.name", values: &["a", "b"], about: "What it does" }];

    fn document() -> Value {
        serde_json::to_value(openapi(&SETTINGS)).unwrap()
    }

    /// Every `$ref` below a value.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            Value::Object(members) => {
                found.extend(members.get("$ref").map(|text| text.as_str().unwrap().to_owned()));
                members.values().for_each(|value| references(value, found));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn it_is_of_the_version_and_has_every_endpoint_once() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let mut names = BTreeSet::new();
        for endpoint in Endpoint::ALL {
            let method = endpoint.method().as_str().to_ascii_lowercase();
            let operation = &document["paths"][endpoint.template()][method];
            assert!(operation["responses"].is_object(), "{endpoint:?}");
            names.insert(operation["operationId"].as_str().unwrap().to_owned());
        }
        assert_eq!(names.len(), Endpoint::ALL.len());
    }

    #[test]
    fn what_is_named_is_there_and_what_is_there_is_named() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let components = document["components"].as_object().unwrap();
        let there = components.iter().filter(|(kind, _)| *kind != "securitySchemes");
        let there = there.flat_map(|(kind, named)| {
            let names = named.as_object().unwrap().keys();
            names.map(move |name| format!("#/components/{kind}/{name}"))
        });
        assert_eq!(found, there.collect());
    }

    #[test]
    fn bodies_are_closed_and_answers_are_whole() {
        let document = document();
        let schema = |name: &str| &document["components"]["schemas"][name];
        for name in
            ["Login", "NewKey", "MerchantEdit", "RetentionEdit", "AllowList", "TokenQuestion"]
        {
            assert_eq!(schema(name)["additionalProperties"], false, "{name}");
        }
        for name in ["Customer", "Profile", "Address", "Problem", "HistoryEntry", "Key"] {
            let keys = schema(name)["properties"].as_object().unwrap().len();
            assert_eq!(schema(name)["required"].as_array().unwrap().len(), keys, "{name}");
        }
        assert_eq!(schema("TokenAnswer")["required"], serde_json::json!(["active"]));
        let settings = &schema("WiresSettings")["properties"]["wire.name"]["enum"];
        assert_eq!(*settings, serde_json::json!(["a", "b", null]));
    }
}
