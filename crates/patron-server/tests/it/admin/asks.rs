//! Everything that can be asked of this interface, with something to say to each endpoint.

use patron_testkit::http::Call;
use serde_json::{Value, json};

use super::DEPLOYMENT_OWNER;
use crate::cyrexa::PASSWORD;

/// What an endpoint is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    Nothing,
    Json,
    Form,
}

/// A question that is answered with yes if whoever asks it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) template: &'static str,
    pub(crate) says: Says,
    /// The status of a yes.
    pub(crate) status: u16,
}

const fn ask(method: &'static str, template: &'static str, says: Says, status: u16) -> Ask {
    Ask { method, template, says, status }
}

/// All of them.
#[rustfmt::skip]
pub(crate) const ASKS: [Ask; 31] = [
    ask("POST", "/admin/v1/login", Says::Json, 200),
    ask("POST", "/admin/v1/logout", Says::Nothing, 204),
    ask("GET", "/admin/v1/me", Says::Nothing, 200),
    ask("GET", "/admin/v1/merchants", Says::Nothing, 200),
    ask("POST", "/admin/v1/merchants", Says::Json, 201),
    ask("GET", "/admin/v1/merchants/{merchant}", Says::Nothing, 200),
    ask("PATCH", "/admin/v1/merchants/{merchant}", Says::Json, 200),
    ask("GET", "/admin/v1/merchants/{merchant}/keys", Says::Nothing, 200),
    ask("POST", "/admin/v1/merchants/{merchant}/keys", Says::Json, 201),
    ask("POST", "/admin/v1/merchants/{merchant}/keys/{number}/revoke", Says::Nothing, 204),
    ask("POST", "/admin/v1/merchants/{merchant}/keys/{number}/roll", Says::Json, 201),
    ask("GET", "/admin/v1/merchants/{merchant}/allow-list", Says::Nothing, 200),
    ask("PUT", "/admin/v1/merchants/{merchant}/allow-list", Says::Json, 200),
    ask("POST", "/admin/v1/merchants/{merchant}/allow-list/dry-run", Says::Json, 200),
    ask("GET", "/admin/v1/merchants/{merchant}/operators", Says::Nothing, 200),
    ask("POST", "/admin/v1/merchants/{merchant}/operators", Says::Json, 201),
    ask("PATCH", "/admin/v1/merchants/{merchant}/operators/{number}", Says::Json, 200),
    ask("GET", "/admin/v1/operators", Says::Nothing, 200),
    ask("POST", "/admin/v1/operators", Says::Json, 201),
    ask("PATCH", "/admin/v1/operators/{number}", Says::Json, 200),
    ask("GET", "/admin/v1/merchants/{merchant}/customers", Says::Nothing, 200),
    ask("GET", "/admin/v1/merchants/{merchant}/customers/{customer}", Says::Nothing, 200),
    ask("DELETE", "/admin/v1/merchants/{merchant}/customers/{customer}", Says::Nothing, 204),
    ask("POST", "/admin/v1/merchants/{merchant}/customers/{customer}/erase", Says::Nothing, 202),
    ask("GET", "/admin/v1/merchants/{merchant}/erasures/{number}", Says::Nothing, 200),
    ask("PUT", "/admin/v1/merchants/{merchant}/customers/{customer}/metadata", Says::Json, 204),
    ask("PUT", "/admin/v1/merchants/{merchant}/customers/{customer}/payment-facts", Says::Json, 204),
    ask("GET", "/admin/v1/merchants/{merchant}/customers/{customer}/history", Says::Nothing, 200),
    ask("GET", "/admin/v1/merchants/{merchant}/customers/{customer}/export", Says::Nothing, 200),
    ask("GET", "/admin/v1/merchants/{merchant}/access-log", Says::Nothing, 200),
    ask("POST", "/admin/v1/merchants/{merchant}/tokens/introspect", Says::Form, 200),
];

/// What stands in a path in the place of the names in its template.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) merchant: String,
    pub(crate) customer: String,
    pub(crate) number: String,
}

impl Ask {
    /// Method and template.
    pub(crate) const fn endpoint(self) -> (&'static str, &'static str) {
        (self.method, self.template)
    }

    pub(crate) fn target(self, names: &Names) -> String {
        let Names { merchant, customer, number } = names;
        let target = self.template.replace("{merchant}", merchant);
        target.replace("{customer}", customer).replace("{number}", number)
    }

    /// Something that it takes. What must be new is named after `fresh`.
    pub(crate) fn body(self, fresh: &str) -> Value {
        let resource = self.template.rsplit('/').next().unwrap();
        match (self.method, resource) {
            (_, "login") => json!({"email": DEPLOYMENT_OWNER, "password": PASSWORD}),
            ("POST", "merchants") => json!({"id": fresh}),
            ("PATCH", "{merchant}") => json!({"name": "Renamed"}),
            ("POST", "keys") => json!({"label": "new", "scopes": ["admin"]}),
            ("POST", "roll") => json!({"graceSeconds": 0}),
            ("PUT", "allow-list") => json!({"addresses": []}),
            ("POST", "dry-run") => json!({"addresses": [], "requests": 1}),
            ("POST", "operators") => json!({
                "email": format!("{fresh}@new.example"), "name": "New", "role": "auditor",
                "password": PASSWORD,
            }),
            ("PATCH", "{number}") => json!({"name": "Renamed"}),
            ("PUT", "metadata") => json!({"key": "value"}),
            ("PUT", "payment-facts") => {
                json!({"hasPaymentRequests": true, "totalDeposits": "1"})
            }
            _ => Value::Null,
        }
    }

    /// The request. Its id is always the same, so that equal answers are equal to the byte.
    pub(crate) fn call(self, names: &Names, fresh: &str) -> Call {
        let call = Call::new(self.method, self.target(names)).header("x-request-id", "r-1");
        match self.says {
            Says::Nothing => call,
            Says::Json => call.json(self.body(fresh).to_string()),
            Says::Form => call.form("token=tkn_24543c6a278f45d680d09edb32e78061"),
        }
    }
}
