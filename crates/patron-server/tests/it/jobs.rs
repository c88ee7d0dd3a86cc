//! Work in the background: what has expired disappears, and nothing else.

use patron_testkit::http::Call;
use patron_testkit::server::Server;
use patron_testkit::wait::soon;

use crate::data::Data;
use crate::stage::{LEAST, create, create_merchant, get, launch, metric, text};

const JON: &str = "/customers/jon@example.com";

fn token(server: &Server) -> String {
    let target = format!("{JON}?options.get_client_auth_token=true");
    text(&get(server, &target).expect(200)["juspay"], "client_auth_token").to_owned()
}

fn status_with(server: &Server, token: &str) -> u16 {
    Call::get(JON).bearer(token).send(server).status
}

fn cleared(server: &Server) -> usize {
    metric(server, "patron_tokens_cleared_total ")
}

fn kept(server: &Server) -> i64 {
    Data::of(server.launch()).number("SELECT count(*) AS count FROM client_token")
}

#[test]
fn tokens_that_expired_disappear_and_live_ones_go_on_working() {
    let mut server = launch().start();
    create(&server, LEAST);
    let live = token(&server);
    assert!(server.terminate().success());
    let hasty = server.launch().clone().with("--token-lifetime-s").with("1");
    let server = hasty.with("--job-lease-ms").with("300").start();
    let brief: Vec<_> = (0..5).map(|_| token(&server)).collect();
    soon("five tokens are cleared", || (cleared(&server) == 5).then_some(()));
    assert_eq!(metric(&server, "patron_job_held{job=\"clear_tokens\"} "), 1);
    assert_eq!(kept(&server), 1);
    assert_eq!(status_with(&server, &live), 200);
    for token in &brief {
        assert_eq!(status_with(&server, token), 401);
    }
    // It goes on, round after round.
    token(&server);
    soon("one more is cleared", || (cleared(&server) == 6).then_some(()));
    assert_eq!(status_with(&server, &live), 200);
}

#[test]
fn more_tokens_than_a_step_takes_disappear_of_every_merchant() {
    let mut server = launch().with("--job-lease-ms").with("300").start();
    create(&server, LEAST);
    let live = token(&server);
    create_merchant(&server, "other", &[]);
    assert!(server.terminate().success());
    let data = Data::of(server.launch());
    data.run(&format!(
        "WITH RECURSIVE upto (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM upto WHERE n < 2500) \
         INSERT INTO client_token (merchant, hash, number, issued_ms, expires_ms, uses_left) \
         SELECT merchant.number, {}, 1, 0, 1, 1 FROM merchant, upto",
        data.random_hash()
    ));
    drop(data);
    assert_eq!(kept(&server), 5_001);
    let server = server.launch().start();
    soon("all are cleared", || (cleared(&server) == 5_000).then_some(()));
    assert_eq!(kept(&server), 1);
    assert_eq!(status_with(&server, &live), 200);
}

/// Sessions that ended so many milliseconds ago, put where those are that operators open.
fn put_sessions(data: &Data, count: usize, ago_ms: i64) {
    let now = "SELECT max(created_ms) AS now FROM merchant";
    let expires = data.number(now) - ago_ms;
    data.run(&format!(
        "WITH RECURSIVE upto (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM upto WHERE n < {count}) \
         INSERT INTO session (hash, operator, credential, purpose, issued_ms, expires_ms) \
         SELECT {}, 1, 1, 1, 0, {expires} FROM upto",
        data.random_hash()
    ));
}

/// Whoever comes with a session that ended a moment ago is told so, for as long as the longest of them lasts.
#[test]
fn sessions_that_ended_long_ago_disappear_and_others_stay() {
    const HOUR_MS: i64 = 3_600_000;
    let mut server = launch().start();
    let launch = server.launch().clone().with("--job-lease-ms").with("300");
    assert!(server.terminate().success());
    let data = Data::of(&launch);
    put_sessions(&data, 2_500, 13 * HOUR_MS);
    put_sessions(&data, 5, 11 * HOUR_MS);
    put_sessions(&data, 7, -HOUR_MS);
    let server = launch.start();
    let cleared = |server: &Server| metric(server, "patron_sessions_cleared_total ");
    soon("the old ones are cleared", || (cleared(&server) == 2_500).then_some(()));
    assert_eq!(metric(&server, "patron_job_held{job=\"clear_sessions\"} "), 1);
    let kept = "SELECT count(*) AS count FROM session";
    assert_eq!(data.number(kept), 12);
    drop(server);
    // Where none lasts longer than ten hours, nobody has to be told of one that ended eleven ago.
    let brief = launch.with("--admin-session-lifetime-s").with("36000").start();
    soon("five more are cleared", || (cleared(&brief) == 5).then_some(()));
    assert_eq!(data.number(kept), 7);
}
