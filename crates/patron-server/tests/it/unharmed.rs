//! Before and after: whatever was sent in between, the server is as it was.

use std::fs;

use patron_testkit::http::{Connection, Reply};
use patron_testkit::server::{Launch, Server};
use patron_testkit::wait::soon;
use serde_json::Value;

use crate::fuzzed::contract;
use crate::stage::{MOST, create, get, launch};

/// A server with two customers that nothing in a test may change.
pub(crate) struct Unharmed {
    server: Server,
    before: Value,
    files: Files,
}

/// The files that a server has open.
#[derive(Debug, Clone, Copy)]
struct Files {
    /// Of its data: each connection to the database that it keeps has some.
    of_data: usize,
    others: usize,
}

/// Sixteen connections that read, and one that writes, have the database and its log open; and there is the log's
/// index, and a lock.
const FILES_OF_DATA_MAX: usize = 2 * (16 + 1) + 2;

/// What else may come and go: a client of another kind, such as the test's last one.
const FILES_MORE_MAX: usize = 3;

/// Connections to a database that are kept once they were needed: each job in the background has one while it works,
/// and so have requests.
const DATABASE_CONNECTIONS_MAX: usize = 16;

impl Unharmed {
    pub(crate) fn start() -> Self {
        Self::of(&launch())
    }

    pub(crate) fn of(launch: &Launch) -> Self {
        let server = launch.start();
        create(&server, MOST);
        create(&server, "object_reference_id=arya&mobile_number=1");
        let before = customers(&server);
        let files = open_files(&server);
        Self { server, before, files }
    }

    pub(crate) const fn server(&self) -> &Server {
        &self.server
    }

    /// Sends bytes as they are and nothing more, and returns every answer until the server hangs up.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> Vec<Reply> {
        let mut connection = Connection::open(&self.server);
        // A server may answer and hang up before it has read everything.
        let _ = connection.try_write(bytes);
        connection.finish();
        std::iter::from_fn(|| connection.reply_if_any()).collect()
    }

    /// What is stored now is what nothing may change from here on.
    pub(crate) fn look_again(&mut self) {
        self.before = customers(&self.server);
    }

    /// Checks that nothing was changed so far.
    #[track_caller]
    pub(crate) fn is_unchanged(&self) {
        assert_eq!(customers(&self.server), self.before);
    }

    /// Waits until no connection's file is left open.
    #[track_caller]
    fn is_closed_behind_all(&self) {
        soon("every connection's file is closed", || {
            let open = open_files(&self.server);
            let is_in_database = self.server.launch().database_url().is_some();
            let kept = if is_in_database { DATABASE_CONNECTIONS_MAX } else { 0 };
            let is_none_left = open.others <= self.files.others + FILES_MORE_MAX + kept;
            (is_none_left && open.of_data <= FILES_OF_DATA_MAX).then_some(())
        });
    }

    /// Tells a story to a server with these settings and the same data, and is back as it was.
    pub(crate) fn restarted_for(mut self, arguments: &[&str], story: impl FnOnce(&Server)) -> Self {
        assert!(self.server.terminate().success());
        let launch = self.server.launch().clone();
        let changed = arguments.iter().fold(launch.clone(), |launch, word| launch.with(*word));
        self.server = changed.start();
        self.files = open_files(&self.server);
        story(&self.server);
        self.is_closed_behind_all();
        assert!(self.server.terminate().success());
        nothing_broke(&self.server);
        self.server = launch.start();
        self.files = open_files(&self.server);
        self
    }

    /// Checks that it still answers, that nothing was changed, and that nothing broke on the way.
    #[track_caller]
    pub(crate) fn holds(mut self) {
        self.is_unchanged();
        self.is_closed_behind_all();
        let jon = get(&self.server, "/customers/jon@example.com");
        assert_eq!(jon.header("etag"), Some("\"1\""));
        assert!(self.server.terminate().success());
        nothing_broke(&self.server);
    }
}

/// Hundredths of a second of a processor that the server has used.
pub(crate) fn processor_time(server: &Server) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn open_files(server: &Server) -> Files {
    let data = server.launch().data().canonicalize().unwrap();
    let entries = fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap();
    let targets = entries.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let (of_data, others): (Vec<_>, Vec<_>) = targets.partition(|to| to.starts_with(&data));
    Files { of_data: of_data.len(), others: others.len() }
}

/// All customers, as the list shows them.
pub(crate) fn customers(server: &Server) -> Value {
    get(server, "/customers?count=100").expect(200)
}

/// Checks the log of a server that has ended.
#[track_caller]
pub(crate) fn nothing_broke(server: &Server) {
    let log = server.stderr();
    let broken = log.lines().filter(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["message"] == "panicked" || line["level"] == "ERROR"
    });
    assert_eq!(broken.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// Checks that an answer is one of the contract's.
#[track_caller]
pub(crate) fn is_within_the_contract(reply: &Reply, sent: &str) {
    if let Some(fault) = contract::fault(reply) {
        panic!("{fault}\nto {sent}");
    }
    // A 204 has no length to say (RFC 9110, section 8.6).
    assert_eq!(reply.header("content-length").is_some(), reply.status != 204, "{sent}");
}
