//! Operators and their sessions, altered: rows of the management, for which nothing vouches but for who an operator
//! is. The security model names what somebody gets who alters them.

use patron_testkit::http::{Call, Reply};
use patron_testkit::server::{Launch, Server};
use serde_json::{Value as Json, json};

use crate::cyrexa::{PASSWORD, create_operator};
use crate::data::{Data, copy};
use crate::stage::{create_merchant, launch, text};

/// Who is asked for: an auditor of the sandbox's merchant, and the owner of another.
const EMAILS: [&str; 2] = ["auditor@testaccount.example", "owner@other.example"];

fn log_in(server: &Server, email: &str) -> Reply {
    let body = json!({"email": email, "password": PASSWORD});
    Call::post("/admin/v1/login").json(body.to_string()).send(server)
}

struct Installation {
    launch: Launch,
    /// Sessions of the two, and of the owner of the deployment, which is never touched.
    sessions: [String; 2],
    deployment: String,
    copies: std::cell::Cell<u32>,
}

/// What becomes of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The session works, and it is who it was.
    Same,
    /// The session works, or one that is opened, and it is an owner now.
    Owner,
    /// It is somebody else.
    Other,
    /// 401.
    Denied,
    /// 500.
    Fault,
}

use State::{Denied, Fault, Other, Owner, Same};

/// What becomes of the auditor who signs in, of its session, and of the list of its merchant's operators.
type Seen = [State; 3];

const UNHARMED: Seen = [Same, Same, Same];

impl Installation {
    fn found() -> Self {
        let launch = launch();
        let mut server = launch.start();
        create_merchant(&server, "other", &[]);
        create_operator(&server, &["--deployment"], "owner", "owner@deployment.example");
        create_operator(&server, &["--merchant", "testaccount"], "auditor", EMAILS[0]);
        create_operator(&server, &["--merchant", "other"], "owner", EMAILS[1]);
        let session = |email| text(&log_in(&server, email).expect(200), "token").to_owned();
        let (sessions, deployment) = (EMAILS.map(session), session("owner@deployment.example"));
        assert!(server.terminate().success());
        Self { launch, sessions, deployment, copies: std::cell::Cell::new(0) }
    }

    fn copy(&self) -> Launch {
        self.copies.set(self.copies.get() + 1);
        copy(&self.launch, &format!("copy-{}", self.copies.get()))
    }

    fn see(&self, launch: &Launch) -> Seen {
        let server = launch.start();
        let me = |session: &str| who(&Call::get("/admin/v1/me").bearer(session).send(&server));
        let signed_in = log_in(&server, EMAILS[0]);
        let signed_in = match signed_in.status {
            200 => me(text(&signed_in.json(), "token")),
            _ => who(&signed_in),
        };
        let list = Call::get("/admin/v1/merchants/testaccount/operators").bearer(&self.deployment);
        let list = list.send(&server);
        let listed = match list.status {
            200 => match list.json()["items"].as_array().unwrap().as_slice() {
                [one] if one["email"] == EMAILS[0] && one["role"] == "auditor" => Same,
                [one] if one["email"] == EMAILS[0] && one["role"] == "owner" => Owner,
                _ => Other,
            },
            _ => who(&list),
        };
        [signed_in, me(&self.sessions[0]), listed]
    }
}

/// Who the caller is told to be.
fn who(reply: &Reply) -> State {
    match reply.status {
        200 => {
            let operator: &Json = &reply.json();
            let is = |email: &str| operator.to_string().contains(email);
            match (is(EMAILS[0]), operator.to_string().contains("\"owner\"")) {
                (true, false) => Same,
                (true, true) => Owner,
                (false, _) => Other,
            }
        }
        401 => Denied,
        500 => Fault,
        other => panic!("{other}: {}", reply.text()),
    }
}

/// A column, what is done to the row of the auditor or of its session, and what becomes of it. `{other}` is the other
/// operator's number, and `{merchant}` the other merchant's.
const LIMITS: [(&str, &str, &str, Seen); 16] = [
    // Who an operator is opens in its own place only.
    ("operator", "number", "number = 99", [Fault, Denied, Fault]),
    ("operator", "merchant", "merchant = {merchant}", [Fault, Fault, Other]),
    // What it may do is the word of whoever can write.
    ("operator", "role", "role = 1", [Owner, Owner, Owner]),
    ("operator", "created_ms", "created_ms = 0", UNHARMED),
    ("operator", "disabled_ms", "disabled_ms = 1", [Denied, Denied, Same]),
    ("operator", "revision", "revision = 100", UNHARMED),
    ("operator", "credential", "credential = 100", [Same, Denied, Same]),
    ("operator", "email_index", "email_index = {zeros}", [Denied, Same, Same]),
    ("operator", "sealed", "sealed = {zeros}", [Fault, Fault, Fault]),
    // Whoever knows another password puts its hash here.
    ("operator", "password", "password = 'x'", [Denied, Same, Same]),
    ("session", "hash", "hash = {zeros}", [Same, Denied, Same]),
    // A session is whosever it says.
    ("session", "operator", "operator = {other}", [Same, Other, Same]),
    ("session", "credential", "credential = 100", [Same, Denied, Same]),
    ("session", "purpose", "purpose = 2", [Same, Denied, Same]),
    ("session", "issued_ms", "issued_ms = 0", UNHARMED),
    ("session", "expires_ms", "expires_ms = 1", [Same, Denied, Same]),
];

#[test]
fn whoever_alters_operators_and_sessions_gets_what_the_security_model_says() {
    let at = Installation::found();
    let data = Data::of(&at.launch);
    for table in ["operator", "session"] {
        let decided = LIMITS.iter().filter(|(of, ..)| *of == table).map(|(_, column, ..)| *column);
        let there: Vec<_> = data.columns(table).into_iter().map(|(column, _)| column).collect();
        assert_eq!(decided.collect::<Vec<_>>(), there);
    }
    let number = |role: u32| {
        let of = "merchant IS NOT NULL";
        data.number(&format!("SELECT number FROM operator WHERE {of} AND role = {role}"))
    };
    let (auditor, other) = (number(3), number(1));
    drop(data);
    assert_eq!(at.see(&at.copy()), UNHARMED);
    for (table, column, change, expect) in LIMITS {
        let launch = at.copy();
        let data = Data::of(&launch);
        let change = change
            .replace("{zeros}", &data.zeros("32"))
            .replace("{other}", &other.to_string())
            .replace("{merchant}", "2");
        let whose = if table == "operator" { "number" } else { "operator" };
        let sql = format!("UPDATE {table} SET {change} WHERE {whose} = {auditor}");
        assert_eq!(data.change(&sql), 1, "{sql}");
        drop(data);
        assert_eq!(at.see(&launch), expect, "{table}.{column}");
    }
}

/// Operators that are gone let nobody in, and neither do sessions.
#[test]
fn whoever_takes_operators_and_sessions_away_lets_nobody_in() {
    let at = Installation::found();
    for (sql, expect) in [
        ("DELETE FROM session", [Same, Denied, Denied]),
        ("DELETE FROM operator WHERE role = 3", [Denied, Denied, Other]),
    ] {
        let launch = at.copy();
        Data::of(&launch).run(sql);
        assert_eq!(at.see(&launch), expect, "{sql}");
    }
}
