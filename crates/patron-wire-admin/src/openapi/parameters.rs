//! What stands in paths, queries and headers, with its limits.

use patron::clerk::{CUSTOMERS_MAX, ENTRIES_MAX};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType};
use utoipa::openapi::{KnownFormat, Ref, RefOr, Required, SchemaFormat, Type};

use crate::openapi::operations;
use crate::route::Endpoint;
use crate::{access_log, customers, history, pages, values};

/// All parameters of an endpoint.
pub(super) fn parameters(endpoint: Endpoint) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = in_path(endpoint.template()).collect();
    parameters.extend(in_query(endpoint));
    if operations::has_precondition(endpoint) {
        let about = "Only if the customer is still at this version, as `ETag` says it.";
        parameters.push(optional(ParameterIn::Header, "If-Match", about, text()));
    }
    parameters
}

fn in_path(template: &'static str) -> impl Iterator<Item = Parameter> {
    let names = template.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let (about, schema): (_, RefOr<Schema>) = match name {
            "merchant" => {
                let id = text().pattern(Some("^[A-Za-z0-9_.-]{1,64}$"));
                ("The merchant's id.", id.into())
            }
            "customer" => {
                let about = "The customer's number, in digits, or its id.";
                (about, text().min_length(Some(1)).into())
            }
            _ => ("The number.", number(1, 9_007_199_254_740_991).into()),
        };
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(about))
            .schema(Some(schema))
            .build()
    })
}

fn in_query(endpoint: Endpoint) -> Vec<Parameter> {
    match endpoint {
        Endpoint::ListMerchants => {
            vec![cursor(text().pattern(Some("^[A-Za-z0-9_.-]{1,64}$"))), limit_of_all()]
        }
        Endpoint::ListKeys | Endpoint::ListOperators | Endpoint::ListDeploymentOperators => {
            vec![cursor(text().pattern(Some("^(0|[1-9][0-9]{0,17})$"))), limit_of_all()]
        }
        Endpoint::SearchCustomers => search(),
        Endpoint::ListHistory => vec![before(), limit(history::LIMIT_DEFAULT, ENTRIES_MAX)],
        Endpoint::ExportCustomer => vec![before(), after()],
        Endpoint::ListAccesses => vec![
            in_query_of(
                "customer",
                "Only looks at the customer with this number.",
                customer_number(),
            ),
            after(),
            limit(access_log::LIMIT_DEFAULT, ENTRIES_MAX),
        ],
        Endpoint::LogIn
        | Endpoint::LogOut
        | Endpoint::FindCaller
        | Endpoint::CreateMerchant
        | Endpoint::FindMerchant
        | Endpoint::UpdateMerchant
        | Endpoint::CreateKey
        | Endpoint::RevokeKey
        | Endpoint::RollKey
        | Endpoint::FindAllowList
        | Endpoint::ReplaceAllowList
        | Endpoint::TryAllowList
        | Endpoint::CreateOperator
        | Endpoint::UpdateOperator
        | Endpoint::CreateDeploymentOperator
        | Endpoint::UpdateDeploymentOperator
        | Endpoint::FindCustomer
        | Endpoint::DeleteCustomer
        | Endpoint::EraseCustomer
        | Endpoint::FindErasure
        | Endpoint::ReplaceMetadata
        | Endpoint::ReplacePaymentFacts
        | Endpoint::IntrospectToken => Vec::new(),
    }
}

fn search() -> Vec<Parameter> {
    let term = || text().min_length(Some(1)).max_length(Some(values::TERM_LENGTH_MAX));
    // Full-width digits are digits too.
    let phone = term().pattern(Some("[0-9\u{ff10}-\u{ff19}]"));
    let moment = || text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    vec![
        in_query_of("email", "The email address.", term()),
        in_query_of("phone", "The phone number, with its country code or without.", phone),
        in_query_of("reference", "The merchant's reference.", term()),
        in_query_of("name", "The full name.", term()),
        in_query_of("id", "The public id, exactly.", term()),
        in_query_of("number", "The number.", customer_number()),
        in_query_of("status", "The status.", Ref::from_schema_name("Status")),
        in_query_of(
            "verification",
            "The verification status.",
            Ref::from_schema_name("Verification"),
        ),
        in_query_of("createdFrom", "Created then or later.", moment()),
        in_query_of("createdBefore", "Created before that.", moment()),
        cursor(text().pattern(Some("^(0|[1-9][0-9]{0,14})\\.[1-9][0-9]{0,14}$"))),
        limit(customers::LIMIT_DEFAULT, CUSTOMERS_MAX),
    ]
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn number(min: i64, max: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(min))
        .maximum(Some(max))
}

fn customer_number() -> Ref {
    Ref::from_schema_name("CustomerNumber")
}

fn optional(
    place: ParameterIn,
    name: &str,
    about: &str,
    schema: impl Into<RefOr<Schema>>,
) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

fn in_query_of(name: &str, about: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    optional(ParameterIn::Query, name, about, schema)
}

fn cursor(schema: ObjectBuilder) -> Parameter {
    in_query_of("cursor", "Go on here: the `next` of another page.", schema)
}

fn before() -> Parameter {
    let about = "Versions below this one: the `next` of another page.";
    in_query_of("before", about, number(1, 999_999_999_999_999_999))
}

fn after() -> Parameter {
    let place = text().pattern(Some("^(0|[1-9][0-9]{0,14})\\.[0-9a-f]{32}$"));
    in_query_of("after", "After this entry: the `next` of another page.", place)
}

fn limit_of_all() -> Parameter {
    limit(pages::LENGTH_MAX, pages::LENGTH_MAX)
}

fn limit(default: u32, max: u32) -> Parameter {
    let schema = number(1, max.into()).default(Some(default.into()));
    in_query_of("limit", "The most entries of the page.", schema)
}
