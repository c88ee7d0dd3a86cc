//! The rows of the table: everybody who may knock, what they show, and what each of them gets.

use super::Outcome::{self, *};
use super::asks::{Ask, Customer};
use super::installation::Merchant::{self, *};
use super::installation::{Credentials, Installation};

/// Somebody who asks.
pub(super) struct Caller {
    /// Who it is. Unless this says otherwise, it asks for a customer of its own merchant.
    pub(super) who: &'static str,
    /// Whose customer is asked for.
    pub(super) of: Merchant,
    /// What it shows when it asks for this customer.
    pub(super) shows: fn(&Installation, &Customer) -> Credentials,
    /// What it gets, in the order of [`Ask::ALL`].
    pub(super) gets: [Outcome; Ask::ALL.len()],
}

const fn caller(
    who: &'static str,
    of: Merchant,
    shows: fn(&Installation, &Customer) -> Credentials,
    gets: [Outcome; Ask::ALL.len()],
) -> Caller {
    Caller { who, of, shows, gets }
}

/// The caller whose customers have tokens that ended.
pub(super) const WITH_ENDED_TOKEN: &str = "token that ended";

/// An address of the allow-list, one that is not on it, and one of another proxy.
pub(super) const LISTED: &str = "203.0.113.7";
const UNLISTED: &str = "198.51.100.1";
const PROXY: &str = "127.0.0.9";

const UNKNOWN_KEY: &str = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF";
const MADE_UP_TOKEN: &str = "tkn_24543c6a278f45d680d09edb32e78061";

fn nothing() -> Credentials {
    Credentials::default()
}

/// What the installation calls a key, shown as clients show keys.
fn key(at: &Installation, name: &str) -> Credentials {
    Credentials::basic(at.key(name))
}

fn authorization(text: String) -> Credentials {
    nothing().header("Authorization", &text)
}

/// A caller whose proxy says that it comes from here.
fn from(shown: Credentials, addresses: &str) -> Credentials {
    shown.header("x-forwarded-for", addresses)
}

fn in_query(token: &str) -> String {
    format!("client_auth_token={token}")
}

/// The token of another customer of the same merchant.
fn neighbours(at: &Installation) -> String {
    at.create(Home, "neighbour").token
}

/// The columns, in three letters each: create (without and with a token), list, find (by id, by
/// reference, with a token), update (by id, by reference), get-or-create by the body's reference
/// (known, unknown, update) and by the path's.
#[rustfmt::skip]
const FULL: [Outcome; 14] = [Yes, Yes, Yes, Yes, Yes, Yes, Yes, Yes, Yes, Yes, Yes, Yes, Yes, Yes];
#[rustfmt::skip]
const READ: [Outcome; 14] = [Sco, Sco, Yes, Yes, Yes, Sco, Sco, Sco, Sco, Sco, Sco, Sco, Sco, Sco];
// Whoever may write may get-or-create, which shows the customer that is there.
#[rustfmt::skip]
const WRITE: [Outcome; 14] = [Yes, Sco, Sco, Sco, Sco, Sco, Yes, Yes, Yes, Yes, Yes, Yes, Yes, Yes];
// Another merchant's key works as ever, among its own customers, and finds none of these.
#[rustfmt::skip]
const OTHER: [Outcome; 14] = [Own, Own, Own, Non, Non, Non, Non, Non, Own, Own, Own, Own, Own, Own];
// A token reads and updates, and does not beget tokens.
#[rustfmt::skip]
const TOKEN: [Outcome; 14] = [Den, Den, Den, Yes, Yes, Wot, Yes, Yes, Den, Den, Den, Den, Den, Den];
// A token for somebody else: no word about whether there is such a customer.
#[rustfmt::skip]
const ALIEN: [Outcome; 14] = [Den, Den, Den, Non, Non, Non, Non, Non, Den, Den, Den, Den, Den, Den];
const NONE: [Outcome; 14] = [Den; 14];
const SCOPE: [Outcome; 14] = [Sco; 14];
const ADDRESS: [Outcome; 14] = [Adr; 14];

/// Who has a key, or something like it.
pub(super) const WITH_KEYS: [Caller; 29] = [
    caller("nobody", Home, |_, _| nothing(), NONE),
    caller("unknown key", Home, |_, _| Credentials::basic(UNKNOWN_KEY), NONE),
    caller("key", Home, |at, _| key(at, "home"), FULL),
    caller("key with a password", Home, |at, _| Credentials::password(at.key("home"), "x"), NONE),
    caller(
        "key in lower case",
        Home,
        |at, _| Credentials::basic(&at.key("home").to_lowercase()),
        NONE,
    ),
    caller("no base64", Home, |at, _| authorization(format!("Basic !{}", at.key("home"))), NONE),
    caller(
        "another scheme",
        Home,
        |at, _| authorization(format!("Digest {}", at.key("home"))),
        NONE,
    ),
    caller("key twice", Home, |at, _| key(at, "home").and(key(at, "home")), NONE),
    caller("key as bearer", Home, |at, _| Credentials::bearer(at.key("home")), NONE),
    caller("key where none is read", Home, |at, _| Credentials::astray(at.key("home")), NONE),
    caller("revoked key", Home, |at, _| key(at, "revoked"), NONE),
    caller("expired key", Home, |at, _| key(at, "expired"), NONE),
    caller("rolled key in its grace", Home, |at, _| key(at, "in grace"), FULL),
    caller("rolled key after its grace", Home, |at, _| key(at, "after grace"), NONE),
    caller("successor of a rolled key", Home, |at, _| key(at, "successor"), FULL),
    caller("another merchant's key", Home, |at, _| key(at, "other"), OTHER),
    caller("another merchant's key, denying it", Home, |at, _| key(at, "other").of(Home), NONE),
    caller("key naming another merchant", Home, |at, _| key(at, "home").of(Other), NONE),
    caller("key naming its merchant", Home, |at, _| key(at, "home").of(Home), FULL),
    caller("suspended merchant's key", Suspended, |at, _| key(at, "suspended"), NONE),
    caller("scope to read", Home, |at, _| key(at, "customers:read"), READ),
    caller("scope to write", Home, |at, _| key(at, "customers:write"), WRITE),
    caller("scope to erase", Home, |at, _| key(at, "customers:erase"), SCOPE),
    caller("scope to manage", Home, |at, _| key(at, "admin"), SCOPE),
    caller("read, erase, manage", Home, |at, _| key(at, NOT_WRITE), READ),
    caller("write, erase, manage", Home, |at, _| key(at, NOT_READ), WRITE),
    caller("erase, manage", Home, |at, _| key(at, NEITHER), SCOPE),
    caller("read, write", Home, |at, _| key(at, BOTH), FULL),
    caller("all scopes", Home, |at, _| key(at, EVERYTHING), FULL),
];

const BOTH: &str = "customers:read,customers:write";
const NOT_WRITE: &str = "customers:read,customers:erase,admin";
const NOT_READ: &str = "customers:write,customers:erase,admin";
const NEITHER: &str = "customers:erase,admin";
const EVERYTHING: &str = "customers:read,customers:write,customers:erase,admin";

/// The scopes that keys of the table have. The first ones stand alone, as many as there are scopes.
pub(super) const SCOPES: [&str; 9] = [
    "customers:read",
    "customers:write",
    "customers:erase",
    "admin",
    BOTH,
    NOT_WRITE,
    NOT_READ,
    NEITHER,
    EVERYTHING,
];

/// Who has a client auth token, alone or beside something else.
pub(super) const WITH_TOKENS: [Caller; 19] = [
    caller("token", Home, |_, c| Credentials::bearer(&c.token), TOKEN),
    caller("token in the query", Home, |_, c| nothing().query(in_query(&c.token)), TOKEN),
    caller("token as a key", Home, |_, c| Credentials::basic(&c.token), NONE),
    caller("token where none is read", Home, |_, c| Credentials::astray_token(&c.token), NONE),
    caller(
        "token twice in the query",
        Home,
        |_, c| nothing().query(in_query(&c.token)).query(in_query(&c.token)),
        NONE,
    ),
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
    caller(WITH_ENDED_TOKEN, Home, |_, c| Credentials::bearer(&c.token), NONE),
    caller("neighbour's token", Home, |at, _| Credentials::bearer(&neighbours(at)), ALIEN),
    caller(
        "neighbour's token before the own",
        Home,
        |at, c| Credentials::bearer(&neighbours(at)).query(in_query(&c.token)),
        ALIEN,
    ),
    caller(
        "token of another merchant's customer",
        Home,
        |at, _| Credentials::bearer(&at.create(Other, "theirs").token),
        ALIEN,
    ),
    caller("suspended merchant's token", Suspended, |_, c| Credentials::bearer(&c.token), NONE),
    caller(
        "token naming another merchant",
        Home,
        |_, c| Credentials::bearer(&c.token).of(Other),
        NONE,
    ),
    caller(
        "key beside a neighbour's token",
        Home,
        |at, _| key(at, "home").query(in_query(&neighbours(at))),
        FULL,
    ),
    caller(
        "unknown key beside a token",
        Home,
        |_, c| Credentials::basic(UNKNOWN_KEY).query(in_query(&c.token)),
        NONE,
    ),
    caller(
        "reading key beside a token",
        Home,
        |at, c| key(at, "customers:read").query(in_query(&c.token)),
        READ,
    ),
    caller(
        "another merchant's key beside a token",
        Home,
        |at, c| key(at, "other").query(in_query(&c.token)),
        OTHER,
    ),
    caller(
        "key and token in two headers",
        Home,
        |at, c| key(at, "home").and(Credentials::bearer(&c.token)),
        NONE,
    ),
    caller(
        "token in the query beside nonsense",
        Home,
        |_, c| authorization("Nonsense".to_owned()).query(in_query(&c.token)),
        NONE,
    ),
];

/// Who asks a merchant with an allow-list, through a proxy that is trusted.
pub(super) const BEHIND_A_PROXY: [Caller; 11] = [
    caller("on the list", Fenced, |at, _| from(key(at, "fenced"), LISTED), FULL),
    caller(
        "on the list, through two proxies",
        Fenced,
        |at, _| from(key(at, "fenced"), &format!("{UNLISTED}, {LISTED}, {PROXY}")),
        FULL,
    ),
    caller("off the list", Fenced, |at, _| from(key(at, "fenced"), UNLISTED), ADDRESS),
    caller(
        "off the list, claiming to be on it",
        Fenced,
        |at, _| from(key(at, "fenced"), &format!("{LISTED}, {UNLISTED}")),
        ADDRESS,
    ),
    caller("from nowhere", Fenced, |at, _| key(at, "fenced"), ADDRESS),
    caller(
        "off the list, unknown key",
        Fenced,
        |_, _| from(Credentials::basic(UNKNOWN_KEY), UNLISTED),
        NONE,
    ),
    caller(
        "off the list, revoked key",
        Fenced,
        |at, _| from(key(at, "fenced, revoked"), UNLISTED),
        NONE,
    ),
    caller(
        "off the list, reading key",
        Fenced,
        |at, _| from(key(at, "fenced, reading"), UNLISTED),
        ADDRESS,
    ),
    caller(
        "off the list, naming another merchant",
        Fenced,
        |at, _| from(key(at, "fenced").of(Other), UNLISTED),
        NONE,
    ),
    caller(
        "off the list, another merchant's key",
        Fenced,
        |at, _| from(key(at, "other"), UNLISTED),
        OTHER,
    ),
    caller(
        "off the list, token",
        Fenced,
        |_, c| from(Credentials::bearer(&c.token), UNLISTED),
        TOKEN,
    ),
];

/// Who asks a merchant with an allow-list where no proxy is trusted.
pub(super) const DIRECTLY: [Caller; 4] = [
    caller("off the list", Fenced, |at, _| key(at, "fenced"), ADDRESS),
    caller(
        "off the list, claiming to be a proxy",
        Fenced,
        |at, _| from(key(at, "fenced"), LISTED),
        ADDRESS,
    ),
    caller(
        "off the list, unknown key",
        Fenced,
        |_, _| from(Credentials::basic(UNKNOWN_KEY), LISTED),
        NONE,
    ),
    caller("off the list, token", Fenced, |_, c| Credentials::bearer(&c.token), TOKEN),
];
