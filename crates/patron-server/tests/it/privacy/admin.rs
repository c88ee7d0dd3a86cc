//! The stories of our own management API: each endpoint's success, about the customer of the stories before, and
//! everything that can go wrong with it.

use patron_testkit::http::{Call, Reply};
use patron_wire_admin::errors::Refusal;
use serde_json::{Value, json};

use super::stories::{REQUEST_ID, SECRET_KEY};
use super::{Row, Telling};
use crate::admin::asks::{ASKS, Ask, Names, Says};
use crate::admin::{HOME, OTHER};
use crate::cyrexa::{CLIENTS, PASSWORD, create_operator};
use crate::stage::{encoded, text};

const KEEPER: &str = "canary-keeper@nest.example";
const OWNER: &str = "canary-owner@nest.example";
const NAMES: [&str; 2] = ["Canario Keepersson", "Canario Keepersdottir"];
const FIRST_PASSWORD: &str = "canary-first-password";
const SECRET_PASSWORD: &str = "canary-guessed-password";
const SECRET_SESSION: &str = "ses_ca7aca7aca7aca7aca7aca7aca7aca7aca7aca7aca7aca7aca7aca7aca7aca7a";
const METADATA: &str = "canary-metadata-value";
const SUM: &str = "735560812.735561";
const PIECE: &str = "canary-admin-piece";

/// Every value that is searched for.
pub(super) fn all_canaries() -> impl Iterator<Item = &'static str> {
    let values =
        [KEEPER, OWNER, FIRST_PASSWORD, SECRET_PASSWORD, SECRET_SESSION, METADATA, SUM, PIECE];
    values.into_iter().chain(NAMES)
}

/// The endpoints that have a story.
pub(super) fn told() -> impl Iterator<Item = (&'static str, &'static str)> {
    ASKS.into_iter().map(Ask::endpoint)
}

/// Which row a refusal is. `None` where no story here provokes it. A new one does not compile without.
const fn row_of(refusal: &Refusal) -> Option<(u16, &'static str)> {
    match refusal {
        Refusal::Malformed => Some((400, "malformed")),
        Refusal::Invalid(_) => Some((400, "invalid")),
        Refusal::Unauthenticated => Some((401, "unauthenticated")),
        Refusal::Denied => Some((403, "denied")),
        Refusal::AddressRefused => Some((403, "address-refused")),
        Refusal::NotFound => Some((404, "not-found")),
        Refusal::EndpointNotFound => Some((404, "no-such-endpoint")),
        Refusal::MethodNotAllowed { .. } => Some((405, "method-not-allowed")),
        Refusal::RequestTimeout => Some((408, "request-timeout")),
        Refusal::AlreadyExists => Some((409, "already-exists")),
        Refusal::PreconditionFailed => Some((412, "precondition-failed")),
        Refusal::PayloadTooLarge => Some((413, "payload-too-large")),
        Refusal::UnsupportedMediaType => Some((415, "unsupported-media-type")),
        Refusal::RateLimited { .. } => Some((429, "rate-limited")),
        Refusal::Internal => Some((500, "internal")),
        Refusal::Unavailable { .. } => Some((503, "unavailable")),
        // A session lasts longer than a story, and two changes meet by chance.
        Refusal::Expired | Refusal::Conflict => None,
    }
}

/// The rows that the stories have to bring about.
pub(super) fn due() -> impl Iterator<Item = Row> {
    let rows = Refusal::all().into_iter().filter_map(|refusal| row_of(&refusal));
    rows.map(|(status, name)| (status, format!("/docs/errors/{name}")))
}

/// Takes the values out of an answer that its reader may see there.
pub(super) fn take_shown(body: &mut Value) {
    const SHOWN: [&str; 9] =
        ["profile", "old", "new", "email", "name", "token", "text", "requestId", "signature"];
    match body {
        Value::Object(members) => {
            members.retain(|key, _| !SHOWN.contains(&key.as_str()));
            members.values_mut().for_each(take_shown);
        }
        Value::Array(values) => values.iter_mut().for_each(take_shown),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
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

fn sign_in(email: &str, password: &str) -> Call {
    let body = json!({"email": email, "password": password});
    request("POST", "/admin/v1/login", &body)
}

/// What an endpoint is told, with canaries in it.
fn body_of(ask: Ask) -> Value {
    let mut body = ask.body("canaries-shop");
    for (key, canary) in [
        ("email", KEEPER),
        ("name", NAMES[0]),
        ("password", FIRST_PASSWORD),
        ("totalDeposits", SUM),
        ("key", METADATA),
    ] {
        if body.get(key).is_some() {
            body[key] = canary.into();
        }
    }
    if ask.template.ends_with("/login") {
        body = json!({"email": OWNER, "password": PASSWORD});
    }
    // Of merchants and keys nothing is personal, so that nothing is kept from anybody.
    if ask.template.ends_with("/merchants/{merchant}") {
        body = json!({"countryCode": "91"});
    }
    body
}

/// What asks about the customer of the stories, and for what is shown of it.
struct Admins<'a> {
    telling: &'a Telling,
    session: String,
    names: Names,
}

impl Admins<'_> {
    fn call(&self, ask: Ask) -> Call {
        self.by(&self.session, ask)
    }

    fn by(&self, shown: &str, ask: Ask) -> Call {
        self.bare(ask, &body_of(ask)).bearer(shown)
    }

    fn bare(&self, ask: Ask, body: &Value) -> Call {
        let call = dressed(Call::new(ask.method, ask.target(&self.names)));
        match ask.says {
            Says::Nothing => call,
            Says::Json => call.json(body.to_string()),
            Says::Form => call.form(format!("token={SECRET_SESSION}")),
        }
    }

    fn tell(&self, call: &Call, status: u16, name: &str) -> Reply {
        let name = if name.is_empty() { String::new() } else { format!("/docs/errors/{name}") };
        self.telling.tell(call, status, &name)
    }

    /// What is refused whoever is asked about.
    fn tell_refused_callers(&self, ask: Ask) {
        let world = &self.telling.world;
        let bare = || self.bare(ask, &body_of(ask));
        for call in [
            bare(),
            bare().bearer(SECRET_SESSION),
            bare().bearer(PIECE),
            bare().basic(SECRET_KEY),
            bare().header("X-API-Key", SECRET_PASSWORD),
        ] {
            self.tell(&call, 401, "unauthenticated");
        }
        self.tell(&bare().basic(&world.fenced), 403, "address-refused");
        let is_open = ["/me", "/merchants", "/merchants/{merchant}"];
        if !is_open.iter().any(|end| ask.template.ends_with(end) && ask.method == "GET") {
            let lesser = if ask.method == "GET" { &world.writing } else { &world.reading };
            if !ask.template.ends_with("introspect") {
                self.tell(&self.by(lesser, ask), 403, "denied");
            }
        }
        if ask.template.contains("{merchant}") {
            self.tell(&self.by(&world.other, ask), 404, "not-found");
        }
    }

    fn tell_wrong_bodies(&self, ask: Ask) {
        let bare = || dressed(Call::new(ask.method, ask.target(&self.names))).bearer(&self.session);
        let cut = format!(r#"{{"name":"{}","x":"{PIECE}"#, NAMES[0]);
        self.tell(&bare().json(cut), 400, "malformed");
        self.tell(&bare().json(format!(r#"["{PIECE}"]"#)), 400, "malformed");
        let twice = format!(r#"{{"a b":"{PIECE}","a b":"{PIECE}"}}"#);
        self.tell(&bare().json(twice), 400, "invalid");
        self.tell(&bare().form(PIECE), 415, "unsupported-media-type");
        let long = json!({"name": PIECE.repeat(4_000)});
        self.tell(&bare().json(long.to_string()), 413, "payload-too-large");
        let body = body_of(ask);
        for key in body.as_object().unwrap().keys() {
            let mut wrong = body.clone();
            wrong[key] = json!({"nested": [PIECE.repeat(40)], PIECE: METADATA});
            self.tell(&bare().json(wrong.to_string()), 400, "invalid");
        }
        if !ask.template.ends_with("/metadata") {
            let mut wrong = body;
            // What does not look like a name of a field may be a value that got lost.
            wrong[KEEPER] = PIECE.into();
            self.tell(&bare().json(wrong.to_string()), 400, "invalid");
        }
    }

    fn tell_failures(&self) {
        for ask in ASKS {
            if ask.template.ends_with("/login") {
                continue;
            }
            self.tell_refused_callers(ask);
            let odd = dressed(Call::new("CANARYMETHOD", ask.target(&self.names)));
            self.tell(&odd.bearer(&self.session).bytes(PIECE), 405, "method-not-allowed");
            if ask.says == Says::Json {
                self.tell_wrong_bodies(ask);
            } else if ask.says == Says::Nothing {
                let query = format!("{}?q={PIECE}%zz", ask.target(&self.names));
                let broken = request(ask.method, &query, &Value::Null).bearer(&self.session);
                self.tell(&broken, 400, "malformed");
            }
            if ask.template.contains("{customer}") {
                let names = Names { customer: encoded(KEEPER), ..self.names.clone() };
                let nobody = Admins { telling: self.telling, session: self.session.clone(), names };
                nobody.tell(&nobody.call(ask), 404, "not-found");
            }
        }
        let get = |target: &str| request("GET", target, &Value::Null).bearer(&self.session);
        let wrong = format!("{HOME}/customers?number={PIECE}&status={PIECE}&cursor={PIECE}");
        self.tell(&get(&wrong), 400, "invalid");
        self.tell(&get(&format!("/admin/v1/{PIECE}")), 404, "no-such-endpoint");
        let customer = format!("{HOME}/customers/{}", self.names.customer);
        let stale = request("DELETE", &customer, &Value::Null).bearer(&self.session);
        self.tell(&stale.header("If-Match", PIECE), 412, "precondition-failed");
        let merchant = json!({"id": "canaries-shop"});
        let again = request("POST", "/admin/v1/merchants", &merchant).bearer(&self.session);
        self.tell(&again, 409, "already-exists");
    }

    fn tell_sign_ins(&self) {
        self.tell(&sign_in(KEEPER, FIRST_PASSWORD), 200, "");
        for _ in 0..10 {
            self.tell(&sign_in(KEEPER, SECRET_PASSWORD), 401, "unauthenticated");
        }
        self.tell(&sign_in(KEEPER, SECRET_PASSWORD), 429, "rate-limited");
    }
}

impl Telling {
    fn admins(&self) -> Admins<'_> {
        let customer = self.number.get().unwrap().to_string();
        let session =
            text(&self.tell(&sign_in(OWNER, PASSWORD), 200, "").json(), "token").to_owned();
        let names =
            Names { merchant: "testaccount".to_owned(), number: customer.clone(), customer };
        Admins { telling: self, session, names }
    }

    /// A customer that goes, so that the one of the stories stays.
    fn passing_customer(&self) -> String {
        let body = json!({"name": NAMES[0], "email": KEEPER});
        let call = crate::cyrexa::call("POST", CLIENTS, &body).header("X-API-Key", &self.world.key);
        let made = call.send(&self.server).expect(201);
        made["id"].as_i64().unwrap().to_string()
    }

    /// Every endpoint's success, then everything that can go wrong with each.
    pub(super) fn tell_admins(&self) {
        create_operator(&self.server, &["--deployment"], "owner", OWNER);
        let admins = self.admins();
        for ask in ASKS {
            let mut names = admins.names.clone();
            names.number = match ask.template {
                template if template.contains("/keys/") => {
                    crate::stage::create_key(&self.server, "testaccount", &["--scopes", "admin"]).1
                }
                template if template.contains("/operators/{number}") => self.operator(ask),
                _ => names.number,
            };
            if ask.template.ends_with("/erase") || ask.method == "DELETE" {
                names.customer = self.passing_customer();
            }
            if ask.template.contains("/erasures/") {
                names.number = self.passing_customer();
                let erase = format!("{HOME}/customers/{}/erase", names.number);
                admins.tell(
                    &request("POST", &erase, &Value::Null).bearer(&admins.session),
                    202,
                    "",
                );
            }
            let session = match ask.template {
                "/admin/v1/logout" => self.admins().session,
                _ => admins.session.clone(),
            };
            let about = Admins { telling: self, session, names };
            let mut body = body_of(ask);
            if ask.method == "POST" && ask.template == "/admin/v1/operators" {
                // An address is one operator's only.
                body["email"] = json!(format!("another-{KEEPER}"));
            }
            let call = about.bare(ask, &body).bearer(&about.session);
            about.tell(&call, ask.status, "");
        }
        let search = format!("{HOME}/customers?email={}", encoded(KEEPER));
        admins.tell(&request("GET", &search, &Value::Null).bearer(&admins.session), 200, "");
        let theirs = request("GET", &format!("{OTHER}/customers"), &Value::Null);
        admins.tell(&theirs.bearer(&admins.session), 200, "");
        admins.tell_failures();
        admins.tell_sign_ins();
    }

    /// The number of an operator of the merchant, or of the deployment.
    fn operator(&self, ask: Ask) -> String {
        let whose: &[&str] = if ask.template.contains("{merchant}") {
            &["operator", "list", "--merchant", "testaccount", "--json"]
        } else {
            &["operator", "list", "--deployment", "--json"]
        };
        let operators = self.server.manage(whose).json();
        operators.as_array().unwrap().last().unwrap()["number"].to_string()
    }

    /// Requests whose bodies will not arrive.
    pub(super) fn admins_late(&self) -> Vec<Call> {
        let path = format!("{HOME}/customers/{}/metadata", self.number.get().unwrap());
        let body = json!({"key": METADATA});
        let metadata = request("PUT", &path, &body).header("X-API-Key", &self.world.key);
        vec![metadata, sign_in(KEEPER, SECRET_PASSWORD)]
    }

    /// Requests that cannot be answered while the store is away.
    pub(super) fn admins_writing(&self) -> Vec<Call> {
        let admins = self.admins();
        let is_writing = |ask: &Ask| {
            let end = ask.template.rsplit('/').next().unwrap_or_default();
            let is_look = ["{customer}", "customers", "history", "export", "access-log"];
            let writes = ["keys", "allow-list", "metadata", "payment-facts"];
            let looks = ask.method == "GET" && is_look.contains(&end);
            looks || (ask.method != "GET" && writes.contains(&end))
        };
        let mut calls: Vec<Call> = ASKS
            .into_iter()
            .filter(is_writing)
            .map(|ask| {
                let mut body = body_of(ask);
                if ask.template.ends_with("metadata") {
                    body["key"] = PIECE.into();
                }
                if ask.template.ends_with("payment-facts") {
                    body["hasPaymentRequests"] = json!(false);
                }
                admins.bare(ask, &body).bearer(&admins.session)
            })
            .collect();
        calls.push(sign_in(OWNER, PASSWORD));
        calls
    }

    /// The customer's row was altered, and does not open.
    pub(super) fn tell_admins_altered(&self) {
        let admins = self.admins();
        for ask in ASKS {
            let is_about =
                ask.template.contains("{customer}") || ask.template.ends_with("/customers");
            // The entries of a history are sealed apart from the row.
            if is_about && !ask.template.ends_with("/history") {
                admins.tell(&admins.call(ask), 500, "internal");
            }
        }
    }
}
