//! Juspay's Express Checkout customer API (India, global and v3.2 documents) over Patron's core.
//!
//! The way of a request: `route` finds what is asked, `auth` who asks, `bodies` and `rules`
//! what is said, `customers` does it, and `errors` says in the vendor's words what went wrong.
//! The crate's README lists the decisions where the vendor's own sources disagree.

mod answers;
mod auth;
pub mod bodies;
mod customers;
pub mod errors;
pub mod fields;
mod openapi;
pub mod route;
mod rules;

use std::sync::Arc;

use patron::Patron;
use patron_wire::{Answer, AnswerFuture, Context, Request, Setting, Wire};
use utoipa::openapi::OpenApi;

use crate::answers::{Reply, Sender};
use crate::errors::{Failure, Refusal};
use crate::route::{Endpoint, Route};

/// The name of the setting that chooses the API version.
const SETTING_API_VERSION: &str = "juspay.api-version";

/// The name of the setting that chooses what a name may be made of.
const SETTING_NAMES: &str = "juspay.names";

const SETTINGS: &[Setting] = &[
    Setting {
        name: SETTING_API_VERSION,
        values: &["default", "3.2"],
        about: "3.2: answers also carry customer_id, references have at least 8 characters, \
                an email address is required",
    },
    Setting {
        name: SETTING_NAMES,
        values: &["documented", "unicode"],
        about: "unicode: names may have letters of any script, marks, spaces and apostrophes",
    },
];

/// Everything that this wire offers, each as a method and the template of its path.
///
/// What does not stand here is not answered, so whoever has looked at all of these (who may call it,
/// what it may show) has missed none.
pub fn endpoints() -> impl Iterator<Item = (http::Method, &'static str)> {
    Endpoint::ALL.into_iter().map(|endpoint| (endpoint.method(), endpoint.template()))
}

/// The wire. It owns every path that no other wire owns, and answers those with its own 404.
pub struct Juspay {
    patron: Arc<Patron>,
}

impl Juspay {
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

impl Wire for Juspay {
    fn name(&self) -> &'static str {
        "juspay"
    }

    fn owns(&self, _method: &http::Method, _path: &str) -> bool {
        true
    }

    fn answer<'a>(&'a self, request: &'a mut Request) -> AnswerFuture<'a> {
        Box::pin(async move {
            let route = Route::find(&request.path);
            let mut sender = Sender::new(&request.context);
            let outcome = customers::answer(&self.patron, &route, request, &mut sender).await;
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
            "-u {key}: {url}/customers -d object_reference_id=customer@gmail.com \
             -d mobile_number=99887766 -d email_address=customer@gmail.com -d first_name=Jon \
             -d last_name=Snow"
        )
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    fn openapi(&self) -> OpenApi {
        openapi::openapi()
    }
}
