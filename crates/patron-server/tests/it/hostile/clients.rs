//! Hostile input for Cyrexa's wire: requests that are nearly right, made by chance.

use std::collections::BTreeSet;

use patron_testkit::chance::Chance;
use patron_testkit::effort::rounds;
use patron_testkit::http::Call;
use patron_testkit::together::together;

use serde_json::json;

use super::{CLIENTS, Client, is_cyrexas, is_held};
use crate::ammunition::{Credentials, spoiled};
use crate::cyrexa::{ask, create_client, path_of};
use crate::stage::{create_key, launch, server};
use crate::unharmed::nothing_broke;

/// The kinds of answers that chance brings about: all that take neither time, size nor a list of addresses.
const KINDS: [&str; 11] = [
    "AUTH001", "AUTH002", "CUST001", "CUST002", "CUST003", "RATE001", "REQ001", "VAL001", "VAL002",
    "VAL003", "success",
];

const METHODS: [&str; 10] =
    ["GET", "POST", "POST", "POST", "PUT", "PUT", "PUT", "PUT", "DELETE", "PATCH"];

const KEYS: [&str; 26] = [
    "id",
    "name",
    "email",
    "address",
    "phone",
    "memberId",
    "dateOfBirth",
    "billingAddress",
    "shippingAddress",
    "country",
    "region",
    "defaultCurrency",
    "language",
    "notificationSettings",
    "communicationPreferences",
    "status",
    "verificationStatus",
    "subscriptionPreferences",
    "paymentPreferences",
    "consents",
    "kyc",
    "taxInformation",
    "password",
    "ownerId",
    "",
    "na\\u006de",
];

/// Values, some of which are good for some keys.
const VALUES: [&str; 36] = [
    "null",
    "true",
    "7",
    "-0",
    "1e999",
    "01",
    "NaN",
    "\"\"",
    "\"Jon Snow\"",
    "\"jon@x\"",
    "\"+65 9988 7766\"",
    "\"m-1\"",
    "\"1990-01-01\"",
    "\"1990-02-30\"",
    "\"GB\"",
    "\"EUR\"",
    "\"en-GB\"",
    "\"active\"",
    "\"pending\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\u0000\"",
    "\"\\u202e\"",
    "[]",
    "{}",
    "[[[[[[[[[[]]]]]]]]]]",
    r#"{"city":"Winterfell","country":"GB"}"#,
    r#"{"street":"1","street":"2"}"#,
    r#"{"k":"v"}"#,
    r#"{"email":true,"sms":null}"#,
    r#"[{"notificationType":"a","isEnabled":true}]"#,
    r#"[{"purpose":"terms","isGranted":true,"at":"2024-01-15T10:30:00Z"}]"#,
    r#"[{"purpose":"terms"},{"purpose":"terms"}]"#,
    r#"{"level":"full","checkedAt":"9999-12-31T23:59:59.999999999+00:00"}"#,
    r#"[{"type":"eu_vat","value":"1","country":"DE"}]"#,
    r#"[{"op":"replace","path":"/name","value":"Jon"}]"#,
];

/// Bodies that are good as they are, somewhere.
const GOOD_BODIES: [&str; 4] = [
    r#"{"name":"Jon Snow","email":"jon@x","memberId":"m-1"}"#,
    r#"{"memberId":"m-1","phone":"+65 9988 7766","address":{"city":"Winterfell"}}"#,
    r#"{"status":"active","kyc":{"level":"full"},"consents":[],"memberId":null}"#,
    r#"{"email":"jon@x","password":"not the right one"}"#,
];

const HEADERS: [(&str, &str); 10] = [
    ("Content-Type", "application/json-patch+json"),
    ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Type", "text/xml"),
    ("Content-Encoding", "gzip"),
    ("If-Match", "*"),
    ("If-Match", "\"1\""),
    ("If-Match", "\"2\", W/\"1\""),
    ("x-request-id", "r-1"),
    ("X-Forwarded-For", "::1, nonsense"),
    ("X-API-Key", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"),
];

/// Numbers of customers that there are, by and by, and names that are none.
fn name(chance: &mut Chance) -> String {
    match chance.below(12) {
        0 => "0".to_owned(),
        1 => "-1".to_owned(),
        2 => "9223372036854775808".to_owned(),
        3 => "jon@x".to_owned(),
        4 => "%31".to_owned(),
        // The first ones are met often, and gone soon. All clients' customers have numbers of one row.
        5 => (1 + chance.below(40)).to_string(),
        _ => (1 + chance.below(2_000)).to_string(),
    }
}

fn target(chance: &mut Chance) -> String {
    match chance.below(16) {
        0 => "/ipg/2.0.0/auth/login".to_owned(),
        1 => format!("/ipg/2.0.0/customers/{}/token", name(chance)),
        2 => format!("/ipg/2.0.0/{}", name(chance)),
        3 => format!("/ipg/2.0.0/customers?pageNumber={}&pageSize={}", name(chance), name(chance)),
        4 => format!("/ipg/2.0.0/customers?email={}&memberId=m-1&x=%zz", name(chance)),
        5 | 6 => format!("/customers/{}", name(chance)),
        7..=9 => "/ipg/2.0.0/customers".to_owned(),
        _ => format!("/ipg/2.0.0/customers/{}", name(chance)),
    }
}

fn body(chance: &mut Chance) -> Vec<u8> {
    let some = match chance.below(3) {
        0 => String::new(),
        _ => r#""name":"Jon Snow","email":"jon@x","#.to_owned(),
    };
    let members: Vec<String> = (0..chance.below(6))
        .map(|_| format!("\"{}\":{}", chance.pick(&KEYS), chance.pick(&VALUES)))
        .chain([r#""x":1"#.to_owned()])
        .collect();
    let whole = match chance.below(20) {
        0 => chance.pick(&VALUES).to_owned(),
        1..=3 => chance.pick(&GOOD_BODIES).to_owned(),
        _ => format!("{{{some}{}}}", members.join(",")),
    };
    if chance.below(5) == 0 { spoiled(chance, whole.as_bytes()) } else { whole.into_bytes() }
}

/// A request whose head is HTTP, whatever else it is.
fn request(chance: &mut Chance, credentials: &Credentials) -> Call {
    // A version that nobody has reached, of a customer that is there: met too seldom otherwise.
    if chance.below(12) == 0 {
        let target = format!("/ipg/2.0.0/customers/{}", 1 + chance.below(40));
        let call = Call::new("PUT", target).header("X-API-Key", &credentials.key);
        return call.header("If-Match", "\"9999\"").bytes(r#"{"x":1}"#);
    }
    let method = chance.pick(&METHODS);
    let call = Call::new(method, target(chance));
    let mut call = match chance.below(10) {
        0 => call,
        1 => call.bearer("ses_0123456789abcdef"),
        2 => call.basic(&credentials.key),
        3 | 4 => call.bearer(&credentials.token),
        _ => call.header("X-API-Key", &credentials.key),
    };
    for _ in 0..chance.below(3) {
        let (name, value) = chance.pick(&HEADERS);
        call = call.header(name, value);
    }
    match chance.below(8) {
        0 => call.bytes(""),
        1 => {
            let whole = body(chance);
            let (first, rest) = whole.split_at(chance.below(whole.len() + 1));
            call.chunks([first, rest])
        }
        _ => call.bytes(body(chance)),
    }
}

#[test]
fn clients_made_by_chance_are_answered_within_the_contract() {
    let mut server = launch().with("--token-uses").with("4000000000").start();
    let requests = rounds(8_000, 250_000);
    let kinds = together(
        CLIENTS,
        |number| {
            let mut client = Client::new(&server, number);
            let scopes = ["--scopes", "customers:read,customers:write,customers:erase"];
            client.credentials.key = create_key(&server, &format!("merchant{number}"), &scopes).0;
            client
        },
        |number, client| {
            let seed = 0x0246_8ACE_1357_9BDF + u64::try_from(number).unwrap();
            client.attack(Chance::new(seed), requests, request)
        },
    );
    let is_here = |kind: &String| is_cyrexas(kind) || kind == "success";
    let mut kinds: BTreeSet<String> = kinds.into_iter().flatten().filter(is_here).collect();
    // Passwords are checked a few at a time, and whoever comes then is told to come later.
    kinds.remove("SRV001");
    assert_eq!(kinds, KINDS.map(str::to_owned).into(), "chance comes everywhere");
    assert!(server.terminate().success());
    nothing_broke(&server);
}

/// A check that finds nothing wrong with anything would be of no use.
#[test]
fn the_contract_of_clients_is_held_word_for_word() {
    let server = server();
    let jon = json!({"name": "Jon Snow", "email": "jon@x", "memberId": "m-1"});
    let client = create_client(&server, &jon);
    let path = path_of(&client);
    let get = |target: &str| Call::get(target).header("X-API-Key", server.key()).send(&server);
    let put = |body: &serde_json::Value| ask(&server, "PUT", &path, body);
    for reply in [
        get(&path),
        get(crate::cyrexa::CLIENTS),
        get("/ipg/2.0.0/customers/4000000"),
        get("/ipg/2.0.0/nowhere"),
        put(&json!({"email": "x", "phone": ""})),
        put(&json!([])),
        ask(&server, "POST", crate::cyrexa::CLIENTS, &json!({})),
        ask(&server, "POST", crate::cyrexa::CLIENTS, &jon),
        ask(&server, "POST", &format!("{path}/token"), &json!(null)),
        Call::get(path.as_str()).send(&server),
    ] {
        is_held(&reply, &["content-type", "cache-control", "x-request-id"]);
    }
}
