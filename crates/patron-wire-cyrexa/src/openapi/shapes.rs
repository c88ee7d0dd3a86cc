//! The shapes that schemas are made of.

use patron::ids::CustomerNumber;
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, ArrayItems, KnownFormat, Object,
    ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};

/// A schema that is being made, of one type.
pub(super) fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind))
}

/// A schema that is being made, of one type or `null`.
pub(super) fn maybe(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![kind, Type::Null]))
}

/// Any text.
pub(super) fn text() -> Schema {
    of(Type::String).build().into()
}

/// Anything at all: what is passed over may be of any type.
pub(super) fn anything() -> Schema {
    Object::with_type(SchemaType::AnyValue).into()
}

/// A moment.
pub(super) fn moment() -> Schema {
    of(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build().into()
}

/// A customer's number.
pub(super) fn number() -> Schema {
    of(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(1_u64))
        .maximum(Some(CustomerNumber::END.saturating_sub(1)))
        .build()
        .into()
}

/// A whole number within bounds, and the one that is meant when none is said.
pub(super) fn within(least: u32, most: u32, default: u32) -> Schema {
    of(Type::Integer)
        .minimum(Some(least))
        .maximum(Some(most))
        .default(Some(Value::from(default)))
        .build()
        .into()
}

/// An object with these properties, none of them required, and any others.
pub(super) fn object<const N: usize>(properties: [(&str, RefOr<Schema>); N]) -> ObjectBuilder {
    let add = |object: ObjectBuilder, (name, schema): (&str, RefOr<Schema>)| {
        object.property(name, schema)
    };
    properties.into_iter().fold(of(Type::Object), add)
}

/// The object with all its properties required and no others.
pub(super) fn all_required(object: ObjectBuilder) -> Schema {
    let object = object.build();
    let names: Vec<String> = object.properties.keys().cloned().collect();
    let closed = ObjectBuilder::from(object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    names.into_iter().fold(closed, ObjectBuilder::required).build().into()
}

/// The object with no other properties.
pub(super) fn closed(object: ObjectBuilder) -> Schema {
    object.additional_properties(Some(AdditionalProperties::FreeForm(false))).build().into()
}

/// A list of at most so many.
pub(super) fn list(of: Schema, most: Option<usize>) -> ArrayBuilder {
    ArrayBuilder::new().items(ArrayItems::RefOrSchema(Box::new(of.into()))).max_items(most)
}

/// The schema, or `null`.
pub(super) fn or_null(schema: Schema) -> Schema {
    let null = of(Type::Null).build();
    AnyOfBuilder::new().item(schema).item(null).build().into()
}
