//! This wire described for machines, as the others are.

use http::StatusCode;
use patron_wire::openapi::{header, one_of, text};
use patron_wire::request_id::X_REQUEST_ID;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem,
    PathItemBuilder, PathsBuilder,
};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Components, ComponentsBuilder, ObjectBuilder, Ref, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Required};

use crate::answers::{ALWAYS, CSS, HTML, JSON};
use crate::route::Endpoint;

/// The document.
pub fn openapi() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Patron documentation")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Readable pages, and the OpenAPI documents of all formats."))
        .build();
    let all = Endpoint::ALL.into_iter();
    let paths = all.fold(PathsBuilder::new(), |paths, endpoint| {
        paths.path(endpoint.template(), item(endpoint))
    });
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components())).build()
}

fn item(endpoint: Endpoint) -> PathItem {
    let (id, _, _) = words(endpoint);
    PathItemBuilder::new()
        .operation(HttpMethod::Get, operation(endpoint, id.to_owned(), true))
        .operation(HttpMethod::Head, operation(endpoint, format!("{id}Head"), false))
        .build()
}

/// What an endpoint is called, what it is, and of which type.
const fn words(endpoint: Endpoint) -> (&'static str, &'static str, &'static str) {
    match endpoint {
        Endpoint::Index => ("index", "The page that leads to all others", HTML),
        Endpoint::Style => ("style", "The style sheet of all pages", CSS),
        Endpoint::Page => ("page", "The page of a format", HTML),
        Endpoint::Problem => ("problem", "The page of a type of problem", HTML),
        Endpoint::Document => ("document", "The OpenAPI document of a format", JSON),
    }
}

/// The name in the path, where there is one.
const fn named(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::Index | Endpoint::Style => None,
        Endpoint::Page | Endpoint::Document => Some("wire"),
        Endpoint::Problem => Some("type"),
    }
}

fn operation(endpoint: Endpoint, id: String, has_body: bool) -> Operation {
    let (_, summary, kind) = words(endpoint);
    let found = answer("What was asked for.", has_body.then_some(kind));
    let refused = Other::ALL.into_iter().filter(|other| {
        // Without a name in the path there is always something.
        *other != Other::NotFound || named(endpoint).is_some()
    });
    let start = OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(summary))
        .parameters(Some(named(endpoint).map(parameter)))
        // An empty requirement: nobody has to show anything.
        .security(SecurityRequirement::default())
        .response("200", found.header("etag", etag()));
    refused
        .fold(start, |operation, other| {
            let name = name_of(other, has_body);
            operation.response(other.status().as_str(), Ref::from_response_name(name))
        })
        .build()
}

/// What is answered instead of what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    NotModified,
    Malformed,
    NotFound,
    Broken,
}

impl Other {
    const ALL: [Self; 4] = [Self::NotModified, Self::Malformed, Self::NotFound, Self::Broken];

    const fn status(self) -> StatusCode {
        match self {
            Self::NotModified => StatusCode::NOT_MODIFIED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NotModified => {
                ("NotModified", "The client has it already: `If-None-Match` names it.")
            }
            Self::Malformed => ("Malformed", "The request cannot be read."),
            Self::NotFound => ("NotFound", "There is no such page."),
            Self::Broken => ("Broken", "Something broke on our side."),
        }
    }
}

/// The name of an answer, to `GET` or to `HEAD`.
fn name_of(other: Other, has_body: bool) -> String {
    let (name, _) = other.words();
    format!("{name}{}", if has_body { "" } else { "Head" })
}

fn components() -> Components {
    let all = Other::ALL.into_iter().flat_map(|other| [(other, true), (other, false)]);
    let responses = all.map(|(other, has_body)| {
        let (_, about) = other.words();
        let response = match other {
            Other::NotModified => answer(about, None).header("etag", etag()),
            Other::Malformed | Other::NotFound | Other::Broken => {
                answer(about, has_body.then_some(HTML))
            }
        };
        (name_of(other, has_body), response)
    });
    ComponentsBuilder::new().responses_from_iter(responses).build()
}

fn etag() -> Header {
    let tag = text("^\"[0-9a-f]{16}\"$");
    header(Required::True, tag, "The page's entity tag.")
}

fn parameter(name: &str) -> Parameter {
    let value = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(value))
        .build()
}

fn answer(about: &str, kind: Option<&str>) -> ResponseBuilder {
    let id = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    let start = ResponseBuilder::from(Response::new(about))
        .header(X_REQUEST_ID.as_str(), header(Required::True, id, "The request's id."));
    let start = ALWAYS.iter().fold(start, |response, (name, value)| {
        response.header(name.as_str(), header(Required::True, one_of([*value]), ""))
    });
    let Some(kind) = kind else { return start };
    let body = ObjectBuilder::new();
    let body =
        if kind == JSON { body.schema_type(Type::Object) } else { body.schema_type(Type::String) };
    start.content(kind, ContentBuilder::new().schema(Some(body)).build())
}
