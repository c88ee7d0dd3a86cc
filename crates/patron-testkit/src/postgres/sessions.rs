//! Sessions of others, which take connections that a server has and do nothing with them.

#![expect(clippy::unwrap_used, reason = "a test without its database must fail where it notices")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use crate::postgres::programs::{clean, server_program};
use crate::postgres::{Cluster, url};

/// Sessions that are there until they are dropped.
#[derive(Debug)]
pub struct Sessions(Vec<Child>);

impl Cluster {
    /// So many sessions of a role's.
    ///
    /// # Panics
    /// When the server has fewer connections to spare.
    pub fn occupy(&self, role: &str, count: usize) -> Sessions {
        self.sessions(role, count, "select 'there';\n")
    }

    /// A session of a role's that goes on seeing what is there now, until it is dropped.
    ///
    /// # Panics
    /// When the server has no connection to spare.
    pub fn look(&self, role: &str) -> Sessions {
        self.sessions(role, 1, "begin isolation level repeatable read; select 'there';\n")
    }

    fn sessions(&self, role: &str, count: usize, first: &str) -> Sessions {
        let url =
            format!("{}?application_name=idler", url(role, self.port(), crate::postgres::USER));
        let sessions = (0..count).map(|_| {
            let mut psql = clean(server_program("psql"));
            // It reads its commands from us, who have one only.
            psql.args(["-XAtq", &url]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut psql = psql.spawn().unwrap();
            psql.stdin.as_mut().unwrap().write_all(first.as_bytes()).unwrap();
            psql
        });
        let mut sessions: Vec<Child> = sessions.collect();
        for session in &mut sessions {
            let mut said = String::new();
            BufReader::new(session.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
            assert_eq!(said, "there\n", "the server has fewer connections to spare");
        }
        Sessions(sessions)
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        for session in &mut self.0 {
            drop(session.stdin.take());
        }
        for session in &mut self.0 {
            let _ = session.wait();
        }
    }
}
