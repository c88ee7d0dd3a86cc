//! An installation on a database, clients that change its customers all the time, and what they know of them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::postgres::PASSWORD;
use patron_testkit::server::{Launch, Outcome, SANDBOX_KEY, Server};
use patron_testkit::wait::{let_pass, soon, timed};
use serde_json::json;

use crate::durability::load::{CHANGES_MAX, WRITERS, Writer, shown};
use crate::durability::record::{Record, Said};
use crate::durability::{list, read};
use crate::stage::launch;

/// How long a request may wait for the database in these tests.
pub(super) const WAIT: Duration = Duration::from_secs(2);

/// How much longer an answer may take on a machine that does other things too.
const SLACK: Duration = Duration::from_secs(3);

/// How long a client that is refused waits, which would wait a second if it did as it is told.
const PAUSE: Duration = Duration::from_millis(20);

/// An installation whose database is at this URL, with less patience than one has out of the box.
pub(super) fn launch_on(url: &str) -> Launch {
    launch()
        .with_variable("PATRON_DATABASE_URL", url)
        .with_variable("PATRON_MODE", "sandbox")
        .with_variable("PATRON_DATABASE_WAIT_MS", WAIT.as_millis().to_string())
        .with_variable("PATRON_DATABASE_CONNECT_TIMEOUT_MS", "1000")
        .with_variable("PATRON_DATABASE_STATEMENT_TIMEOUT_MS", "1000")
        .with_variable("PATRON_DATABASE_LOCK_TIMEOUT_MS", "500")
}

/// The answer of a program that cannot do it now, in the vendor's shape.
#[track_caller]
pub(super) fn is_refused(reply: &Reply) {
    let body = reply.expect(503);
    assert_eq!(reply.header("retry-after"), Some("1"), "{reply:?}");
    let info = &body["error_info"];
    let request = reply.header("x-request-id").unwrap();
    assert_eq!(info["request_id"], request, "{body}");
    assert_eq!(info["category"], "SERVER_ERROR", "{body}");
    assert_eq!(body["error_code"], "INTERNAL_ERROR", "{body}");
    assert_eq!(body["error_message"], "Internal error. Please try again.", "{body}");
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
}

/// Sends it, and sees that the answer comes in time.
#[track_caller]
pub(super) fn ask(connection: &mut Connection, call: &Call) -> Reply {
    let (reply, took) = timed(|| connection.send(call));
    comes_in_time(&reply, took);
    reply
}

#[track_caller]
fn comes_in_time(reply: &Reply, took: Duration) {
    assert!(took <= WAIT + SLACK, "it took {took:?} until {}: {}", reply.status, reply.text());
}

/// Sends it until it is not refused any more.
#[track_caller]
pub(super) fn ask_until_done(server: &Server, call: &Call) -> Reply {
    let mut connection = Connection::open(server);
    soon("the program is able again", || {
        let reply = ask(&mut connection, call);
        if reply.status != 503 {
            return Some(reply);
        }
        is_refused(&reply);
        None
    })
}

/// Neither the password nor what is said of customers is told to anybody.
#[track_caller]
pub(super) fn tells_no_secret(said: &str) {
    for secret in [PASSWORD, "example.com", "winter.example", "winter-is-coming", "panicked"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

/// What a command said when it refused, which holds no secret.
#[track_caller]
pub(super) fn refusal(outcome: &Outcome) -> &str {
    tells_no_secret(&format!("{outcome:?}"));
    outcome.refused()
}

/// Counts what clients hear, for whoever makes things happen meanwhile.
#[derive(Default)]
pub(super) struct Load {
    acknowledged: AtomicU64,
    refused: AtomicU64,
    seen: AtomicU64,
    is_over: AtomicBool,
    /// Why the first client failed.
    failed: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Load {
    /// Waits until so many more changes are acknowledged.
    #[track_caller]
    pub(super) fn acknowledges(&self, more: u64) {
        self.counts("changes are acknowledged", &self.acknowledged, more);
    }

    /// Waits until so many more requests are refused.
    #[track_caller]
    pub(super) fn refuses(&self, more: u64) {
        self.counts("requests are refused", &self.refused, more);
    }

    /// Waits until so many more reads are answered.
    #[track_caller]
    pub(super) fn shows(&self, more: u64) {
        self.counts("reads are answered", &self.seen, more);
    }

    fn counts(&self, what: &str, count: &AtomicU64, more: u64) {
        let enough = count.load(Ordering::SeqCst) + more;
        soon(what, || {
            assert!(!self.is_over(), "the clients have ended");
            (count.load(Ordering::SeqCst) >= enough).then_some(())
        });
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Does what a client does. When it fails, nobody need wait for it any longer.
    fn watch(&self, act: impl FnOnce() -> Vec<Said>) -> Vec<Said> {
        let outcome = catch_unwind(AssertUnwindSafe(act));
        outcome.unwrap_or_else(|panic| {
            self.failed.lock().unwrap().get_or_insert(panic);
            self.is_over.store(true, Ordering::SeqCst);
            Vec::new()
        })
    }

    fn note(&self, reply: &Reply, of_those_answered: &AtomicU64) {
        if reply.status == 503 {
            is_refused(reply);
            self.refused.fetch_add(1, Ordering::SeqCst);
            let_pass(PAUSE);
        } else {
            of_those_answered.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn write(&self, writer: &mut Writer, connection: &mut Connection) -> Vec<Said> {
        let mut heard = Vec::new();
        for turn in 0..CHANGES_MAX - 1 {
            if self.is_over() {
                break;
            }
            let ((said, reply), took) = timed(|| writer.write_or_be_refused(turn, connection));
            comes_in_time(&reply, took);
            self.note(&reply, &self.acknowledged);
            heard.push(said);
        }
        heard
    }

    /// Reads a customer that all others change: what was seen once stays.
    fn read(&self, connection: &mut Connection) {
        let mut last = 0;
        while !self.is_over() {
            let reply = ask(connection, &Call::get("/customers/shared").basic(SANDBOX_KEY));
            if reply.status == 200 {
                let version = shown(&reply).version;
                assert!(version >= last, "version {last} was seen, and then {version}");
                last = version;
            } else if last > 0 || reply.status != 404 {
                is_refused(&reply);
            }
            self.note(&reply, &self.seen);
        }
    }
}

/// An installation, and what its clients know.
pub(super) struct Story {
    pub(super) launch: Launch,
    record: Record,
    seed: u64,
    round: u64,
}

impl Story {
    pub(super) fn on(url: &str, seed: u64) -> Self {
        Self { launch: launch_on(url), record: Record::default(), seed, round: 0 }
    }

    /// With a variable in the program's environment.
    pub(super) fn with_variable(self, name: &str, value: &str) -> Self {
        Self { launch: self.launch.with_variable(name, value), ..self }
    }

    /// Has clients change and read customers until everything has happened that is to happen.
    pub(super) fn under_load<T>(&mut self, server: &Server, happens: impl FnOnce(&Load) -> T) -> T {
        let load = Load::default();
        let (record, round, seed) = (&self.record, self.round, self.seed);
        let (heard, happened) = std::thread::scope(|scope| {
            let load = &load;
            let clients: Vec<_> = (0..=WRITERS)
                .map(|number| {
                    scope.spawn(move || {
                        load.watch(|| {
                            let mut connection = Connection::open(server);
                            if number == WRITERS {
                                load.read(&mut connection);
                                return Vec::new();
                            }
                            let mut writer = Writer::new(number, round, seed, record);
                            load.write(&mut writer, &mut connection)
                        })
                    })
                })
                .collect();
            let happened = catch_unwind(AssertUnwindSafe(|| happens(load)));
            load.is_over.store(true, Ordering::SeqCst);
            let heard = clients.into_iter().flat_map(|client| client.join().unwrap());
            (heard.collect::<Vec<_>>(), happened)
        });
        if let Some(panic) = load.failed.into_inner().unwrap() {
            resume_unwind(panic);
        }
        let happened = happened.unwrap_or_else(|panic| resume_unwind(panic));
        self.round += 1;
        for said in heard {
            self.record.note(said).unwrap();
        }
        happened
    }

    /// Compares everything that the program shows with what its clients know, and has it verify the rest.
    #[track_caller]
    pub(super) fn is_in_order(&mut self, server: &Server) {
        let mut connection = Connection::open(server);
        let mut listed = list(&mut connection);
        for reference in self.record.references() {
            let found = read(&mut connection, &reference);
            self.record.settle(&reference, found.as_ref()).unwrap();
            assert_eq!(listed.remove(&reference), found.map(|found| found.customer));
        }
        assert!(listed.is_empty(), "nobody made {listed:?}");
        let walked = self.launch.manage(&["verify", "--json"]).json();
        assert_eq!(walked["broken"], json!(null), "{walked}");
        assert_eq!(walked["history_entries"], json!(self.record.changes()), "{walked}");
        assert_eq!(walked["events"], walked["history_entries"], "{walked}");
        tells_no_secret(&server.stderr());
        assert!(!server.stdout().contains(PASSWORD), "{}", server.stdout());
    }
}
