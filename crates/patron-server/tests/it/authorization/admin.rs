//! The part of our own management API: its endpoints with every kind of caller.

use std::collections::{BTreeMap, BTreeSet};

use patron_testkit::http::{Call, Reply};
use patron_testkit::wait::soon;
use serde_json::{Value, json};

use self::Gets::{Adr, Den, Exp, Non, Sco, Yes};
use self::Right::{Admin, Any, Clear, Deployment, Erase, Log, Open, Read, Session, Staff, Write};
use super::callers::LISTED;
use crate::admin::asks::{ASKS, Ask, Names};
use crate::admin::{ADMIN, DEPLOYMENT_OWNER, HOME, Stage, is_problem, sign_in};
use crate::cyrexa::{create_operator, log_in};
use crate::stage::{create_key, create_merchant, launch, text};

/// What it takes to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    /// Nothing at all.
    Open,
    /// A session.
    Session,
    /// Any credential.
    Any,
    Read,
    Write,
    Erase,
    Admin,
    /// To manage, and all that an auditor may: nobody hands out more than it has.
    Staff,
    /// To read the access log.
    Log,
    /// To read, and to see values as they are.
    Clear,
    /// To be an owner of the deployment.
    Deployment,
}

/// The rows: each endpoint, in the order of [`ASKS`], and what it takes.
const RIGHTS: [Right; 31] = [
    Open, Session, Any, Any, Deployment, Any, Admin, // sessions and merchants
    Admin, Admin, Admin, Admin, // keys
    Admin, Admin, Admin, // allow-lists
    Admin, Staff, Staff, // operators
    Deployment, Deployment, Deployment, // operators of the deployment
    Read, Read, Erase, Erase, Erase, Write, Write, // customers
    Read, Clear, Log, Read,
];

/// The endpoints that the table has rows for.
pub(super) fn columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    ASKS.into_iter().map(Ask::endpoint)
}

/// What a caller gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gets {
    Yes,
    /// 404: another merchant's is as good as none.
    Non,
    /// 401.
    Den,
    /// 401: the session has expired.
    Exp,
    /// 403: not within its reach.
    Sco,
    /// 403: not from this address.
    Adr,
}

/// Somebody who asks about the first merchant.
struct Caller {
    who: String,
    /// How it shows who it is.
    shows: fn(Call, &str) -> Call,
    secret: String,
    /// What it gets where it may not do what it asks for, or may do nothing at all.
    otherwise: Gets,
    rights: Vec<Right>,
}

impl Caller {
    fn gets(&self, ask: Ask, right: Right) -> Gets {
        let is_elsewhere = self.otherwise == Non && ask.template.contains("{merchant}");
        match (right, self.otherwise) {
            (Open, _) => Yes,
            (_, Den | Exp | Adr) => self.otherwise,
            _ if is_elsewhere => Non,
            _ if self.rights.contains(&right) => Yes,
            _ => Sco,
        }
    }
}

fn bearer(call: Call, secret: &str) -> Call {
    call.bearer(secret).header("x-forwarded-for", LISTED)
}

fn basic(call: Call, secret: &str) -> Call {
    call.basic(secret).header("x-forwarded-for", LISTED)
}

fn x_api_key(call: Call, secret: &str) -> Call {
    call.header("X-API-Key", secret).header("x-forwarded-for", LISTED)
}

fn from_elsewhere(call: Call, secret: &str) -> Call {
    call.bearer(secret).header("x-forwarded-for", "198.51.100.1")
}

fn nothing(call: Call, _secret: &str) -> Call {
    call
}

const SCOPES: [&str; 4] = ["customers:read", "customers:write", "customers:erase", "admin"];

/// A key for each set of scopes, and what each may do.
fn keys(stage: &Stage) -> impl Iterator<Item = Caller> {
    let shows: [fn(Call, &str) -> Call; 3] = [bearer, basic, x_api_key];
    (1..16_usize).map(move |set| {
        let has = |at: usize| set & (1 << at) != 0;
        let scopes: Vec<&str> = (0..4).filter(|at| has(*at)).map(|at| SCOPES[at]).collect();
        let [read, write, erase, admin] = [has(0), has(1), has(2), has(3)];
        let rights = [
            (Any, true),
            (Read, read),
            (Clear, read),
            (Write, write),
            (Erase, erase),
            (Admin, admin),
            (Staff, admin && read),
            (Log, admin && read),
        ];
        Caller {
            who: format!("key: {}", scopes.join(" ")),
            shows: shows[set % 3],
            secret: stage.key(&scopes.join(",")),
            otherwise: Sco,
            rights: rights.into_iter().filter(|(_, is)| *is).map(|(right, _)| right).collect(),
        }
    })
}

fn caller(who: &str, secret: &str, otherwise: Gets, rights: &[Right]) -> Caller {
    let (who, secret) = (who.to_owned(), secret.to_owned());
    Caller { who, shows: bearer, secret, otherwise, rights: rights.to_vec() }
}

const OWNERS: [Right; 9] = [Session, Any, Read, Write, Erase, Admin, Staff, Log, Clear];

fn people(stage: &Stage) -> Vec<Caller> {
    for role in ["operator", "auditor"] {
        let email = format!("{role}@deployment.example");
        create_operator(&stage.server, &["--deployment"], role, &email);
    }
    let deployments = |role: &str| sign_in(&stage.server, &format!("{role}@deployment.example"));
    let operators = [Session, Any, Read, Write, Clear];
    let auditors = [Session, Any, Read, Log];
    let everything = [OWNERS.as_slice(), &[Deployment]].concat();
    vec![
        caller("owner", &sign_in(&stage.server, "owner@testaccount.example"), Sco, &OWNERS),
        caller("operator", &stage.operator, Sco, &operators),
        caller("auditor", &stage.auditor, Sco, &auditors),
        caller("deployment's owner", &sign_in(&stage.server, DEPLOYMENT_OWNER), Sco, &everything),
        caller("deployment's operator", &deployments("operator"), Sco, &operators),
        caller("deployment's auditor", &deployments("auditor"), Sco, &auditors),
        caller("another merchant's owner", &stage.other_owner, Non, &[Session, Any]),
    ]
}

/// Who may nothing, or nothing here.
fn strangers(stage: &Stage, expired: &str) -> Vec<Caller> {
    let server = &stage.server;
    let (revoked, number) = create_key(server, "testaccount", &[]);
    server.manage(&["key", "revoke", "testaccount", &number]).ok();
    let fenced = create_merchant(server, "fenced", &["--allow-ip", LISTED]);
    let suspended = create_merchant(server, "suspended", &[]);
    server.manage(&["merchant", "suspend", "suspended"]).ok();
    let all = SCOPES.join(",");
    let others = create_key(server, "other", &["--scopes", &all]).0;
    let customer = stage.customer(&json!({"name": "Jon", "email": "jon@x"}));
    let token = Call::post(format!("/ipg/2.0.0/customers/{customer}/token"));
    let token = token.header("X-API-Key", server.key()).send(server).expect(200);
    let token = text(&token, "accessToken");
    let wires = log_in(server, "operator@testaccount.example");
    let with = |shows: fn(Call, &str) -> Call, caller: Caller| Caller { shows, ..caller };
    vec![
        with(nothing, caller("nobody", "", Den, &[])),
        caller("unknown key", &"F".repeat(32), Den, &[]),
        caller("revoked key", &revoked, Den, &[]),
        caller("suspended merchant's key", &suspended, Den, &[]),
        caller("session that was made up", &format!("ses_{}", "0a".repeat(32)), Den, &[]),
        caller("session that expired", expired, Exp, &[]),
        caller("session for a vendor's wire", &wires, Den, &[]),
        caller("customer's token", token, Den, &[]),
        with(x_api_key, caller("session as a key", &stage.owner, Den, &[])),
        with(basic, caller("session as a user", &stage.owner, Den, &[])),
        with(x_api_key, caller("customer's token as a key", token, Den, &[])),
        caller("another merchant's key", &others, Non, &[Any]),
        caller("key of a fenced merchant, on its list", &fenced, Non, &[Any]),
        with(from_elsewhere, caller("key of a fenced merchant, off its list", &fenced, Adr, &[])),
    ]
}

/// The number of the merchant's auditor, whom everybody may change who may do as much as that.
const AUDITOR: &str = "5";

/// A question that is answered with yes is about what is there, and what nobody else asks about.
fn names(stage: &Stage, ask: Ask) -> Names {
    let customer = stage.customer(&json!({"name": "Jon", "email": "jon@x"})).to_string();
    let number = match ask.template {
        template if template.contains("/keys/") => {
            // With the one scope that everybody has who may manage.
            create_key(&stage.server, "testaccount", &["--scopes", "admin"]).1
        }
        template if template.starts_with("/admin/v1/operators/") => "1".to_owned(),
        template if template.contains("/operators/") => AUDITOR.to_owned(),
        template if template.contains("/erasures/") => {
            let erase = format!("{HOME}/customers/{customer}/erase");
            stage.owner("POST", &erase, &Value::Null).expect(202);
            customer.clone()
        }
        _ => customer.clone(),
    };
    Names { merchant: "testaccount".to_owned(), customer, number }
}

/// An answer to the byte, but for its date.
fn look_of(reply: &Reply) -> String {
    let mut headers = reply.headers.clone();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
    format!("{} {headers:?} {}", reply.status, reply.text())
}

/// What there is to see of the merchant, and of the customer that is asked about.
fn seen(stage: &Stage, names: &Names) -> Vec<Value> {
    let customer = format!("{HOME}/customers/{}", names.customer);
    let paths = [HOME.to_owned(), format!("{HOME}/keys"), format!("{HOME}/operators"), customer];
    let get = |path: &String| {
        let mut seen = stage.get(&stage.deployment, path).json();
        // When a key was last used is written down a while after.
        for key in seen["items"].as_array_mut().into_iter().flatten() {
            key["lastUsedAt"] = Value::Null;
        }
        seen["requestId"] = Value::Null;
        seen
    };
    paths.iter().map(get).collect()
}

fn is_refused_as(gets: Gets, reply: &Reply, cell: &str) {
    let (status, name) = match gets {
        Yes => panic!("{cell}: a yes is no refusal"),
        Non => (404, "not-found"),
        Den => (401, "unauthenticated"),
        Exp => (401, "session-expired"),
        Sco => (403, "denied"),
        Adr => (403, "address-refused"),
    };
    assert_eq!(reply.status, status, "{cell}: {}", reply.text());
    is_problem(reply, status, name);
}

/// Tries one caller with everything that it is refused, and then with everything else.
fn try_row(stage: &Stage, caller: &Caller, looks: &mut BTreeMap<Gets, BTreeSet<String>>) {
    let cells = ASKS.into_iter().zip(RIGHTS);
    let (yes, no): (Vec<_>, Vec<_>) =
        cells.partition(|(ask, right)| caller.gets(*ask, *right) == Yes);
    let customer = stage.customer(&json!({"name": "Jon", "email": "jon@x"})).to_string();
    let merchant = "testaccount".to_owned();
    let idle = Names { merchant, customer, number: "1".to_owned() };
    let before = seen(stage, &idle);
    for (ask, right) in no {
        let is_about_auditor = ask.template.contains("}/operators/");
        let number = if is_about_auditor { AUDITOR } else { "1" }.to_owned();
        let about = Names { number, ..idle.clone() };
        let call = (caller.shows)(ask.call(&about, "new"), &caller.secret);
        let reply = call.send(&stage.server);
        assert!(reply.status >= 400, "{}: {ask:?}: {}", caller.who, reply.text());
        let gets = caller.gets(ask, right);
        is_refused_as(gets, &reply, &format!("{}: {ask:?}", caller.who));
        looks.entry(gets).or_default().insert(look_of(&reply));
    }
    assert_eq!(seen(stage, &idle), before, "{}: something changed", caller.who);
    // Signing out comes last, since nobody has a session after that.
    let (last, first): (Vec<_>, Vec<_>) = yes.into_iter().partition(|(_, right)| *right == Session);
    for (ask, _) in first.into_iter().chain(last) {
        let names = names(stage, ask);
        let fresh = format!("new-{}", names.customer);
        let call = (caller.shows)(ask.call(&names, &fresh), &caller.secret);
        let reply = call.send(&stage.server);
        assert_eq!(reply.status, ask.status, "{}: {ask:?}: {}", caller.who, reply.text());
    }
}

#[test]
fn each_caller_gets_exactly_what_the_table_says() {
    let proxied = launch().with("--behind-proxy").with("127.0.0.0/8");
    let mut short_lived = proxied.clone().with("--admin-session-lifetime-s").with("1").start();
    create_operator(&short_lived, &["--deployment"], "owner", "early@deployment.example");
    let expired = sign_in(&short_lived, "early@deployment.example");
    assert!(short_lived.terminate().success());
    let stage = Stage::of(proxied);
    let me = Call::get(format!("{ADMIN}/me")).bearer(&expired);
    soon("the session expires", || (me.send(&stage.server).status == 401).then_some(()));
    let mut callers: Vec<Caller> = keys(&stage).collect();
    callers.extend(people(&stage));
    callers.extend(strangers(&stage, &expired));
    let mut looks = BTreeMap::new();
    for caller in &callers {
        try_row(&stage, caller, &mut looks);
    }
    // Why it is no good is nobody's business: all refusals for want of a credential are one.
    assert_eq!(looks[&Den].len(), 1, "{:#?}", looks[&Den]);
    assert_eq!(looks[&Non].len(), 1, "{:#?}", looks[&Non]);
    assert_eq!(SCOPES, patron::api_key::Scope::ALL.map(patron::api_key::Scope::name));
    sign_in(&stage.server, DEPLOYMENT_OWNER);
}
