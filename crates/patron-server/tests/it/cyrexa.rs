//! Cyrexa's wire, where a golden cannot show it: what takes time, many at once, and what is written down.

use std::collections::BTreeSet;

use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::server::Server;
use patron_testkit::together::together;
use patron_testkit::wait::soon;
use serde_json::{Value, json};

use crate::data::Data;
use crate::stage::{create_key, create_merchant, launch, server, text};

/// Where its customers are.
pub(crate) const CLIENTS: &str = "/ipg/2.0.0/customers";

/// Where operators log in.
pub(crate) const LOGIN: &str = "/ipg/2.0.0/auth/login";

/// The password of every operator here.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// How many ask at once.
const CROWD: usize = 32;

/// A request with a body in the vendor's media type.
pub(crate) fn call(method: &str, target: impl Into<String>, body: &Value) -> Call {
    let call = Call::new(method, target).header("Content-Type", "application/json-patch+json");
    call.bytes(body.to_string())
}

/// A request with the server's key.
pub(crate) fn ask(server: &Server, method: &str, target: &str, body: &Value) -> Reply {
    call(method, target, body).header("X-API-Key", server.key()).send(server)
}

/// Creates a customer.
#[track_caller]
pub(crate) fn create_client(server: &Server, body: &Value) -> Value {
    ask(server, "POST", CLIENTS, body).expect(201)
}

/// The path of a customer.
pub(crate) fn path_of(client: &Value) -> String {
    format!("{CLIENTS}/{}", client["id"])
}

/// Updates a customer.
#[track_caller]
pub(crate) fn update_client(server: &Server, client: &Value, body: &Value) -> Value {
    ask(server, "PUT", &path_of(client), body).expect(200)
}

/// Reads a customer.
#[track_caller]
pub(crate) fn read_client(server: &Server, client: &Value) -> Value {
    Call::get(path_of(client)).header("X-API-Key", server.key()).send(server).expect(200)
}

/// The one customer with this reference.
#[track_caller]
pub(crate) fn find_client(server: &Server, member_id: &str) -> Value {
    let target = format!("{CLIENTS}?memberId={}", crate::stage::encoded(member_id));
    let page = Call::get(target).header("X-API-Key", server.key()).send(server).expect(200);
    assert_eq!(page["total"], 1, "{page}");
    page["customers"][0].clone()
}

/// Creates an operator with [`PASSWORD`]. Whose it is stands in flags: `--merchant ID` or `--deployment`.
#[track_caller]
pub(crate) fn create_operator(server: &Server, whose: &[&str], role: &str, email: &str) {
    let mut words = vec!["operator", "create", "--role", role, "--email", email];
    words.extend(["--name", "Somebody", "--password-stdin"]);
    words.extend(whose);
    server.manage_with(&words, &format!("{PASSWORD}\n")).ok();
}

/// The request of an operator who logs in.
pub(crate) fn login_call(email: &str) -> Call {
    call("POST", LOGIN, &json!({"email": email, "password": PASSWORD}))
}

/// Logs an operator in.
#[track_caller]
pub(crate) fn log_in(server: &Server, email: &str) -> String {
    text(&login_call(email).send(server).expect(200), "accessToken").to_owned()
}

fn jon() -> Value {
    json!({"name": "Jon Snow", "email": "jon@winter.example"})
}

#[track_caller]
fn is_refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.expect(status)["code"], code, "{}", reply.text());
}

/// Sends a call from each of the crowd at the same moment, on connections that are already open.
fn all_at_once(server: &Server, call: impl Fn(usize) -> Call + Sync) -> Vec<Reply> {
    together(
        CROWD,
        |_| Connection::open(server),
        |number, mut connection: Connection| connection.send(&call(number)),
    )
}

#[test]
fn an_expired_access_token_says_so() {
    let server = launch().with("--access-token-lifetime-s").with("1").start();
    create_operator(&server, &["--merchant", "testaccount"], "operator", "op@wall.example");
    let token = log_in(&server, "op@wall.example");
    let reply = soon("the token expires", || {
        let reply = Call::get(CLIENTS).bearer(&token).send(&server);
        (reply.status != 200).then_some(reply)
    });
    is_refused(&reply, 401, "AUTH003");
    assert_eq!(reply.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    let again = log_in(&server, "op@wall.example");
    assert_ne!(again, token);
}

#[test]
fn an_operator_who_is_disabled_is_out_at_once() {
    let server = server();
    create_operator(&server, &["--merchant", "testaccount"], "operator", "op@wall.example");
    let token = log_in(&server, "op@wall.example");
    let list = || Call::get(CLIENTS).bearer(&token).send(&server);
    assert_eq!(list().status, 200);
    let operators = server.manage(&["operator", "list", "--merchant", "testaccount", "--json"]);
    let number = operators.json()[0]["number"].to_string();
    let words = ["operator", "set", &number, "--merchant", "testaccount", "--disable"];
    server.manage(&words).ok();
    is_refused(&list(), 401, "AUTH001");
    is_refused(&login_call("op@wall.example").send(&server), 401, "AUTH001");
}

#[test]
fn every_update_is_in_the_history() {
    let mut server = server();
    let client = create_client(&server, &jon());
    for round in 0..5 {
        update_client(&server, &client, &json!({"name": format!("Jon {round}"), "kyc": {}}));
    }
    update_client(&server, &client, &json!({"name": "Jon 4"}));
    assert!(server.terminate().success());
    let data = Data::of(server.launch());
    let entries = format!("SELECT count(*) AS count FROM history WHERE number = {}", client["id"]);
    assert_eq!(data.number(&entries), 6);
    server.launch().manage(&["verify"]).ok();
}

#[test]
fn every_update_has_its_event() {
    let mut server = server();
    let client = create_client(&server, &jon());
    update_client(&server, &client, &json!({"status": "suspended"}));
    update_client(&server, &client, &json!({"status": "suspended"}));
    assert!(server.terminate().success());
    let events = format!("SELECT version FROM outbox WHERE number = {}", client["id"]);
    let versions: BTreeSet<i64> = Data::of(server.launch())
        .rows(&events)
        .iter()
        .map(|row| crate::data::field(row, "version").integer())
        .collect();
    assert_eq!(versions, BTreeSet::from([1, 2]));
}

#[test]
fn one_of_many_creations_of_a_member_id_wins() {
    let server = server();
    let body = json!({"name": "Jon", "email": "jon@winter.example", "memberId": "m-1"});
    let replies =
        all_at_once(&server, |_| call("POST", CLIENTS, &body).header("X-API-Key", server.key()));
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 201);
    assert_eq!((won.len(), lost.len()), (1, CROWD - 1));
    for reply in lost {
        is_refused(reply, 409, "CUST002");
    }
    assert_eq!(find_client(&server, "m-1"), won[0].json());
    assert_eq!(won[0].header("location"), Some(path_of(&won[0].json()).as_str()));
}

#[test]
fn of_many_updates_of_one_version_one_wins() {
    let server = server();
    let client = create_client(&server, &jon());
    let replies = all_at_once(&server, |number| {
        call("PUT", path_of(&client), &json!({"name": format!("Jon {number}")}))
            .header("X-API-Key", server.key())
            .header("If-Match", "\"1\"")
    });
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!((won.len(), lost.len()), (1, CROWD - 1));
    for reply in lost {
        is_refused(reply, 412, "CUST003");
    }
    assert_eq!(read_client(&server, &client), won[0].json());
}

#[test]
fn a_deletion_among_many_happens_once() {
    let server = server();
    let client = create_client(&server, &jon());
    let (eraser, _) = create_key(&server, "testaccount", &["--scopes", "customers:erase"]);
    let replies = all_at_once(&server, |_| {
        Call::new("DELETE", path_of(&client)).header("X-API-Key", &eraser)
    });
    let gone = replies.iter().filter(|reply| reply.status == 204).count();
    let absent = replies.iter().filter(|reply| reply.status == 404).count();
    assert_eq!((gone, absent), (1, CROWD - 1));
}

/// What the golden of the page's own fetch, change and send back cannot hold: everything at once, and the bytes.
#[test]
fn a_client_survives_being_read_and_sent_back() {
    let server = server();
    let body = json!({
        "name": "Jon Snow", "email": "jon@winter.example", "phone": "+65 9988 7766",
        "memberId": "m-1", "address": "The North", "dateOfBirth": "1990-02-28",
        "billingAddress": {"street": "1 Keep", "country": "GB"},
        "shippingAddress": {"city": "Winterfell"}, "country": "GB", "region": "North",
        "defaultCurrency": "EUR", "language": "en-GB",
        "notificationSettings": [{"notificationType": "Receipts", "isEnabled": true}],
        "communicationPreferences": {"email": true, "sms": false},
        "status": "active", "verificationStatus": "pending",
        "subscriptionPreferences": {"plan": "gold"}, "paymentPreferences": {},
        "consents": [{"purpose": "terms", "isGranted": true, "version": "1.0"}],
        "kyc": {"level": "full", "checkedAt": "2024-01-15T10:30:00Z"},
        "taxInformation": [{"type": "eu_vat", "value": "DE1", "country": "DE"}],
    });
    let client = create_client(&server, &body);
    let back = ask(&server, "PUT", &path_of(&client), &client);
    assert_eq!(back.expect(200), client);
    assert_eq!(back.header("etag"), Some("\"1\""), "nothing changed");
    let known: BTreeSet<&String> = client.as_object().unwrap().keys().collect();
    assert_eq!(known.len(), 28, "the twelve keys, and sixteen of ours");
}

#[test]
fn an_answer_names_the_merchant_and_the_key_that_created_it() {
    let server = server();
    create_merchant(&server, "acme", &["--name", "Acme Limited"]);
    let (key, number) = create_key(&server, "acme", &[]);
    let merchant = Data::of(server.launch()).number("SELECT max(number) AS number FROM merchant");
    let body = json!({"name": "Jon Snow", "email": "jon@winter.example"});
    let made = call("POST", CLIENTS, &body).header("X-API-Key", &key).send(&server);
    assert_eq!(made.header("location"), Some(path_of(&made.json()).as_str()));
    let made = made.expect(201);
    // Whoever reads it, with whichever key.
    let (another, _) = create_key(&server, "acme", &[]);
    let read = Call::get(path_of(&made)).header("X-API-Key", &another).send(&server).expect(200);
    for client in [made, read] {
        assert_eq!(client["ownerId"], json!(merchant));
        assert_eq!(client["ownerName"], "Acme Limited");
        assert_eq!(client["userId"].to_string(), number);
    }
}

/// Nothing is cleared meanwhile.
#[test]
fn an_expired_client_auth_token_says_so() {
    let brief =
        launch().with("--token-lifetime-s").with("1").with("--token-uses").with("4000000000");
    let server = brief.with("--job-lease-ms").with("600000").start();
    let client = create_client(&server, &json!({"name": "Jon", "email": "jon@winter.example"}));
    let path = path_of(&client);
    let token = ask(&server, "POST", &format!("{path}/token"), &Value::Null).expect(200);
    let token = text(&token, "accessToken").to_owned();
    let refused = soon("the token expires", || {
        let reply = Call::get(&path).bearer(&token).send(&server);
        (reply.status != 200).then(|| reply.expect(401))
    });
    assert_eq!((&refused["error"], &refused["code"]), (&json!("UNAUTHORIZED"), &json!("AUTH003")));
}

#[test]
fn an_access_token_lives_an_hour_unless_told_otherwise() {
    let server = server();
    create_operator(&server, &["--merchant", "testaccount"], "operator", "op@wall.example");
    log_in(&server, "op@wall.example");
    let lifetime = "SELECT max(expires_ms - issued_ms) AS lifetime FROM session";
    assert_eq!(Data::of(server.launch()).number(lifetime), 3_600_000);
}
