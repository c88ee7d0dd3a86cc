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
    files: usize,
}

/// What a server may open while it works and keeps: connections to its data.
const FILES_MORE_MAX: usize = 40;

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

    /// Checks that it still answers, that nothing was changed, and that nothing broke on the way.
    #[track_caller]
    pub(crate) fn holds(mut self) {
        self.is_unchanged();
        soon("every connection's file is closed", || {
            (open_files(&self.server) <= self.files + FILES_MORE_MAX).then_some(())
        });
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

fn open_files(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count()
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
    assert!(reply.header("content-length").is_some(), "{sent}");
}
