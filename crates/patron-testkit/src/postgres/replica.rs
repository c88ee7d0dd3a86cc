//! Servers that follow another.

#![expect(clippy::unwrap_used, reason = "a test without its database must fail where it notices")]

use std::fs;

use crate::postgres::home::Home;
use crate::postgres::programs::{command, server_program, unprivileged};
use crate::postgres::setup::configure;
use crate::postgres::template::run;
use crate::postgres::{Cluster, SUPERUSER, url};
use crate::wait::soon;

impl Cluster {
    /// A server that starts as a copy of this one and follows it. The name is how the two speak of it: lower-case
    /// letters and digits. This one keeps its log for it while it is away.
    ///
    /// # Panics
    /// When it cannot be made or does not start.
    pub fn replica(&self, name: &str) -> Self {
        let replica = Self::prepared(None, Home::beside(&self.home), Some(name.to_owned()));
        let data = replica.data_directory();
        let from = format!("{}?application_name={name}", url(SUPERUSER, self.port(), ""));
        let mut words = unprivileged(&server_program("pg_basebackup"));
        words
            .extend(["--checkpoint=fast", "--no-sync", "--write-recovery-conf"].map(str::to_owned));
        words.extend(["--create-slot", "--slot", name, "--dbname", &from].map(str::to_owned));
        words.extend(["--pgdata".to_owned(), data.display().to_string()]);
        run(&mut command(&words), "");
        if self.authority().exists() {
            fs::copy(self.authority(), replica.authority()).unwrap();
        }
        let port = ("port".to_owned(), replica.port().to_string());
        configure(&data, "postgresql.conf", &[port]);
        // Nobody follows the copy, whoever follows this one.
        let followers = ("synchronous_standby_names".to_owned(), String::new());
        configure(&data, "postgresql.auto.conf", &[followers]);
        replica.start();
        replica
    }

    /// Has every commit wait until this replica has it on disk too, from now on.
    ///
    /// # Panics
    /// When the replica does not follow this server.
    pub fn require_sync(&self, replica: &Self) {
        let name = replica.name.as_deref().unwrap();
        self.set_followers(&format!("FIRST 1 ({name})"));
        let sql =
            format!("select sync_state from pg_stat_replication where application_name = '{name}'");
        soon("the replica is synchronous", || (self.psql(&sql) == "sync").then_some(()));
        // The process that makes checkpoints is the one that makes commits wait. It takes the setting in before
        // it does this.
        self.psql("checkpoint");
    }

    /// Has commits wait for no replica any more.
    ///
    /// # Panics
    /// When it does not run.
    pub fn require_no_sync(&self) {
        self.set_followers("");
    }

    fn set_followers(&self, names: &str) {
        self.psql(&format!(
            "alter system set synchronous_standby_names = '{names}'; select pg_reload_conf()"
        ));
    }

    /// Makes this replica a server of its own, and waits until it takes writes.
    ///
    /// # Panics
    /// When it is none.
    pub fn promote(&self) {
        assert_eq!(self.psql("select pg_promote(true, 60)"), "t", "{}", self.log());
        let sql = "select pg_is_in_recovery()";
        soon("the replica takes writes", || (self.psql(sql) == "f").then_some(()));
    }

    /// Has this replica keep what it hears, and not show it. It still confirms that it has it.
    ///
    /// # Panics
    /// When it is none.
    pub fn pause_replay(&self) {
        self.psql("select pg_wal_replay_pause()");
        let sql = "select pg_get_wal_replay_pause_state()";
        soon("the replica shows nothing new", || (self.psql(sql) == "paused").then_some(()));
    }

    /// Has this replica show what it hears again.
    ///
    /// # Panics
    /// When it is none.
    pub fn resume_replay(&self) {
        self.psql("select pg_wal_replay_resume()");
    }

    /// Waits until this replica shows all that its primary has by now.
    ///
    /// # Panics
    /// When it does not get there soon.
    pub fn catch_up_with(&self, primary: &Self) {
        let there = primary.psql("select pg_current_wal_lsn()");
        let sql = format!("select pg_last_wal_replay_lsn() >= '{there}'");
        soon("the replica has caught up", || (self.psql(&sql) == "t").then_some(()));
    }
}
