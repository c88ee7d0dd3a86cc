//! The answers: the customer, the list, and the headers that all have.

use patron_wire::openapi::{closed, header, one_of, text, text_or_null};
use utoipa::openapi::header::Header;
use utoipa::openapi::link::{Link, LinkBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{ContentBuilder, RefOr, Required, Responses, ResponsesBuilder};

use super::{operation_id, refusals};
use crate::answers::{
    X_JP_MERCHANT_ID, X_REQUEST_ID, X_RESPONSE_ID, example_customer, example_list,
};
use crate::route::Endpoint;
use crate::rules::{ApiVersion, COUNT, OFFSET};

/// The id of a request in examples.
pub(super) const REQUEST_ID: &str = "7f0c5a52-8b0e-4e0e-9d57-2f6b3c1d9e10";

/// Whether an answer names the merchant in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Always,
    Perhaps,
    Never,
}

impl Named {
    /// Of an answer that is the one or the other.
    pub(super) fn or(self, other: Self) -> Self {
        if self == other { self } else { Self::Perhaps }
    }
}

/// The schemas that stand by their names.
pub(super) fn schemas() -> [(&'static str, RefOr<Schema>); 4] {
    [
        ("RequestId", refusals::request_id().into()),
        ("Customer", customer().into()),
        ("CustomerList", list().into()),
        ("ClientAuthToken", token().into()),
    ]
}

/// All ten keys are always there. What was stored through another format, or under other settings, is shown as it
/// is, so that limits of requests do not bind answers.
fn customer() -> ObjectBuilder {
    let about = |text: &str, schema: ObjectBuilder| schema.description(Some(text));
    let always = closed([
        ("id", about("The customer's id.", any_text())),
        ("object", one_of(["customer"])),
        ("object_reference_id", about("The merchant's reference of the customer.", text_or_null())),
        ("mobile_number", text_or_null()),
        ("date_created", about("When it was created.", date())),
        ("last_updated", about("When a field changed last.", date())),
        ("email_address", text_or_null()),
        ("first_name", text_or_null()),
        ("last_name", text_or_null()),
        ("mobile_country_code", text_or_null()),
    ]);
    always
        .property("customer_id", about("Under version 3.2 only: equal to `id`.", any_text()))
        .property("juspay", Ref::from_schema_name("ClientAuthToken"))
}

fn any_text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn date() -> ObjectBuilder {
    text("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")
}

/// Only where one was asked for, and the caller may have one.
fn token() -> ObjectBuilder {
    closed([
        ("client_auth_token", text("^tkn_[0-9a-f]{32}$")),
        ("client_auth_token_expiry", date()),
    ])
    .description(Some("Only where a token was asked for, by a key that may both read and write."))
}

fn list() -> ObjectBuilder {
    let number = |range: std::ops::RangeInclusive<u32>| {
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        number.minimum(Some(*range.start())).maximum(Some(*range.end()))
    };
    let total = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    let customers = ArrayBuilder::new()
        .items(Ref::from_schema_name("Customer"))
        .max_items(usize::try_from(*COUNT.end()).ok());
    let properties: [(&str, RefOr<Schema>); 4] = [
        ("count", number(COUNT).description(Some("As asked for.")).into()),
        ("offset", number(OFFSET).description(Some("As asked for.")).into()),
        ("total", total.description(Some("How many customers there are.")).into()),
        ("list", customers.into()),
    ];
    closed(properties)
}

/// Everything that an endpoint answers.
pub(super) fn responses(endpoint: Endpoint) -> Responses {
    let refused = refusals::responses(endpoint);
    ResponsesBuilder::new().response("200", success(endpoint)).responses_from_iter(refused).build()
}

fn success(endpoint: Endpoint) -> ResponseBuilder {
    let (about, schema, example) = match endpoint {
        Endpoint::ListCustomers => ("A part of the list.", "CustomerList", example_list()),
        Endpoint::CreateCustomer | Endpoint::EnsureCustomer | Endpoint::EnsureNamedCustomer => {
            ("The customer.", "Customer", example_customer(ApiVersion::Default, true))
        }
        Endpoint::FindCustomer | Endpoint::UpdateCustomer => {
            ("The customer.", "Customer", example_customer(ApiVersion::Default, false))
        }
    };
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema)));
    let response = ResponseBuilder::new()
        .description(about)
        .content("application/json", content.example(Some(example)).build());
    let response = common_headers(response, Named::Always);
    if endpoint == Endpoint::ListCustomers {
        return response;
    }
    let version = "The customer's version, which grows by one with every change.";
    let tag = text("^\"[1-9][0-9]*\"$");
    response
        .header("etag", header(Required::True, tag, version))
        .link("find", by_id(Endpoint::FindCustomer))
        .link("update", by_id(Endpoint::UpdateCustomer))
}

/// Where the customer that was answered is found.
fn by_id(endpoint: Endpoint) -> Link {
    let link = LinkBuilder::new().operation_id(operation_id(endpoint));
    link.parameter("id", "$response.body#/id").build()
}

/// The headers that every answer has, and the one that names the merchant.
pub(super) fn common_headers(response: ResponseBuilder, named: Named) -> ResponseBuilder {
    let id = || Ref::from_schema_name("RequestId");
    let always = |value: ObjectBuilder, about: &str| header(Required::True, value, about);
    let echo: Header = header(Required::True, id(), "The request's id.");
    let response = response
        .header(X_REQUEST_ID.as_str(), echo)
        .header(X_RESPONSE_ID.as_str(), header(Required::True, id(), "The request's id again."))
        .header("cache-control", always(one_of(["no-store"]), "Nobody keeps an answer."));
    let merchant = |required| header(required, any_text(), "The merchant's id.");
    match named {
        Named::Always => response.header(X_JP_MERCHANT_ID.as_str(), merchant(Required::True)),
        Named::Perhaps => response.header(X_JP_MERCHANT_ID.as_str(), merchant(Required::False)),
        Named::Never => response,
    }
}
