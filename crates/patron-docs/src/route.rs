//! The paths that lead to pages and documents.

use http::Method;

use crate::pages::{INDEX_PATH, STYLE_PATH};

/// What is offered: all of it by `GET` and `HEAD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The index.
    Index,
    /// The style sheet.
    Style,
    /// A wire's page.
    Page,
    /// The page of a type of problem.
    Problem,
    /// A wire's document.
    Document,
}

const PROBLEMS: &str = "/docs/errors/";
const PAGES: &str = "/docs/";
const DOCUMENTS: &str = "/openapi/";
const DOCUMENTS_END: &str = ".json";

impl Endpoint {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Index, Self::Style, Self::Page, Self::Problem, Self::Document];

    /// The methods by which each is asked for.
    pub(crate) const METHODS: [Method; 2] = [Method::GET, Method::HEAD];

    /// Its path, as it stands in metrics and logs.
    pub(crate) const fn template(self) -> &'static str {
        match self {
            Self::Index => INDEX_PATH,
            Self::Style => STYLE_PATH,
            Self::Page => "/docs/{wire}",
            Self::Problem => "/docs/errors/{type}",
            Self::Document => "/openapi/{wire}.json",
        }
    }
}

/// What a path asks for: an endpoint, and the name in the path, as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Known(Endpoint, &'a str),
    Unknown,
}

impl<'a> Route<'a> {
    /// Whether the path is one of ours, be there something or not.
    pub(crate) fn is_ours(path: &str) -> bool {
        path == INDEX_PATH || path.starts_with(PAGES) || path.starts_with(DOCUMENTS)
    }

    /// Reads a path as it was sent. Our names have nothing in them that would have to be encoded.
    pub(crate) fn find(path: &'a str) -> Self {
        let named = |name: &'a str, endpoint| {
            let is_name = !name.is_empty() && !name.contains('/');
            if is_name { Self::Known(endpoint, name) } else { Self::Unknown }
        };
        if path == INDEX_PATH || path == PAGES {
            return Self::Known(Endpoint::Index, "");
        }
        if path == STYLE_PATH {
            return Self::Known(Endpoint::Style, "");
        }
        if let Some(name) = path.strip_prefix(PROBLEMS) {
            return named(name, Endpoint::Problem);
        }
        if let Some(name) = path.strip_prefix(PAGES) {
            return named(name, Endpoint::Page);
        }
        let document =
            path.strip_prefix(DOCUMENTS).and_then(|name| name.strip_suffix(DOCUMENTS_END));
        document.map_or(Self::Unknown, |name| named(name, Endpoint::Document))
    }

    /// The route as it stands in metrics and logs.
    pub(crate) const fn template(self) -> &'static str {
        match self {
            Self::Known(endpoint, _) => endpoint.template(),
            Self::Unknown => "unknown",
        }
    }
}

/// Where a wire's page is.
pub(crate) fn page_path(wire: &str) -> String {
    format!("{PAGES}{wire}")
}

/// Where a type of problem has its page.
pub(crate) fn problem_path(name: &str) -> String {
    format!("{PROBLEMS}{name}")
}

/// Where a wire's document is.
pub(crate) fn document_path(wire: &str) -> String {
    format!("{DOCUMENTS}{wire}{DOCUMENTS_END}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        for (path, expect) in [
            (INDEX_PATH.to_owned(), Route::Known(Endpoint::Index, "")),
            ("/docs/".to_owned(), Route::Known(Endpoint::Index, "")),
            (STYLE_PATH.to_owned(), Route::Known(Endpoint::Style, "")),
            (page_path("a"), Route::Known(Endpoint::Page, "a")),
            (problem_path("a"), Route::Known(Endpoint::Problem, "a")),
            (document_path("a"), Route::Known(Endpoint::Document, "a")),
            ("/docs/a/b".to_owned(), Route::Unknown),
            ("/docs/errors/".to_owned(), Route::Unknown),
            ("/docs/errors/a/b".to_owned(), Route::Unknown),
            ("/openapi/".to_owned(), Route::Unknown),
            ("/openapi/a".to_owned(), Route::Unknown),
            ("/openapi/.json".to_owned(), Route::Unknown),
            ("/openapi/a/b.json".to_owned(), Route::Unknown),
        ] {
            assert_eq!(Route::find(&path), expect, "{path}");
            assert!(Route::is_ours(&path), "{path}");
        }
        for path in ["", "/", "/doc", "/docsx", "/openapi", "/openapi.json", "/customers"] {
            assert!(!Route::is_ours(path), "{path}");
        }
        for endpoint in Endpoint::ALL {
            let path = endpoint.template();
            assert_eq!(Route::find(path).template(), path);
        }
    }
}
