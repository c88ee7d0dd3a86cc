//! Slow clients: a byte at a time in time is fine, too late is cut off however steadily it comes, and
//! nobody else waits for it.

use std::time::Duration;

use patron_testkit::http::{Call, Connection};
use patron_testkit::server::{SANDBOX_KEY, Server};
use patron_testkit::wait::{soon, until};

use crate::errors::is_refused;
use crate::stage::{get, launch};
use crate::unharmed::Unharmed;

const JON: &str = "/customers/jon@example.com";

/// Tells a story to a server that waits for nobody. Ordinary requests, which may be late on a busy machine, are
/// sent to one that does.
fn told_impatiently(story: impl FnOnce(&Server)) {
    let limits = ["--head-timeout-ms", "400", "--body-timeout-ms", "400"];
    Unharmed::start().restarted_for(&limits, story).holds();
}

fn update(form: &str) -> Call {
    Call::post(JON).basic(SANDBOX_KEY).form(form)
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let stage = Unharmed::start();
    let mut connection = Connection::open(stage.server());
    let call = update("first_name=Jon");
    for _ in 0..3 {
        for byte in [call.head("h"), call.body()].concat() {
            connection.write(&[byte]);
        }
        assert_eq!(connection.reply().expect(200)["first_name"], "Jon");
    }
    let chunked = Call::post(JON).basic(SANDBOX_KEY).chunks(["first_na", "me=Jon"]);
    for byte in [chunked.head("h"), chunked.body()].concat() {
        connection.write(&[byte]);
    }
    assert_eq!(connection.reply().expect(200)["first_name"], "Jon");
    stage.holds();
}

/// Sends a byte now and then until the server has had enough.
fn dripped(connection: &mut Connection, byte: u8) {
    soon("the server hangs up", || (!connection.try_write(&[byte])).then_some(()));
}

#[test]
fn a_head_that_drips_is_cut_off_though_it_never_stands_still() {
    told_impatiently(|server| {
        for start in ["GET /cust", "GET / HTTP/1.1\r\nX: ", "\r\n"] {
            let mut connection = Connection::open(server);
            connection.write(start.as_bytes());
            dripped(&mut connection, if start == "\r\n" { b'\n' } else { b'x' });
        }
    });
}

#[test]
fn a_body_that_drips_is_answered_and_cut_off() {
    let whole = update(&format!("first_name={}", "A".repeat(60_000)));
    let chunked = Call::post(JON).basic(SANDBOX_KEY).header("Transfer-Encoding", "chunked");
    told_impatiently(|server| {
        for (call, start) in [(whole, "first_name="), (chunked, "ffff\r\nfirst_name=")] {
            let mut connection = Connection::open(server);
            connection.send_head(&call);
            connection.write(start.as_bytes());
            // Not a byte more than that: what nobody reads makes the system throw the answer away.
            soon("it is answered though it never stands still", || {
                connection.is_answered().then_some(()).or_else(|| {
                    connection.try_write(b"A");
                    None
                })
            });
            is_refused(&connection.reply(), 408, "request_timeout");
            assert!(connection.is_closed());
        }
    });
}

fn open_connections(server: &Server) -> u32 {
    let metrics = Call::get("/metrics").send(server);
    let line = metrics.text().lines().find(|line| line.starts_with("patron_connections "));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn many_slow_clients_are_let_go_and_nobody_waits_for_them() {
    let launch = launch().with("--head-timeout-ms").with("3000");
    let stage = Unharmed::of(&launch.with("--body-timeout-ms").with("3000"));
    let call = update("first_name=Jon");
    let starts = [
        b"GET /customers HTTP/1.1\r\nX: ".to_vec(),
        [call.head("h"), b"first_n".to_vec()].concat(),
        b"".to_vec(),
        Call::get(JON).basic(SANDBOX_KEY).head("h"),
    ];
    let held: Vec<Connection> = (0..400)
        .map(|number| {
            let mut connection = Connection::open(stage.server());
            connection.write(&starts[number % starts.len()]);
            connection
        })
        .collect();
    assert!(open_connections(stage.server()) > 100);
    for _ in 0..50 {
        assert_eq!(get(stage.server(), JON).status, 200);
    }
    until("only the one that asks is left", Duration::from_secs(60), || {
        (open_connections(stage.server()) == 1).then_some(())
    });
    drop(held);
    stage.holds();
}
