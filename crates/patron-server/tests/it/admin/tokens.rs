//! Client auth tokens: what is known of one.

use patron_testkit::http::{Call, Reply};
use serde_json::{Value, json};

use super::{HOME, OTHER, Stage, call, is_problem, is_wrong_in, path_of};
use crate::cyrexa::CLIENTS;
use crate::stage::{launch, text};

fn token_of(stage: &Stage, number: i64) -> String {
    let call = Call::post(format!("{CLIENTS}/{number}/token"));
    let issued = call.header("X-API-Key", stage.server.key()).send(&stage.server).expect(200);
    text(&issued, "accessToken").to_owned()
}

fn introspect(stage: &Stage, session: &str, home: &str, form: &str) -> Reply {
    Call::post(format!("{home}/tokens/introspect")).form(form).bearer(session).send(&stage.server)
}

#[test]
fn a_token_in_force_is_known_and_not_used_up_by_that() {
    let stage = Stage::of(launch().with("--token-uses").with("2"));
    let number = stage.customer(&json!({"name": "Jon", "email": "jon@x"}));
    let token = token_of(&stage, number);
    let own = || Call::get(format!("{CLIENTS}/{number}")).bearer(&token).send(&stage.server).status;
    for session in [&stage.owner, &stage.operator, &stage.auditor, &stage.deployment] {
        let form = format!("token={token}&token_type_hint=access_token");
        let known = introspect(&stage, session, HOME, &form).expect(200);
        let (issued, expires) = (known["iat"].as_i64().unwrap(), known["exp"].as_i64().unwrap());
        assert_eq!(expires - issued, 900);
        assert_eq!(
            known,
            json!({
                "active": true, "scope": "customers:read customers:write",
                "client_id": "testaccount", "sub": number.to_string(), "exp": expires,
                "iat": issued, "token_type": "Bearer",
            })
        );
    }
    assert_eq!((own(), own()), (200, 200));
    // Used up, it is as good as unknown.
    let inactive = json!({"active": false});
    let form = format!("token={token}");
    assert_eq!(introspect(&stage, &stage.owner, HOME, &form).expect(200), inactive);
    assert_eq!(own(), 401);
}

#[test]
fn of_any_other_token_nothing_is_said() {
    let stage = Stage::new();
    let number = stage.customer(&json!({"name": "Jon", "email": "jon@x"}));
    let token = token_of(&stage, number);
    let inactive = json!({"active": false});
    let made_up = "tkn_24543c6a278f45d680d09edb32e78061";
    for token in [made_up, "", "x", &stage.owner, stage.server.key(), &token[..30]] {
        let reply = introspect(&stage, &stage.owner, HOME, &format!("token={token}"));
        assert_eq!(reply.expect(200), inactive);
    }
    // Another merchant's is not known here.
    let form = format!("token={token}");
    assert_eq!(introspect(&stage, &stage.other_owner, OTHER, &form).expect(200), inactive);
    assert_eq!(introspect(&stage, &stage.owner, HOME, &form).expect(200)["active"], true);
    // Neither is one of a customer that is erased.
    let erase = format!("{}/erase", path_of(number));
    stage.owner("POST", &erase, &Value::Null).expect(202);
    assert_eq!(introspect(&stage, &stage.owner, HOME, &form).expect(200), inactive);
}

#[test]
fn the_question_is_a_form() {
    let stage = Stage::new();
    is_wrong_in(&introspect(&stage, &stage.owner, HOME, ""), &["token"]);
    is_wrong_in(&introspect(&stage, &stage.owner, HOME, "token=a&token=b"), &["token"]);
    is_wrong_in(&introspect(&stage, &stage.owner, HOME, "token=a&secret=b"), &["secret"]);
    is_problem(&introspect(&stage, &stage.owner, HOME, "token=%zz"), 400, "malformed");
    let json = call("POST", format!("{HOME}/tokens/introspect"), &json!({"token": "x"}));
    is_problem(&json.bearer(&stage.owner).send(&stage.server), 415, "unsupported-media-type");
}
