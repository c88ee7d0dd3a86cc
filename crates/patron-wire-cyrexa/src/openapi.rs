//! This wire as an OpenAPI 3.1 document, made from the lists that it answers by.

mod clients;
mod refusals;
mod shapes;

use http::Method;
use serde_json::{Value, json};
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
    PathItemBuilder, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Content, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required,
};

use crate::bodies::MEDIA_TYPES;
use crate::fields::FieldName;
use crate::route::Endpoint;
use crate::rules::limits;

const CLIENT: &str = "Client";
const NEW_CLIENT: &str = "NewClient";
const CLIENT_CHANGES: &str = "ClientChanges";
const CLIENT_PAGE: &str = "ClientPage";
const TOKEN: &str = "Token";
const LOGIN: &str = "Login";

/// The names of the two ways to show who asks.
const API_KEY: &str = "apiKey";
const BEARER: &str = "bearer";

/// The whole document.
pub fn openapi() -> OpenApi {
    let about = "Customers in the format of Cyrexa's IPG API. A change names the fields that it changes; \
                 a field that is absent stays as it is, and null clears it.";
    let info = InfoBuilder::new()
        .title("Cyrexa IPG customer API")
        .version("2.0.0")
        .description(Some(about))
        .build();
    let components = ComponentsBuilder::new()
        .schema(CLIENT, clients::answered())
        .schema(NEW_CLIENT, clients::created())
        .schema(CLIENT_CHANGES, clients::changed())
        .schema(CLIENT_PAGE, clients::page(Ref::from_schema_name(CLIENT)))
        .schema(TOKEN, token())
        .schema(LOGIN, login())
        .schemas_from_iter(clients::codes())
        .responses_from_iter(refusals::named())
        .security_scheme(API_KEY, api_key())
        .security_scheme(BEARER, bearer())
        .build();
    OpenApiBuilder::new().info(info).paths(paths()).components(Some(components)).build()
}

fn api_key() -> SecurityScheme {
    let about = "An API key of the merchant.";
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("X-API-Key", about)))
}

fn bearer() -> SecurityScheme {
    let about = "An operator's access token, or a customer's own client auth token.";
    let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about));
    SecurityScheme::Http(http.build())
}

fn token() -> Schema {
    let object = shapes::object([
        ("accessToken", shapes::text().into()),
        ("expireDate", shapes::moment().into()),
    ]);
    shapes::all_required(object)
}

fn login() -> Schema {
    shapes::all_required(shapes::object([
        (FieldName::Email.text(), shapes::text().into()),
        (FieldName::Password.text(), shapes::text().into()),
    ]))
}

fn paths() -> Paths {
    let mut paths = PathsBuilder::new().build();
    for endpoint in Endpoint::ALL {
        let item = PathItemBuilder::new().operation(method(endpoint), operation(endpoint)).build();
        match paths.paths.get_mut(endpoint.template()) {
            Some(known) => known.merge_operations(item),
            None => drop(paths.paths.insert(endpoint.template().to_owned(), item)),
        }
    }
    paths
}

fn method(endpoint: Endpoint) -> HttpMethod {
    let method = endpoint.method();
    if method == Method::GET {
        HttpMethod::Get
    } else if method == Method::POST {
        HttpMethod::Post
    } else if method == Method::PUT {
        HttpMethod::Put
    } else {
        HttpMethod::Delete
    }
}

/// An endpoint's name, and what it does.
const fn title(endpoint: Endpoint) -> (&'static str, &'static str) {
    match endpoint {
        Endpoint::CreateCustomer => ("createCustomer", "Create a customer"),
        Endpoint::ListCustomers => ("listCustomers", "List or search customers, newest first"),
        Endpoint::FindCustomer => ("findCustomer", "Read a customer"),
        Endpoint::UpdateCustomer => ("updateCustomer", "Update a customer"),
        Endpoint::UpdateBareCustomer => ("updateBareCustomer", "Update a customer"),
        Endpoint::DeleteCustomer => ("deleteCustomer", "Delete a customer"),
        Endpoint::IssueToken => ("issueToken", "Make a client auth token for a customer"),
        Endpoint::LogIn => ("logIn", "Log an operator in"),
    }
}

/// What is to be known beside that.
const fn notes(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::UpdateCustomer | Endpoint::UpdateBareCustomer => Some(
            "With a client auth token memberId, status, verificationStatus, kyc and taxInformation stay as \
             they are: a request that sets, clears or changes one of them is refused with 403.",
        ),
        Endpoint::IssueToken => Some(
            "It takes a key that may both read and write, since that is what the token can do. Operators hand \
             out none.",
        ),
        Endpoint::CreateCustomer
        | Endpoint::ListCustomers
        | Endpoint::FindCustomer
        | Endpoint::DeleteCustomer
        | Endpoint::LogIn => None,
    }
}

fn operation(endpoint: Endpoint) -> Operation {
    let (id, summary) = title(endpoint);
    let mut operation = OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(summary))
        .description(notes(endpoint))
        .parameters(Some(parameters(endpoint)));
    let of = |scheme: &str| SecurityRequirement::new(scheme, Vec::<String>::new());
    // An empty list says that nothing has to be shown.
    let securities = match endpoint {
        Endpoint::LogIn => Vec::new(),
        Endpoint::CreateCustomer
        | Endpoint::ListCustomers
        | Endpoint::FindCustomer
        | Endpoint::UpdateCustomer
        | Endpoint::UpdateBareCustomer
        | Endpoint::DeleteCustomer
        | Endpoint::IssueToken => vec![of(API_KEY), of(BEARER)],
    };
    operation = operation.securities(Some(securities));
    if let Some(name) = body(endpoint) {
        let content = |body: RequestBodyBuilder, kind: &&str| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(name)));
            body.content(*kind, content.example(Some(example(endpoint))).build())
        };
        let body = MEDIA_TYPES.iter().fold(RequestBodyBuilder::new(), content);
        operation = operation.request_body(Some(body.required(Some(Required::True)).build()));
    }
    let (status, response) = success(endpoint);
    operation = operation.response(status, response);
    for (status, response) in refusals::of(endpoint) {
        operation = operation.response(status, response);
    }
    operation.build()
}

/// The schema of what is sent. `None` where nothing is read.
const fn body(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::CreateCustomer => Some(NEW_CLIENT),
        Endpoint::UpdateCustomer | Endpoint::UpdateBareCustomer => Some(CLIENT_CHANGES),
        Endpoint::LogIn => Some(LOGIN),
        Endpoint::ListCustomers
        | Endpoint::FindCustomer
        | Endpoint::DeleteCustomer
        | Endpoint::IssueToken => None,
    }
}

/// A body that may be sent.
fn example(endpoint: Endpoint) -> Value {
    if endpoint == Endpoint::LogIn {
        return json!({"email": "operator@example.com", "password": "correct horse battery staple"});
    }
    json!({
        "name": "Jon Snow",
        "email": "jon@winter.example",
        "phone": "+65 9988 7766",
        "memberId": "customer-1",
        "address": {"street": "1 High Street", "city": "Winterfell", "country": "GB"},
        "dateOfBirth": "1990-01-31",
    })
}

fn parameters(endpoint: Endpoint) -> Vec<Parameter> {
    let if_match = || {
        let about = "The entity tag that the customer must still have.";
        ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(about))
            .schema(Some(shapes::text()))
            .build()
    };
    let id = || {
        ParameterBuilder::new()
            .name("id")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The customer's number"))
            .schema(Some(shapes::number()))
            .build()
    };
    match endpoint {
        Endpoint::CreateCustomer | Endpoint::LogIn => Vec::new(),
        Endpoint::ListCustomers => list_parameters(),
        Endpoint::FindCustomer | Endpoint::IssueToken => vec![id()],
        Endpoint::UpdateCustomer | Endpoint::UpdateBareCustomer | Endpoint::DeleteCustomer => {
            vec![id(), if_match()]
        }
    }
}

fn list_parameters() -> Vec<Parameter> {
    let page = shapes::within(1, limits::PAGE_NUMBER_MAX, 1);
    let size = shapes::within(1, limits::PAGE_SIZE_MAX, limits::PAGE_SIZE_DEFAULT);
    let parameters: [(FieldName, Schema, &str); 4] = [
        (FieldName::PageNumber, page, "Which page"),
        (FieldName::PageSize, size, "Customers on a page"),
        (FieldName::Email, shapes::text(), "Only those with this email address, whatever its case"),
        (FieldName::MemberId, shapes::text(), "Only the one with this reference, exactly"),
    ];
    let parameter = |(field, schema, about): (FieldName, Schema, &str)| {
        ParameterBuilder::new()
            .name(field.text())
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(about))
            .schema(Some(schema))
            .build()
    };
    parameters.into_iter().map(parameter).collect()
}

/// The answer when all is well.
fn success(endpoint: Endpoint) -> (&'static str, Response) {
    let (status, name, about) = match endpoint {
        Endpoint::CreateCustomer => ("201", Some(CLIENT), "The customer was created"),
        Endpoint::ListCustomers => ("200", Some(CLIENT_PAGE), "A page of customers"),
        Endpoint::FindCustomer => ("200", Some(CLIENT), "The customer"),
        Endpoint::UpdateCustomer | Endpoint::UpdateBareCustomer => {
            ("200", Some(CLIENT), "The customer as it now is")
        }
        Endpoint::DeleteCustomer => ("204", None, "The customer is gone"),
        Endpoint::IssueToken | Endpoint::LogIn => {
            ("200", Some(TOKEN), "The token, shown this once")
        }
    };
    let mut response = ResponseBuilder::new().description(about);
    if let Some(name) = name {
        let schema: RefOr<Schema> = Ref::from_schema_name(name).into();
        response = response.content("application/json", Content::new(Some(schema)));
    }
    if name == Some(CLIENT) {
        response = response.header("ETag", header("The customer's version"));
    }
    if endpoint == Endpoint::CreateCustomer {
        response = response.header("Location", header("The path of the customer"));
    }
    (status, response.header("X-Request-Id", header("The request's id")).build())
}

fn header(about: &str) -> Header {
    let mut header = Header::new(shapes::of(Type::String).build());
    header.description = Some(about.to_owned());
    header
}

#[cfg(test)]
mod tests;
