//! Cyrexa's part of the table: its endpoints with every kind of caller.

use std::collections::{BTreeMap, BTreeSet};

use patron_testkit::http::{Call, Reply};
use serde_json::{Value, json};

use self::Gets::{Adr, Den, Exp, Non, Own, Sco, Yes};
use super::asks::Customer;
use super::callers::{LISTED, SCOPES};
use super::installation::Merchant::{Fenced, Home, Other, Suspended};
use super::installation::{Credentials, HOME_OPERATOR, Installation, Merchant, Seen};
use crate::cyrexa::{CLIENTS, LOGIN, PASSWORD, call};
use crate::stage::launch;

/// What a caller gets. Three letters each, so that the table stays in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gets {
    /// What it asked for.
    Yes,
    /// What it asked for, but among its own merchant's customers.
    Own,
    /// 404, no such customer.
    Non,
    /// 401.
    Den,
    /// 401: the token has expired.
    Exp,
    /// 403: not within its reach.
    Sco,
    /// 403: not from this address.
    Adr,
}

/// The columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Create,
    List,
    Find,
    Update,
    UpdateBare,
    Delete,
    IssueToken,
    LogIn,
}

const ASKS: [Ask; 8] = [
    Ask::Create,
    Ask::List,
    Ask::Find,
    Ask::Update,
    Ask::UpdateBare,
    Ask::Delete,
    Ask::IssueToken,
    Ask::LogIn,
];

/// The endpoints that the table has columns for.
pub(super) fn columns() -> [(&'static str, &'static str); 8] {
    ASKS.map(Ask::endpoint)
}

impl Ask {
    const fn endpoint(self) -> (&'static str, &'static str) {
        match self {
            Self::Create => ("POST", CLIENTS),
            Self::List => ("GET", CLIENTS),
            Self::Find => ("GET", "/ipg/2.0.0/customers/{id}"),
            Self::Update => ("PUT", "/ipg/2.0.0/customers/{id}"),
            Self::UpdateBare => ("PUT", "/customers/{id}"),
            Self::Delete => ("DELETE", "/ipg/2.0.0/customers/{id}"),
            Self::IssueToken => ("POST", "/ipg/2.0.0/customers/{id}/token"),
            Self::LogIn => ("POST", LOGIN),
        }
    }

    fn body(self, customer: &Customer) -> Value {
        match self {
            Self::Create => {
                let reference = format!("new-{}", customer.reference);
                json!({"name": "New", "email": "new@example.com", "memberId": reference})
            }
            Self::Update | Self::UpdateBare => json!({"name": "Changed"}),
            Self::LogIn => json!({"email": HOME_OPERATOR, "password": PASSWORD}),
            Self::List | Self::Find | Self::Delete | Self::IssueToken => Value::Null,
        }
    }

    /// The request about the customer with this number. Its id is always the same, so that equal answers
    /// are equal to the byte.
    fn call(self, customer: &Customer, number: i64, credentials: &Credentials) -> Call {
        let (method, template) = self.endpoint();
        let mut target = template.replace("{id}", &number.to_string());
        if !credentials.query.is_empty() {
            target = format!("{target}?{}", credentials.query.join("&"));
        }
        let body = self.body(customer);
        let asked =
            if body.is_null() { Call::new(method, target) } else { call(method, target, &body) };
        let asked = asked.header("x-request-id", "r-1");
        credentials.headers.iter().fold(asked, |call, (name, value)| call.header(name, value))
    }
}

/// A number that nobody has.
const NOBODY: i64 = 1 << 52;

/// Somebody who asks, as in the other part of the table.
struct Caller {
    who: &'static str,
    of: Merchant,
    shows: fn(&Installation, &Customer) -> Credentials,
    gets: [Gets; 8],
}

const fn caller(
    who: &'static str,
    of: Merchant,
    shows: fn(&Installation, &Customer) -> Credentials,
    gets: [Gets; 8],
) -> Caller {
    Caller { who, of, shows, gets }
}

fn key(at: &Installation, name: &str) -> Credentials {
    Credentials::key(at.key(name))
}

fn session(at: &Installation, name: &str) -> Credentials {
    Credentials::bearer(at.session(name))
}

fn neighbours(at: &Installation) -> Credentials {
    Credentials::bearer(&at.create(Home, "neighbour").token)
}

fn from(shown: Credentials, addresses: &str) -> Credentials {
    shown.header("x-forwarded-for", addresses)
}

const UNKNOWN_KEY: &str = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF";
const MADE_UP_TOKEN: &str = "tkn_24543c6a278f45d680d09edb32e78061";
const UNLISTED: &str = "198.51.100.1";

// The columns: create, list, find, update, update at the bare path, delete, token, login. Logging in is asked of
// nobody's rights: whoever has the password may.
const ALL: [Gets; 8] = [Yes, Yes, Yes, Yes, Yes, Yes, Yes, Yes];
// What a token does is told as its customer's own doing, so that no operator hands one out.
const OWNER: [Gets; 8] = [Yes, Yes, Yes, Yes, Yes, Yes, Sco, Yes];
const OPERATOR: [Gets; 8] = [Yes, Yes, Yes, Yes, Yes, Sco, Sco, Yes];
const FULL: [Gets; 8] = [Yes, Yes, Yes, Yes, Yes, Sco, Yes, Yes];
const READ: [Gets; 8] = [Sco, Yes, Yes, Sco, Sco, Sco, Sco, Yes];
// A token reads and writes, so that only who may do both hands one out.
const WRITE: [Gets; 8] = [Yes, Sco, Sco, Yes, Yes, Sco, Sco, Yes];
const ERASE: [Gets; 8] = [Sco, Sco, Sco, Sco, Sco, Yes, Sco, Yes];
const READ_ERASE: [Gets; 8] = [Sco, Yes, Yes, Sco, Sco, Yes, Sco, Yes];
const WRITE_ERASE: [Gets; 8] = [Yes, Sco, Sco, Yes, Yes, Yes, Sco, Yes];
const SCOPE: [Gets; 8] = [Sco, Sco, Sco, Sco, Sco, Sco, Sco, Yes];
const OTHER: [Gets; 8] = [Own, Own, Non, Non, Non, Sco, Non, Yes];
const OTHER_OWNER: [Gets; 8] = [Own, Own, Non, Non, Non, Non, Sco, Yes];
const OTHER_ERASE: [Gets; 8] = [Sco, Sco, Sco, Sco, Sco, Non, Sco, Yes];
const TOKEN: [Gets; 8] = [Sco, Sco, Yes, Yes, Yes, Sco, Sco, Yes];
const ALIEN: [Gets; 8] = [Sco, Sco, Non, Non, Non, Sco, Sco, Yes];
const NONE: [Gets; 8] = [Den, Den, Den, Den, Den, Den, Den, Yes];
const EXPIRED: [Gets; 8] = [Exp, Exp, Exp, Exp, Exp, Exp, Exp, Yes];
const ADDRESS: [Gets; 8] = [Adr, Adr, Adr, Adr, Adr, Adr, Adr, Yes];

const CALLERS: [Caller; 46] = [
    caller("nobody", Home, |_, _| Credentials::default(), NONE),
    caller("unknown key", Home, |_, _| Credentials::key(UNKNOWN_KEY), NONE),
    caller("key", Home, |at, _| key(at, "home"), FULL),
    caller("key as Basic", Home, |at, _| Credentials::basic(at.key("home")), NONE),
    caller("key as Bearer", Home, |at, _| Credentials::bearer(at.key("home")), NONE),
    caller(
        "key in lower case",
        Home,
        |at, _| Credentials::key(&at.key("home").to_lowercase()),
        NONE,
    ),
    caller("key twice", Home, |at, _| key(at, "home").and(key(at, "home")), NONE),
    caller("empty key", Home, |_, _| Credentials::key(""), NONE),
    caller(
        "key in the query",
        Home,
        |at, _| Credentials::default().query(format!("X-API-Key={}", at.key("home"))),
        NONE,
    ),
    caller("revoked key", Home, |at, _| key(at, "revoked"), NONE),
    caller("expired key", Home, |at, _| key(at, "expired"), NONE),
    caller("rolled key in its grace", Home, |at, _| key(at, "in grace"), FULL),
    caller("rolled key after its grace", Home, |at, _| key(at, "after grace"), NONE),
    caller("successor of a rolled key", Home, |at, _| key(at, "successor"), FULL),
    caller("another merchant's key", Home, |at, _| key(at, "other"), OTHER),
    caller(
        "another merchant's key that erases",
        Home,
        |at, _| key(at, "other, erasing"),
        OTHER_ERASE,
    ),
    caller("suspended merchant's key", Suspended, |at, _| key(at, "suspended"), NONE),
    caller("scope to read", Home, |at, _| key(at, SCOPES[0]), READ),
    caller("scope to write", Home, |at, _| key(at, SCOPES[1]), WRITE),
    caller("scope to erase", Home, |at, _| key(at, SCOPES[2]), ERASE),
    caller("scope to manage", Home, |at, _| key(at, SCOPES[3]), SCOPE),
    caller("read, write", Home, |at, _| key(at, SCOPES[4]), FULL),
    caller("read, erase, manage", Home, |at, _| key(at, SCOPES[5]), READ_ERASE),
    caller("write, erase, manage", Home, |at, _| key(at, SCOPES[6]), WRITE_ERASE),
    caller("erase, manage", Home, |at, _| key(at, SCOPES[7]), ERASE),
    caller("all scopes", Home, |at, _| key(at, SCOPES[8]), ALL),
    caller("owner", Home, |at, _| session(at, "owner"), OWNER),
    caller("operator", Home, |at, _| session(at, "operator"), OPERATOR),
    caller("another merchant's owner", Home, |at, _| session(at, "other owner"), OTHER_OWNER),
    caller("suspended merchant's owner", Suspended, |at, _| session(at, "suspended owner"), NONE),
    caller("session that expired", Home, |at, _| session(at, "expired"), EXPIRED),
    caller("session as a key", Home, |at, _| Credentials::key(at.session("owner")), NONE),
    caller(
        "session that was made up",
        Home,
        |_, _| Credentials::bearer(&format!("ses_{}", "0a".repeat(32))),
        NONE,
    ),
    caller(
        "unknown key beside a session",
        Home,
        |at, _| session(at, "owner").and(Credentials::key(UNKNOWN_KEY)),
        NONE,
    ),
    caller("token", Home, |_, c| Credentials::bearer(&c.token), TOKEN),
    caller(
        "token in the query",
        Home,
        |_, c| Credentials::default().query(format!("client_auth_token={}", c.token)),
        NONE,
    ),
    caller("token as a key", Home, |_, c| Credentials::key(&c.token), NONE),
    caller("token that was made up", Home, |_, _| Credentials::bearer(MADE_UP_TOKEN), NONE),
    caller(
        "token that is used up",
        Home,
        |at, c| {
            at.use_up(c);
            Credentials::bearer(&c.token)
        },
        NONE,
    ),
    caller("neighbour's token", Home, |at, _| neighbours(at), ALIEN),
    caller(
        "token of another merchant's customer",
        Home,
        |at, _| Credentials::bearer(&at.create(Other, "theirs").token),
        ALIEN,
    ),
    caller("suspended merchant's token", Suspended, |_, c| Credentials::bearer(&c.token), NONE),
    caller(
        "key beside a neighbour's token",
        Home,
        |at, _| key(at, "home").and(neighbours(at)),
        FULL,
    ),
    caller("on the list", Fenced, |at, _| from(key(at, "fenced"), LISTED), FULL),
    caller("off the list", Fenced, |at, _| from(key(at, "fenced"), UNLISTED), ADDRESS),
    caller(
        "off the list, token",
        Fenced,
        |_, c| from(Credentials::bearer(&c.token), UNLISTED),
        TOKEN,
    ),
];

/// An answer to the byte, but for its date.
fn look_of(reply: &Reply) -> String {
    let mut headers = reply.headers.clone();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
    let mut body = reply.json();
    body["timestamp"] = Value::Null;
    format!("{} {headers:?} {body}", reply.status)
}

fn is_refused_as(gets: Gets, reply: &Reply, cell: &str) {
    let body = reply.json();
    let (status, code) = match gets {
        Non => (404, "CUST001"),
        Den => (401, "AUTH001"),
        Exp => (401, "AUTH003"),
        Sco | Adr => (403, "AUTH002"),
        Yes | Own => panic!("{cell}: {gets:?} is no refusal"),
    };
    assert_eq!((reply.status, &body["code"]), (status, &code.into()), "{cell}: {}", reply.text());
    let is_about_address = body["message"] == "Not allowed from this address";
    assert_eq!(is_about_address, gets == Adr, "{cell}");
    assert_eq!(reply.header("etag"), None, "{cell}: a version");
}

/// What changed must be what was asked for, and nothing else.
fn has_effect(ask: Option<Ask>, before: &Seen, after: &Seen, cell: &str) {
    match ask {
        None | Some(Ask::List | Ask::Find | Ask::IssueToken | Ask::LogIn) => {
            assert_eq!(after, before, "{cell}: something changed");
        }
        Some(Ask::Create) => {
            assert_eq!(after.total, before.total + 1, "{cell}");
            assert_eq!(after.customer, before.customer, "{cell}");
        }
        Some(Ask::Update | Ask::UpdateBare) => {
            assert_eq!(after.total, before.total, "{cell}");
            let (customer, tag) = after.customer.as_ref().unwrap();
            assert_eq!(
                (&customer["first_name"], tag.as_str()),
                (&"Changed".into(), "\"2\""),
                "{cell}"
            );
        }
        Some(Ask::Delete) => {
            assert_eq!(after.total + 1, before.total, "{cell}");
            assert_eq!(after.customer, None, "{cell}");
        }
    }
}

/// What is answered to whoever may ask.
fn is_answered(ask: Ask, reply: &Reply, number: i64, cell: &str) {
    let status = match ask {
        Ask::Create => 201,
        Ask::Delete => 204,
        Ask::List | Ask::Find | Ask::Update | Ask::UpdateBare | Ask::IssueToken | Ask::LogIn => 200,
    };
    assert_eq!(reply.status, status, "{cell}: {}", reply.text());
    match ask {
        Ask::Create => assert_ne!(reply.json()["id"], number, "{cell}"),
        Ask::Find => assert_eq!(reply.json()["id"], number, "{cell}"),
        Ask::Update | Ask::UpdateBare => {
            let body = reply.json();
            assert_eq!((&body["id"], &body["name"]), (&number.into(), &"Changed".into()), "{cell}");
        }
        Ask::Delete => assert_eq!(reply.text(), "", "{cell}"),
        Ask::List => assert!(reply.json()["total"].is_u64(), "{cell}"),
        Ask::IssueToken | Ask::LogIn => assert!(reply.json()["accessToken"].is_string(), "{cell}"),
    }
}

fn try_cell(
    at: &Installation,
    caller: &Caller,
    ask: Ask,
    gets: Gets,
    looks: &mut BTreeMap<Gets, BTreeSet<String>>,
) {
    let cell = format!("{}: {ask:?}", caller.who);
    let customer = at.create(caller.of, "asked-for");
    let number = at.number_of(caller.of, &customer);
    let credentials = (caller.shows)(at, &customer);
    let asked = ask.call(&customer, number, &credentials);
    let before = at.look(caller.of, Some(&customer));
    let others_before = at.look(Other, None);
    at.shut(caller.of);
    let reply = at.send(&asked);
    let nobody = Customer::nobody();
    let about_nobody = (gets == Non).then(|| at.send(&ask.call(&nobody, NOBODY, &credentials)));
    at.open(caller.of);
    let after = at.look(caller.of, Some(&customer));
    let others_after = at.look(Other, None);
    let (here, there) = match gets {
        Yes => (Some(ask), None),
        Own => (None, Some(ask)),
        Non | Den | Exp | Sco | Adr => (None, None),
    };
    has_effect(here, &before, &after, &cell);
    has_effect(there, &others_before, &others_after, &cell);
    if matches!(gets, Yes | Own) {
        return is_answered(ask, &reply, number, &cell);
    }
    is_refused_as(gets, &reply, &cell);
    looks.entry(gets).or_default().insert(look_of(&reply));
    if let Some(nobody) = about_nobody {
        assert_eq!(look_of(&reply), look_of(&nobody), "{cell}: tells that there is one");
    }
}

#[test]
fn each_caller_gets_exactly_what_the_table_says() {
    let at = Installation::behind_proxy(launch(), &SCOPES);
    let mut looks = BTreeMap::new();
    for caller in &CALLERS {
        for (ask, gets) in ASKS.into_iter().zip(caller.gets) {
            try_cell(&at, caller, ask, gets, &mut looks);
        }
    }
    // Why it is no good is nobody's business: all refusals for want of a credential are one.
    assert_eq!(looks[&Den].len(), 1, "{:#?}", looks[&Den]);
    let alone = CALLERS.iter().filter(|caller| caller.who.starts_with("scope to ")).count();
    assert_eq!(alone, patron::api_key::Scope::ALL.len(), "a scope without a row of its own");
}
