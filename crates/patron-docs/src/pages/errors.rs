//! The errors of a wire: each that some operation can answer, once.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::document::{Document, at, members, text};
use crate::html::Html;
use crate::shapes;

/// An error as it is shown: what it is called, when it is answered, and its body.
struct Error<'a> {
    about: &'a str,
    body: Option<&'a Value>,
}

/// Whether a status is that of an error.
pub(super) fn is_error(status: &str) -> bool {
    status.starts_with(['4', '5'])
}

/// All errors by status and name.
fn all(document: &Document) -> BTreeMap<(&str, &str), Error<'_>> {
    let mut found = BTreeMap::new();
    for operation in document.operations() {
        for (status, response) in members(at(operation.body, "responses")) {
            if !is_error(status) {
                continue;
            }
            let response = document.resolve(response);
            let contents = members(at(response, "content")).map(|(_, content)| content);
            for content in contents {
                let examples = members(at(content, "examples"));
                let mut named = examples.peekable();
                if named.peek().is_none() {
                    let about = text(response, "description");
                    found
                        .entry((status, ""))
                        .or_insert(Error { about, body: content.get("example") });
                }
                for (name, example) in named {
                    let example = document.resolve(example);
                    let error =
                        Error { about: text(example, "summary"), body: example.get("value") };
                    found.entry((status, name)).or_insert(error);
                }
            }
        }
    }
    found
}

/// The section about errors.
pub(super) fn section(html: &mut Html, document: &Document) {
    let errors = all(document);
    if errors.is_empty() {
        return;
    }
    html.text("h2", &[("id", "errors")], "Errors");
    for ((status, name), Error { about, body }) in errors {
        let title = if name.is_empty() { status.to_owned() } else { format!("{status} {name}") };
        html.text("h3", &[("id", &anchor(status, name))], &title);
        html.prose(about);
        if let Some(body) = body {
            shapes::example(html, body);
        }
    }
}

/// Where an error is found on the page.
pub(super) fn anchor(status: &str, name: &str) -> String {
    if name.is_empty() { format!("error-{status}") } else { format!("error-{status}-{name}") }
}
