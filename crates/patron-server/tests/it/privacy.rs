//! Personal values appear in answers to their owner and nowhere else: not in logs, metrics, errors
//! of others, or any byte of the data directory.

use std::fs;
use std::path::Path;

use patron_testkit::http::{Call, Reply};
use patron_testkit::server::Server;

use crate::stage::launch;

/// Values that stand nowhere by chance, each in the forms in which it could leak.
const CANARIES: [&str; 9] = [
    "canary-reference@nest.example",
    "canary-v2-reference",
    "7355608123",
    "canary-mail@nest.example",
    "Canarina",
    "Kanarienvogel",
    "4499557700112233",
    "canary-unknown-value",
    "canary-password",
];

const REFERENCE: &str = "canary-reference@nest.example";
const SECRET_KEY: &str = "CA7A11CA7A11CA7A11CA7A11CA7A1100";

/// Everything that anyone can send, with canaries wherever a value can stand. Returns the answers
/// that must not show a canary: those that do not show their own customer.
fn send_everything(server: &Server) -> Vec<Reply> {
    let key = server.key();
    let form = format!(
        "object_reference_id={REFERENCE}&mobile_number=7355608123&first_name=Canarina\
         &last_name=Kanarienvogel&email_address=canary-mail@nest.example&mobile_country_code=4499557700112233\
         &options.get_client_auth_token=true&unknown=canary-unknown-value"
    );
    let post = |target: &str| Call::post(target).basic(key);
    let ok = |call: Call| {
        let reply = call.send(server);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply
    };
    let own = format!("/customers/{REFERENCE}");
    let created = ok(post("/customers").form(&form)).json();
    let id = created["id"].as_str().unwrap().to_owned();
    let token = created["juspay"]["client_auth_token"].as_str().unwrap().to_owned();
    ok(Call::get(&own).basic(key));
    ok(Call::get(format!("/customers/{id}")).bearer(&token));
    ok(Call::get(format!("{own}?client_auth_token={token}")));
    ok(post(&own).json(r#"{"first_name":"Kanarienvogel","last_name":"Canarina"}"#));
    ok(post("/v2/customers/canary-v2-reference").form("first_name=Canarina&update=true"));
    ok(post("/v2/customers").form(&form));
    ok(Call::get("/customers?count=5").basic(key));
    send_in_heads(server, &own);

    let wrong = form.replace("7355608123", "-7355608123").replace("Canarina", "Canarina%3C");
    let huge = format!("{form}&x={}", "canary-unknown-value".repeat(5000));
    let refused = [
        post("/customers").form(&form),
        post("/customers").form(&wrong),
        post("/customers").form(format!("{form}&x=%zz")),
        post("/customers").json(r#"{"first_name":"Canarina","last_name":"Kanarienvogel""#),
        post("/customers").form("first_name=Canarina"),
        post("/customers").form(format!("{form}&first_name=Canarina")),
        post("/customers").form(&huge),
        post("/customers").header("Content-Type", "multipart/form-data").bytes(&form),
        post(&own).form(&wrong),
        post(&own).header("If-Match", "\"99\"").form("first_name=Canarina"),
        post("/customers/canary-unknown-value").form(&form),
        post("/v2/customers/canary-v2-reference").form("mobile_number=x7355608123&update=true"),
        Call::get("/customers/canary-unknown-value").basic(key),
        Call::get("/canary-unknown-value").basic(key),
        Call::get(format!("/customers/{id}/canary-unknown-value")),
        Call::new("DELETE", &own).basic(key),
        Call::new("CANARINA", &own).basic(key),
        Call::get(format!("{own}?count=canary-unknown-value")),
        Call::get("/customers?count=canary-unknown-value&offset=7355608123").basic(key),
        Call::get(&own).basic(SECRET_KEY),
        Call::get(&own).basic("canary-password"),
        Call::get(&own).bearer("tkn_canary-password"),
        Call::get(&own).basic(key).header("x-merchantid", "canary-unknown-value"),
        Call::get(format!("/customers/canary-unknown-value?client_auth_token={token}")),
    ];
    let mut replies = Vec::new();
    for call in refused {
        let reply = call.send(server);
        assert!((400..500).contains(&reply.status), "{call:?}: {}", reply.status);
        replies.push(reply);
    }
    let other = crate::stage::create_merchant(server, "other", &[]);
    for target in [own.as_str(), &format!("/customers/{id}")] {
        let reply = Call::get(target).basic(&other).send(server);
        assert_eq!(reply.status, 404);
        replies.push(reply);
    }
    replies.push(Call::get("/customers").basic(&other).send(server));
    replies
}

/// Whatever stands in a head, an id of the client's own among it.
fn send_in_heads(server: &Server, target: &str) {
    let heads = ["user-agent", "x-customerid", "x-routing-id", "version", "x-forwarded-for"];
    let ids = ["canary-unknown-value", "7355608123", "canary-mail@nest.example"];
    let with_value = heads.map(|head| (head, "canary-unknown-value"));
    for (head, value) in with_value.into_iter().chain(ids.map(|id| ("x-request-id", id))) {
        let call = Call::get(target).basic(server.key()).header(head, value);
        assert_eq!(call.send(server).status, 200, "{head}: {value}");
    }
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
}

/// What must be found nowhere: the canaries, as they are and encoded, and everything secret.
fn forbidden(server: &Server) -> Vec<String> {
    let mut forbidden: Vec<String> = CANARIES.map(str::to_owned).to_vec();
    let encoded: Vec<_> = forbidden.iter().map(|canary| crate::stage::encoded(canary)).collect();
    forbidden.extend(encoded);
    let hex = |canary: &String| canary.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    let hexed: Vec<_> = forbidden.iter().map(hex).collect();
    forbidden.extend(hexed);
    forbidden.extend([server.key().to_owned(), SECRET_KEY.to_owned()]);
    forbidden
}

fn files_below(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            found.extend(files_below(&path));
        } else if kind.is_file() {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn personal_values_reach_nobody_but_their_owner() {
    // At `trace`, so that nothing hides behind a level.
    for level in ["trace", "debug"] {
        let mut server = launch().with("--log").with(level).start();
        let replies = send_everything(&server);
        let metrics = Call::get("/metrics").send(&server);
        let live = files_below(&server.launch().data());
        assert!(server.terminate().success());
        let forbidden = forbidden(&server);
        let data = files_below(&server.launch().data());
        assert!(data.iter().any(|(_, bytes)| bytes.len() > 10_000), "there is a database");
        let mut places: Vec<(String, Vec<u8>)> = live;
        places.extend(data);
        places.push(("the log".to_owned(), server.stderr().into_bytes()));
        places.push(("the metrics".to_owned(), metrics.body));
        for reply in replies {
            let name = format!("an answer {} {}", reply.status, reply.text());
            let heads = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
            places.push((name, heads.collect::<String>().into_bytes()));
            places.push((format!("the body of {}", reply.status), reply.body));
        }
        for (place, bytes) in &places {
            for canary in &forbidden {
                if contains(bytes, canary) {
                    let shown = if place == "the log" { server.stderr() } else { String::new() };
                    let line = shown.lines().find(|line| contains(line.as_bytes(), canary));
                    panic!("{canary} in {place} ({level}): {line:?}");
                }
            }
        }
        the_search_finds_what_may_be_there(&server);
    }
}

/// A search that finds nothing at all would be of no use.
fn the_search_finds_what_may_be_there(server: &Server) {
    let log = server.stderr();
    assert!(contains(log.as_bytes(), "/customers/{ID}"), "requests are logged: {log}");
    let data = files_below(&server.launch().data());
    let merchant = data.iter().filter(|(_, bytes)| contains(bytes, "testaccount")).count();
    assert!(merchant >= 1, "merchants' ids stand in the clear");
}

#[test]
fn tokens_and_keys_are_stored_as_hashes_only() {
    let mut server = launch().start();
    let form = "object_reference_id=r&mobile_number=1&options.get_client_auth_token=true";
    let created = crate::stage::create(&server, form);
    let token = created["juspay"]["client_auth_token"].as_str().unwrap().to_owned();
    let (key, _) = crate::stage::create_key(&server, "testaccount", &[]);
    assert!(server.terminate().success());
    let hex = token.strip_prefix("tkn_").unwrap();
    for (place, bytes) in files_below(&server.launch().data()) {
        for secret in [hex, &key, server.key()] {
            assert!(!contains(&bytes, secret), "{secret} in {place}");
            let raw: Vec<u8> = (0..secret.len() / 2)
                .map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            assert!(!bytes.windows(raw.len()).any(|window| window == raw), "{secret} in {place}");
        }
    }
}

#[test]
fn a_malicious_request_id_does_not_forge_a_log_line() {
    let mut server = launch().start();
    let id = r#"x","status":200,"forged":"yes"#;
    Call::get("/customers").header("x-request-id", id).send(&server);
    assert!(server.terminate().success());
    for line in server.stderr().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line.get("forged"), None, "{line}");
    }
}
