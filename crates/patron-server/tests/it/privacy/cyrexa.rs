//! Cyrexa's stories: each endpoint's success, with canaries in every field that can hold one, and everything
//! that can go wrong with it.

use patron_testkit::http::{Call, Reply};
use patron_testkit::wait::soon;
use patron_wire_cyrexa::errors::Refusal;
use serde_json::{Value, json};

use super::stories::{REQUEST_ID, SECRET_KEY, World};
use super::{Row, Telling};
use crate::cyrexa::{CLIENTS, LOGIN, PASSWORD, create_operator, path_of};

const CLIENT: &str = "/ipg/2.0.0/customers/{id}";
const BARE: &str = "/customers/{id}";
const TOKEN: &str = "/ipg/2.0.0/customers/{id}/token";

const OPERATOR: &str = "canary-operator@nest.example";
const SECRET_PASSWORD: &str = "canary-secret-password";
const SECRET_TOKEN: &str = "ses_ca7a11ca7a11ca7a11ca7a11ca7a11ca7a11ca7a11ca7a11ca7a11ca7a11ca7a";
const PIECE: &str = "canary-client-piece";
const UNKNOWN_VALUE: &str = "canary-client-unknown";

/// What stands in the fields at first, and after an update.
const CANARIES: [[&str; 2]; 22] = [
    ["Zeisigard Finkenschlag", "Zeisigbert Amselrufer"],
    ["Zeisigard", "Zeisigbert"],
    ["Finkenschlag", "Amselrufer"],
    ["canary-client@nest.example", "canary-kunde@nest.example"],
    ["Canary Lane 7355, Nestwood", "Canary Road 7356, Nestwood"],
    ["+65 7355-608124", "+65 7355-608125"],
    ["7355608124", "7355608125"],
    ["canary-member-one", "canary-member-two"],
    ["1907-03-05", "1908-04-06"],
    ["canary-street-1", "canary-street-2"],
    ["canary-zip-1", "canary-zip-2"],
    ["canary-city-1", "canary-city-2"],
    ["canary-region-1", "canary-region-2"],
    ["x-canary-tongue", "x-canary-tongues"],
    ["canary-bulletin-1", "canary-bulletin-2"],
    ["canary-plan-1", "canary-plan-2"],
    ["canary-method-1", "canary-method-2"],
    ["canary-purpose-1", "canary-purpose-2"],
    ["canary-version-1", "canary-version-2"],
    ["canary-provider-1", "canary-provider-2"],
    ["canary-check-1", "canary-check-2"],
    ["CANARYTAX1", "CANARYTAX2"],
];

/// Every value that is searched for.
pub(super) fn all_canaries() -> impl Iterator<Item = &'static str> {
    let elsewhere = [OPERATOR, SECRET_PASSWORD, PASSWORD, SECRET_TOKEN, PIECE, UNKNOWN_VALUE];
    CANARIES.into_iter().flatten().chain(elsewhere)
}

/// A client with canaries in every field that can hold one.
fn client(which: usize) -> Value {
    let [
        name,
        _,
        _,
        email,
        address,
        phone,
        _,
        member,
        born,
        street,
        zip,
        city,
        region,
        language,
        bulletin,
        plan,
        method,
        purpose,
        version,
        provider,
        check,
        tax,
    ] = CANARIES.map(|both| both[which]);
    json!({
        "name": name, "email": email, "address": address, "phone": phone, "memberId": member,
        "dateOfBirth": born, "billingAddress": {"street": street, "zipCode": zip},
        "shippingAddress": {"city": city}, "country": "GB", "region": region,
        "defaultCurrency": "EUR", "language": language,
        "notificationSettings": [{"notificationType": bulletin, "isEnabled": true}],
        "communicationPreferences": {"email": true}, "status": "inactive",
        "verificationStatus": "pending", "subscriptionPreferences": {plan: plan},
        "paymentPreferences": {"method": method},
        "consents": [{"purpose": purpose, "isGranted": true, "version": version}],
        "kyc": {"provider": provider, "reference": check},
        "taxInformation": [{"type": "eu_vat", "value": tax}],
        "unknown": UNKNOWN_VALUE,
    })
}

/// Which row a refusal is. `None` where nothing can provoke it yet. A new one does not compile without.
const fn row_of(refusal: &Refusal) -> Option<(u16, &'static str)> {
    match refusal {
        Refusal::Missing(_) => Some((400, "VAL001")),
        Refusal::Wrong(_) => Some((400, "VAL002")),
        Refusal::Malformed | Refusal::PatchDocument | Refusal::OtherId => Some((400, "VAL003")),
        Refusal::Unauthenticated => Some((401, "AUTH001")),
        Refusal::Expired => Some((401, "AUTH003")),
        Refusal::Forbidden | Refusal::BadOrigin => Some((403, "AUTH002")),
        Refusal::CustomerNotFound => Some((404, "CUST001")),
        Refusal::AlreadyExists => Some((409, "CUST002")),
        Refusal::PreconditionFailed => Some((412, "CUST003")),
        Refusal::TooManyRequests { .. } => Some((429, "RATE001")),
        Refusal::EndpointNotFound => Some((404, "REQ001")),
        Refusal::MethodNotAllowed { .. } => Some((405, "REQ001")),
        Refusal::RequestTimeout => Some((408, "REQ001")),
        Refusal::PayloadTooLarge => Some((413, "REQ001")),
        Refusal::UnsupportedMediaType => Some((415, "REQ001")),
        Refusal::Internal => Some((500, "SRV001")),
        Refusal::Unavailable { .. } => Some((503, "SRV001")),
        // There are no idempotency keys yet.
        Refusal::IdempotencyConflict | Refusal::IdempotencyMismatch => None,
    }
}

/// The rows that the stories have to bring about.
pub(super) fn due() -> impl Iterator<Item = Row> {
    let rows = Refusal::samples().into_iter().filter_map(|refusal| row_of(&refusal));
    rows.map(|(status, code)| (status, code.to_owned()))
}

/// The endpoints that have a story.
pub(super) const TOLD: [(&str, &str); 8] = [
    ("POST", CLIENTS),
    ("GET", CLIENTS),
    ("GET", CLIENT),
    ("PUT", CLIENT),
    ("PUT", BARE),
    ("DELETE", CLIENT),
    ("POST", TOKEN),
    ("POST", LOGIN),
];

/// Takes the values out of an answer that its customer's owner may see there.
pub(super) fn take_clients(body: &mut Value) {
    if let Some(list) = body["customers"].as_array_mut() {
        list.iter_mut().for_each(take_clients);
    }
    if body["createDate"].is_string() {
        let own = client(0);
        let object = body.as_object_mut().unwrap();
        object.retain(|key, _| own.get(key).is_none());
    }
}

/// A request with canaries wherever it can hold something that nobody asked for.
fn dressed(call: Call) -> Call {
    call.header("User-Agent", "canary-user-agent/1.0")
        .header("Cookie", "canary-header-value")
        .header("x-request-id", REQUEST_ID)
}

fn request(method: &str, target: &str, body: &Value) -> Call {
    let call = dressed(Call::new(method, target));
    if body.is_null() { call } else { call.json(body.to_string()) }
}

/// A customer, and everything that is asked about it.
struct Told<'a> {
    world: &'a World,
    path: String,
    bare: String,
}

impl Told<'_> {
    fn by(&self, key: &str, method: &str, target: &str, body: &Value) -> Call {
        request(method, target, body).header("X-API-Key", key)
    }

    fn keyed(&self, method: &str, target: &str, body: &Value) -> Call {
        self.by(&self.world.key, method, target, body)
    }

    /// All requests about the customer, and the one that makes it.
    fn all(&self) -> Vec<(&'static str, String, Value)> {
        vec![
            ("POST", CLIENTS.to_owned(), client(0)),
            ("GET", self.path.clone(), Value::Null),
            ("PUT", self.path.clone(), client(1)),
            ("PUT", self.bare.clone(), client(1)),
            ("GET", format!("{CLIENTS}?email=canary-kunde%40nest.example"), Value::Null),
            ("DELETE", self.path.clone(), Value::Null),
            ("POST", format!("{}/token", self.path), Value::Null),
        ]
    }

    /// What is refused whoever is asked about.
    fn refused_callers(&self) -> Vec<(Call, u16, &'static str)> {
        let world = self.world;
        let mut calls = Vec::new();
        for (method, target, body) in self.all() {
            let bare = || request(method, &target, &body);
            calls.push((bare(), 401, "AUTH001"));
            calls.push((bare().header("X-API-Key", SECRET_KEY), 401, "AUTH001"));
            calls.push((bare().header("X-API-Key", UNKNOWN_VALUE), 401, "AUTH001"));
            calls.push((bare().bearer(SECRET_TOKEN), 401, "AUTH001"));
            calls.push((bare().basic(&world.key), 401, "AUTH001"));
            calls.push((self.by(&world.fenced, method, &target, &body), 403, "AUTH002"));
            let scopeless = if method == "GET" { &world.writing } else { &world.reading };
            calls.push((self.by(scopeless, method, &target, &body), 403, "AUTH002"));
            if target.starts_with(&self.path) || target == self.bare {
                let key = if method == "DELETE" { &world.others_erasing } else { &world.other };
                calls.push((self.by(key, method, &target, &body), 404, "CUST001"));
            }
        }
        calls
    }

    /// What is wrong with a body.
    fn wrong_bodies(&self) -> Vec<(Call, u16, &'static str)> {
        let mut calls = Vec::new();
        for (method, target) in [("POST", CLIENTS), ("PUT", self.path.as_str())] {
            let bare = || dressed(Call::new(method, target)).header("X-API-Key", &self.world.key);
            let cut = format!(r#"{{"name":"Zeisigard Finkenschlag","x":"{PIECE}"#);
            calls.push((bare().json(cut), 400, "VAL003"));
            calls.push((bare().json(format!(r#"[{{"value":"{PIECE}"}}]"#)), 400, "VAL003"));
            let raw = [client(0).to_string().as_bytes(), b"\xFF"].concat();
            calls.push((bare().json(raw), 400, "VAL003"));
            calls.push((bare().form(PIECE), 415, "REQ001"));
            let long = json!({"name": UNKNOWN_VALUE.repeat(4_000)});
            calls.push((bare().json(long.to_string()), 413, "REQ001"));
            for (key, value) in client(0).as_object().unwrap() {
                // The address may be anything; what is not known is passed over.
                if !["address", "unknown"].contains(&key.as_str()) {
                    let mut body = json!({"name": "Zeisigard Finkenschlag", "email": "a@b"});
                    body[key] = json!({"nested": [value, PIECE.repeat(20)], "a": PIECE});
                    if key.ends_with("Preferences") || key == "kyc" || key.ends_with("Address") {
                        body[key] = json!([value, PIECE]);
                    }
                    calls.push((bare().json(body.to_string()), 400, "VAL002"));
                }
            }
        }
        let put = |body: &Value| self.keyed("PUT", &self.path, body);
        calls.push((put(&json!({"id": UNKNOWN_VALUE})), 400, "VAL003"));
        calls.push((self.keyed("POST", CLIENTS, &json!({"phone": PIECE})), 400, "VAL001"));
        calls.push((self.keyed("POST", CLIENTS, &client(1)), 409, "CUST002"));
        calls.push((put(&client(0)).header("If-Match", UNKNOWN_VALUE), 412, "CUST003"));
        calls
    }

    /// What is asked for where nothing is.
    fn nowhere(&self) -> Vec<(Call, u16, &'static str)> {
        let nobody = format!("{CLIENTS}/{UNKNOWN_VALUE}");
        let query = format!("{CLIENTS}?q={PIECE}%zz");
        let pages = format!("{CLIENTS}?pageNumber={UNKNOWN_VALUE}&pageSize={PIECE}");
        let below = format!("/ipg/2.0.0/{UNKNOWN_VALUE}");
        vec![
            (self.keyed("GET", &nobody, &Value::Null), 404, "CUST001"),
            (self.keyed("PUT", &nobody, &client(0)), 404, "CUST001"),
            (self.keyed("GET", &query, &Value::Null), 400, "VAL003"),
            (self.keyed("GET", &pages, &Value::Null), 400, "VAL002"),
            (self.keyed("GET", &below, &Value::Null), 404, "REQ001"),
            (self.keyed("CANARYMETHOD", CLIENTS, &client(0)), 405, "REQ001"),
        ]
    }

    /// Requests that cannot be answered without writing.
    fn writing(&self) -> Vec<Call> {
        let mut new = client(0);
        new["memberId"] = UNKNOWN_VALUE.into();
        vec![
            self.keyed("POST", CLIENTS, &new),
            self.keyed("PUT", &self.path, &client(0)),
            self.keyed("POST", &format!("{}/token", self.path), &Value::Null),
            self.by(&self.world.erasing, "DELETE", &self.path, &Value::Null),
        ]
    }
}

fn log_in(password: &str) -> Call {
    request("POST", LOGIN, &json!({"email": OPERATOR, "password": password}))
}

impl Telling {
    fn told(&self) -> Told<'_> {
        let number = self.number.get().unwrap();
        let path = format!("{CLIENTS}/{number}");
        Told { world: &self.world, path, bare: format!("/customers/{number}") }
    }

    fn makes_client(&self, which: usize) -> Reply {
        let call = request("POST", CLIENTS, &client(which));
        self.tell(&call.header("X-API-Key", &self.world.key), 201, "")
    }

    /// Every endpoint's success, then everything that can go wrong with each.
    pub(super) fn tell_cyrexas(&self) {
        create_operator(&self.server, &["--merchant", "testaccount"], "operator", OPERATOR);
        let made = self.makes_client(0).json();
        self.number.set(made["id"].as_i64().unwrap()).unwrap();
        let told = self.told();
        for (method, target, body) in told.all() {
            match (method, target.as_str()) {
                ("POST", CLIENTS) => {}
                // Another one goes, so that this one stays.
                ("DELETE", _) => {
                    let gone = path_of(&self.makes_client(0).json());
                    let key = &self.world.erasing;
                    self.tell(&told.by(key, "DELETE", &gone, &Value::Null), 204, "");
                }
                _ => drop(self.tell(&told.keyed(method, &target, &body), 200, "")),
            }
        }
        let issued = told.keyed("POST", &format!("{}/token", told.path), &Value::Null);
        let issued = self.tell(&issued, 200, "").json();
        let token = issued["accessToken"].as_str().unwrap();
        let own = |method: &str, body: &Value| request(method, &told.path, body).bearer(token);
        self.tell(&own("GET", &Value::Null), 200, "");
        self.tell(&own("PUT", &json!({"status": "suspended"})), 403, "AUTH002");
        self.tell_logins();
        for (call, status, code) in
            told.refused_callers().into_iter().chain(told.wrong_bodies()).chain(told.nowhere())
        {
            self.tell(&call, status, code);
        }
    }

    fn tell_logins(&self) {
        let session = self.tell(&log_in(PASSWORD), 200, "").json();
        let session = session["accessToken"].as_str().unwrap().to_owned();
        soon("the session expires", || {
            let call = request("GET", CLIENTS, &Value::Null).bearer(&session);
            let reply = call.send(&self.server);
            self.hear(&call, &reply);
            (reply.status == 401).then_some(())
        });
        let without = json!({"email": OPERATOR, "password": {"nested": SECRET_PASSWORD}});
        self.tell(&request("POST", LOGIN, &without), 400, "VAL002");
        self.tell(&request("POST", LOGIN, &json!({"email": OPERATOR})), 400, "VAL001");
        for _ in 0..10 {
            self.tell(&log_in(SECRET_PASSWORD), 401, "AUTH001");
        }
        self.tell(&log_in(SECRET_PASSWORD), 429, "RATE001");
    }

    /// Requests whose bodies will not arrive.
    pub(super) fn cyrexas_late(&self) -> Vec<Call> {
        let told = self.told();
        vec![told.keyed("POST", CLIENTS, &client(0)), told.keyed("PUT", &told.path, &client(0))]
    }

    /// Requests that cannot be answered while the store is away.
    pub(super) fn cyrexas_writing(&self) -> Vec<Call> {
        self.told().writing()
    }

    /// The customer's row was altered, and does not open.
    pub(super) fn tell_cyrexas_altered(&self) {
        let told = self.told();
        for (method, target, body) in told.all() {
            if (method, target.as_str()) != ("POST", CLIENTS) {
                let key = if method == "DELETE" { &self.world.erasing } else { &self.world.key };
                self.tell(&told.by(key, method, &target, &body), 500, "SRV001");
            }
        }
    }
}
