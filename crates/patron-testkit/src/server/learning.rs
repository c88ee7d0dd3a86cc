//! What a server knows of merchants and keys that were changed beside it.

#![expect(clippy::unwrap_used, reason = "a server that does not answer must fail the test")]

use std::net::SocketAddr;

use crate::http::Call;
use crate::postgres::Cluster;
use crate::server::Server;
use crate::wait::soon;

/// The number of the last change that the server has learned of, in its metrics.
const LEARNED: &str = "patron_management_epoch ";

impl Server {
    /// Waits until the server knows of everything that is in its database. It learns of that by itself within a
    /// second, which has stories of its own; asked whether it is ready, it asks its database, and knows at once.
    pub(super) fn learn_of_changes(&self) {
        let Some(cluster) = self.launch.cluster() else {
            return;
        };
        let due = last_change(cluster);
        let address = self.metrics_address();
        soon("the server has learned of the last change of merchants and keys", || {
            Call::get("/readyz").send(address);
            (learned(address) >= due).then_some(())
        });
    }

    /// Where its metrics are: on its own address, or where it says in its log.
    fn metrics_address(&self) -> SocketAddr {
        if self.launch.given("--metrics-listen").is_none() {
            return self.address;
        }
        soon("the server says where its metrics are", || {
            let log = self.stderr();
            let line = log.lines().find(|line| line.contains("metrics are served"))?;
            let (_, rest) = line.split_once("address")?;
            let address = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
            let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == ':';
            let end = address.find(|c| !is_part(c)).unwrap_or(address.len());
            address.get(..end)?.parse().ok()
        })
    }

    /// Stories are told on two stores: whoever reads of a failure wants to know on which.
    #[expect(clippy::print_stderr, reason = "this is what a test that failed shows")]
    pub(super) fn name_store_of_a_failure(&self) {
        if std::thread::panicking() {
            eprintln!("the program had its data in {}", self.launch.store);
        }
    }
}

fn learned(address: SocketAddr) -> u64 {
    let metrics = Call::get("/metrics").send(address);
    let value = metrics.text().lines().find_map(|line| line.strip_prefix(LEARNED));
    value.unwrap().parse().unwrap()
}

fn last_change(cluster: &Cluster) -> u64 {
    cluster.psql("select epoch from management_epoch").parse().unwrap()
}
