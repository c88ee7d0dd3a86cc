//! The program itself: starting, stopping, and saying how it is.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use patron_testkit::http::{Call, Connection};
use patron_testkit::postgres::{Cluster, Setup};
use patron_testkit::server::{Launch, Outcome, Server};
use patron_testkit::shape;
use patron_testkit::wait::soon;
use serde_json::Value;

use crate::stage::{LEAST, MOST, create, get, launch, post, read, server, with_tls};

/// The word after `mark` in a text.
fn word_after<'a>(text: &'a str, mark: &str) -> &'a str {
    let rest = text.split_once(mark).unwrap_or_else(|| panic!("no `{mark}` in {text}")).1;
    rest.split_whitespace().next().unwrap()
}

/// The lines to try the wires with, as they were printed.
fn curl_lines(server: &Server) -> Vec<String> {
    soon("the curl lines are printed", || {
        let said = server.stdout();
        let lines = said.lines().filter(|line| line.trim_start().starts_with("curl "));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        // They are said at once.
        (!lines.is_empty() && said.ends_with('\n')).then_some(lines)
    })
}

/// The one among them that says this.
fn line_with<'a>(lines: &'a [String], what: &str) -> &'a str {
    let mut found = lines.iter().filter(|line| line.contains(what));
    let line = found.next().unwrap_or_else(|| panic!("no {what} in {lines:#?}"));
    assert_eq!(found.next(), None, "{what} is said twice");
    line
}

fn run_curl(line: &str) -> Outcome {
    let script = format!("{line} --silent --show-error --fail");
    Outcome::of(Command::new("sh").args(["-c", &script]))
}

#[test]
fn the_first_start_prints_curl_lines_that_work() {
    let server = launch().without_key().start();
    let lines = curl_lines(&server);
    let said = server.stdout();
    let key = word_after(&said, "API key ");
    assert!(shape::is_api_key(key), "{said}");
    let customer = run_curl(line_with(&lines, "/customers -d ")).json();
    assert_eq!(customer["object_reference_id"], "customer@gmail.com");
    assert_eq!(customer["first_name"], "Jon");
    let reply = Call::get("/customers/customer@gmail.com").basic(key).send(&server);
    assert_eq!(reply.expect(200), customer);
    let client = run_curl(line_with(&lines, "/ipg/")).json();
    assert_eq!((&client["name"], &client["phone"]), (&"Jon Snow".into(), &"+65 9988 7766".into()));
    for line in lines.iter().filter(|line| line.contains("/admin/") || line.contains("/docs")) {
        run_curl(line).ok();
    }
}

#[test]
fn the_printed_curl_lines_work_over_tls_too() {
    let server = with_tls(launch().without_key(), "127.0.0.1").start();
    let lines = curl_lines(&server);
    assert!(lines.iter().all(|line| line.contains("https://")), "{lines:#?}");
    run_curl(line_with(&lines, "/ipg/")).ok();
    let line = line_with(&lines, "/customers -d ");
    let certificate = server.launch().directory().join("certificate.pem");
    // Once as it stands, and once with the certificate really checked.
    run_curl(line).ok();
    let checked = line.replace(" -k ", &format!(" --cacert {} ", certificate.display()));
    assert_ne!(line, checked);
    let script = format!("{checked} --silent --show-error");
    let again = Outcome::of(Command::new("sh").args(["-c", &script])).json();
    assert_eq!(again["error_code"], "unique");
}

#[test]
fn the_first_line_says_where_it_listens_and_where_the_data_is() {
    let server = server();
    let place = match server.launch().cluster() {
        None => format!("data in {}", server.launch().data().display()),
        Some(cluster) => format!("database 127.0.0.1:{}/patron", cluster.port()),
    };
    let expected = format!("Patron is listening on http://{} (sandbox, {place})", server.address());
    assert_eq!(server.stdout().lines().next(), Some(expected.as_str()));
}

#[test]
fn a_second_start_keeps_the_key_and_does_not_show_it() {
    let mut server = launch().without_key().start();
    let key = soon("the key is printed", || {
        let said = server.stdout();
        said.contains("curl ").then(|| word_after(&said, "API key ").to_owned())
    });
    server.restart();
    assert_eq!(Call::get("/customers").basic(&key).send(&server).status, 200);
    assert!(!server.stdout().contains(&key), "{}", server.stdout());
}

#[test]
fn everything_survives_a_restart() {
    let mut server = server();
    create(&server, MOST);
    post(&server, "/customers/jon@example.com", "first_name=Aegon");
    let before = get(&server, "/customers/jon@example.com");
    let list = get(&server, "/customers").expect(200);
    server.restart();
    let after = get(&server, "/customers/jon@example.com");
    assert_eq!(after.expect(200), before.json());
    assert_eq!(after.header("etag"), Some("\"2\""));
    assert_eq!(get(&server, "/customers").expect(200), list);
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let mut server = server();
    create(&server, LEAST);
    let acknowledged = post(&server, "/customers/jon@example.com", "first_name=Jon").expect(200);
    server.kill();
    let server = server.launch().start();
    assert_eq!(read(&server), acknowledged);
}

#[test]
fn sigterm_lets_a_request_in_flight_finish() {
    let mut server = server();
    let call = Call::post("/customers").basic(server.key()).form(LEAST);
    let body = call.body();
    let mut connection = Connection::open(&server);
    connection.send_head(&call);
    connection.write(&body[..20]);
    in_flight(&server.address().to_string(), server.key());
    server.ask_to_end();
    soon("no new connection is taken", || {
        std::net::TcpStream::connect(server.address()).err().map(|_| ())
    });
    connection.write(&body[20..]);
    let created = connection.reply().expect(200);
    assert!(connection.is_closed(), "nobody may send more on this connection");
    let status = server.wait();
    assert!(status.success(), "{status}: {}", server.stderr());
    let server = server.launch().start();
    assert_eq!(read(&server), created);
}

#[test]
fn a_server_that_shuts_down_is_alive_and_not_ready() {
    // On an address of its own, so that no other test takes the port in between.
    let own = TcpListener::bind("127.0.91.2:0").unwrap().local_addr().unwrap();
    let mut server = launch().with("--metrics-listen").with(own.to_string()).start();
    assert_eq!(Call::get("/readyz").send(own).status, 200);
    let call = Call::post("/customers").basic(server.key()).form(LEAST);
    let body = call.body();
    let mut connection = Connection::open(&server);
    connection.send_head(&call);
    connection.write(&body[..20]);
    in_flight(&own.to_string(), server.key());
    server.ask_to_end();
    let refusal = soon("the server is not ready", || {
        let reply = Call::get("/readyz").send(own);
        (reply.status != 200).then_some(reply)
    });
    assert_eq!((refusal.status, refusal.text()), (503, "the server is shutting down"));
    assert_eq!(Call::get("/healthz").send(own).status, 200);
    connection.write(&body[20..]);
    assert_eq!(connection.reply().status, 200);
    assert!(server.wait().success(), "{}", server.stderr());
}

#[test]
fn plain_http_is_not_answered_where_tls_is_spoken() {
    let server = with_tls(launch(), "127.0.0.1").start();
    let mut plain = TcpStream::connect(server.address()).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.contains("HTTP"), "answered in the clear: {answer}");
}

/// Waits until the server has begun to answer a request besides the one that asks.
fn in_flight(address: &str, key: &str) {
    let address: std::net::SocketAddr = address.parse().unwrap();
    soon("the request is in flight", || {
        let metrics = Call::get("/metrics").basic(key).send(address);
        let line =
            metrics.text().lines().find(|line| line.starts_with("patron_requests_in_flight "));
        (line? == "patron_requests_in_flight 2").then_some(())
    });
}

#[test]
fn sigterm_does_not_wait_for_idle_connections() {
    let mut server = server();
    let mut connection = Connection::open(&server);
    let call = Call::get("/customers").basic(server.key());
    assert_eq!(connection.send(&call).status, 200);
    let _silent = Connection::open(&server);
    assert!(server.terminate().success(), "{}", server.stderr());
    assert!(connection.is_closed());
}

#[test]
fn it_says_how_it_is() {
    let server = server();
    for path in ["/healthz", "/readyz"] {
        let reply = Call::get(path).send(&server);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
}

#[test]
fn metrics_count_requests_by_route_and_status() {
    let server = server();
    create(&server, MOST);
    get(&server, "/customers/jon@example.com");
    get(&server, "/customers/nobody");
    Call::get("/customers").send(&server);
    let reply = Call::get("/metrics").send(&server);
    assert_eq!(reply.status, 200);
    let metrics = reply.text();
    let counted = |route: &str, status: u16| {
        let labels = [format!("route=\"{route}\""), format!("status=\"{status}\"")];
        let line = metrics.lines().find(|line| {
            line.starts_with("patron_requests_total{")
                && labels.iter().all(|label| line.contains(label))
        });
        let line = line.unwrap_or_else(|| panic!("no {labels:?} in {metrics}"));
        line.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(counted("/customers", 200), "1");
    assert_eq!(counted("/customers/{id}", 200), "1");
    assert_eq!(counted("/customers/{id}", 404), "1");
    assert_eq!(counted("/customers", 401), "1");
    let labels = "{wire=\"juspay\",route=\"/customers/{id}\",status=\"404\"}";
    let timed = format!("patron_request_duration_seconds_count{labels} 1");
    assert!(metrics.lines().any(|line| line == timed), "no `{timed}` in {metrics}");
    // What was written until here came one by one, so each commit held one write.
    let value = |name: &str| -> f64 { word_after(metrics, name).parse().unwrap() };
    let groups = value("patron_store_group_size_count ");
    assert!(groups >= 1.0, "{metrics}");
    assert!(value("patron_store_group_size_sum ") >= groups, "{metrics}");
    let kind = reply.header("content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    for personal in ["jon", "Jon", "Snow", "winter", "99887766", "nobody", server.key()] {
        assert!(!metrics.contains(personal), "{personal} in {metrics}");
    }
}

#[test]
fn metrics_can_have_their_own_address() {
    // On an address of its own, so that no other test takes the port in between.
    let free = TcpListener::bind("127.0.91.1:0").unwrap().local_addr().unwrap();
    let server = launch().with("--metrics-listen").with(free.to_string()).start();
    assert_eq!(Call::get("/metrics").send(&server).status, 404);
    let metrics = Call::get("/metrics").send(free);
    assert!(metrics.text().contains("patron_requests_total"), "{}", metrics.text());
    assert_eq!(Call::get("/readyz").send(free).status, 200);
    assert_eq!(Call::get("/customers").send(free).status, 404, "there are no wires here");
}

#[test]
fn flags_beat_variables_and_variables_beat_the_file() {
    let uses = |flag: Option<&str>, variable: Option<&str>, file: &str| -> usize {
        let mut launch = launch();
        let path = launch.directory().join("patron.toml");
        fs::write(&path, file).unwrap();
        launch = launch.with("--config").with(path.to_str().unwrap());
        if let Some(flag) = flag {
            launch = launch.with("--token-uses").with(flag);
        }
        if let Some(variable) = variable {
            launch = launch.with_variable("PATRON_TOKEN_USES", variable);
        }
        let server = launch.start();
        let created = create(&server, &format!("{LEAST}&options.get_client_auth_token=true"));
        let token = created["juspay"]["client_auth_token"].as_str().unwrap().to_owned();
        let call = Call::get("/customers/jon@example.com").bearer(&token);
        (0..).take_while(|_| call.send(&server).status == 200).count()
    };
    assert_eq!(uses(Some("1"), Some("2"), "token-uses = 3\n"), 1);
    assert_eq!(uses(None, Some("2"), "token-uses = 3\n"), 2);
    assert_eq!(uses(None, None, "token-uses = 3\n"), 3);
}

#[test]
fn data_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let server = server();
    create(&server, LEAST);
    let mode = |name: &str| {
        let path = server.launch().data().join(name);
        fs::metadata(&path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode("root.key"), 0o600);
    if server.launch().database_url().is_none() {
        assert_eq!(mode("control.sock"), 0o600);
        assert_eq!(mode("patron.db") & 0o077, 0);
    }
    assert_eq!(mode("") & 0o077, 0, "the directory itself");
}

/// A UUID that no generator of ours makes.
const FIND_ME: &str = "f1d3e000-0000-0000-0000-000000000000";

#[test]
fn logs_are_one_json_object_a_line_with_id_route_and_status() {
    let server = server();
    create(&server, MOST);
    let ask = |id: &str| {
        let call = Call::get("/customers/jon@example.com").basic(server.key());
        let reply = call.header("x-request-id", id).send(&server);
        assert_eq!(reply.header("x-request-id"), Some(id));
    };
    // Only a UUID certainly names nobody; any other id of a client's is echoed and not logged.
    ask("Jon.Snow");
    ask(FIND_ME);
    let line = soon("the request is logged", || {
        let log = server.stderr();
        log.lines().find(|line| line.contains(FIND_ME)).map(str::to_owned)
    });
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["request_id"], FIND_ME);
    assert_eq!(line["route"], "/customers/{id}");
    assert_eq!(line["status"], 200);
    assert!(!server.stderr().contains("Jon"), "{}", server.stderr());
}

#[test]
fn what_is_not_http_is_answered_with_a_400_and_a_closed_connection() {
    let server = server();
    for nonsense in
        ["HELLO\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n"]
    {
        let mut connection = Connection::open(&server);
        connection.write(nonsense.as_bytes());
        let reply = connection.reply();
        assert!((400..500).contains(&reply.status), "{nonsense:?}: {reply:?}");
        assert!(connection.is_closed(), "{nonsense:?}");
    }
    assert_eq!(get(&server, "/customers").status, 200);
}

#[test]
fn help_and_version_are_there_and_no_command_is_an_error() {
    let launch = launch();
    let said = |words: &[&str]| Outcome::of(launch.command().args(words));
    assert!(said(&["--version"]).ok().starts_with("patron "));
    assert!(said(&["--help"]).ok().contains("serve"));
    assert!(said(&["serve", "--help"]).ok().contains("--tls-cert"));
    assert!(said(&[]).refused().contains("Usage"));
    assert!(said(&["fly"]).refused().contains("fly"));
}

#[test]
fn it_can_start_again_at_once_on_the_same_address() {
    let mut server = server();
    let mut connection = Connection::open(&server);
    let call = Call::get("/customers").basic(server.key());
    assert_eq!(connection.send(&call).status, 200);
    let address = server.address().to_string();
    assert!(server.terminate().success());
    let server = server.launch().clone().listening_on(address).start();
    assert_eq!(call.send(&server).status, 200);
}

#[test]
fn commands_are_not_misled_by_what_a_killed_server_left_behind() {
    let mut server = server();
    server.kill();
    let has_socket = server.launch().data().join("control.sock").exists();
    assert_eq!(has_socket, server.launch().database_url().is_none());
    server.launch().manage(&["merchant", "create", "acme"]).ok();
    let server = server.launch().start();
    server.manage(&["merchant", "suspend", "acme"]).ok();
}

#[test]
fn a_long_way_to_the_data_is_no_hindrance() {
    let launch = launch();
    let long = launch.directory().join("d".repeat(120)).join("e".repeat(120));
    fs::create_dir_all(&long).unwrap();
    let launch = launch.with_data(long.join("data"));
    let server = launch.start();
    server.manage(&["merchant", "create", "acme"]).ok();
    assert_eq!(get(&server, "/customers").status, 200);
}

#[test]
fn a_head_that_does_not_arrive_is_not_waited_for() {
    let server = launch().with("--head-timeout-ms").with("200").start();
    let mut connection = Connection::open(&server);
    connection.write(b"GET /customers HTT");
    assert!(connection.ends(), "the server hangs up");
    assert_eq!(get(&server, "/customers").status, 200);
}

/// Enough answers to fill whatever lies between the server and a client that does not read.
const UNREAD_REQUESTS: usize = 60_000;

#[test]
fn a_client_that_does_not_read_is_not_waited_for() {
    let limits = [
        ["--write-timeout-ms", "300"],
        ["--head-timeout-ms", "3600000"],
        ["--connections-max", "1"],
    ];
    let server = limits.concat().iter().fold(launch(), |launch, word| launch.with(*word)).start();
    let mut deaf = TcpStream::connect(server.address()).unwrap();
    deaf.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let requests = "GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(UNREAD_REQUESTS);
    // Whether all of it finds room on its way does not matter.
    let _ = deaf.write_all(requests.as_bytes());
    // There is room for one connection only, so this one is answered when the other is cut.
    assert_eq!(get(&server, "/customers").status, 200);
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = launch().with("--connections-max").with("1").start();
    let mut first = Connection::open(&server);
    let call = Call::get("/customers").basic(server.key());
    assert_eq!(first.send(&call).status, 200);
    let mut second = Connection::open(&server);
    second.send_head(&call);
    assert_eq!(first.send(&call).status, 200);
    drop(first);
    assert_eq!(second.reply().status, 200);
}

/// A new installation whose store keeps what it acknowledged: a database that is soon thrown away does not sync.
fn lasting() -> (Launch, Option<Cluster>) {
    if launch().database_url().is_none() {
        return (launch(), None);
    }
    let cluster = Setup::new().durable().start();
    (launch().on(cluster.url()), Some(cluster))
}

#[test]
fn the_doctor_finds_nothing_wrong_with_a_new_installation() {
    let (launch, _cluster) = lasting();
    let mut server = launch.start();
    server.manage(&["doctor"]).ok();
    assert!(server.terminate().success());
    server.manage(&["doctor"]).ok();
    let (nowhere, _cluster) = lasting();
    let outcome = nowhere.manage(&["doctor"]);
    assert!(!nowhere.data().exists(), "it changes nothing: {outcome:?}");
}

#[test]
fn the_doctor_takes_an_empty_file_for_no_database_yet() {
    let half = launch();
    fs::create_dir(half.data()).unwrap();
    let database = half.data().join("patron.db");
    fs::write(&database, "").unwrap();
    let outcome = half.manage(&["doctor"]);
    assert_eq!(fs::metadata(&database).unwrap().len(), 0, "it changes nothing: {outcome:?}");
    assert!(outcome.ok().contains("there is no database yet"), "{outcome:?}");
}
