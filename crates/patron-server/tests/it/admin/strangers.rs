//! What is another merchant's looks like what is not there, on every endpoint, in every way of naming it.

use patron_testkit::http::Reply;
use serde_json::{Value, json};

use super::asks::{ASKS, Ask, Names};
use super::{HOME, OTHER, Stage};
use crate::stage::{create_key, text};

/// An answer to the byte, but for its date.
fn look_of(reply: &Reply) -> String {
    let mut headers = reply.headers.clone();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
    format!("{} {headers:?} {}", reply.status, reply.text())
}

/// All that there is to see of the other merchant.
fn seen(stage: &Stage) -> Vec<Value> {
    let paths = ["", "/keys", "/operators", "/allow-list", "/customers"];
    let get = |path: &str| stage.get(&stage.deployment, &format!("{OTHER}{path}")).expect(200);
    let mut seen: Vec<Value> = paths.into_iter().map(get).collect();
    // When a key was last used is written down a while after.
    for key in seen[1]["items"].as_array_mut().unwrap() {
        key["lastUsedAt"] = Value::Null;
    }
    seen
}

/// What is the other merchant's: a customer by number and by id, a key, an operator, an erasure.
struct Theirs {
    customer: i64,
    id: String,
    key: i64,
    operator: i64,
    erased: i64,
}

fn theirs(stage: &Stage) -> Theirs {
    let (erased, _) = stage.others_customer();
    let erase = format!("{OTHER}/customers/{erased}/erase");
    stage.ask(&stage.other_owner, "POST", &erase, &Value::Null).expect(202);
    let (customer, id) = stage.others_customer();
    let first = |path: &str| {
        let list = stage.get(&stage.other_owner, &format!("{OTHER}/{path}")).expect(200);
        list["items"][0]["number"].as_i64().unwrap()
    };
    Theirs { customer, id, key: first("keys"), operator: first("operators"), erased }
}

impl Theirs {
    fn number(&self, ask: Ask) -> i64 {
        match ask.template {
            template if template.contains("/keys/") => self.key,
            template if template.contains("/operators/") => self.operator,
            template if template.contains("/erasures/") => self.erased,
            _ => self.customer,
        }
    }
}

const NOBODY: &str = "4503599627370496";

#[test]
fn another_merchants_id_is_as_good_as_none() {
    let stage = Stage::new();
    let theirs = theirs(&stage);
    let all = "customers:read,customers:write,customers:erase,admin";
    let key = create_key(&stage.server, "testaccount", &["--scopes", all]).0;
    let before = seen(&stage);
    let asks = ASKS.into_iter().filter(|ask| ask.template.contains("{merchant}"));
    for ask in asks {
        let names = |merchant: &str| Names {
            merchant: merchant.to_owned(),
            customer: theirs.customer.to_string(),
            number: theirs.number(ask).to_string(),
        };
        for shown in [&stage.owner, &stage.operator, &stage.auditor, &key] {
            let call = |merchant: &str| {
                ask.call(&names(merchant), "new").bearer(shown).send(&stage.server)
            };
            let (there, nowhere) = (call("other"), call("nobody"));
            super::is_problem(&there, 404, "not-found");
            assert_eq!(look_of(&there), look_of(&nowhere), "{ask:?}");
            for merchant in ["OTHER", "a%20b", "%FF", &"x".repeat(65)] {
                assert_eq!(look_of(&call(merchant)), look_of(&there), "{ask:?} {merchant}");
            }
        }
    }
    assert_eq!(seen(&stage), before);
}

#[test]
fn what_is_another_merchants_is_not_found_among_ones_own() {
    let stage = Stage::new();
    let theirs = theirs(&stage);
    let before = seen(&stage);
    let is_named = |ask: &Ask| {
        let is_own = ask.template.contains("{merchant}");
        is_own && (ask.template.contains("{customer}") || ask.template.contains("{number}"))
    };
    for ask in ASKS.into_iter().filter(is_named) {
        let call = |customer: &str, number: &str| {
            let merchant = "testaccount".to_owned();
            let names =
                Names { merchant, customer: customer.to_owned(), number: number.to_owned() };
            ask.call(&names, "new").bearer(&stage.owner).send(&stage.server)
        };
        let nobody = call(NOBODY, NOBODY);
        super::is_problem(&nobody, 404, "not-found");
        let number = theirs.number(ask).to_string();
        let customer = theirs.customer.to_string();
        for reply in [
            call(&customer, &number),
            call(&theirs.id, &number),
            call("theirs", &number),
            call(&theirs.erased.to_string(), &number),
            call("cst_0000000000000000", "x"),
            call("%FF", "%FF"),
            call("-1", "-1"),
            call("0", "0"),
            call("99999999999999999999", "99999999999999999999"),
        ] {
            assert_eq!(look_of(&reply), look_of(&nobody), "{ask:?}");
        }
    }
    assert_eq!(seen(&stage), before);
    // All of it is there for its own.
    let path = format!("{OTHER}/customers/{}", theirs.customer);
    stage.get(&stage.other_owner, &path).expect(200);
    stage.get(&stage.other_owner, &format!("{OTHER}/erasures/{}", theirs.erased)).expect(200);
}

#[test]
fn searches_find_nobody_elses_customers() {
    let stage = Stage::new();
    let theirs = theirs(&stage);
    let queries = [
        "email=theirs%40x".to_owned(),
        "reference=theirs".to_owned(),
        "name=theirs".to_owned(),
        format!("number={}", theirs.customer),
        format!("id={}", theirs.id),
        String::new(),
    ];
    for query in queries {
        let path = format!("{HOME}/customers?{query}");
        let page = stage.get(&stage.owner, &path).expect(200);
        let nobody = json!({"items": [], "total": {"count": 0, "isExact": true}, "next": null});
        assert_eq!(page, nobody, "{query}");
    }
    let log = stage.get(&stage.owner, &format!("{HOME}/access-log?customer={}", theirs.customer));
    let looked = log.expect(200);
    let others = looked["items"].as_array().unwrap().iter().map(|one| text(one, "accessed"));
    assert!(others.into_iter().all(|what| what == "access-log.read"));
}
