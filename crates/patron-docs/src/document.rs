//! An OpenAPI document, as it is served and as pages read it.

use patron_wire::openapi::PROBLEM_TYPES;
use serde_json::{Map, Value};
use utoipa::openapi::OpenApi;

/// The longest chain of references that is followed.
const REFERENCES_MAX: usize = 8;

/// A wire's document.
#[derive(Debug)]
pub(crate) struct Document {
    /// The wire's name.
    pub(crate) name: &'static str,
    json: Value,
}

/// An operation of a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation<'a> {
    pub(crate) path: &'a str,
    pub(crate) method: &'a str,
    pub(crate) body: &'a Value,
}

/// The methods of OpenAPI 3.1, in the order in which people expect them.
const METHODS: [&str; 8] = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];

impl Document {
    pub(crate) fn new(name: &'static str, document: &OpenApi) -> Self {
        // Texts, numbers and lists only: serialising them cannot fail. The detour by a value sorts all keys, some
        // of which the library holds in no order.
        Self { name, json: serde_json::to_value(document).unwrap_or_default() }
    }

    /// The document as it is served, and as it stands in the repository.
    pub(crate) fn to_text(&self) -> String {
        format!("{:#}\n", self.json)
    }

    /// What the document is called.
    pub(crate) fn title(&self) -> &str {
        text(at(&self.json, "info"), "title")
    }

    /// The version of what it describes.
    pub(crate) fn version(&self) -> &str {
        text(at(&self.json, "info"), "version")
    }

    /// What it is about.
    pub(crate) fn description(&self) -> &str {
        text(at(&self.json, "info"), "description")
    }

    /// What a reference leads to; anything else is itself.
    pub(crate) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let mut found = value;
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = found.get("$ref").and_then(Value::as_str) else { break };
            let pointer = reference.trim_start_matches('#');
            found = self.json.pointer(pointer).unwrap_or(&Value::Null);
        }
        found
    }

    /// All operations, by path.
    pub(crate) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        members(at(&self.json, "paths")).flat_map(|(path, item)| {
            let methods = METHODS.into_iter();
            methods.filter_map(move |method| {
                item.get(method).map(|body| Operation { path, method, body })
            })
        })
    }

    /// The groups of operations, each with what it is about, in the document's order. What has no group comes
    /// last, in one without a name.
    pub(crate) fn groups(&self) -> Vec<(&str, &str, Vec<Operation<'_>>)> {
        let tags =
            list(at(&self.json, "tags")).map(|tag| (text(tag, "name"), text(tag, "description")));
        let groups = tags.chain([("", "")]).map(|(name, about)| {
            let operations = self.operations().filter(|operation| operation.group() == name);
            (name, about, operations.collect::<Vec<_>>())
        });
        groups.filter(|(_, _, operations)| !operations.is_empty()).collect()
    }

    /// The schemas that have names.
    pub(crate) fn schemas(&self) -> impl Iterator<Item = (&str, &Value)> {
        members(at(at(&self.json, "components"), "schemas"))
    }

    /// The ways to show who asks.
    pub(crate) fn security_schemes(&self) -> impl Iterator<Item = (&str, &Value)> {
        members(at(at(&self.json, "components"), "securitySchemes"))
    }

    /// The types of problems that have a page, where the wire has such.
    pub(crate) fn problem_types(&self) -> impl Iterator<Item = &Value> {
        list(at(&self.json, PROBLEM_TYPES))
    }
}

impl<'a> Operation<'a> {
    /// The name by which links find it.
    pub(crate) fn id(&self) -> &'a str {
        text(self.body, "operationId")
    }

    pub(crate) fn group(&self) -> &'a str {
        list(at(self.body, "tags")).next().and_then(Value::as_str).unwrap_or_default()
    }
}

/// The value under a key; `null` where there is none.
pub(crate) fn at<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or(&Value::Null)
}

/// Whether the value under a key is `true`.
pub(crate) fn is_set(value: &Value, key: &str) -> bool {
    at(value, key) == &Value::Bool(true)
}

/// The text under a key; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a list; none where it is none.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The members of an object; none where it is none.
pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = value.as_object().map(Map::iter).into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_followed_and_do_not_go_round() {
        let json = json!({
            "a": {"$ref": "#/b"},
            "b": {"$ref": "#/c/0"},
            "c": [{"type": "string"}],
            "round": {"$ref": "#/round"},
            "lost": {"$ref": "#/nowhere"},
        });
        let document = Document { name: "test", json: json.clone() };
        assert_eq!(document.resolve(&json["a"]), &json["c"][0]);
        assert_eq!(document.resolve(&json["c"][0]), &json["c"][0]);
        assert_eq!(document.resolve(&json["round"]), &json["round"]);
        assert_eq!(document.resolve(&json["lost"]), &Value::Null);
    }

    #[test]
    fn what_has_no_group_comes_last() {
        let json = json!({
            "tags": [{"name": "B"}, {"name": "empty"}, {"name": "A"}],
            "paths": {
                "/1": {"get": {"tags": ["A"]}, "delete": {}},
                "/2": {"post": {"tags": ["B"]}, "get": {"tags": ["A"]}},
            },
        });
        let document = Document { name: "test", json };
        let groups = document.groups();
        let shown: Vec<_> = groups
            .iter()
            .map(|(name, _, operations)| {
                let operations =
                    operations.iter().map(|one| format!("{} {}", one.method, one.path));
                (*name, operations.collect::<Vec<_>>().join(", "))
            })
            .collect();
        let expect = [("B", "post /2"), ("A", "get /1, get /2"), ("", "delete /1")];
        assert_eq!(shown, expect.map(|(name, all)| (name, all.to_owned())));
    }
}
