//! The wire described for machines: an OpenAPI 3.1 document, made from the lists by which requests are answered.

mod answers;
mod fields;
mod refusals;
mod words;

use http::Method;
use patron_wire::Limits;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Required, Tag,
};

use crate::route::Endpoint;

/// The names of the security schemes.
const API_KEY: &str = "apiKey";
const CLIENT_AUTH_TOKEN: &str = "clientAuthToken";
const CLIENT_AUTH_TOKEN_IN_QUERY: &str = "clientAuthTokenInQuery";

/// The groups of operations.
const CUSTOMERS: &str = "Customers";
const GET_OR_CREATE: &str = "Get or create";

/// The document.
pub(crate) fn openapi() -> OpenApi {
    let about = words::about(Limits::default());
    let info = InfoBuilder::new()
        .title("Juspay Express Checkout customer API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths())
        .components(Some(components()))
        .tags(Some([
            tag(CUSTOMERS, "One customer, and the list of all."),
            tag(
                GET_OR_CREATE,
                "A customer by the merchant's own reference, made where there is none.",
            ),
        ]))
        .build()
}

fn tag(name: &str, about: &str) -> Tag {
    TagBuilder::new().name(name).description(Some(about)).build()
}

fn paths() -> Paths {
    let all = Endpoint::ALL.into_iter();
    let paths = all.fold(PathsBuilder::new(), |paths, endpoint| {
        let item = PathItem::new(method(endpoint), operation(endpoint));
        paths.path(endpoint.template(), item)
    });
    paths.build()
}

fn method(endpoint: Endpoint) -> HttpMethod {
    if endpoint.method() == Method::GET { HttpMethod::Get } else { HttpMethod::Post }
}

fn operation(endpoint: Endpoint) -> Operation {
    let words = words::of(endpoint);
    let start = OperationBuilder::new()
        .operation_id(Some(operation_id(endpoint)))
        .tag(tag_of(endpoint))
        .summary(Some(words.summary))
        .description(Some(words.description))
        .parameters(Some(fields::parameters(endpoint)))
        .request_body(fields::body(endpoint))
        .responses(answers::responses(endpoint));
    let start = fields::headers(endpoint).fold(start, OperationBuilder::parameter_ref);
    callers(endpoint)
        .iter()
        .fold(start, |operation, scheme| {
            let requirement = SecurityRequirement::new(*scheme, <[&str; 0]>::default());
            operation.security(requirement)
        })
        .build()
}

const fn operation_id(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::CreateCustomer => "createCustomer",
        Endpoint::ListCustomers => "listCustomers",
        Endpoint::FindCustomer => "findCustomer",
        Endpoint::UpdateCustomer => "updateCustomer",
        Endpoint::EnsureCustomer => "ensureCustomer",
        Endpoint::EnsureNamedCustomer => "ensureNamedCustomer",
    }
}

const fn tag_of(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::CreateCustomer
        | Endpoint::ListCustomers
        | Endpoint::FindCustomer
        | Endpoint::UpdateCustomer => CUSTOMERS,
        Endpoint::EnsureCustomer | Endpoint::EnsureNamedCustomer => GET_OR_CREATE,
    }
}

/// What a caller may show, one of them.
const fn callers(endpoint: Endpoint) -> &'static [&'static str] {
    match endpoint {
        Endpoint::FindCustomer | Endpoint::UpdateCustomer => {
            &[API_KEY, CLIENT_AUTH_TOKEN, CLIENT_AUTH_TOKEN_IN_QUERY]
        }
        Endpoint::CreateCustomer
        | Endpoint::ListCustomers
        | Endpoint::EnsureCustomer
        | Endpoint::EnsureNamedCustomer => &[API_KEY],
    }
}

/// Whether the endpoint changes something, and so reads a body.
const fn is_write(endpoint: Endpoint) -> bool {
    match endpoint {
        Endpoint::ListCustomers | Endpoint::FindCustomer => false,
        Endpoint::CreateCustomer
        | Endpoint::UpdateCustomer
        | Endpoint::EnsureCustomer
        | Endpoint::EnsureNamedCustomer => true,
    }
}

/// Whether `If-Match` binds the endpoint.
const fn is_conditional(endpoint: Endpoint) -> bool {
    match endpoint {
        Endpoint::UpdateCustomer | Endpoint::EnsureCustomer | Endpoint::EnsureNamedCustomer => true,
        Endpoint::CreateCustomer | Endpoint::ListCustomers | Endpoint::FindCustomer => false,
    }
}

/// Whether there is a name at the end of the path.
const fn has_name(endpoint: Endpoint) -> bool {
    match endpoint {
        Endpoint::FindCustomer | Endpoint::UpdateCustomer | Endpoint::EnsureNamedCustomer => true,
        Endpoint::CreateCustomer | Endpoint::ListCustomers | Endpoint::EnsureCustomer => false,
    }
}

const fn required(is_required: bool) -> Required {
    if is_required { Required::True } else { Required::False }
}

fn components() -> Components {
    let start = ComponentsBuilder::new()
        .schemas_from_iter(answers::schemas())
        .schemas_from_iter(refusals::schemas())
        .responses_from_iter(refusals::named_responses())
        .security_scheme(API_KEY, basic())
        .security_scheme(CLIENT_AUTH_TOKEN, bearer())
        .security_scheme(CLIENT_AUTH_TOKEN_IN_QUERY, in_query());
    let named = fields::named_headers().into_iter();
    named.fold(start, |components, (name, header)| components.parameter(name, header)).build()
}

fn basic() -> SecurityScheme {
    let http = HttpBuilder::new().scheme(HttpAuthScheme::Basic);
    SecurityScheme::Http(http.description(Some(words::API_KEY)).build())
}

fn bearer() -> SecurityScheme {
    let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("tkn_…");
    SecurityScheme::Http(http.description(Some(words::CLIENT_AUTH_TOKEN)).build())
}

fn in_query() -> SecurityScheme {
    let about = words::CLIENT_AUTH_TOKEN_IN_QUERY;
    SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description("client_auth_token", about)))
}

#[cfg(test)]
mod tests;
