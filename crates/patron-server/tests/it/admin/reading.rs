//! What is read and what is not: paths, methods, queries and bodies, the same on every endpoint.

use patron_testkit::http::{Call, Connection};
use patron_testkit::together::together;
use serde_json::{Value, json};

use super::asks::{ASKS, Ask, Names, Says};
use super::{ADMIN, HOME, Stage, is_problem, is_wrong_in, path_of};
use crate::stage::{create_key, launch};

/// Names that are all there.
fn names(stage: &Stage, ask: Ask) -> Names {
    let customer = stage.customer(&json!({"name": "Jon", "email": "jon@x"})).to_string();
    let number = match ask.template {
        template if template.contains("/keys/") => create_key(&stage.server, "testaccount", &[]).1,
        template if template.starts_with("/admin/v1/operators/") => "1".to_owned(),
        template if template.contains("/operators/") => "3".to_owned(),
        _ => customer.clone(),
    };
    if ask.template.contains("/erasures/") {
        let erase = format!("{HOME}/customers/{customer}/erase");
        stage.owner("POST", &erase, &Value::Null).expect(202);
    }
    Names { merchant: "testaccount".to_owned(), customer, number }
}

/// An owner of the deployment may do everything but end its session here.
fn who(stage: &Stage) -> &str {
    &stage.deployment
}

#[test]
fn a_body_that_is_not_what_it_should_be_is_told_so_on_every_endpoint() {
    let stage = Stage::new();
    for ask in ASKS.into_iter().filter(|ask| ask.says == Says::Json) {
        let names = names(&stage, ask);
        let bare = || Call::new(ask.method, ask.target(&names)).bearer(who(&stage));
        let good = ask.body(&format!("new-{}", names.customer)).to_string();
        let long = format!("{{\"x\":\"{}\"}}", "x".repeat(70_000));
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(9), "]".repeat(9));
        let many: Vec<String> = (0..101).map(|at| format!("\"k{at}\":\"\"")).collect();
        let many = format!("{{{}}}", many.join(","));
        for malformed in ["", "{", "[]", "null", "7", "{\"a\":1,}", "{}{}", &deep, &many] {
            is_problem(&bare().json(malformed).send(&stage.server), 400, "malformed");
        }
        is_problem(&bare().json(b"{\"a\":\"\xFF\"}").send(&stage.server), 400, "malformed");
        is_problem(&bare().json("{\"a\":\"\\ud800\"}").send(&stage.server), 400, "malformed");
        is_wrong_in(&bare().json("{\"a\":\"1\",\"a\":\"1\"}").send(&stage.server), &["a"]);
        is_problem(&bare().json(long).send(&stage.server), 413, "payload-too-large");
        let unsupported = "unsupported-media-type";
        is_problem(&bare().form("a=b").send(&stage.server), 415, unsupported);
        is_problem(&bare().bytes(&good).send(&stage.server), 415, unsupported);
        let text = bare().header("Content-Type", "text/plain").bytes(&good);
        is_problem(&text.send(&stage.server), 415, unsupported);
        let packed = bare().json(&good).header("Content-Encoding", "gzip");
        is_problem(&packed.send(&stage.server), 415, unsupported);
        // With a parameter and a byte order mark it is still what it is.
        let kind = "Application/JSON; charset=utf-8";
        let marked = bare().header("Content-Type", kind).bytes(format!("\u{feff}{good}"));
        assert_eq!(marked.send(&stage.server).status, ask.status, "{ask:?}");
    }
}

#[test]
fn what_is_not_known_is_refused_on_every_endpoint() {
    let stage = Stage::new();
    for ask in ASKS {
        let names = names(&stage, ask);
        let target = format!("{}?surprise=1", ask.target(&names));
        let call = Call::new(ask.method, target).bearer(who(&stage));
        let call = match ask.says {
            Says::Nothing => call,
            Says::Json => call.json(ask.body("new").to_string()),
            Says::Form => call.form("token=x"),
        };
        is_wrong_in(&call.send(&stage.server), &["surprise"]);
        if ask.method == "GET" || ask.template.ends_with("/metadata") {
            continue;
        }
        let call = Call::new(ask.method, ask.target(&names)).bearer(who(&stage));
        let reply = match ask.says {
            Says::Form => call.form("token=x&surprise=1"),
            Says::Nothing | Says::Json => {
                let mut body = ask.body("new");
                body["surprise"] = json!(1);
                call.json(body.to_string())
            }
        };
        is_wrong_in(&reply.send(&stage.server), &["surprise"]);
    }
}

#[test]
fn a_body_that_does_not_arrive_is_not_waited_for() {
    let stage = Stage::of(launch().with("--body-timeout-ms").with("300"));
    let asks: Vec<Ask> = ASKS.into_iter().filter(|ask| ask.method != "GET").collect();
    let names: Vec<Names> = asks.iter().map(|ask| names(&stage, *ask)).collect();
    together(
        asks.len(),
        |_| Connection::open(&stage.server),
        |at, mut connection: Connection| {
            let call = Call::new(asks[at].method, asks[at].target(&names[at])).bearer(who(&stage));
            let is_form = asks[at].says == Says::Form;
            let call = if is_form { call.form("token=x") } else { call.json("{}") };
            connection.send_head(&call);
            is_problem(&connection.reply(), 408, "request-timeout");
        },
    );
}

#[test]
fn methods_and_paths_that_are_not_offered_are_told_apart() {
    let stage = Stage::new();
    for ask in ASKS {
        let names = names(&stage, ask);
        let target = ask.target(&names);
        let offered: Vec<&str> = ASKS
            .into_iter()
            .filter(|other| other.template == ask.template)
            .map(|other| other.method)
            .collect();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            if offered.contains(&method) {
                continue;
            }
            let reply = Connection::open(&stage.server).send(&Call::new(method, &target));
            assert_eq!(reply.status, 405, "{method} {target}");
            assert_eq!(reply.header("allow"), Some(offered.join(", ").as_str()));
            if method != "HEAD" {
                is_problem(&reply, 405, "method-not-allowed");
            }
        }
        let below = Call::new(ask.method, format!("{target}/x")).bearer(who(&stage));
        let is_named = ask.template.ends_with("operators") || ask.template.ends_with("merchants");
        let is_named = is_named || ask.template.ends_with("customers");
        let reply = below.send(&stage.server);
        match (
            is_named,
            ask.template.ends_with("{customer}") || ask.template.ends_with("{merchant}"),
        ) {
            (false, _) | (_, true) => is_problem(&reply, 404, "no-such-endpoint"),
            (true, false) => {}
        }
    }
    for path in ["", "/", "/nowhere", "/merchants/", "/Login", "/login/", "/merchants//keys"] {
        let reply = Call::get(format!("{ADMIN}{path}")).send(&stage.server);
        is_problem(&reply, 404, "no-such-endpoint");
    }
}

#[test]
fn what_is_not_http_as_it_should_be_is_told_in_our_own_words() {
    let stage = Stage::new();
    let twice = Call::get(format!("{ADMIN}/me")).header("Host", "a").header("Host", "b");
    let reply = twice.bearer(who(&stage)).send(&stage.server);
    is_problem(&reply, 400, "malformed");
    let id = Call::get(format!("{ADMIN}/me")).header("x-request-id", "my own").send(&stage.server);
    assert_eq!(
        (id.header("x-request-id"), &id.json()["requestId"]),
        (Some("my own"), &json!("my own"))
    );
    assert_eq!(id.header("x-content-type-options"), Some("nosniff"));
    let number = stage.customer(&json!({"name": "Jon", "email": "jon@x"}));
    let reply = stage.get(&stage.owner, &path_of(number));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}
