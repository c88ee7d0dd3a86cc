//! A wire whose format is documentation: readable pages at `/docs`, and the OpenAPI documents of all wires at
//! `/openapi`. It needs no credential, since it shows nothing of an installation: only what is in the program.

mod answers;
mod document;
mod html;
mod openapi;
mod pages;
mod route;
mod shapes;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use http::{Method, StatusCode};
use patron_wire::{Answer, AnswerFuture, Context, Request, Setting, Wire};
use utoipa::openapi::OpenApi;

use crate::answers::{CSS, HTML, JSON, Page, refused, shown};
use crate::document::{Document, text};
use crate::pages::{INDEX_PATH, STYLE, STYLE_PATH};
use crate::route::{Endpoint, Route, document_path, page_path, problem_path};

pub use crate::openapi::openapi;

/// The wire's name.
const NAME: &str = "docs";

/// Everything that this wire offers, each as a method and the template of its path.
pub fn endpoints() -> impl Iterator<Item = (Method, &'static str)> {
    let all = Endpoint::ALL.into_iter();
    all.flat_map(|one| Endpoint::METHODS.into_iter().map(move |method| (method, one.template())))
}

/// The wire, over the other wires.
pub struct Docs {
    wires: Vec<Arc<dyn Wire>>,
    /// Written when the first page is asked for, so that a start does not wait for it.
    pages: OnceLock<HashMap<String, Page>>,
}

impl Docs {
    /// The documentation of these wires.
    pub const fn new(wires: Vec<Arc<dyn Wire>>) -> Self {
        Self { wires, pages: OnceLock::new() }
    }

    /// Everything that can be read, by its path.
    fn pages(&self) -> &HashMap<String, Page> {
        self.pages.get_or_init(|| {
            let wires = self.wires.iter();
            let documents = wires.map(|wire| Document::new(wire.name(), &wire.openapi()));
            pages_of(&documents.collect::<Vec<_>>())
        })
    }
}

fn pages_of(documents: &[Document]) -> HashMap<String, Page> {
    let own = Document::new(NAME, &openapi());
    let html = |path: String, text| (path, Page::new(HTML, text));
    let index = html(INDEX_PATH.to_owned(), pages::index(documents));
    let style = (STYLE_PATH.to_owned(), Page::new(CSS, STYLE.to_owned()));
    let readable = documents.iter().map(|one| html(page_path(one.name), pages::wire_page(one)));
    let problems = documents.iter().flat_map(|one| {
        one.problem_types().map(move |problem| {
            html(problem_path(text(problem, "name")), pages::problem(one, problem))
        })
    });
    let all = documents.iter().chain([&own]);
    let machine = all.map(|one| (document_path(one.name), Page::new(JSON, one.to_text())));
    [index, style].into_iter().chain(readable).chain(problems).chain(machine).collect()
}

impl Wire for Docs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn owns(&self, _method: &Method, path: &str) -> bool {
        Route::is_ours(path)
    }

    fn answer<'a>(&'a self, request: &'a mut Request) -> AnswerFuture<'a> {
        Box::pin(async move {
            let route = Route::find(&request.path);
            let id = &request.context.request_id;
            let path = match route {
                Route::Known(Endpoint::Index, _) => INDEX_PATH,
                Route::Known(..) => &request.path,
                Route::Unknown => return refused(StatusCode::NOT_FOUND, route.template(), id),
            };
            if !Endpoint::METHODS.contains(&request.method) {
                return refused(StatusCode::METHOD_NOT_ALLOWED, route.template(), id);
            }
            match self.pages().get(path) {
                Some(page) => shown(page, &request.headers, route.template(), id),
                None => refused(StatusCode::NOT_FOUND, route.template(), id),
            }
        })
    }

    fn malformed(&self, context: &Context) -> Answer {
        refused(StatusCode::BAD_REQUEST, Route::Unknown.template(), &context.request_id)
    }

    fn broken(&self, context: &Context) -> Answer {
        refused(StatusCode::INTERNAL_SERVER_ERROR, Route::Unknown.template(), &context.request_id)
    }

    fn example(&self, _key: &str, url: &str) -> String {
        format!("{url}{INDEX_PATH}")
    }

    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    fn openapi(&self) -> OpenApi {
        openapi()
    }
}
