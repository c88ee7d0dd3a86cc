//! The primary dies, and its replica takes over.

use std::fs;
use std::time::Duration;

use patron_testkit::effort::rounds;
use patron_testkit::postgres::{Cluster, PASSWORD, USER};
use patron_testkit::wait::timed;

use super::story::Story;
use crate::durability::tell;

/// Both servers, of which the program finds the one that takes writes.
pub(super) fn url_of_both(primary: &Cluster, replica: &Cluster) -> String {
    let (first, second) = (primary.port(), replica.port());
    format!(
        "postgres://{USER}:{PASSWORD}@127.0.0.1:{first},127.0.0.1:{second}/{USER}\
         ?target_session_attrs=read-write"
    )
}

/// One failover; how long the program took to go on once there was a database again.
fn fail_over(seed: u64) -> Duration {
    let primary = Cluster::new();
    let replica = primary.replica("second");
    primary.require_sync(&replica);
    let mut story = Story::on(&url_of_both(&primary, &replica), seed);
    let server = story.launch.start();
    let took = story.under_load(&server, |load| {
        load.acknowledges(100);
        primary.kill();
        load.refuses(20);
        replica.promote();
        let ((), took) = timed(|| load.acknowledges(1));
        load.acknowledges(100);
        load.shows(10);
        took
    });
    story.is_in_order(&server);
    took
}

#[test]
fn a_replica_takes_over_under_load() {
    let count = rounds(2, 100);
    let mut took: Vec<_> = (0..count).map(|round| fail_over(round.try_into().unwrap())).collect();
    took.sort_unstable();
    let (median, longest) = (took[count / 2], took[count - 1]);
    tell(&format!("{count} failovers: back after {median:?}, at most {longest:?}"));
    assert!(longest <= Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_server_that_was_demoted_is_neither_written_nor_believed_until_it_is_promoted() {
    let cluster = Cluster::new();
    let mut story = Story::on(&cluster.url(), 1);
    let server = story.launch.start();
    story.under_load(&server, |load| {
        load.acknowledges(20);
        cluster.stop();
        fs::write(cluster.data_directory().join("standby.signal"), "").unwrap();
        cluster.start();
        load.refuses(100);
        assert_eq!(cluster.psql("select pg_is_in_recovery()"), "t");
        cluster.promote();
        load.acknowledges(20);
        load.shows(20);
    });
    story.is_in_order(&server);
}
