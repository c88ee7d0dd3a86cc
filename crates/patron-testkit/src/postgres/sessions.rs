//! Sessions of others, which take connections that a server has, and perhaps stand in the way.

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
        self.occupy_with(role, count, "")
    }

    /// A session of a role's that goes on seeing what is there now, until it is dropped.
    ///
    /// # Panics
    /// When the server has no connection to spare.
    pub fn look(&self, role: &str) -> Sessions {
        self.stand(role, "begin isolation level repeatable read")
    }

    /// A session of a role's that runs this and is there then, in a transaction if it began one.
    ///
    /// # Panics
    /// When it fails.
    pub fn stand(&self, role: &str, sql: &str) -> Sessions {
        self.occupy_with(role, 1, sql)
    }

    fn occupy_with(&self, role: &str, count: usize, sql: &str) -> Sessions {
        let url =
            format!("{}?application_name=idler", url(role, self.port(), crate::postgres::USER));
        let sessions = (0..count).map(|_| {
            let mut psql = clean(server_program("psql"));
            // It reads its commands from us, who have no more than these.
            let input = format!("\\o /dev/null\n{sql};\n\\o\nselect 'there';\n");
            psql.args(["-XAtq", "--set", "ON_ERROR_STOP=1", &url])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            let mut psql = psql.spawn().unwrap();
            psql.stdin.as_mut().unwrap().write_all(input.as_bytes()).unwrap();
            psql
        });
        let mut sessions: Vec<Child> = sessions.collect();
        for session in &mut sessions {
            let mut said = String::new();
            BufReader::new(session.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
            assert_eq!(
                said, "there\n",
                "it was refused, or the server has fewer connections to spare"
            );
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
