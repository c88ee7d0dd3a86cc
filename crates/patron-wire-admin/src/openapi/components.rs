//! The types of the document, and how to be let in.

use std::collections::{BTreeMap, BTreeSet};

use patron_wire::Setting;
use utoipa::ToSchema;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ComponentsBuilder, Object, RefOr, Type};

use crate::access_log::AccessLogBody;
use crate::allow_lists::{AllowListBody, TrialBody, TrialResult};
use crate::customers::{CustomerList, NewPaymentFactsBody};
use crate::erasures::ErasureBody;
use crate::errors::Problem;
use crate::exports::ExportBody;
use crate::history::HistoryBody;
use crate::keys::{IssuedKeyBody, KeyList, NewKeyBody, RollBody};
use crate::merchants::{MerchantEditBody, MerchantList, NewMerchantBody};
use crate::operators::{NewOperatorBody, OperatorEditBody, OperatorList};
use crate::schemas;
use crate::sessions::{CallerBody, LoginBody, SessionBody};
use crate::tokens::{AnswerBody, QuestionBody};

/// By what a caller may be known, each on its own.
pub(super) const CREDENTIALS: [&str; 3] = ["bearer", "apiKey", "basic"];

type Schemas = BTreeMap<String, RefOr<Schema>>;

pub(super) fn components(
    settings: &[Setting],
    refusals: BTreeMap<String, ResponseBuilder>,
) -> Components {
    let mut bodies = bodies();
    bodies.values_mut().for_each(close);
    let mut answers = answers();
    answers.values_mut().for_each(complete);
    // What is read and answered alike is both.
    let both: BTreeSet<String> =
        bodies.keys().filter(|name| answers.contains_key(*name)).cloned().collect();
    for (name, schema) in &mut answers {
        if both.contains(name) {
            close(schema);
        }
    }
    let mut all = bodies;
    all.extend(answers);
    all.insert("WiresSettings".to_owned(), schemas::of_settings(settings));
    all.insert("Metadata".to_owned(), metadata());
    add::<AnswerBody<'_>>(&mut all);
    let components = ComponentsBuilder::new().schemas_from_iter(all).responses_from_iter(refusals);
    let schemes = CREDENTIALS.into_iter().zip([bearer(), api_key(), basic()]);
    schemes.fold(components, |all, (name, scheme)| all.security_scheme(name, scheme)).build()
}

fn add<T: ToSchema>(schemas: &mut Schemas) {
    let mut found = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut found);
    schemas.extend(found);
}

fn bodies() -> Schemas {
    let mut schemas = Schemas::new();
    add::<LoginBody>(&mut schemas);
    add::<NewMerchantBody>(&mut schemas);
    add::<MerchantEditBody>(&mut schemas);
    add::<NewKeyBody>(&mut schemas);
    add::<RollBody>(&mut schemas);
    add::<AllowListBody>(&mut schemas);
    add::<TrialBody>(&mut schemas);
    add::<NewOperatorBody>(&mut schemas);
    add::<OperatorEditBody>(&mut schemas);
    add::<NewPaymentFactsBody>(&mut schemas);
    add::<QuestionBody>(&mut schemas);
    schemas
}

fn answers() -> Schemas {
    let mut schemas = Schemas::new();
    add::<Problem<'_>>(&mut schemas);
    add::<SessionBody<'_>>(&mut schemas);
    add::<CallerBody<'_>>(&mut schemas);
    add::<MerchantList<'_>>(&mut schemas);
    add::<KeyList<'_>>(&mut schemas);
    add::<IssuedKeyBody<'_>>(&mut schemas);
    add::<AllowListBody>(&mut schemas);
    add::<TrialResult>(&mut schemas);
    add::<OperatorList<'_>>(&mut schemas);
    add::<CustomerList<'_>>(&mut schemas);
    add::<ErasureBody<'_>>(&mut schemas);
    add::<HistoryBody>(&mut schemas);
    add::<ExportBody<'_>>(&mut schemas);
    add::<AccessLogBody>(&mut schemas);
    schemas
}

/// Nothing but what is named is taken.
fn close(schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(object)) = schema
        && is_object(object)
    {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    }
}

/// Every key of an answer is always there.
fn complete(schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(object)) = schema
        && is_object(object)
    {
        object.required = object.properties.keys().cloned().collect();
    }
}

fn is_object(object: &Object) -> bool {
    object.schema_type == SchemaType::Type(Type::Object) && !object.properties.is_empty()
}

fn metadata() -> RefOr<Schema> {
    let text = |length_min, length_max| {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .min_length(length_min)
            .max_length(Some(length_max))
    };
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Object))
        .description(Some("The merchant's own keys and values. None at all unsets them."))
        .max_properties(Some(patron::profile::limits::METADATA_KEYS_MAX))
        .property_names(Some(text(Some(1), patron::profile::limits::METADATA_KEY_LENGTH_MAX)))
        .additional_properties(Some(text(None, patron::profile::limits::METADATA_VALUE_LENGTH_MAX)))
        .into()
}

fn bearer() -> SecurityScheme {
    let about = "A session's token from signing in, or an API key.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about));
    SecurityScheme::Http(scheme.build())
}

fn api_key() -> SecurityScheme {
    let about = "An API key.";
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("X-API-Key", about)))
}

fn basic() -> SecurityScheme {
    let about = "An API key as the name of the user, with an empty password.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some(about));
    SecurityScheme::Http(scheme.build())
}
