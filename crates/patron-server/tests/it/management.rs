//! Managing merchants and keys by the command line, with a running server and without one.

use patron_testkit::http::Call;
use patron_testkit::server::{Launch, Outcome, SANDBOX_KEY, Server};
use patron_testkit::shape;
use patron_testkit::wait::soon;
use serde_json::{Value, json};

use crate::errors::is_denied;
use crate::stage::{LEAST, create, create_key, create_merchant, get, launch, server, text};

fn status(server: &Server, key: &str) -> u16 {
    Call::get("/customers").basic(key).send(server).status
}

fn keys(launch: &Launch, merchant: &str) -> Vec<Value> {
    let listed = launch.manage(&["key", "list", merchant, "--json"]).json();
    listed.as_array().unwrap().clone()
}

/// The whole life of a merchant and its keys, by whatever carries out the commands.
fn life_of_a_merchant(manage: &dyn Fn(&[&str]) -> Outcome) {
    manage(&["merchant", "create", "acme", "--name", "Acme Ltd", "--country-code", "65"]).ok();
    let words =
        ["merchant", "set", "acme", "--set", "juspay.names=unicode", "--allow-ip", "10.0.0.0/8"];
    manage(&words).ok();
    let shown = manage(&["merchant", "show", "acme", "--json"]).json();
    assert_eq!(shown["id"], "acme");
    assert_eq!(shown["name"], "Acme Ltd");
    assert_eq!(shown["country_code"], "65");
    assert_eq!(shown["standing"], "active");
    assert_eq!(shown["allow_list"], json!(["10.0.0.0/8"]));
    let setting = |name: &str| {
        let settings = shown["settings"].as_array().unwrap();
        settings.iter().find(|setting| setting["name"] == name).unwrap().clone()
    };
    assert_eq!(setting("juspay.names")["value"], "unicode");
    assert_eq!(setting("juspay.names")["is_set"], true);
    assert_eq!(setting("juspay.api-version")["value"], "default");
    assert_eq!(setting("juspay.api-version")["is_set"], false);

    let made = manage(&["key", "create", "acme", "--label", "shop", "--json"]).json();
    assert!(shape::is_api_key(text(&made, "key")), "{made}");
    assert_eq!(made["scopes"], json!(["customers:read", "customers:write"]));
    let number = made["number"].to_string();
    let rolled = manage(&["key", "roll", "acme", &number, "--grace", "1h", "--json"]).json();
    assert_eq!(rolled["label"], "shop");
    assert!(shape::is_date(text(&rolled, "old_ends")), "{rolled}");
    let new_number = rolled["number"].to_string();
    manage(&["key", "revoke", "acme", &new_number]).ok();
    let listed = manage(&["key", "list", "acme", "--json"]).json();
    let states: Vec<_> = listed.as_array().unwrap().iter().map(|key| text(key, "state")).collect();
    assert_eq!(states, ["in grace", "revoked"]);
    assert!(!listed.to_string().contains(text(&made, "key")), "a key is shown once");

    manage(&["merchant", "suspend", "acme"]).ok();
    assert_eq!(manage(&["merchant", "show", "acme", "--json"]).json()["standing"], "suspended");
    manage(&["merchant", "resume", "acme"]).ok();
    let words = ["merchant", "set", "acme", "--unset", "juspay.names", "--no-allow-ip"];
    manage(&words).ok();
    let shown = manage(&["merchant", "show", "acme", "--json"]).json();
    assert_eq!(shown["allow_list"], json!([]));
    let merchants = manage(&["merchant", "list", "--json"]).json();
    let ids: Vec<_> = merchants.as_array().unwrap().iter().map(|one| text(one, "id")).collect();
    assert!(ids.contains(&"acme"), "{ids:?}");
}

#[test]
fn everything_works_while_the_server_runs() {
    let server = server();
    life_of_a_merchant(&|words| server.manage(words));
    assert_eq!(status(&server, SANDBOX_KEY), 200, "the server is unharmed");
}

#[test]
fn everything_works_without_a_server() {
    let launch = launch();
    life_of_a_merchant(&|words| launch.manage(words));
    let server = launch.start();
    assert_eq!(status(&server, SANDBOX_KEY), 200, "the server finds its data in order");
    let (key, _) = create_key(&server, "acme", &[]);
    assert_eq!(status(&server, &key), 200);
}

#[test]
fn what_people_read_names_what_was_done() {
    let server = server();
    let said = |words: &[&str]| server.manage(words).ok().to_owned();
    assert!(said(&["merchant", "create", "acme"]).contains("acme"));
    let key = said(&["key", "create", "acme", "--label", "till"]);
    let shown =
        key.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| shape::is_api_key(word));
    assert_eq!(shown.count(), 1, "{key}");
    assert!(said(&["key", "list", "acme"]).contains("till"));
    assert!(said(&["merchant", "list"]).contains("acme"));
    assert!(said(&["merchant", "show", "acme"]).contains("juspay.api-version"));
}

#[test]
fn a_revoked_key_is_refused_by_the_very_next_request() {
    let server = server();
    for _ in 0..5 {
        let (key, number) = create_key(&server, "testaccount", &[]);
        assert_eq!(status(&server, &key), 200);
        server.manage(&["key", "revoke", "testaccount", &number]).ok();
        is_denied(&Call::get("/customers").basic(&key).send(&server));
    }
    assert_eq!(status(&server, SANDBOX_KEY), 200);
}

#[test]
fn a_revoked_key_stays_revoked() {
    let mut server = server();
    let (key, number) = create_key(&server, "testaccount", &[]);
    server.manage(&["key", "revoke", "testaccount", &number]).ok();
    server.restart();
    assert_eq!(status(&server, &key), 401);
    let again = server.manage(&["key", "roll", "testaccount", &number]);
    assert!(!again.refused().is_empty());
}

#[test]
fn a_rolled_key_works_beside_the_new_one_until_its_grace_is_over() {
    let server = server();
    let (old, number) = create_key(&server, "testaccount", &["--scopes", "customers:read"]);
    let words = ["key", "roll", "testaccount", &number, "--grace", "2s", "--json"];
    let rolled = server.manage(&words).json();
    let new = text(&rolled, "key");
    assert_eq!((status(&server, &old), status(&server, new)), (200, 200));
    soon("the old key ends", || (status(&server, &old) == 401).then_some(()));
    assert_eq!(status(&server, new), 200);
    let create = Call::post("/customers").basic(new).form(LEAST).send(&server);
    assert_eq!(create.status, 403, "the new key has the old one's scopes");
}

#[test]
fn a_rolled_key_lives_as_long_again() {
    let server = server();
    let words = ["key", "create", "testaccount", "--expires", "90d", "--json"];
    let number = server.manage(&words).json()["number"].to_string();
    let rolled = server.manage(&["key", "roll", "testaccount", &number, "--json"]).json();
    // Ninety days from now, not the day that is the old one's grace.
    let listed = server.manage(&["key", "list", "testaccount", "--json"]).json();
    let number: i64 = number.parse().unwrap();
    let old = listed.as_array().unwrap().iter().find(|key| key["number"] == number).unwrap();
    assert!(text(&rolled, "expires") >= text(old, "expires"), "{rolled} {old}");
    assert_eq!(text(old, "state"), "in grace");
    let (_, endless) = create_key(&server, "testaccount", &[]);
    let roll = ["key", "roll", "testaccount", &endless, "--json"];
    assert_eq!(server.manage(&roll).json()["expires"], Value::Null);
    // What has a successor is not rolled again, so that its grace is not taken for its life.
    assert!(server.manage(&roll).refused().contains("rolled before"));
}

#[test]
fn a_roll_without_grace_ends_the_old_key_at_once() {
    let server = server();
    let (old, number) = create_key(&server, "testaccount", &[]);
    let words = ["key", "roll", "testaccount", &number, "--grace", "0", "--json"];
    let rolled = server.manage(&words).json();
    assert_eq!(status(&server, &old), 401);
    assert_eq!(status(&server, text(&rolled, "key")), 200);
}

#[test]
fn a_suspended_merchant_is_locked_out_and_loses_nothing() {
    let server = server();
    let customer = create(&server, LEAST);
    let other = create_merchant(&server, "other", &[]);
    server.manage(&["merchant", "suspend", "testaccount"]).ok();
    is_denied(&get(&server, "/customers/jon@example.com"));
    assert_eq!(status(&server, &other), 200, "nobody else is touched");
    server.manage(&["merchant", "resume", "testaccount"]).ok();
    assert_eq!(get(&server, "/customers/jon@example.com").expect(200), customer);
}

#[test]
fn the_list_of_keys_says_when_each_was_last_used() {
    let server = server();
    let (key, number) = create_key(&server, "testaccount", &[]);
    let number: i64 = number.parse().unwrap();
    let last_used = || {
        let listed = keys(server.launch(), "testaccount");
        let found = listed.iter().find(|key| key["number"] == number);
        found.unwrap()["last_used"].clone()
    };
    assert_eq!(last_used(), Value::Null);
    assert_eq!(status(&server, &key), 200);
    // With the embedded store the command asks the server; in a database the server writes it down now and then.
    let used = match server.launch().database_url() {
        None => last_used(),
        Some(_) => soon("it is written down", || Some(last_used()).filter(Value::is_string)),
    };
    assert!(shape::is_date(used.as_str().unwrap()));
}

#[test]
fn nonsense_is_refused_in_words() {
    let server = server();
    server.manage(&["merchant", "create", "acme"]).ok();
    for (words, hint) in [
        (["merchant", "create", "acme"].as_slice(), "exists"),
        (&["merchant", "create", "a b"], "1 to 64"),
        (&["merchant", "create", ""], "1 to 64"),
        (&["merchant", "show", "nobody"], "no merchant"),
        (&["merchant", "suspend", "nobody"], "no merchant"),
        (&["merchant", "set", "acme", "--country-code", "+65"], "digits"),
        (&["merchant", "set", "acme", "--set", "juspay.names=latin"], "unicode"),
        (&["merchant", "set", "acme", "--set", "juspay.nothing=1"], "juspay.nothing"),
        (&["merchant", "set", "acme", "--allow-ip", "300.1.1.1"], "300.1.1.1"),
        (&["key", "create", "nobody"], "no merchant"),
        (&["key", "create", "acme", "--scopes", "customers:fly"], "customers:fly"),
        (&["key", "create", "acme", "--expires", "soon"], "moment"),
        (&["key", "create", "acme", "--expires", "2001-01-01T00:00:00Z"], "future"),
        (&["key", "revoke", "acme", "999999"], "no such key"),
        (&["key", "revoke", "acme", "one"], "one"),
        (&["key", "roll", "acme", "999999"], "no such key"),
        (&["merchant", "destroy", "acme"], "destroy"),
    ] {
        let outcome = server.manage(words);
        let said = outcome.refused();
        assert!(said.contains(hint), "{words:?} does not say `{hint}`: {said}");
        assert_eq!(outcome.stdout, "", "{words:?}");
        assert!(!said.contains("panicked"), "{words:?}: {said}");
    }
}

#[test]
fn one_merchants_keys_cannot_be_managed_under_another() {
    let server = server();
    server.manage(&["merchant", "create", "acme"]).ok();
    let (key, number) = create_key(&server, "testaccount", &[]);
    server.manage(&["key", "revoke", "acme", &number]).refused();
    server.manage(&["key", "roll", "acme", &number]).refused();
    assert_eq!(status(&server, &key), 200);
}
