//! Client auth tokens: a customer's own device, for a short time, for one customer.

use patron_testkit::http::{Call, Reply};
use patron_testkit::server::Server;
use patron_testkit::wait::soon;
use serde_json::Value;

use crate::errors::{is_denied, is_refused, is_unknown_customer, is_wrong_value};
use crate::stage::{LEAST, create, create_key, create_merchant, get, launch, server, text};

const JON: &str = "/customers/jon@example.com";

fn token(server: &Server) -> String {
    let target = format!("{JON}?options.get_client_auth_token=true");
    let customer = get(server, &target).expect(200);
    text(&customer["juspay"], "client_auth_token").to_owned()
}

fn with_token(server: &Server, token: &str, call: Call) -> Reply {
    call.bearer(token).send(server)
}

/// A server with Jon, Arya, and a token for Jon.
fn stage() -> (Server, Value, String) {
    let server = server();
    let jon = create(&server, LEAST);
    create(&server, "object_reference_id=arya&mobile_number=1");
    let token = token(&server);
    (server, jon, token)
}

#[test]
fn it_reads_and_updates_its_own_customer() {
    let (server, jon, token) = stage();
    let by_id = format!("/customers/{}", text(&jon, "id"));
    for target in [JON, &by_id] {
        assert_eq!(with_token(&server, &token, Call::get(target)).expect(200), jon);
        let in_query = Call::get(format!("{target}?client_auth_token={token}")).send(&server);
        assert_eq!(in_query.expect(200), jon);
    }
    let update = Call::post(JON).form("first_name=Aegon");
    assert_eq!(with_token(&server, &token, update).expect(200)["first_name"], "Aegon");
    let target = format!("{by_id}?client_auth_token={token}");
    let update = Call::post(target).form("last_name=T").send(&server);
    assert_eq!(update.expect(200)["last_name"], "T");
}

#[test]
fn updates_by_token_follow_the_same_rules() {
    let (server, _, token) = stage();
    let update = Call::post(JON).form("first_name=%3C");
    is_wrong_value(&with_token(&server, &token, update), &["first_name"]);
}

#[test]
fn a_made_up_token_is_refused() {
    let (server, _, token) = stage();
    let changed = {
        let last = if token.ends_with('0') { '1' } else { '0' };
        format!("{}{last}", &token[..token.len() - 1])
    };
    for wrong in [
        &changed,
        &token.to_uppercase(),
        &token[..35],
        &format!("{token}0"),
        &token[4..],
        "tkn_00000000000000000000000000000000",
        "tkn_",
        "",
    ] {
        is_denied(&with_token(&server, wrong, Call::get(JON)));
        let in_query = Call::get(format!("{JON}?client_auth_token={wrong}"));
        is_denied(&in_query.send(&server));
    }
    // A token is not an API key, whatever the scheme says.
    is_denied(&Call::get(JON).basic(&token).send(&server));
    is_denied(&Call::get(JON).bearer(server.key()).send(&server));
}

#[test]
fn it_works_thirty_times() {
    let (server, jon, token) = stage();
    for use_number in 1..=30 {
        let reply = with_token(&server, &token, Call::get(JON));
        assert_eq!(reply.status, 200, "use {use_number}: {}", reply.text());
        assert_eq!(reply.json(), jon);
    }
    is_denied(&with_token(&server, &token, Call::get(JON)));
}

#[test]
fn how_often_it_works_is_a_setting() {
    let server = launch().with("--token-uses").with("2").start();
    create(&server, LEAST);
    let token = token(&server);
    for _ in 0..2 {
        assert_eq!(with_token(&server, &token, Call::get(JON)).status, 200);
    }
    is_denied(&with_token(&server, &token, Call::get(JON)));
}

#[test]
fn how_long_it_works_is_a_setting() {
    let server =
        launch().with("--token-lifetime-s").with("2").with("--token-uses").with("100000").start();
    create(&server, LEAST);
    let token = token(&server);
    assert_eq!(with_token(&server, &token, Call::get(JON)).status, 200);
    let last = soon("the token expires", || {
        let reply = with_token(&server, &token, Call::get(JON));
        (reply.status != 200).then_some(reply)
    });
    is_denied(&last);
}

#[test]
fn it_survives_a_restart() {
    let (mut server, jon, token) = stage();
    server.restart();
    assert_eq!(with_token(&server, &token, Call::get(JON)).expect(200), jon);
}

#[test]
fn it_belongs_to_one_merchant() {
    let (server, jon, token) = stage();
    let other = create_merchant(&server, "other", &[]);
    let same = Call::post("/customers").basic(&other).form(LEAST).send(&server);
    let same_id = text(&same.expect(200), "id").to_owned();
    let read = with_token(&server, &token, Call::get(JON)).expect(200);
    assert_eq!(read["id"], jon["id"]);
    let theirs = Call::get(format!("/customers/{same_id}"));
    is_unknown_customer(&with_token(&server, &token, theirs));
}

/// A token reads and updates: a key that may do only one of both cannot get the other by way of it.
#[test]
fn a_key_that_may_not_read_and_write_cannot_hand_one_out() {
    let server = server();
    let jon = create(&server, LEAST);
    let (reader, _) = create_key(&server, "testaccount", &["--scopes", "customers:read"]);
    let (writer, _) = create_key(&server, "testaccount", &["--scopes", "customers:write"]);
    let asking = format!("{JON}?options.get_client_auth_token=true");
    is_refused(&Call::get(asking).basic(&reader).send(&server), 403, "forbidden");
    assert_eq!(Call::get(JON).basic(&reader).send(&server).expect(200), jon);
    for target in ["/customers", "/v2/customers"] {
        let form = "object_reference_id=arya&mobile_number=1&options.get_client_auth_token=true";
        is_refused(&Call::post(target).basic(&writer).form(form).send(&server), 403, "forbidden");
        is_unknown_customer(&get(&server, "/customers/arya"));
    }
    let form = "update=true&first_name=Aegon&options.get_client_auth_token=true";
    let target = "/v2/customers/jon@example.com";
    is_refused(&Call::post(target).basic(&writer).form(form).send(&server), 403, "forbidden");
    assert_eq!(get(&server, JON).expect(200), jon, "nothing was changed");
}
