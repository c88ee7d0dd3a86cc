//! What a request says: which keys, where, and within which limits.

use http::HeaderName;
use http::header::IF_MATCH;
use patron_wire::request_id::X_REQUEST_ID;
use serde_json::{Map, Value, json};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, RefOr, Required};

use super::{has_name, is_conditional, is_write, required, words};
use crate::auth::{MERCHANT_HEADERS, VERSION};
use crate::fields::FieldName;
use crate::route::Endpoint;
use crate::rules::{
    COUNT, COUNT_DEFAULT, COUNTRY_CODE_LENGTH_MAX, EMAIL_EDGES, EMAIL_LENGTH_MAX, EMAIL_MARKS,
    MOBILE_NUMBER_LENGTH_MAX, NAME_LENGTH_MAX, NAME_MARKS, OFFSET, OFFSET_DEFAULT,
    REFERENCE_LENGTH_MAX,
};

/// The two forms of a body.
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Where an endpoint reads a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It does not.
    Nowhere,
    Query,
    Body,
    /// In the body, which cannot do without it.
    NeededInBody,
}

const fn place(field: FieldName, endpoint: Endpoint) -> Place {
    match field {
        FieldName::ObjectReferenceId => match endpoint {
            Endpoint::CreateCustomer | Endpoint::EnsureCustomer => Place::NeededInBody,
            Endpoint::ListCustomers
            | Endpoint::FindCustomer
            | Endpoint::UpdateCustomer
            | Endpoint::EnsureNamedCustomer => Place::Nowhere,
        },
        FieldName::MobileNumber => match endpoint {
            Endpoint::CreateCustomer => Place::NeededInBody,
            Endpoint::UpdateCustomer | Endpoint::EnsureCustomer | Endpoint::EnsureNamedCustomer => {
                Place::Body
            }
            Endpoint::ListCustomers | Endpoint::FindCustomer => Place::Nowhere,
        },
        FieldName::EmailAddress
        | FieldName::FirstName
        | FieldName::LastName
        | FieldName::MobileCountryCode => {
            if is_write(endpoint) {
                Place::Body
            } else {
                Place::Nowhere
            }
        }
        FieldName::GetClientAuthToken => match endpoint {
            Endpoint::CreateCustomer | Endpoint::EnsureCustomer | Endpoint::EnsureNamedCustomer => {
                Place::Body
            }
            Endpoint::FindCustomer => Place::Query,
            Endpoint::ListCustomers | Endpoint::UpdateCustomer => Place::Nowhere,
        },
        FieldName::Update => match endpoint {
            Endpoint::EnsureCustomer | Endpoint::EnsureNamedCustomer => Place::Body,
            Endpoint::CreateCustomer
            | Endpoint::ListCustomers
            | Endpoint::FindCustomer
            | Endpoint::UpdateCustomer => Place::Nowhere,
        },
        FieldName::Count | FieldName::Offset => match endpoint {
            Endpoint::ListCustomers => Place::Query,
            Endpoint::CreateCustomer
            | Endpoint::FindCustomer
            | Endpoint::UpdateCustomer
            | Endpoint::EnsureCustomer
            | Endpoint::EnsureNamedCustomer => Place::Nowhere,
        },
    }
}

/// The keys that an endpoint reads, in the vendor's order.
pub(super) fn read_by(endpoint: Endpoint) -> impl Iterator<Item = FieldName> {
    FieldName::ALL.into_iter().filter(move |field| place(*field, endpoint) != Place::Nowhere)
}

/// In which form a value arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// As text: in a form or a query.
    AsText,
    /// As JSON, where `null` is not sent and an integer stands for its digits.
    AsJson,
}

/// What is said in the path and in the query.
pub(super) fn parameters(endpoint: Endpoint) -> Vec<Parameter> {
    let name = has_name(endpoint).then(|| name(endpoint));
    let in_query = read_by(endpoint).filter(|field| place(*field, endpoint) == Place::Query);
    let in_query = in_query.map(|field| {
        let value = value(field, Said::AsText, Required::False);
        parameter(ParameterIn::Query, field.text(), about(field), value)
    });
    name.into_iter().chain(in_query).collect()
}

/// The names under which the headers stand that a request may have.
const IF_MATCH_HEADER: &str = "IfMatch";
const MERCHANT_HEADER: &str = "Merchant";
const VERSION_HEADER: &str = "Version";
const REQUEST_ID_HEADER: &str = "RequestId";

/// The headers, by these names. None of them is judged by its form.
pub(super) fn named_headers() -> [(&'static str, Parameter); 4] {
    let header = |name: &HeaderName, about: String| {
        let value = ObjectBuilder::new().schema_type(Type::String);
        parameter(ParameterIn::Header, name.as_str(), about, value)
    };
    let [merchant, ..] = &MERCHANT_HEADERS;
    [
        (IF_MATCH_HEADER, header(&IF_MATCH, words::IF_MATCH.to_owned())),
        (MERCHANT_HEADER, header(merchant, words::MERCHANT.to_owned())),
        (VERSION_HEADER, header(&VERSION, words::version())),
        (REQUEST_ID_HEADER, header(&X_REQUEST_ID, words::REQUEST_ID.to_owned())),
    ]
}

/// References to the headers that an endpoint looks at.
pub(super) fn headers(endpoint: Endpoint) -> impl Iterator<Item = Ref> {
    let if_match = is_conditional(endpoint).then_some(IF_MATCH_HEADER);
    let names = if_match.into_iter().chain([MERCHANT_HEADER, VERSION_HEADER, REQUEST_ID_HEADER]);
    names.map(|name| Ref::new(format!("#/components/parameters/{name}")))
}

fn parameter(place: ParameterIn, name: &str, about: String, value: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(value))
        .build()
}

/// The name in the path. Only the reference of a new customer is judged; any other is found or not.
fn name(endpoint: Endpoint) -> Parameter {
    let value = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    if endpoint == Endpoint::EnsureNamedCustomer {
        let field = FieldName::ObjectReferenceId;
        let value = value.max_length(Some(REFERENCE_LENGTH_MAX));
        return parameter(ParameterIn::Path, field.text(), about(field), value);
    }
    let about = "The customer's `id`, or the merchant's reference of it. Characters that have a \
                 meaning in paths arrive encoded.";
    parameter(ParameterIn::Path, "id", about.to_owned(), value)
}

/// The body, as a form and as JSON.
pub(super) fn body(endpoint: Endpoint) -> Option<RequestBody> {
    if !is_write(endpoint) {
        return None;
    }
    let content = |said| {
        let content = ContentBuilder::new().schema(Some(keys(endpoint, said)));
        content.example(Some(example(endpoint))).build()
    };
    let has_needed = |field| place(field, endpoint) == Place::NeededInBody;
    let is_needed = read_by(endpoint).any(has_needed);
    let body = RequestBodyBuilder::new().required(Some(required(is_needed)));
    Some(body.content(FORM, content(Said::AsText)).content(JSON, content(Said::AsJson)).build())
}

fn keys(endpoint: Endpoint, said: Said) -> ObjectBuilder {
    let start = ObjectBuilder::new().schema_type(Type::Object);
    read_by(endpoint).fold(start, |object, field| {
        let is_needed = required(place(field, endpoint) == Place::NeededInBody);
        let name = field.text();
        let schema = value(field, said, is_needed.clone()).description(Some(about(field)));
        let object = object.property(name, schema);
        if is_needed == Required::True { object.required(name) } else { object }
    })
}

/// What a key may be.
fn value(field: FieldName, said: Said, is_needed: Required) -> ObjectBuilder {
    let integer = (said == Said::AsJson).then_some(Type::Integer);
    let null = (said == Said::AsJson && is_needed == Required::False).then_some(Type::Null);
    let text = |other: [Option<Type>; 2]| {
        let types = [Some(Type::String)].into_iter().chain(other).flatten().collect::<Vec<_>>();
        ObjectBuilder::new().schema_type(match types.as_slice() {
            [only] => SchemaType::Type(only.clone()),
            several => SchemaType::from_iter(several.iter().cloned()),
        })
    };
    match field {
        FieldName::ObjectReferenceId => {
            let lengths = text([integer, null]).min_length(Some(1));
            lengths.max_length(Some(REFERENCE_LENGTH_MAX))
        }
        FieldName::MobileNumber => {
            let digits = text([integer, null]).pattern(Some(r"^\+?[0-9]+$")).minimum(natural(said));
            digits.max_length(Some(MOBILE_NUMBER_LENGTH_MAX))
        }
        FieldName::EmailAddress => {
            text([null, None]).pattern(Some(email_pattern())).max_length(Some(EMAIL_LENGTH_MAX))
        }
        FieldName::FirstName | FieldName::LastName => {
            let pattern = format!("^[{}]*$", class(NAME_MARKS, &[]));
            text([integer, null]).pattern(Some(pattern)).max_length(Some(NAME_LENGTH_MAX))
        }
        FieldName::MobileCountryCode => {
            let pattern = format!(r"^(?:\+?[0-9]{{1,{COUNTRY_CODE_LENGTH_MAX}}})?$");
            text([integer, null]).pattern(Some(pattern)).minimum(natural(said))
        }
        // Whatever else is said means no.
        FieldName::GetClientAuthToken | FieldName::Update => match said {
            Said::AsText => text([None, None]),
            Said::AsJson => ObjectBuilder::new().schema_type(SchemaType::AnyValue),
        },
        FieldName::Count => number(COUNT, COUNT_DEFAULT),
        FieldName::Offset => number(OFFSET, OFFSET_DEFAULT),
    }
}

/// A number has digits only, hence no sign.
fn natural(said: Said) -> Option<u32> {
    match said {
        Said::AsText => None,
        Said::AsJson => Some(0),
    }
}

fn number(range: std::ops::RangeInclusive<u32>, default: u32) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(*range.start()))
        .maximum(Some(*range.end()))
        .default(Some(default.into()))
}

/// Letters, digits and these marks but for some, as they stand between brackets in a pattern.
fn class(marks: &str, without: &[char]) -> String {
    let marks = marks.chars().filter(|mark| !without.contains(mark));
    // A hyphen stands for itself only at the end.
    let (hyphens, others): (String, String) = marks.partition(|mark| *mark == '-');
    format!("A-Za-z0-9{others}{hyphens}")
}

/// Empty, or something on both sides of one `@`, whose left side has no mark of [`EMAIL_EDGES`] at its ends.
fn email_pattern() -> String {
    let edge = class(EMAIL_MARKS, &EMAIL_EDGES);
    let any = class(EMAIL_MARKS, &[]);
    format!("^(?:[{edge}](?:[{any}]*[{edge}])?@[{any}]+)?$")
}

fn about(field: FieldName) -> String {
    match field {
        FieldName::ObjectReferenceId => format!(
            "The merchant's own reference of the customer, unique among its customers: 1 to \
             {REFERENCE_LENGTH_MAX} characters, compared exactly."
        ),
        FieldName::MobileNumber => format!(
            "The mobile number: digits with an optional leading `+`, at most \
             {MOBILE_NUMBER_LENGTH_MAX} characters. It cannot be cleared."
        ),
        FieldName::EmailAddress => format!(
            "The email address, at most {EMAIL_LENGTH_MAX} characters: letters, digits and \
             {EMAIL_MARKS} around one @. Neither _ nor . may begin or end what stands in front of it. \
             Empty clears it."
        ),
        FieldName::FirstName => words::name("first"),
        FieldName::LastName => words::name("last"),
        FieldName::MobileCountryCode => format!(
            "The country code of the mobile number: at most {COUNTRY_CODE_LENGTH_MAX} digits. A leading \
             `+` is dropped. Empty clears it. A new customer for whom none was sent gets the \
             merchant's."
        ),
        FieldName::GetClientAuthToken => "Whether the answer is to carry a client auth token: `true`, \
             `True` or `1`; anything else is no. This is one key with a dot in it; JSON may also nest \
             it in an object `options`."
            .to_owned(),
        FieldName::Update => "Whether a customer that is there is updated with the other fields: \
             `true`, `True` or `1`; anything else is no."
            .to_owned(),
        FieldName::Count => "How many customers to list.".to_owned(),
        FieldName::Offset => "How many of the newest customers to pass over.".to_owned(),
    }
}

/// The vendor's own sample.
fn example(endpoint: Endpoint) -> Value {
    let sample = |field| match field {
        FieldName::ObjectReferenceId | FieldName::EmailAddress => Some(json!("customer@gmail.com")),
        FieldName::MobileNumber => Some(json!("99887766")),
        FieldName::FirstName => Some(json!("Jon")),
        FieldName::LastName => Some(json!("Snow")),
        FieldName::MobileCountryCode => Some(json!("65")),
        FieldName::GetClientAuthToken => Some(json!("true")),
        FieldName::Update | FieldName::Count | FieldName::Offset => None,
    };
    let members =
        read_by(endpoint).filter_map(|field| Some((field.text().to_owned(), sample(field)?)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// The names of the keys that can be wrong or missing, as errors name them.
pub(super) fn names(fields: impl Iterator<Item = FieldName>) -> RefOr<Schema> {
    patron_wire::openapi::one_of(fields.map(FieldName::text)).into()
}
