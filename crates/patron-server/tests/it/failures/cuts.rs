//! The way to the database: connections that break, or go silent, at any moment.

use patron_testkit::effort::rounds;
use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::network::{Failure, Proxy};
use patron_testkit::postgres::{Cluster, PASSWORD, USER};
use patron_testkit::server::{Launch, SANDBOX_KEY, Server};
use serde_json::{Value, json};

use super::story::{Story, ask, ask_until_done, is_refused, launch_on, tells_no_secret};
use crate::durability::load::shown;
use crate::errors::{is_taken, is_unknown_customer};
use crate::stage::text;

/// What a commit is, to the last byte: transactions begin with words that it begins with.
const COMMIT: &str = "COMMIT\0";

const FAILURES: [Failure; 3] = [Failure::Cut, Failure::Silence, Failure::Lost];

/// A database behind a network that fails.
struct Behind {
    proxy: Proxy,
    _cluster: Cluster,
    launch: Launch,
}

fn url_through(proxy: &Proxy) -> String {
    format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{USER}?sslmode=disable", proxy.port())
}

impl Behind {
    fn new() -> Self {
        let cluster = Cluster::new();
        let proxy = Proxy::before(cluster.port());
        // What is silent is given up soon enough to be found out while the request waits.
        let launch = launch_on(&url_through(&proxy))
            .with_variable("PATRON_DATABASE_STATEMENT_TIMEOUT_MS", "300");
        Self { proxy, _cluster: cluster, launch }
    }

    /// Does something during which a connection is to fail, so many messages after one with this text; whether it did.
    fn with_failure(
        &self,
        (text, later): (&'static str, usize),
        failure: Failure,
        act: impl FnOnce(),
    ) -> bool {
        let before = self.proxy.failures();
        self.proxy.fail_after(text, later, failure);
        act();
        self.proxy.fail_no_more();
        self.proxy.failures() > before
    }

    /// Everything is there once, and whole.
    fn holds(&self, server: &Server, versions: &[(String, u64)]) {
        for (reference, version) in versions {
            let found = shown(&ask_until_done(server, &get(reference)));
            assert_eq!(found.version, *version, "{found:?}");
        }
        let listed = ask_until_done(server, &Call::get("/customers?count=1").basic(SANDBOX_KEY));
        assert_eq!(listed.expect(200)["total"], json!(versions.len()));
        let walked = self.launch.manage(&["verify", "--json"]).json();
        let entries: u64 = versions.iter().map(|(_, version)| version).sum();
        assert_eq!(walked["history_entries"], json!(entries), "{walked}");
        assert_eq!(walked["broken"], json!(null), "{walked}");
        tells_no_secret(&server.stderr());
    }
}

fn get(reference: &str) -> Call {
    Call::get(format!("/customers/{reference}")).basic(SANDBOX_KEY)
}

fn create(reference: &str, with_token: bool) -> Call {
    let form = format!(
        "object_reference_id={reference}&mobile_number=99887766&email_address=jon@winter.example\
         &options.get_client_auth_token={with_token}"
    );
    Call::post("/customers").basic(SANDBOX_KEY).form(form)
}

fn update(reference: &str, name: &str) -> Call {
    let call = Call::post(format!("/customers/{reference}")).basic(SANDBOX_KEY);
    call.form(format!("first_name={name}"))
}

/// One call, which must be answered rightly whatever fails.
fn answer(server: &Server, call: &Call) -> Reply {
    let reply = ask(&mut Connection::open(server), call);
    if reply.status == 503 {
        is_refused(&reply);
    }
    reply
}

/// Which messages are the last before something fails: all, or some of them.
fn moments(failure: Failure) -> impl Iterator<Item = usize> {
    let step = match failure {
        Failure::Cut | Failure::Lost => rounds(3, 1),
        // Each takes its time until it is noticed.
        Failure::Silence => rounds(17, 1),
    };
    (0..).step_by(step)
}

/// Fails at one message after the other of what follows `text`, until there are no more of them.
fn sweep(behind: &Behind, text: &'static str, failure: Failure, mut act: impl FnMut(usize)) {
    let mut last = 0;
    for later in moments(failure) {
        if !behind.with_failure((text, later), failure, || act(later)) {
            break;
        }
        last = later;
    }
    assert!(last >= 17, "the last message at which something failed was {last}");
}

fn creations_survive(failure: Failure) {
    let behind = Behind::new();
    let server = behind.launch.start();
    let mut there = Vec::new();
    sweep(&behind, "BEGIN", failure, |later| {
        let reference = format!("r{later}");
        let reply = answer(&server, &create(&reference, later % 2 == 0));
        match reply.status {
            200 => assert_eq!(reply.expect(200)["object_reference_id"], json!(reference)),
            _ => is_refused(&reply),
        }
        let found = ask_until_done(&server, &get(&reference));
        match found.status {
            200 => {}
            _ if reply.status == 200 => panic!("{reference} was acknowledged and is not there"),
            _ => is_unknown_customer(&found),
        }
        // Whoever was refused tries again, and it is there once.
        let again = ask_until_done(&server, &create(&reference, false));
        match found.status {
            200 => is_taken(&again),
            _ => drop(again.expect(200)),
        }
        there.push((reference, 1));
    });
    behind.holds(&server, &there);
}

#[test]
fn a_creation_survives_a_cut_at_any_message() {
    creations_survive(Failure::Cut);
}

#[test]
fn a_creation_survives_silence_at_any_message() {
    creations_survive(Failure::Silence);
}

fn updates_survive(failure: Failure) {
    let behind = Behind::new();
    let server = behind.launch.start();
    shown(&answer(&server, &create("jon", false)));
    let mut version = 1;
    sweep(&behind, "BEGIN", failure, |later| {
        let call = update("jon", &format!("Jon{later}"));
        let reply = answer(&server, &call);
        let found = shown(&ask_until_done(&server, &get("jon")));
        let is_done = found.customer["first_name"] == json!(format!("Jon{later}"));
        assert_eq!(found.version, version + u64::from(is_done), "once or not at all");
        match reply.status {
            200 => assert_eq!(shown(&reply).version, version + 1),
            _ => is_refused(&reply),
        }
        version += 1;
        let again = shown(&ask_until_done(&server, &call));
        assert_eq!(again.version, version, "done before, it changes nothing");
    });
    behind.holds(&server, &[("jon".to_owned(), version)]);
}

#[test]
fn an_update_survives_a_cut_at_any_message() {
    updates_survive(Failure::Cut);
}

#[test]
fn an_update_survives_silence_at_any_message() {
    updates_survive(Failure::Silence);
}

#[test]
fn a_token_is_good_for_as_many_requests_as_it_says_whatever_is_cut() {
    let behind = Behind::new();
    let server = behind.launch.start();
    shown(&answer(&server, &create("jon", false)));
    let issue = Call::get("/customers/jon?options.get_client_auth_token=true").basic(SANDBOX_KEY);
    let mut tokens = Vec::new();
    for later in (0..20).step_by(rounds(3, 1)) {
        behind.with_failure(("BEGIN", later), Failure::Cut, || {
            let reply = answer(&server, &issue);
            if reply.status == 200 {
                let token = text(&reply.expect(200)["juspay"], "client_auth_token").to_owned();
                tokens.push((token, 0));
            }
        });
        let Some((token, used)) = tokens.last_mut() else {
            continue;
        };
        behind.with_failure(("BEGIN", later), Failure::Cut, || {
            let reply = answer(&server, &Call::get("/customers/jon").bearer(token));
            *used += u64::from(reply.status == 200);
        });
    }
    assert!(tokens.len() >= 3, "{} tokens", tokens.len());
    let most = 30;
    for (token, used) in &tokens {
        let call = Call::get("/customers/jon").bearer(token);
        let mut used = *used;
        let end = loop {
            let reply = ask_until_done(&server, &call);
            if reply.status != 200 {
                break reply;
            }
            used += 1;
        };
        assert_eq!(end.status, 401, "{}", end.text());
        assert!(used <= most, "a token was used {used} times");
    }
    behind.holds(&server, &[("jon".to_owned(), 1)]);
}

#[test]
fn what_is_read_is_right_whatever_is_cut() {
    let behind = Behind::new();
    let server = behind.launch.start();
    let created = answer(&server, &create("jon", false)).expect(200);
    let list = Call::get("/customers?count=10").basic(SANDBOX_KEY);
    for later in (0..24).step_by(rounds(2, 1)) {
        for failure in [Failure::Cut, Failure::Silence] {
            if failure == Failure::Silence && later % rounds(8, 1) != 0 {
                continue;
            }
            behind.with_failure(("", later), failure, || {
                for _ in 0..4 {
                    let reply = answer(&server, &get("jon"));
                    if reply.status != 503 {
                        assert_eq!(reply.expect(200)["id"], created["id"]);
                    }
                    let reply = answer(&server, &list);
                    if reply.status != 503 {
                        assert_eq!(reply.expect(200)["total"], json!(1));
                    }
                }
            });
            shown(&ask_until_done(&server, &get("jon")));
        }
    }
    behind.holds(&server, &[("jon".to_owned(), 1)]);
}

/// The merchants' keys, as the list shows them.
fn keys(behind: &Behind) -> Vec<Value> {
    let listed = behind.launch.manage(&["key", "list", "testaccount", "--json"]).json();
    listed.as_array().unwrap().clone()
}

#[test]
fn commands_are_done_once_whatever_is_cut() {
    let behind = Behind::new();
    let server = behind.launch.start();
    let manage = |words: &[&str]| {
        let outcome = behind.launch.manage(words);
        tells_no_secret(&format!("{outcome:?}"));
        outcome.json()
    };
    let mut expected = keys(&behind).len();
    let mut last = 0;
    for later in (0..).step_by(rounds(5, 1)) {
        let moment = ("BEGIN", later);
        let id = format!("m{later}");
        let is_in_time = behind.with_failure(moment, Failure::Cut, || {
            manage(&["merchant", "create", &id, "--json"]);
        });
        if !is_in_time {
            break;
        }
        last = later;
        let mut made = json!(null);
        behind.with_failure(moment, Failure::Cut, || {
            made = manage(&["key", "create", "testaccount", "--json"]);
        });
        let number = made["number"].to_string();
        let mut rolled = json!(null);
        behind.with_failure(moment, Failure::Cut, || {
            let words = ["key", "roll", "testaccount", &number, "--grace", "1h", "--json"];
            rolled = manage(&words);
        });
        let opens = |key: &Value, status| {
            let call = Call::get("/customers?count=1").basic(text(key, "key"));
            assert_eq!(ask_until_done(&server, &call).status, status);
        };
        opens(&made, 200);
        opens(&rolled, 200);
        let number = rolled["number"].to_string();
        let its_number = rolled["number"].clone();
        behind.with_failure(moment, Failure::Cut, || {
            behind.launch.manage(&["key", "revoke", "testaccount", &number]).ok();
        });
        let in_list = keys(&behind);
        expected += 2;
        assert_eq!(in_list.len(), expected, "{in_list:?}");
        let revoked = in_list.iter().find(|key| key["number"] == its_number).unwrap();
        assert_eq!(revoked["state"], "revoked", "{revoked}");
    }
    assert!(last >= 10, "the last message at which something failed was {last}");
    let merchants = manage(&["merchant", "list", "--json"]);
    let made = merchants.as_array().unwrap().len() - 1;
    assert!(made >= 3, "{merchants}");
    behind.holds(&server, &[]);
}

#[test]
fn a_command_whose_commit_nobody_confirms_is_found_out() {
    let behind = Behind::new();
    let server = behind.launch.start();
    for failure in FAILURES {
        let before = keys(&behind).len();
        let mut made = json!(null);
        let failed = behind.with_failure((COMMIT, 0), failure, || {
            made = behind.launch.manage(&["key", "create", "testaccount", "--json"]).json();
        });
        assert!(failed, "nothing failed");
        assert_eq!(keys(&behind).len(), before + 1);
        let call = Call::get("/customers?count=1").basic(text(&made, "key"));
        ask_until_done(&server, &call).expect(200);
    }
}

#[test]
fn a_change_whose_commit_nobody_confirms_is_found_out() {
    let behind = Behind::new();
    let server = behind.launch.start();
    for (number, failure) in FAILURES.into_iter().enumerate() {
        let reference = format!("r{number}");
        for (call, version) in [(create(&reference, true), 1), (update(&reference, "Arya"), 2)] {
            let failed = behind.with_failure((COMMIT, 0), failure, || {
                assert_eq!(shown(&answer(&server, &call)).version, version);
            });
            assert!(failed, "nothing failed");
        }
    }
    behind.holds(&server, &[0, 1, 2].map(|number| (format!("r{number}"), 2)));
}

/// Something happens to the network under load.
fn is_lost_for_a_while(seed: u64, refused: u64, go: fn(&Proxy)) {
    let cluster = Cluster::new();
    let proxy = Proxy::before(cluster.port());
    let mut story = Story::on(&url_through(&proxy), seed);
    let server = story.launch.start();
    story.under_load(&server, |load| {
        for _ in 0..rounds(1, 10) {
            load.acknowledges(50);
            go(&proxy);
            load.refuses(refused);
            proxy.restore();
            load.acknowledges(50);
            load.shows(5);
        }
    });
    story.is_in_order(&server);
}

#[test]
fn a_network_that_refuses_for_a_while() {
    is_lost_for_a_while(21, 30, Proxy::cut);
}

#[test]
fn a_network_that_says_nothing_for_a_while() {
    is_lost_for_a_while(22, 30, Proxy::silence);
}

#[test]
fn a_network_that_forgets_all_connections() {
    is_lost_for_a_while(23, 1, Proxy::forget);
}
