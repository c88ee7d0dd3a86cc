//! Signing in and out: who is let in, for how long, and for what.

use patron_testkit::http::{Call, Reply};
use patron_testkit::wait::soon;
use serde_json::{Value, json};

use super::{ADMIN, DEPLOYMENT_OWNER, HOME, Stage, call, is_problem, sign_in, sign_in_call};
use crate::cyrexa::{CLIENTS, PASSWORD, create_operator, log_in};
use crate::stage::{launch, post, text};

const ME: &str = "/admin/v1/me";
const EMAIL: &str = "owner@testaccount.example";

/// An answer to the byte, but for its date.
fn look_of(reply: &Reply) -> String {
    let mut headers = reply.headers.clone();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
    format!("{} {headers:?} {}", reply.status, reply.text())
}

#[test]
fn an_operator_signs_in_is_known_and_signs_out() {
    let stage = Stage::new();
    // The address is compared as people write it.
    let reply = sign_in_call(" Owner@TestAccount.Example ", PASSWORD).send(&stage.server);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let session = reply.expect(200);
    assert_eq!(session["merchant"], "testaccount");
    assert_eq!(session["operator"]["email"], EMAIL);
    assert_eq!(session["operator"]["role"], "owner");
    assert_eq!(session["operator"]["disabledAt"], Value::Null);
    let token = text(&session, "token");
    let me = stage.get(token, ME).expect(200);
    assert_eq!(me["caller"], json!({"kind": "operator", "number": session["operator"]["number"]}));
    assert_eq!(me["merchant"], "testaccount");
    assert_eq!(me["operator"], session["operator"]);
    assert_eq!(me["sessionExpiresAt"], session["expiresAt"]);
    assert_eq!(me["masked"], false);
    let all = json!(["customers:read", "customers:write", "customers:erase", "admin"]);
    assert_eq!(me["scopes"], all);
    let out = format!("{ADMIN}/logout");
    let reply = stage.ask(token, "POST", &out, &Value::Null);
    assert_eq!((reply.status, reply.text()), (204, ""));
    is_problem(&stage.get(token, ME), 401, "unauthenticated");
    is_problem(&stage.ask(token, "POST", &out, &Value::Null), 401, "unauthenticated");
    // Another session of the same operator goes on.
    stage.get(&stage.owner, ME).expect(200);
}

#[test]
fn each_role_is_told_what_it_may_do() {
    let stage = Stage::new();
    for (session, merchant, scopes, masked) in [
        (
            &stage.operator,
            json!("testaccount"),
            json!(["customers:read", "customers:write"]),
            false,
        ),
        (&stage.auditor, json!("testaccount"), json!(["customers:read"]), true),
        (
            &stage.deployment,
            Value::Null,
            json!(["customers:read", "customers:write", "customers:erase", "admin"]),
            false,
        ),
    ] {
        let me = stage.get(session, ME).expect(200);
        assert_eq!((&me["merchant"], &me["scopes"]), (&merchant, &scopes));
        assert_eq!(me["masked"], masked);
    }
}

#[test]
fn a_key_is_known_too_however_it_is_shown() {
    let stage = Stage::new();
    let key = stage.server.key();
    let expect = json!({
        "caller": {"kind": "api-key", "number": 1}, "merchant": "testaccount",
        "scopes": ["customers:read", "customers:write"], "masked": false,
        "operator": null, "sessionExpiresAt": null,
    });
    for call in [
        Call::get(ME).basic(key),
        Call::get(ME).header("Authorization", patron_testkit::http::colonless(key)),
        Call::get(ME).bearer(key),
        Call::get(ME).header("X-API-Key", key),
    ] {
        assert_eq!(call.send(&stage.server).expect(200), expect);
    }
    let out = call("POST", format!("{ADMIN}/logout"), &Value::Null).bearer(key);
    is_problem(&out.send(&stage.server), 403, "denied");
}

#[test]
fn what_is_no_credential_lets_nobody_in() {
    let stage = Stage::new();
    let server = &stage.server;
    let key = server.key();
    let form = "object_reference_id=r&mobile_number=1&options.get_client_auth_token=true";
    let created = post(server, "/customers", form).expect(200);
    let client_token = text(&created["juspay"], "client_auth_token");
    let made_up = format!("ses_{}", "0a".repeat(32));
    let id = |call: Call| call.header("x-request-id", "r-1");
    let mut looks = std::collections::BTreeSet::new();
    for call in [
        Call::get(ME),
        Call::get(ME).bearer(""),
        Call::get(ME).bearer(&made_up),
        Call::get(ME).bearer(&stage.owner.to_uppercase()),
        Call::get(ME).bearer(&stage.owner[..60]),
        Call::get(ME).bearer(client_token),
        Call::get(ME).basic(&stage.owner),
        Call::get(ME).header("X-API-Key", &stage.owner),
        Call::get(ME).basic(client_token),
        Call::get(ME).basic(&"F".repeat(32)),
        Call::get(ME).header("Authorization", patron_testkit::http::colonless(&format!("{key}:x"))),
        Call::get(ME).basic(key).header("X-API-Key", key),
        Call::get(ME).bearer(&stage.owner).header("X-API-Key", key),
        Call::get(ME).basic(key).basic(key),
        Call::get(ME).header("X-API-Key", key).header("X-API-Key", key),
        Call::get(ME).header("Authorization", format!("Digest {key}")),
        Call::get(format!("{ME}?access_token={}", stage.owner)),
        Call::get(ME).header("Cookie", format!("token={}", stage.owner)),
    ] {
        let reply = id(call.clone()).send(server);
        is_problem(&reply, 401, "unauthenticated");
        looks.insert(look_of(&reply));
    }
    // Why it is no good is nobody's business.
    assert_eq!(looks.len(), 1, "{looks:#?}");
}

#[test]
fn whoever_may_not_sign_in_is_not_told_why() {
    let stage = Stage::new();
    let server = &stage.server;
    let operators = stage.owner("GET", &format!("{HOME}/operators"), &Value::Null).expect(200);
    let number = |role: &str| {
        let all = operators["items"].as_array().unwrap();
        all.iter().find(|one| one["role"] == role).unwrap()["number"].to_string()
    };
    let path = format!("{HOME}/operators/{}", number("operator"));
    stage.owner("PATCH", &path, &json!({"disabled": true})).expect(200);
    server.manage(&["merchant", "suspend", "other"]).ok();
    let mut looks = std::collections::BTreeSet::new();
    for (email, password) in [
        (EMAIL, "not the password"),
        (EMAIL, ""),
        (EMAIL, &"x".repeat(1_000)),
        ("nobody@testaccount.example", PASSWORD),
        ("", PASSWORD),
        ("operator@testaccount.example", PASSWORD),
        ("owner@other.example", PASSWORD),
    ] {
        let reply = sign_in_call(email, password).header("x-request-id", "r-1").send(server);
        is_problem(&reply, 401, "unauthenticated");
        looks.insert(look_of(&reply));
    }
    assert_eq!(looks.len(), 1, "{looks:#?}");
    // Its sessions are over as well.
    is_problem(&stage.get(&stage.other_owner, ME), 401, "unauthenticated");
    is_problem(&stage.get(&stage.operator, ME), 401, "unauthenticated");
    stage.owner("PATCH", &path, &json!({"disabled": false})).expect(200);
    is_problem(&stage.get(&stage.operator, ME), 401, "unauthenticated");
    sign_in(server, "operator@testaccount.example");
}

#[test]
fn guessing_a_password_is_not_heard_for_long() {
    let stage = Stage::new();
    let guess = || sign_in_call(EMAIL, "not the password").send(&stage.server);
    for _ in 0..10 {
        is_problem(&guess(), 401, "unauthenticated");
    }
    let reply = guess();
    is_problem(&reply, 429, "rate-limited");
    let wait: u32 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=600).contains(&wait), "{wait}");
    // The right one is not heard either, and who has signed in before goes on.
    is_problem(&sign_in_call(EMAIL, PASSWORD).send(&stage.server), 429, "rate-limited");
    stage.get(&stage.owner, ME).expect(200);
    sign_in(&stage.server, DEPLOYMENT_OWNER);
}

#[test]
fn a_session_ends_and_says_so() {
    let server = launch().with("--admin-session-lifetime-s").with("1").start();
    create_operator(&server, &["--deployment"], "owner", DEPLOYMENT_OWNER);
    let session = sign_in(&server, DEPLOYMENT_OWNER);
    let reply = soon("the session ends", || {
        let reply = Call::get(ME).bearer(&session).send(&server);
        (reply.status != 200).then_some(reply)
    });
    is_problem(&reply, 401, "session-expired");
}

#[test]
fn a_session_is_for_what_it_was_opened_for() {
    let stage = Stage::new();
    let wires = log_in(&stage.server, "operator@testaccount.example");
    assert_eq!(Call::get(CLIENTS).bearer(&wires).send(&stage.server).status, 200);
    is_problem(&stage.get(&wires, ME), 401, "unauthenticated");
    is_problem(&stage.get(&wires, &format!("{HOME}/customers")), 401, "unauthenticated");
    assert_eq!(Call::get(CLIENTS).bearer(&stage.operator).send(&stage.server).status, 401);
    assert_eq!(Call::get("/customers").bearer(&stage.operator).send(&stage.server).status, 401);
}

#[test]
fn another_role_or_password_ends_the_sessions_of_its_operator_only() {
    let stage = Stage::new();
    let operators = stage.owner("GET", &format!("{HOME}/operators"), &Value::Null).expect(200);
    let operator = &operators["items"][1];
    assert_eq!(operator["role"], "operator");
    let path = format!("{HOME}/operators/{}", operator["number"]);
    let set = |body: Value| stage.owner("PATCH", &path, &body).expect(200);
    let email = "operator@testaccount.example";
    set(json!({"name": "Another name"}));
    stage.get(&stage.operator, ME).expect(200);
    set(json!({"role": "operator", "disabled": false}));
    stage.get(&stage.operator, ME).expect(200);
    set(json!({"role": "auditor"}));
    is_problem(&stage.get(&stage.operator, ME), 401, "unauthenticated");
    let session = sign_in(&stage.server, email);
    assert_eq!(stage.get(&session, ME).expect(200)["masked"], true);
    set(json!({"password": "another horse battery"}));
    is_problem(&stage.get(&session, ME), 401, "unauthenticated");
    is_problem(&sign_in_call(email, PASSWORD).send(&stage.server), 401, "unauthenticated");
    sign_in_call(email, "another horse battery").send(&stage.server).expect(200);
    stage.get(&stage.owner, ME).expect(200);
    stage.get(&stage.auditor, ME).expect(200);
}
