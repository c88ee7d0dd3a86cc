//! The page of a wire: its operations in their groups, who may ask, errors, and the shapes of values.

use serde_json::Value;

use super::{errors, page as any_page};
use crate::document::{Document, Operation, at, is_set, list, members, text};
use crate::html::Html;
use crate::route::document_path;
use crate::shapes;

/// The whole page.
pub(crate) fn page(document: &Document) -> String {
    any_page(document.title(), false, |html| {
        html.element("p", &[("class", "soft")], |html| {
            html.words(&format!("Version {}. For machines: ", document.version()));
            let path = document_path(document.name);
            html.text("a", &[("href", &path), ("type", "application/json")], &path);
        });
        html.prose(document.description());
        contents(html, document);
        callers(html, document);
        for (name, about, operations) in document.groups() {
            let title = if name.is_empty() { "Operations" } else { name };
            html.text("h2", &[("id", &format!("group-{title}"))], title);
            html.prose(about);
            for operation in operations {
                show(html, document, operation);
            }
        }
        errors::section(html, document);
        named_shapes(html, document);
    })
}

fn contents(html: &mut Html, document: &Document) {
    html.element("nav", &[("aria-label", "On this page")], |html| {
        html.element("ul", &[], |html| {
            let mut item = |href: String, title: &str| {
                html.element("li", &[], |html| html.text("a", &[("href", &href)], title));
            };
            for operation in document.operations() {
                let title = format!("{} {}", operation.method.to_uppercase(), operation.path);
                item(format!("#{}", anchor(&operation)), &title);
            }
            item("#callers".to_owned(), "Who may ask");
            item("#errors".to_owned(), "Errors");
            item("#shapes".to_owned(), "Shapes");
        });
    });
}

fn anchor(operation: &Operation<'_>) -> String {
    match operation.id() {
        "" => format!("{}-{}", operation.method, operation.path),
        id => id.to_owned(),
    }
}

fn callers(html: &mut Html, document: &Document) {
    html.text("h2", &[("id", "callers")], "Who may ask");
    html.element("dl", &[], |html| {
        for (name, scheme) in document.security_schemes() {
            let scheme = document.resolve(scheme);
            html.element("dt", &[], |html| {
                html.text("code", &[("id", &format!("caller-{name}"))], name);
                html.words(&format!(" ({})", place_of(scheme)));
            });
            html.element("dd", &[], |html| html.prose(text(scheme, "description")));
        }
    });
}

/// Where a credential is shown.
fn place_of(scheme: &Value) -> String {
    match (text(scheme, "type"), text(scheme, "in")) {
        ("http", _) => format!("header Authorization, {}", text(scheme, "scheme")),
        ("apiKey", place) => format!("{place} {}", text(scheme, "name")),
        (other, _) => other.to_owned(),
    }
}

fn show(html: &mut Html, document: &Document, operation: Operation<'_>) {
    html.element("section", &[("id", &anchor(&operation))], |html| {
        html.element("h3", &[], |html| {
            html.text("span", &[("class", "method")], &operation.method.to_uppercase());
            html.words(" ");
            html.text("code", &[], operation.path);
        });
        html.prose(text(operation.body, "summary"));
        html.prose(text(operation.body, "description"));
        asked_by(html, operation);
        parameters(html, document, operation);
        body(html, document, operation);
        answers(html, document, operation);
    });
}

fn asked_by(html: &mut Html, operation: Operation<'_>) {
    let ways: Vec<Vec<&str>> = list(at(operation.body, "security"))
        .map(|all| members(all).map(|(name, _)| name).collect())
        .collect();
    html.element("p", &[("class", "soft")], |html| {
        if ways.iter().all(Vec::is_empty) {
            html.words("Anybody may ask.");
            return;
        }
        html.words("Asked with ");
        for (at, way) in ways.iter().enumerate() {
            html.words(if at == 0 { "" } else { " or " });
            for (at, name) in way.iter().enumerate() {
                html.words(if at == 0 { "" } else { " and " });
                html.text("a", &[("href", &format!("#caller-{name}"))], name);
            }
            if way.is_empty() {
                html.words("nothing");
            }
        }
        html.words(".");
    });
}

fn parameters(html: &mut Html, document: &Document, operation: Operation<'_>) {
    let mut parameters = list(at(operation.body, "parameters")).peekable();
    if parameters.peek().is_none() {
        return;
    }
    html.text("h4", &[], "Path, query and headers");
    let rows = parameters.map(|parameter| {
        let parameter = document.resolve(parameter);
        let is_needed = is_set(parameter, "required");
        Row {
            place: text(parameter, "in"),
            name: text(parameter, "name"),
            is_needed,
            of: parameter,
        }
    });
    table(html, rows);
}

/// A value that stands under a name somewhere: a parameter, or a header of an answer.
struct Row<'a> {
    place: &'a str,
    name: &'a str,
    is_needed: bool,
    of: &'a Value,
}

fn table<'a>(html: &mut Html, rows: impl Iterator<Item = Row<'a>>) {
    html.element("div", &[("class", "table")], |html| {
        html.element("table", &[], |html| {
            html.element("tbody", &[], |html| {
                for Row { place, name, is_needed, of } in rows {
                    html.element("tr", &[], |html| {
                        html.element("th", &[("scope", "row")], |html| {
                            html.text("code", &[], name);
                            let mark = if is_needed { "always" } else { "" };
                            html.words(" ");
                            let mark = format!("{place} {mark}");
                            html.text("span", &[("class", "mark")], mark.trim());
                        });
                        html.element("td", &[], |html| {
                            shapes::line(html, at(of, "schema"));
                        });
                        html.element("td", &[], |html| html.line(text(of, "description")));
                    });
                }
            });
        });
    });
}

fn body(html: &mut Html, document: &Document, operation: Operation<'_>) {
    let Some(body) = operation.body.get("requestBody") else { return };
    let body = document.resolve(body);
    let mark = if is_set(body, "required") { "" } else { ", which may be left out" };
    html.text("h4", &[], &format!("Body{mark}"));
    html.prose(text(body, "description"));
    for (kind, content) in members(at(body, "content")) {
        content_of(html, document, kind, content);
    }
}

fn content_of(html: &mut Html, document: &Document, kind: &str, content: &Value) {
    html.element("p", &[], |html| {
        html.text("code", &[], kind);
        let schema = at(content, "schema");
        if schema.get("properties").is_none() && !schema.is_null() {
            html.words(": ");
            shapes::line(html, schema);
        }
    });
    if at(content, "schema").get("properties").is_some() {
        shapes::table(html, document, at(content, "schema"));
    }
    let named = members(at(content, "examples"))
        .filter_map(|(_, example)| document.resolve(example).get("value"));
    for example in content.get("example").into_iter().chain(named) {
        shapes::example(html, example);
    }
}

fn answers(html: &mut Html, document: &Document, operation: Operation<'_>) {
    let all = || members(at(operation.body, "responses"));
    for (status, response) in all().filter(|(status, _)| !errors::is_error(status)) {
        let response = document.resolve(response);
        html.text("h4", &[], &format!("Answer {status}"));
        html.prose(text(response, "description"));
        let headers = members(at(response, "headers")).map(|(name, header)| {
            let header = document.resolve(header);
            Row { place: "header", name, is_needed: is_set(header, "required"), of: header }
        });
        let mut headers = headers.peekable();
        if headers.peek().is_some() {
            table(html, headers);
        }
        for (kind, content) in members(at(response, "content")) {
            content_of(html, document, kind, content);
        }
    }
    html.element("p", &[], |html| {
        html.words("Errors: ");
        let mut joint = "";
        for (status, response) in all().filter(|(status, _)| errors::is_error(status)) {
            let response = document.resolve(response);
            let contents = members(at(response, "content")).map(|(_, content)| content);
            let named = contents.flat_map(|content| members(at(content, "examples")));
            let names: Vec<&str> = named.map(|(name, _)| name).collect();
            for name in if names.is_empty() { vec![""] } else { names } {
                html.words(joint);
                let title = format!("{status} {name}");
                let href = format!("#{}", errors::anchor(status, name));
                html.text("a", &[("href", &href)], title.trim());
                joint = ", ";
            }
        }
        html.words(if joint.is_empty() { "none." } else { "." });
    });
}

fn named_shapes(html: &mut Html, document: &Document) {
    html.text("h2", &[("id", "shapes")], "Shapes");
    for (name, schema) in document.schemas() {
        html.text("h3", &[("id", &format!("schema-{name}"))], name);
        if schema.get("properties").is_some() {
            html.prose(text(schema, "description"));
            shapes::table(html, document, schema);
        } else {
            html.element("p", &[], |html| shapes::line(html, schema));
            html.prose(text(schema, "description"));
        }
    }
}
