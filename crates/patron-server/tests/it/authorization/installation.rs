//! An installation with four merchants and every kind of key, in which each caller is tried.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use patron_testkit::http::{Call, Connection, Reply, basic, colonless};
use patron_testkit::server::{Launch, SANDBOX_KEY, Server};
use patron_testkit::wait::soon;
use serde_json::Value;

use super::asks::{Ask, Customer};
use super::callers::LISTED;
use crate::cyrexa::{CLIENTS, create_operator, log_in};
use crate::stage::{create_key, create_merchant, text};

/// Operators who are logged in, and their addresses of mail.
const OPERATORS: [(&str, &str); 4] = [
    ("owner", "owner@home.example"),
    ("operator", HOME_OPERATOR),
    ("other owner", "owner@other.example"),
    ("suspended owner", "owner@suspended.example"),
];

/// The operator of the merchant whose customers most callers ask for.
pub(super) const HOME_OPERATOR: &str = "operator@home.example";

/// Whose customers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merchant {
    Home,
    Other,
    /// Suspended whenever a caller asks.
    Suspended,
    /// With an allow-list.
    Fenced,
}

impl Merchant {
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Home => "testaccount",
            Self::Other => "other",
            Self::Suspended => "suspended",
            Self::Fenced => "fenced",
        }
    }

    /// The name of the key that may read and write.
    const fn key(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Other => "other",
            Self::Suspended => "suspended",
            Self::Fenced => "fenced",
        }
    }
}

/// What a caller shows, wherever it shows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Credentials {
    pub(super) headers: Vec<(String, String)>,
    pub(super) query: Vec<String>,
    pub(super) form: Option<String>,
}

impl Credentials {
    pub(super) fn basic(key: &str) -> Self {
        Self::default().header("Authorization", &basic(key))
    }

    /// A key as the wires that have a header of its own take it.
    pub(super) fn key(key: &str) -> Self {
        Self::default().header("X-API-Key", key)
    }

    pub(super) fn bearer(token: &str) -> Self {
        Self::default().header("Authorization", &format!("Bearer {token}"))
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn query(mut self, parameter: String) -> Self {
        self.query.push(parameter);
        self
    }

    pub(super) fn form(mut self, fields: String) -> Self {
        self.form = Some(fields);
        self
    }

    /// A key with something behind its colon.
    pub(super) fn password(key: &str, password: &str) -> Self {
        let value = colonless(&format!("{key}:{password}"));
        Self::default().header("Authorization", &value)
    }

    /// A key wherever one might look for it, but where it belongs.
    pub(super) fn astray(key: &str) -> Self {
        Self::default()
            .header("x-api-key", key)
            .header("cookie", &format!("api_key={key}"))
            .query(format!("api_key={key}&client_auth_token={key}"))
            .form(format!("api_key={key}&merchant_id={}", Merchant::Home.id()))
    }

    /// A token wherever one might look for it, but where it belongs.
    pub(super) fn astray_token(token: &str) -> Self {
        Self::default()
            .header("x-client-auth-token", token)
            .header("client_auth_token", token)
            .header("cookie", &format!("client_auth_token={token}"))
            .query(format!("token={token}&client-auth-token={token}"))
            .form(format!("client_auth_token={token}"))
    }

    /// Names a merchant as well.
    pub(super) fn of(self, merchant: Merchant) -> Self {
        self.header("x-merchantid", merchant.id())
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.headers.extend(other.headers);
        self
    }
}

/// What there is to see of a merchant and one of its customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) total: u64,
    /// The newest customers.
    pub(super) newest: Value,
    /// The customer, and its entity tag, where it is there.
    pub(super) customer: Option<(Value, String)>,
}

pub(super) struct Installation {
    server: Server,
    /// The way in on which everything is prepared and looked at.
    connection: RefCell<Connection>,
    keys: HashMap<String, String>,
    /// Operators' access tokens.
    sessions: HashMap<&'static str, String>,
    /// Customers whose tokens have ended.
    with_ended_tokens: RefCell<Vec<Customer>>,
    made: Cell<u32>,
    is_behind_proxy: bool,
}

/// How often a token works here: twice, since a refusal is compared with another one.
const TOKEN_USES: usize = 2;

impl Installation {
    /// Behind a proxy that says where requests come from.
    pub(super) fn behind_proxy(launch: Launch, scopes: &[&str]) -> Self {
        let launch = launch.with("--behind-proxy").with("127.0.0.0/8");
        Self::found(launch, scopes, true)
    }

    /// Reached directly.
    pub(super) fn direct(launch: Launch) -> Self {
        Self::found(launch, &[], false)
    }

    fn found(launch: Launch, scopes: &[&str], is_behind_proxy: bool) -> Self {
        let short_lived = launch.clone().with("--token-lifetime-s").with("1");
        let short_lived = short_lived.with("--access-token-lifetime-s").with("1").start();
        let mut early = Self::over(short_lived, is_behind_proxy);
        early.make_keys(scopes);
        early.make_operators();
        let expired = log_in(&early.server, HOME_OPERATOR);
        let customers = Ask::ALL.map(|_| early.create(Merchant::Home, "ended"));
        let Self { mut server, keys, made, .. } = early;
        assert!(server.terminate().success());
        let uses = TOKEN_USES.to_string();
        let server = launch.with("--token-uses").with(uses).start();
        let mut at = Self { keys, made, ..Self::over(server, is_behind_proxy) };
        for (name, email) in OPERATORS {
            at.sessions.insert(name, log_in(&at.server, email));
        }
        let call = Call::get(CLIENTS).bearer(&expired);
        soon("the session expires", || (call.send(&at.server).status == 401).then_some(()));
        at.sessions.insert("expired", expired);
        for name in ["expired", "after grace"] {
            let key = at.key(name);
            let call = Call::get("/customers").basic(key);
            soon("the key ends", || (call.send(&at.server).status == 401).then_some(()));
        }
        for customer in &customers {
            let call = Call::get(format!("/customers/{}", customer.id)).bearer(&customer.token);
            soon("the token ends", || (call.send(&at.server).status == 401).then_some(()));
        }
        at.with_ended_tokens.borrow_mut().extend(customers);
        at
    }

    fn over(server: Server, is_behind_proxy: bool) -> Self {
        Self {
            connection: RefCell::new(Connection::open(&server)),
            server,
            keys: HashMap::from([("home".to_owned(), SANDBOX_KEY.to_owned())]),
            sessions: HashMap::new(),
            with_ended_tokens: RefCell::default(),
            made: Cell::default(),
            is_behind_proxy,
        }
    }

    fn make_keys(&mut self, scopes: &[&str]) {
        let server = &self.server;
        for merchant in [Merchant::Other, Merchant::Suspended, Merchant::Fenced] {
            let key = create_merchant(server, merchant.id(), &[]);
            self.keys.insert(merchant.key().to_owned(), key);
        }
        let made: Vec<_> = scopes
            .iter()
            .map(|names| (*names, Merchant::Home, vec!["--scopes", names]))
            .chain([
                ("expired", Merchant::Home, vec!["--expires", "1s"]),
                ("revoked", Merchant::Home, vec![]),
                ("in grace", Merchant::Home, vec![]),
                ("after grace", Merchant::Home, vec![]),
                ("other, erasing", Merchant::Other, vec!["--scopes", "customers:erase"]),
                ("fenced, revoked", Merchant::Fenced, vec![]),
                ("fenced, reading", Merchant::Fenced, vec!["--scopes", "customers:read"]),
            ])
            .map(|(name, merchant, more)| {
                (name, merchant, create_key(server, merchant.id(), &more))
            })
            .collect();
        for (name, merchant, (key, number)) in made {
            match name {
                "revoked" | "fenced, revoked" => {
                    server.manage(&["key", "revoke", merchant.id(), &number]).ok();
                }
                "in grace" => {
                    let rolled = server.manage(&["key", "roll", merchant.id(), &number, "--json"]);
                    let successor = text(&rolled.json(), "key").to_owned();
                    self.keys.insert("successor".to_owned(), successor);
                }
                "after grace" => {
                    server.manage(&["key", "roll", merchant.id(), &number, "--grace", "1s"]).ok();
                }
                _ => {}
            }
            self.keys.insert(name.to_owned(), key);
        }
    }

    fn make_operators(&self) {
        for (name, email) in OPERATORS {
            let role = if name == "operator" { "operator" } else { "owner" };
            let merchant = match name {
                "other owner" => Merchant::Other,
                "suspended owner" => Merchant::Suspended,
                _ => Merchant::Home,
            };
            create_operator(&self.server, &["--merchant", merchant.id()], role, email);
        }
    }

    /// An operator's access token.
    pub(super) fn session(&self, name: &str) -> &str {
        self.sessions.get(name).unwrap_or_else(|| panic!("there is no session {name}"))
    }

    /// A customer's number, by which another wire knows it.
    pub(super) fn number_of(&self, merchant: Merchant, customer: &Customer) -> i64 {
        let target = format!("{CLIENTS}?memberId={}", customer.reference);
        let call = Call::get(target).header("X-API-Key", self.key(merchant.key()));
        let call = call.header("x-forwarded-for", LISTED);
        let page = self.connection.borrow_mut().send(&call).expect(200);
        page["customers"][0]["id"].as_i64().unwrap()
    }

    pub(super) fn key(&self, name: &str) -> &str {
        self.keys.get(name).unwrap_or_else(|| panic!("there is no key {name}"))
    }

    /// Sends a request as the operator of the merchant does, from where that is allowed.
    fn ask(&self, merchant: Merchant, call: Call) -> Reply {
        let call = call.basic(self.key(merchant.key())).header("x-forwarded-for", LISTED);
        self.connection.borrow_mut().send(&call)
    }

    /// A new customer with a token.
    pub(super) fn create(&self, merchant: Merchant, kind: &str) -> Customer {
        self.made.set(self.made.get() + 1);
        let reference = format!("{kind}-{}@example.com", self.made.get());
        let form = format!(
            "object_reference_id={reference}&mobile_number=1&options.get_client_auth_token=true"
        );
        let mut body = self.ask(merchant, Call::post("/customers").form(form)).expect(200);
        let issued = body.as_object_mut().unwrap().remove("juspay").unwrap();
        let token = text(&issued, "client_auth_token").to_owned();
        Customer { id: text(&body, "id").to_owned(), reference, token, body }
    }

    /// A customer whose token ended long ago.
    pub(super) fn with_ended_token(&self) -> Customer {
        self.with_ended_tokens.borrow_mut().pop().unwrap()
    }

    /// Uses a customer's token as often as it works.
    pub(super) fn use_up(&self, customer: &Customer) {
        for _ in 0..TOKEN_USES {
            let call = Call::get(format!("/customers/{}", customer.id)).bearer(&customer.token);
            assert_eq!(call.send(&self.server).status, 200);
        }
    }

    /// Sends a request as it is.
    pub(super) fn send(&self, call: &Call) -> Reply {
        call.send(&self.server)
    }

    /// Makes the merchant what it is when callers ask: suspended, or fenced in.
    pub(super) fn shut(&self, merchant: Merchant) {
        match merchant {
            Merchant::Home | Merchant::Other => {}
            Merchant::Suspended => {
                self.server.manage(&["merchant", "suspend", merchant.id()]).ok();
            }
            Merchant::Fenced => {
                let words = ["merchant", "set", merchant.id(), "--allow-ip", LISTED];
                self.server.manage(&words).ok();
            }
        }
    }

    /// Makes the merchant one that can be looked at.
    pub(super) fn open(&self, merchant: Merchant) {
        match merchant {
            Merchant::Suspended => {
                self.server.manage(&["merchant", "resume", merchant.id()]).ok();
            }
            // Behind a proxy the operator comes from an address of the list.
            Merchant::Fenced if !self.is_behind_proxy => {
                let words = ["merchant", "set", merchant.id(), "--no-allow-ip"];
                self.server.manage(&words).ok();
            }
            Merchant::Home | Merchant::Other | Merchant::Fenced => {}
        }
    }

    /// What there is to see of an open merchant.
    pub(super) fn look(&self, merchant: Merchant, customer: Option<&Customer>) -> Seen {
        let list = self.ask(merchant, Call::get("/customers?count=2")).expect(200);
        let customer = customer.and_then(|customer| {
            let reply = self.ask(merchant, Call::get(format!("/customers/{}", customer.id)));
            let tag = reply.header("etag").map(str::to_owned);
            tag.map(|tag| (reply.expect(200), tag))
        });
        Seen { total: list["total"].as_u64().unwrap(), newest: list["list"].clone(), customer }
    }
}
