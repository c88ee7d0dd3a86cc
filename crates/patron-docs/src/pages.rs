//! The pages: what all have, the index, a type of problem, and what is said where there is no page.

mod errors;
mod wire;

use http::StatusCode;
use serde_json::Value;

use crate::document::{Document, at, text};
use crate::html::Html;
use crate::route::{document_path, page_path, problem_path};

pub(crate) use self::wire::page as wire_page;

/// The style sheet, and where it is found.
pub(crate) const STYLE: &str = include_str!("style.css");
pub(crate) const STYLE_PATH: &str = "/docs/style.css";

pub(crate) const INDEX_PATH: &str = "/docs";

/// A page with this title, and the way back where there is one.
fn page(title: &str, is_index: bool, main: impl FnOnce(&mut Html)) -> String {
    Html::document(|html| {
        html.element("head", &[], |html| {
            html.void("meta", &[("charset", "utf-8")]);
            let viewport = "width=device-width, initial-scale=1";
            html.void("meta", &[("name", "viewport"), ("content", viewport)]);
            html.text("title", &[], title);
            html.void("link", &[("rel", "stylesheet"), ("href", STYLE_PATH)]);
        });
        html.element("body", &[], |html| {
            html.text("a", &[("class", "skip"), ("href", "#main")], "To the text");
            if !is_index {
                html.element("header", &[], |html| {
                    html.text("a", &[("href", INDEX_PATH)], "All documentation");
                });
            }
            html.element("main", &[("id", "main")], |html| {
                html.text("h1", &[], title);
                main(html);
            });
        });
    })
}

/// The page that leads to all others.
pub(crate) fn index(documents: &[Document]) -> String {
    page("Patron: documentation", true, |html| {
        html.prose(
            "Patron keeps the customers of merchants and answers in several formats. Each has a page \
             here, and an OpenAPI 3.1 document for machines. They are made from the lists by which \
             this program answers.",
        );
        for document in documents {
            html.element("h2", &[], |html| {
                html.text("a", &[("href", &page_path(document.name))], document.title());
            });
            let about = document.description().split("\n\n").next().unwrap_or_default();
            html.prose(about);
            links(html, document);
        }
        problem_links(html, documents);
    })
}

fn links(html: &mut Html, document: &Document) {
    let count = document.operations().count();
    html.element("p", &[("class", "soft")], |html| {
        html.words(&format!("{count} operations. "));
        let path = document_path(document.name);
        html.text("a", &[("href", &path), ("type", "application/json")], &path);
    });
}

fn problem_links(html: &mut Html, documents: &[Document]) {
    let mut types = documents.iter().flat_map(Document::problem_types).peekable();
    if types.peek().is_none() {
        return;
    }
    html.text("h2", &[], "Types of problems");
    html.element("ul", &[], |html| {
        for problem in types {
            html.element("li", &[], |html| {
                let path = problem_path(text(problem, "name"));
                html.text("a", &[("href", &path)], text(problem, "title"));
            });
        }
    });
}

/// The page of a type of problem.
pub(crate) fn problem(document: &Document, problem: &Value) -> String {
    page(text(problem, "title"), false, |html| {
        html.element("p", &[], |html| {
            html.words("Type ");
            html.text("code", &[], &problem_path(text(problem, "name")));
            html.words(&format!(", answered with status {}.", at(problem, "status")));
        });
        html.prose(text(problem, "about"));
        html.element("p", &[], |html| {
            html.words("Where it occurs: ");
            html.text("a", &[("href", &page_path(document.name))], document.title());
        });
    })
}

/// What is said instead of a page.
pub(crate) fn refusal(status: StatusCode) -> String {
    let title = status.canonical_reason().unwrap_or("No page");
    page(title, false, |html| html.prose(words(status)))
}

fn words(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "There is no such page.",
        StatusCode::METHOD_NOT_ALLOWED => "Pages are read: `GET` and `HEAD` are all they know.",
        StatusCode::BAD_REQUEST => "The request cannot be read.",
        _ => "Something broke on our side. Please try again.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_they_are() {
        for status in [400, 404, 405, 500] {
            let status = StatusCode::from_u16(status).unwrap();
            let page = refusal(status);
            assert!(page.contains(status.canonical_reason().unwrap()), "{page}");
            assert!(page.contains(INDEX_PATH), "{page}");
        }
    }
}
