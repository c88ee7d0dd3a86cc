//! Patron's own management API at `/admin/v1`, over its core.
//!
//! The way of a request: `route` finds what is asked, `auth` who asks, `call` where and with what right,
//! `bodies` and `values` what is said; a file for each noun does it, and `errors` says what went wrong
//! (RFC 9457). `openapi` describes all of it (OpenAPI 3.1) from the same types and the same list of endpoints.

mod access_log;
mod actors;
mod allow_lists;
mod answers;
mod auth;
pub mod bodies;
mod call;
mod customers;
mod erasures;
pub mod errors;
mod exports;
mod fields;
mod history;
mod keys;
mod merchants;
mod openapi;
mod operators;
mod pages;
mod profiles;
pub mod route;
mod schemas;
mod sessions;
mod times;
mod tokens;
mod values;
mod words;

use std::sync::Arc;

use http::Method;
use patron::Patron;
use patron_wire::{Answer, AnswerFuture, Context, Request, Setting, Wire};
use utoipa::openapi::OpenApi;

use crate::call::{Call, Outcome};
use crate::errors::Refusal;
use crate::route::{Endpoint, Route};

pub use crate::openapi::openapi;

/// Everything that this wire offers, each as a method and the template of its path.
///
/// What does not stand here is not answered, so whoever has looked at all of these (who may call it,
/// what it may show) has missed none.
pub fn endpoints() -> impl Iterator<Item = (Method, &'static str)> {
    Endpoint::ALL.iter().map(|endpoint| (endpoint.method(), endpoint.template()))
}

/// The wire. It owns everything below its base path.
pub struct Admin {
    patron: Arc<Patron>,
    settings: Vec<Setting>,
}

impl Admin {
    /// The wire over this core. `settings` is what merchants can set, over all wires.
    pub const fn new(patron: Arc<Patron>, settings: Vec<Setting>) -> Self {
        Self { patron, settings }
    }

    async fn outcome(&self, route: &Route, request: &mut Request) -> Outcome {
        let Some(endpoint) = route.endpoint(&request.method) else {
            let allow = route.allow();
            let is_route = !allow.is_empty();
            let known = is_route.then_some(Refusal::MethodNotAllowed { allow });
            return Err(known.unwrap_or(Refusal::EndpointNotFound).into());
        };
        let (patron, settings) = (&*self.patron, &*self.settings);
        Call { patron, settings, route, request }.answer(endpoint).await
    }
}

/// A refusal of a request whose route is not known.
fn refused_unread(context: &Context, refusal: Refusal) -> Answer {
    answers::answer(context, Route::UNREAD_TEMPLATE, Err(refusal.into()))
}

impl Wire for Admin {
    fn name(&self) -> &'static str {
        "admin"
    }

    fn owns(&self, _method: &Method, path: &str) -> bool {
        Route::is_ours(path)
    }

    fn answer<'a>(&'a self, request: &'a mut Request) -> AnswerFuture<'a> {
        Box::pin(async move {
            let route = Route::find(&request.path);
            let outcome = self.outcome(&route, request).await;
            answers::answer(&request.context, route.template(), outcome)
        })
    }

    fn malformed(&self, context: &Context) -> Answer {
        refused_unread(context, Refusal::Malformed)
    }

    fn broken(&self, context: &Context) -> Answer {
        refused_unread(context, Refusal::Internal)
    }

    fn example(&self, key: &str, url: &str) -> String {
        format!("-u {key}: {url}/admin/v1/me")
    }

    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    fn openapi(&self) -> OpenApi {
        openapi(&self.settings)
    }
}
