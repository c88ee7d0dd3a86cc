//! What a value may be, in words and tables.

use serde_json::Value;

use crate::document::{Document, at, list, members, text};
use crate::html::Html;

/// How deep objects within objects are shown.
const DEPTH_MAX: usize = 4;

/// What the value may be, in one line: its type and its limits. A named schema is a link.
pub(crate) fn line(html: &mut Html, schema: &Value) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        html.text("a", &[("href", &format!("#schema-{name}"))], name);
        return;
    }
    for (key, joint) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if schema.get(key).is_some() {
            for (at, each) in list(at(schema, key)).enumerate() {
                html.words(if at == 0 { "" } else { joint });
                line(html, each);
            }
            return;
        }
    }
    html.words(&types(schema));
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        html.words(" of ");
        line(html, items);
    }
    for limit in limits(schema) {
        html.words(", ");
        html.line(&limit);
    }
}

/// The types of a value.
fn types(schema: &Value) -> String {
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(only)) => vec![only],
        Some(several @ Value::Array(_)) => list(several).filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    match names.as_slice() {
        [] => "anything".to_owned(),
        ["object"] if schema.get("properties").is_none() => "object of anything".to_owned(),
        names => names.join(" or "),
    }
}

/// The limits of a value, each in a few words.
fn limits(schema: &Value) -> Vec<String> {
    let number = |key: &str| schema.get(key).filter(|value| value.is_number());
    let span = |least: &str, most: &str, of: &str| match (number(least), number(most)) {
        (Some(least), Some(most)) if least == most => Some(format!("{least}{of}")),
        (Some(least), Some(most)) => Some(format!("{least} to {most}{of}")),
        (Some(least), None) => Some(format!("at least {least}{of}")),
        (None, Some(most)) => Some(format!("at most {most}{of}")),
        (None, None) => None,
    };
    let allowed = list(at(schema, "enum")).map(|value| format!("`{value}`")).collect::<Vec<_>>();
    let one_of = match allowed.as_slice() {
        [] => None,
        [only] => Some(format!("always {only}")),
        several => Some(format!("one of {}", several.join(", "))),
    };
    let format = Some(text(schema, "format")).filter(|format| !format.is_empty());
    let pattern = Some(text(schema, "pattern")).filter(|pattern| !pattern.is_empty());
    let default = schema.get("default").map(|default| format!("otherwise `{default}`"));
    [
        one_of,
        format.map(|format| format!("format {format}")),
        span("minimum", "maximum", ""),
        span("minLength", "maxLength", " characters"),
        span("minItems", "maxItems", " items"),
        span("minProperties", "maxProperties", " members"),
        default,
        // Whoever needs it copies it, so it comes in one piece, whatever characters are in it.
        pattern.map(|pattern| format!("like {}", code(pattern))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Between backticks, unless there are some inside.
fn code(text: &str) -> String {
    if text.contains('`') { text.to_owned() } else { format!("`{text}`") }
}

/// An object's properties as a table: what is required first, and in the document's order.
pub(crate) fn table(html: &mut Html, document: &Document, schema: &Value) {
    let schema = document.resolve(schema);
    html.element("div", &[("class", "table")], |html| {
        html.element("table", &[], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for title in ["Key", "Value", ""] {
                        html.text("th", &[("scope", "col")], title);
                    }
                });
            });
            html.element("tbody", &[], |html| rows(html, schema, "", 0));
        });
    });
}

fn rows(html: &mut Html, schema: &Value, within: &str, depth: usize) {
    let required: Vec<&str> = list(at(schema, "required")).filter_map(Value::as_str).collect();
    let place = |name: &str| required.iter().position(|one| *one == name).unwrap_or(usize::MAX);
    let mut properties: Vec<_> = members(at(schema, "properties")).collect();
    properties.sort_by_key(|(name, _)| place(name));
    for (name, property) in properties {
        let full = if within.is_empty() { name.to_owned() } else { format!("{within}.{name}") };
        html.element("tr", &[], |html| {
            html.element("th", &[("scope", "row")], |html| {
                html.text("code", &[], &full);
                if required.contains(&name) {
                    html.words(" ");
                    html.text("span", &[("class", "mark")], "always");
                }
            });
            html.element("td", &[], |html| line(html, property));
            html.element("td", &[], |html| html.line(text(property, "description")));
        });
        let inner = inner_object(property);
        if inner.get("properties").is_some() && depth < DEPTH_MAX {
            rows(html, inner, &full, depth.saturating_add(1));
        }
    }
}

/// The object whose properties are worth rows of their own: the property itself, or the items of a list. Named
/// schemas have a table elsewhere.
fn inner_object(property: &Value) -> &Value {
    property.get("items").filter(|items| items.get("properties").is_some()).unwrap_or(property)
}

/// A JSON value as people read it.
pub(crate) fn example(html: &mut Html, value: &Value) {
    html.element("pre", &[], |html| html.text("code", &[], &format!("{value:#}")));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, expect: &str) {
        let page = Html::document(|html| line(html, schema));
        let inside = page.split_once("<html lang=\"en\">").unwrap().1;
        assert_eq!(inside.split_once("</html>").unwrap().0, expect, "{schema}");
    }

    #[test]
    fn values_are_described_in_a_line() {
        check(&json!({}), "anything");
        check(&json!({"type": "string"}), "string");
        check(
            &json!({"type": ["string", "null"], "maxLength": 3}),
            "string or null, at most 3 characters",
        );
        check(
            &json!({"type": "string", "minLength": 1, "maxLength": 3}),
            "string, 1 to 3 characters",
        );
        check(
            &json!({"type": "integer", "minimum": 0, "default": 10}),
            "integer, at least 0, otherwise <code>10</code>",
        );
        check(
            &json!({"type": "string", "enum": ["a"]}),
            "string, always <code>&quot;a&quot;</code>",
        );
        check(
            &json!({"type": "array", "items": {"$ref": "#/components/schemas/A"}, "maxItems": 2}),
            "array of <a href=\"#schema-A\">A</a>, at most 2 items",
        );
        check(&json!({"oneOf": [{"type": "null"}, {"type": "string"}]}), "null or string");
        check(&json!({"type": "string", "pattern": "^[`<]$"}), "string, like ^[`&lt;]$");
    }
}
