//! Our own management API, where it takes a program that runs: one file for each noun.

mod access_log;
mod allow_lists;
pub(crate) mod asks;
mod customers;
mod erasures;
mod exports;
mod filling;
mod history;
mod keys;
mod masking;
mod merchants;
mod operators;
mod reading;
mod searches;
mod sessions;
mod strangers;
mod tokens;
mod walking;

use patron_testkit::http::{Call, Reply};
use patron_testkit::server::{Launch, Server};
use serde_json::{Value, json};

use crate::cyrexa::{CLIENTS, PASSWORD, ask, create_client, create_operator};
use crate::stage::{create_key, create_merchant, launch, text};

/// What every path begins with.
pub(crate) const ADMIN: &str = "/admin/v1";

/// The paths of the merchant whose customers most stories are about, and of another one.
pub(crate) const HOME: &str = "/admin/v1/merchants/testaccount";
pub(crate) const OTHER: &str = "/admin/v1/merchants/other";

/// The owner of the deployment.
pub(crate) const DEPLOYMENT_OWNER: &str = "owner@deployment.example";

/// A request: with a JSON body, or without any where that is `null`.
pub(crate) fn call(method: &str, path: impl Into<String>, body: &Value) -> Call {
    let call = Call::new(method, path);
    if body.is_null() { call } else { call.json(body.to_string()) }
}

/// The request of an operator who signs in.
pub(crate) fn sign_in_call(email: &str, password: &str) -> Call {
    call("POST", format!("{ADMIN}/login"), &json!({"email": email, "password": password}))
}

/// Signs an operator in who has the password of all of them.
#[track_caller]
pub(crate) fn sign_in(server: &Server, email: &str) -> String {
    text(&sign_in_call(email, PASSWORD).send(server).expect(200), "token").to_owned()
}

/// A refusal, as problem details.
#[track_caller]
pub(crate) fn is_problem(reply: &Reply, status: u16, name: &str) {
    let body = reply.expect(status);
    assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{body}");
    assert_eq!(body["type"], format!("/docs/errors/{name}"), "{body}");
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["requestId"].as_str(), reply.header("x-request-id"), "{body}");
    assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    assert_eq!(reply.header("www-authenticate").is_some(), status == 401);
    assert_eq!(reply.header("retry-after").is_some(), matches!(status, 429 | 503));
    assert_eq!(reply.header("etag"), None);
}

/// A refusal for the sake of exactly these fields.
#[track_caller]
pub(crate) fn is_wrong_in(reply: &Reply, fields: &[&str]) {
    is_problem(reply, 400, "invalid");
    let body = reply.json();
    let named = body["errors"].as_array().unwrap().iter().map(|one| text(one, "field"));
    assert_eq!(named.collect::<Vec<_>>(), fields, "{body}");
}

/// A server with an owner of the deployment and another merchant, and a person of each role at both.
pub(crate) struct Stage {
    pub(crate) server: Server,
    /// Sessions.
    pub(crate) deployment: String,
    pub(crate) owner: String,
    pub(crate) operator: String,
    pub(crate) auditor: String,
    pub(crate) other_owner: String,
    /// The other merchant's key.
    pub(crate) other_key: String,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::of(launch())
    }

    pub(crate) fn of(launch: Launch) -> Self {
        let server = launch.start();
        let other_key = create_merchant(&server, "other", &[]);
        create_operator(&server, &["--deployment"], "owner", DEPLOYMENT_OWNER);
        let deployment = sign_in(&server, DEPLOYMENT_OWNER);
        let staff = |merchant: &str, role: &str| {
            let email = format!("{role}@{merchant}.example");
            let new = json!({"email": email, "name": role, "role": role, "password": PASSWORD});
            let path = format!("{ADMIN}/merchants/{merchant}/operators");
            call("POST", path, &new).bearer(&deployment).send(&server).expect(201);
            sign_in(&server, &email)
        };
        Self {
            owner: staff("testaccount", "owner"),
            operator: staff("testaccount", "operator"),
            auditor: staff("testaccount", "auditor"),
            other_owner: staff("other", "owner"),
            deployment,
            other_key,
            server,
        }
    }

    /// Asks with a session, or a key.
    pub(crate) fn ask(&self, shown: &str, method: &str, path: &str, body: &Value) -> Reply {
        call(method, path, body).bearer(shown).send(&self.server)
    }

    pub(crate) fn get(&self, shown: &str, path: &str) -> Reply {
        self.ask(shown, "GET", path, &Value::Null)
    }

    /// Asks as the owner of the merchant.
    pub(crate) fn owner(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.ask(&self.owner, method, path, body)
    }

    /// A key of the merchant with these scopes.
    pub(crate) fn key(&self, scopes: &str) -> String {
        create_key(&self.server, "testaccount", &["--scopes", scopes]).0
    }

    /// A new customer of the merchant, by a vendor's wire; its number.
    pub(crate) fn customer(&self, body: &Value) -> i64 {
        create_client(&self.server, body)["id"].as_i64().unwrap()
    }

    /// A new customer of the other merchant; its number and its id.
    pub(crate) fn others_customer(&self) -> (i64, String) {
        let body = json!({"name": "Theirs", "email": "theirs@x", "memberId": "theirs"});
        let made = crate::cyrexa::call("POST", CLIENTS, &body).header("X-API-Key", &self.other_key);
        let number = made.send(&self.server).expect(201)["id"].as_i64().unwrap();
        let found = self.get(&self.other_owner, &format!("{OTHER}/customers/{number}")).expect(200);
        (number, text(&found, "id").to_owned())
    }

    /// A customer of whom everything is known; its number.
    pub(crate) fn whole_customer(&self) -> i64 {
        let number = self.customer(&whole());
        let path = path_of(number);
        let metadata = json!({"crow": "night's watch"});
        let put = |path: String, body: &Value| self.owner("PUT", &path, body);
        assert_eq!(put(format!("{path}/metadata"), &metadata).status, 204);
        let facts = json!({"hasPaymentRequests": true, "totalDeposits": "120.50"});
        assert_eq!(put(format!("{path}/payment-facts"), &facts).status, 204);
        number
    }

    /// Changes a customer by a vendor's wire.
    #[track_caller]
    pub(crate) fn update(&self, number: i64, body: &Value) {
        ask(&self.server, "PUT", &format!("{CLIENTS}/{number}"), body).expect(200);
    }
}

/// The path of a customer of the merchant.
pub(crate) fn path_of(number: i64) -> String {
    format!("{HOME}/customers/{number}")
}

/// Everything that a vendor's wire can say of a customer.
pub(crate) fn whole() -> Value {
    json!({
        "name": "Jonathan Aegon Snow", "email": "jonathan@winter.example",
        "phone": "+6599887766", "memberId": "crow-998",
        "dateOfBirth": "1990-02-28",
        "billingAddress": {
            "street": "1 Castle Black", "city": "Wallside", "state": "Northmark",
            "zipCode": "BX1 9QQ", "country": "GB",
        },
        "shippingAddress": {
            "street": "2 Winterfell", "city": "Winterton", "state": "Northmark",
            "zipCode": "BX2 8QQ", "country": "GB",
        },
        "country": "GB", "region": "Beyond the wall", "defaultCurrency": "EUR", "language": "en-GB",
        "notificationSettings": [{"notificationType": "ravens", "isEnabled": true}],
        "communicationPreferences": {"email": true, "sms": false},
        "status": "active", "verificationStatus": "pending",
        "subscriptionPreferences": {"plan": "longsword"}, "paymentPreferences": {"method": "ironbank"},
        "consents": [
            {"purpose": "terms", "isGranted": true, "version": "1.0", "at": "2024-01-15T10:30:00Z"},
        ],
        "kyc": {
            "level": "full", "provider": "Maesters", "reference": "maester-7788",
            "checkedAt": "2024-01-16T10:30:00Z", "expiresAt": "2034-01-16T10:30:00Z",
        },
        "taxInformation": [{"type": "eu_vat", "value": "DE123456789", "country": "DE"}],
    })
}
