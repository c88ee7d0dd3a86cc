//! Several processes over one PostgreSQL: to whoever asks them they are one.

mod erasing;
mod jobs;
mod killed;
mod management;
mod meeting;
mod model;
mod numbers;
mod orders;
mod proxied;
mod replicas;
mod stopped;
mod versions;

use std::io::Write;

use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::postgres::{Cluster, Setup};
use patron_testkit::server::{Launch, Outcome, SANDBOX_KEY, Server};
use patron_testkit::together::together;
use serde_json::{Value, json};

use crate::stage::launch;

/// The root key that all of them share.
const ROOT_KEY: &str = "7f1c0a5be2d94837a6c05d1e8b3f92746a0d5c8e1b7f2943c6a8e0d57b1f3942";

/// Servers that share a database, each with a data directory of its own.
pub(crate) struct Processes {
    // They go before their database does.
    servers: Vec<Server>,
    cluster: Cluster,
}

/// An installation whose database this is, not yet started.
pub(crate) fn launch_on(url: &str) -> Launch {
    launch()
        .on(url)
        .with_variable("PATRON_ROOT_KEY", ROOT_KEY)
        .with_variable("PATRON_JOB_LEASE_MS", "300")
        .with_variable("PATRON_WORKERS", "2")
}

/// As whom a process speaks to the database, so that its connections can be told from others'.
fn named(url: &str, number: usize) -> String {
    format!("{url}?application_name=p{number}")
}

/// Starts all of them at the same moment.
fn start(launches: &[Launch]) -> Vec<Server> {
    together(launches.len(), |_| (), |number, ()| launches[number].start())
}

impl Processes {
    /// Three of them over a database that was empty before they started, all at once.
    pub(crate) fn three() -> Self {
        Self::three_with(|_, _, launch| launch)
    }

    /// The same, each adjusted by its number.
    fn three_with(adjust: impl Fn(&Cluster, usize, Launch) -> Launch) -> Self {
        Self::over(Setup::new().start(), adjust)
    }

    /// Three of them over this database.
    fn over(cluster: Cluster, adjust: impl Fn(&Cluster, usize, Launch) -> Launch) -> Self {
        let launches: Vec<_> = (0..3)
            .map(|number| adjust(&cluster, number, launch_on(&named(&cluster.url(), number))))
            .collect();
        Self { servers: start(&launches), cluster }
    }

    fn server(&self, number: usize) -> &Server {
        &self.servers[number % self.servers.len()]
    }

    /// Runs a command where none of the processes is.
    fn manage(&self, words: &[&str]) -> Outcome {
        launch_on(&self.cluster.url()).manage(words)
    }

    /// Creates a key of the sandbox's merchant: its text and its number.
    fn create_key(&self) -> (String, String) {
        let made = self.manage(&["key", "create", "testaccount", "--json"]).json();
        (made["key"].as_str().unwrap().to_owned(), made["number"].to_string())
    }

    /// A `GET` of a process.
    fn get(&self, number: usize, target: &str) -> Reply {
        Call::get(target).basic(SANDBOX_KEY).send(self.server(number))
    }

    /// A `POST` of a form to a process.
    fn post(&self, number: usize, target: &str, form: &str) -> Reply {
        Call::post(target).basic(SANDBOX_KEY).form(form).send(self.server(number))
    }

    /// Sends a call from each of a crowd at the same moment, spread over all processes.
    fn all_at_once(&self, crowd: usize, call: impl Fn(usize) -> Call + Sync) -> Vec<Reply> {
        together(
            crowd,
            |number| Connection::open(self.server(number)),
            |number, mut connection| connection.send(&call(number)),
        )
    }

    /// `patron verify` finds everything in order: what it counts.
    #[track_caller]
    fn verify(&self) -> Value {
        let found = self.manage(&["verify", "--json"]).json();
        assert_eq!(found["broken"], Value::Null, "{found}");
        found
    }
}

/// 503 in the vendor's shape, with a word about when to come again.
#[track_caller]
fn is_unavailable(reply: &Reply) {
    const TRY_AGAIN: &str = "Internal error. Please try again.";
    let expected = json!({
        "error_message": TRY_AGAIN,
        "status": "INTERNAL_ERROR",
        "error_code": "INTERNAL_ERROR",
        "error_info": {
            "user_message": TRY_AGAIN,
            "request_id": reply.header("x-request-id").unwrap(),
            "href": "NA",
            "developer_message": TRY_AGAIN,
            "code": "INTERNAL_ERROR",
            "category": "SERVER_ERROR",
        },
    });
    assert_eq!(reply.expect(503), expected);
    let seconds: u32 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds > 0);
}

/// Says what was measured.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
