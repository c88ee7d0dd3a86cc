//! Everything that an installation should answer, and what it answers instead.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::server::{Launch, SANDBOX_KEY, Server};
use rusqlite::Connection as Database;
use serde_json::Value;

use super::ledger::is_refused;
use crate::stage::{create, launch};

/// An installation that was ended in good order, and what it answered before.
pub(super) struct Installation {
    pub(super) launch: Launch,
    /// The database as it was left.
    pub(super) template: PathBuf,
    expected: BTreeMap<String, Value>,
}

/// What an installation answered that was not the right answer.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// With a 5xx.
    pub(super) refused: usize,
    /// With a 404 for a customer that exists.
    pub(super) not_found: usize,
    /// Not at all, which only a process that ends may do.
    pub(super) unanswered: usize,
}

/// Targets that are never there.
const STRANGERS: [&str; 2] = ["/customers/nobody", "/customers/cst_aaaaaaaaaaaaaaaa"];

fn call(target: &str) -> Call {
    Call::get(target).basic(SANDBOX_KEY)
}

impl Installation {
    /// With so many customers, and pages that are free.
    pub(super) fn of(customers: usize) -> Self {
        let launch = launch();
        let mut server = launch.start();
        let mut expected = BTreeMap::new();
        for number in 0..customers {
            let form = format!(
                "object_reference_id=r{number}&mobile_number=1{number}&first_name=Jon\
                 &email_address=r{number}@winter.example&last_name=Snow"
            );
            let customer = create(&server, &form);
            let id = customer["id"].as_str().unwrap();
            expected.insert(format!("/customers/{id}"), customer.clone());
            expected.insert(format!("/customers/r{number}"), customer);
        }
        for offset in (0..=customers).step_by(50) {
            let target = format!("/customers?count=50&offset={offset}");
            let page = call(&target).send(&server).expect(200);
            expected.insert(target, page);
        }
        server.terminate();
        let file = launch.data().join("patron.db");
        let database = Database::open(&file).unwrap();
        let free = "PRAGMA secure_delete = ON; CREATE TABLE gone (x); \
            INSERT INTO gone VALUES (zeroblob(20000)); DROP TABLE gone";
        database.execute_batch(free).unwrap();
        drop(database);
        let template = launch.directory().join("template.db");
        fs::copy(&file, &template).unwrap();
        Self { launch, template, expected }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.launch.data().join("patron.db")
    }

    /// The database as it was left, without anything beside it.
    pub(super) fn reset(&self) {
        for beside in ["patron.db-wal", "patron.db-shm"] {
            let _ = fs::remove_file(self.launch.data().join(beside));
        }
        fs::copy(&self.template, self.file()).unwrap();
    }

    /// Asks for everything that is there, and for something that is not.
    pub(super) fn survey(&self, server: &Server) -> Survey {
        let mut survey = Survey::default();
        let mut connection = None;
        for (target, expected) in &self.expected {
            let reply = ask(server, &mut connection, target);
            survey.note(reply, |reply| reply.status == 200 && reply.json() == *expected);
        }
        for target in STRANGERS {
            let reply = ask(server, &mut connection, target);
            survey.note(reply, |reply| reply.status == 404);
        }
        survey
    }
}

fn ask(server: &Server, connection: &mut Option<Connection>, target: &str) -> Option<Reply> {
    if connection.is_none() {
        *connection = Connection::try_open(server);
    }
    let reply = connection.as_mut()?.try_send(&call(target));
    if reply.is_none() {
        *connection = None;
    }
    reply
}

impl Survey {
    /// Anything else than the right answer, a 404, a refusal and silence is a lie, and fails.
    fn note(&mut self, reply: Option<Reply>, is_right: impl Fn(&Reply) -> bool) {
        match reply {
            Some(reply) if is_right(&reply) => {}
            Some(reply) if reply.status == 404 => self.not_found += 1,
            None => self.unanswered += 1,
            refused => {
                is_refused(refused.as_ref());
                self.refused += 1;
            }
        }
    }
}
