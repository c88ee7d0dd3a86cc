//! What the wires' OpenAPI documents share: closed objects, exact words, headers that are always there.

use serde_json::{Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ArrayItems, Object, ObjectBuilder, OneOfBuilder, Schema,
    SchemaType, Type,
};
use utoipa::openapi::{OpenApi, RefOr, Required};

/// Where a document keeps the types of problems that have a page.
pub const PROBLEM_TYPES: &str = "x-problem-types";

/// A type of problem (RFC 9457): what there is to know about it beside one answer.
#[derive(Debug, Clone, Copy)]
pub struct ProblemType {
    /// The last part of its address, below `/docs/errors/`.
    pub name: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// The status of answers that have it.
    pub status: u16,
    /// When it is answered, and what to do about it.
    pub about: &'static str,
}

/// The document with its wire's types of problems.
#[must_use]
pub fn with_problem_types(
    mut document: OpenApi,
    types: impl IntoIterator<Item = ProblemType>,
) -> OpenApi {
    let types = types.into_iter().map(|ProblemType { name, title, status, about }| {
        json!({"name": name, "title": title, "status": status, "about": about})
    });
    let types = (PROBLEM_TYPES, types.collect::<Value>());
    document.extensions.get_or_insert_default().merge(Extensions::from_iter([types]));
    document
}

/// A text of this pattern, which is anchored at both ends.
pub fn text(pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern))
}

/// Any text, or `null`.
pub fn text_or_null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]))
}

/// One of these texts.
pub fn one_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(texts))
}

/// An object with exactly these properties, all of which are there.
pub fn closed<N: Into<String>, S: Into<RefOr<Schema>>>(
    properties: impl IntoIterator<Item = (N, S)>,
) -> ObjectBuilder {
    let start = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    properties.into_iter().fold(start, |object, (name, schema)| {
        let name = name.into();
        object.property(name.clone(), schema).required(name)
    })
}

/// The schema that only answers like this one meet: its words are constant, its objects closed. A key for which
/// `varying` has a schema may have other values.
pub fn like(sample: &Value, varying: &dyn Fn(&str) -> Option<RefOr<Schema>>) -> RefOr<Schema> {
    match sample {
        Value::Object(members) => {
            let properties = members.iter().map(|(name, value)| {
                (name.as_str(), varying(name).unwrap_or_else(|| like(value, varying)))
            });
            closed(properties).into()
        }
        Value::Array(items) => {
            let each = items.iter().map(|item| like(item, varying));
            let each = match items.as_slice() {
                [] => ArrayItems::False,
                [_, ..] => each.fold(OneOfBuilder::new(), OneOfBuilder::item).into(),
            };
            let length = Some(items.len());
            ArrayBuilder::new().items(each).min_items(length).max_items(length).into()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let mut only = Object::with_type(type_of(sample));
            only.enum_values = Some(vec![sample.clone()]);
            Schema::Object(only).into()
        }
    }
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Boolean,
        Value::Number(_) => Type::Number,
        Value::String(_) => Type::String,
        Value::Array(_) => Type::Array,
        Value::Object(_) => Type::Object,
    }
}

/// A header of an answer: whether it is always there, its value, and what it says.
pub fn header(required: Required, value: impl Into<RefOr<Schema>>, about: &str) -> Header {
    let header = HeaderBuilder::new().schema(Some(value)).description(Some(about));
    match required {
        // The library has no field for it, and passes on whatever stands among the extensions.
        Required::True => header.extensions(Some(Extensions::from_iter([("required", true)]))),
        Required::False => header,
    }
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_described_to_the_word() {
        let varying = |name: &str| (name == "id").then(|| text("^[0-9]+$").into());
        let schema = like(&json!({"id": "17", "words": "no", "list": []}), &varying);
        assert_eq!(
            serde_json::to_value(schema).unwrap(),
            json!({
                "type": "object",
                "required": ["id", "list", "words"],
                "additionalProperties": false,
                "properties": {
                    "id": {"type": "string", "pattern": "^[0-9]+$"},
                    "list": {"type": "array", "items": false, "minItems": 0, "maxItems": 0},
                    "words": {"type": "string", "enum": ["no"]},
                },
            })
        );
    }

    #[test]
    fn a_header_can_be_said_to_be_always_there() {
        let schema = json!({"type": "string", "enum": ["Basic"]});
        let shown = |required| serde_json::to_value(header(required, one_of(["Basic"]), "How."));
        assert_eq!(
            shown(Required::True).unwrap(),
            json!({"description": "How.", "required": true, "schema": schema})
        );
        assert_eq!(
            shown(Required::False).unwrap(),
            json!({"description": "How.", "schema": schema})
        );
    }
}
