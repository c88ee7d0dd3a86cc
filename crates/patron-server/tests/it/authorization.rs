//! Who may do what: every endpoint with every kind of caller, in one table.

mod admin;
mod asks;
mod callers;
mod cyrexa;
mod installation;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};

use patron::api_key::Scope;
use patron_testkit::http::{Call, Reply};
use serde_json::Value;

use self::asks::{Ask, Customer, Effect};
use self::callers::WITH_TOKENS;
use self::callers::{BEHIND_A_PROXY, Caller, DIRECTLY, SCOPES, WITH_ENDED_TOKEN, WITH_KEYS};
use self::installation::{Installation, Merchant, Seen};
use crate::endpoints::{OwnPath, gaps, offered};
use crate::errors::{is_bad_origin, is_denied, is_refused, is_unknown_customer};
use crate::stage::launch;

/// What a caller gets. Three letters each, so that the table stays in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// What it asked for.
    Yes,
    /// What it asked for, without the token that it wished.
    Wot,
    /// What it asked for, but among its own merchant's customers: this one is as good as not there.
    Own,
    /// 404, no such customer.
    Non,
    /// 401.
    Den,
    /// 403: the key does not have the scope.
    Sco,
    /// 403: not from this address.
    Adr,
}

/// What refusals of one kind looked like, without what differs from one to the next anyway.
type Looks = BTreeMap<Outcome, BTreeSet<String>>;

/// An answer to the byte, but for its date.
fn look_of(reply: &Reply) -> String {
    let mut headers = reply.headers.clone();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
    format!("{} {headers:?} {}", reply.status, reply.text())
}

impl Outcome {
    const fn status(self) -> u16 {
        match self {
            Self::Yes | Self::Wot | Self::Own => 200,
            Self::Non => 404,
            Self::Den => 401,
            Self::Sco | Self::Adr => 403,
        }
    }
}

fn is_refused_as(outcome: Outcome, reply: &Reply, cell: &str) {
    match outcome {
        Outcome::Non => is_unknown_customer(reply),
        Outcome::Den => {
            is_denied(reply);
            assert_eq!(reply.header("x-jp-merchant-id"), None, "{cell}: names a merchant");
        }
        Outcome::Sco => is_refused(reply, 403, "forbidden"),
        Outcome::Adr => is_bad_origin(reply),
        Outcome::Yes | Outcome::Wot | Outcome::Own => panic!("{cell}: {outcome:?} is no refusal"),
    }
    assert_eq!(reply.header("etag"), None, "{cell}: a version");
}

/// What changed must be what was asked for, and nothing else.
fn has_effect(effect: Effect, before: &Seen, after: &Seen, cell: &str) {
    match effect {
        Effect::Nothing => assert_eq!(after, before, "{cell}: something changed"),
        Effect::Creation => {
            assert_eq!(after.total, before.total + 1, "{cell}");
            assert_eq!(after.customer, before.customer, "{cell}");
        }
        Effect::Update => {
            assert_eq!(after.total, before.total, "{cell}");
            let (customer, tag) = after.customer.as_ref().unwrap();
            assert_eq!(
                (&customer["first_name"], tag.as_str()),
                (&"Changed".into(), "\"2\""),
                "{cell}"
            );
        }
    }
}

/// What is answered to whoever may ask.
fn is_answered(ask: Ask, outcome: Outcome, reply: &Reply, customer: &Customer, cell: &str) {
    let mut body = reply.expect(200);
    let token = body.as_object_mut().unwrap().remove("juspay");
    let is_due = ask.wishes_token() && outcome != Outcome::Wot;
    assert_eq!(token.is_some(), is_due, "{cell}: a token");
    let is_own = body["id"] == customer.id.as_str();
    match (ask.effect(), outcome) {
        (_, Outcome::Own) => assert!(!is_own, "{cell}: another merchant's customer"),
        (Effect::Nothing, _) if ask == Ask::List => assert!(body["total"].is_u64(), "{cell}"),
        (Effect::Nothing, _) => assert_eq!(body, customer.body, "{cell}"),
        (Effect::Update, _) => assert!(is_own && body["first_name"] == "Changed", "{cell}: {body}"),
        (Effect::Creation, _) => assert!(!is_own && body["first_name"] == Value::Null, "{cell}"),
    }
}

/// Tries one caller with one question.
fn try_cell(at: &Installation, caller: &Caller, ask: Ask, outcome: Outcome, looks: &mut Looks) {
    let cell = format!("{}: {ask:?}", caller.who);
    let customer = if caller.who == WITH_ENDED_TOKEN {
        at.with_ended_token()
    } else {
        at.create(caller.of, "asked-for")
    };
    let credentials = (caller.shows)(at, &customer);
    let call = ask.call(&customer, &credentials);
    let before = at.look(caller.of, Some(&customer));
    let others_before = at.look(Merchant::Other, None);
    at.shut(caller.of);
    let reply = at.send(&call);
    let about_nobody =
        (outcome == Outcome::Non).then(|| at.send(&ask.call(&Customer::nobody(), &credentials)));
    at.open(caller.of);
    let after = at.look(caller.of, Some(&customer));
    let others_after = at.look(Merchant::Other, None);
    assert_eq!(reply.status, outcome.status(), "{cell}: {}", reply.text());
    match outcome {
        Outcome::Yes | Outcome::Wot => {
            is_answered(ask, outcome, &reply, &customer, &cell);
            has_effect(ask.effect(), &before, &after, &cell);
            has_effect(Effect::Nothing, &others_before, &others_after, &cell);
        }
        Outcome::Own => {
            is_answered(ask, outcome, &reply, &customer, &cell);
            has_effect(Effect::Nothing, &before, &after, &cell);
            // What is not there is created by get-or-create, whatever else was wished.
            let is_list = ask == Ask::List;
            let effect = if is_list { Effect::Nothing } else { Effect::Creation };
            has_effect(effect, &others_before, &others_after, &cell);
        }
        Outcome::Non | Outcome::Den | Outcome::Sco | Outcome::Adr => {
            is_refused_as(outcome, &reply, &cell);
            has_effect(Effect::Nothing, &before, &after, &cell);
            has_effect(Effect::Nothing, &others_before, &others_after, &cell);
            looks.entry(outcome).or_default().insert(look_of(&reply));
        }
    }
    if let Some(nobody) = about_nobody {
        assert_eq!(look_of(&reply), look_of(&nobody), "{cell}: tells that there is one");
    }
}

fn try_all<'a>(at: &Installation, callers: impl IntoIterator<Item = &'a Caller>) {
    let mut looks = Looks::new();
    for caller in callers {
        for (ask, outcome) in Ask::ALL.into_iter().zip(caller.gets) {
            try_cell(at, caller, ask, outcome, &mut looks);
        }
    }
    // Why it is no good is nobody's business: all refusals for want of a credential are one.
    assert_eq!(looks[&Outcome::Den].len(), 1, "{:#?}", looks[&Outcome::Den]);
}

#[test]
fn each_caller_gets_exactly_what_the_table_says() {
    let at = Installation::behind_proxy(launch(), &SCOPES);
    try_all(&at, WITH_KEYS.iter().chain(&WITH_TOKENS).chain(&BEHIND_A_PROXY));
    everybody_may_ask_for_the_servers_own_paths(&at);
}

#[test]
fn nobody_makes_himself_a_proxy() {
    let at = Installation::direct(launch());
    try_all(&at, &DIRECTLY);
}

/// The server's own paths know no callers: whoever reaches the listener gets the same.
fn everybody_may_ask_for_the_servers_own_paths(at: &Installation) {
    let customer = at.create(Merchant::Home, "asked-for");
    for caller in WITH_KEYS.iter().chain(&BEHIND_A_PROXY) {
        let credentials = (caller.shows)(at, &customer);
        for own in OwnPath::ALL {
            let call =
                credentials.headers.iter().fold(Call::get(own.text()), |call, (name, value)| {
                    call.header(name, value.clone())
                });
            let reply = at.send(&call);
            assert_eq!(reply.status, 200, "{}: {own:?}", caller.who);
            match own {
                OwnPath::Health | OwnPath::Readiness => assert_eq!(reply.text(), "ok"),
                OwnPath::Metrics => assert!(reply.text().contains("patron_build_info")),
            }
        }
    }
}

#[test]
fn the_table_has_every_endpoint_and_every_scope() {
    let columns =
        Ask::ALL.map(Ask::endpoint).into_iter().chain(cyrexa::columns()).chain(admin::columns());
    assert_eq!(gaps(&offered(), columns), Vec::<String>::new());
    let alone = SCOPES.into_iter().take(Scope::ALL.len());
    assert!(alone.eq(Scope::ALL.map(Scope::name)), "a scope without a row of its own");
}

/// The metrics' own listener knows the server's own paths and no vendor, whoever asks.
#[test]
fn no_endpoint_is_answered_on_the_metrics_listener() {
    let server = launch().with("--metrics-listen").with("127.0.0.2:0").start();
    let log = patron_testkit::wait::soon("the metrics are listened for", || {
        Some(server.stderr()).filter(|log| log.contains("127.0.0.2:"))
    });
    let address = log.split("127.0.0.2:").nth(1).unwrap();
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();
    let address = std::net::SocketAddr::from(([127, 0, 0, 2], port.parse().unwrap()));
    for (method, path) in offered() {
        let call = Call::new(&method, path.replace(['{', '}'], "x")).basic(server.key());
        let reply = call.send(address);
        assert_eq!((reply.status, reply.text()), (404, "no such path"), "{method} {path}");
    }
    assert_eq!(Call::get(OwnPath::Metrics.text()).send(address).status, 200);
    assert_eq!(Call::get(OwnPath::Metrics.text()).basic(server.key()).send(&server).status, 404);
}

/// The control socket has no callers but its owner: the system asks for the mode when one connects.
#[test]
fn only_its_owner_may_connect_to_the_control_socket() {
    let server = launch().start();
    let data = server.launch().data();
    let process = fs::metadata(format!("/proc/{}", server.id())).unwrap();
    let socket = fs::symlink_metadata(data.join("control.sock")).unwrap();
    assert!(socket.file_type().is_socket());
    for (what, found, mode) in
        [("socket", socket, 0o600), ("directory", data.metadata().unwrap(), 0o700)]
    {
        assert_eq!(found.permissions().mode() & 0o7777, mode, "{what}");
        assert_eq!(found.uid(), process.uid(), "{what}");
    }
    assert!(!data.join("control.new").exists(), "the way by which it came is closed");
}
