//! Cyrexa's IPG customer API over Patron's core.
//!
//! The way of a request: `route` finds what is asked, `auth` who asks, `bodies` and `rules`
//! what is said, `customers` does it, and `errors` says in the vendor's words what went wrong.
//! The crate's README lists the decisions where the vendor's own sources disagree.

mod answers;
mod auth;
pub mod bodies;
mod codes;
mod correspondence;
mod customers;
pub mod errors;
pub mod fields;
mod login;
mod openapi;
pub mod route;
mod rules;

use std::sync::Arc;

use http::Method;
use patron::Patron;
use patron_wire::{Answer, AnswerFuture, Context, Request, Setting, Wire};

pub use crate::openapi::openapi;

use crate::answers::{Reply, Sender};
use crate::errors::{Failure, Refusal};
use crate::route::{Endpoint, Route};

/// Everything that this wire offers, each as a method and the template of its path.
///
/// What does not stand here is not answered, so whoever has looked at all of these (who may call it,
/// what it may show) has missed none.
pub fn endpoints() -> impl Iterator<Item = (Method, &'static str)> {
    Endpoint::ALL.into_iter().map(|endpoint| (endpoint.method(), endpoint.template()))
}

/// The wire. It owns what is below the vendor's base path, and updates at the path of its page.
pub struct Cyrexa {
    patron: Arc<Patron>,
}

impl Cyrexa {
    /// The wire over this core.
    pub const fn new(patron: Arc<Patron>) -> Self {
        Self { patron }
    }
}

/// A refusal of a request whose route is not known.
fn refused_unread(context: &Context, refusal: Refusal) -> Answer {
    let outcome: Result<Reply, Failure> = Err(refusal.into());
    Sender::new(context).answer(Route::UNREAD_TEMPLATE, outcome)
}

impl Wire for Cyrexa {
    fn name(&self) -> &'static str {
        "cyrexa"
    }

    fn owns(&self, method: &Method, path: &str) -> bool {
        Route::is_ours(method, path)
    }

    fn answer<'a>(&'a self, request: &'a mut Request) -> AnswerFuture<'a> {
        Box::pin(async move {
            let route = Route::find(&request.path);
            let sender = Sender::new(&request.context);
            let outcome = customers::answer(&self.patron, &route, request).await;
            sender.answer(route.template(), outcome)
        })
    }

    fn malformed(&self, context: &Context) -> Answer {
        refused_unread(context, Refusal::Malformed)
    }

    fn broken(&self, context: &Context) -> Answer {
        refused_unread(context, Refusal::Internal)
    }

    fn example(&self, key: &str, url: &str) -> String {
        format!(
            "-H 'X-API-Key: {key}' {url}/ipg/2.0.0/customers --json '{{\"name\":\"Jon Snow\",\
             \"email\":\"jon@winter.example\",\"phone\":\"+65 9988 7766\"}}'"
        )
    }

    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    fn openapi(&self) -> utoipa::openapi::OpenApi {
        openapi::openapi()
    }
}
