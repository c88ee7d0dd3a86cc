//! The database is away: before the program starts, for a while under load, or stopped where it is.

use std::time::Duration;

use patron_testkit::http::Connection;
use patron_testkit::postgres::{Cluster, PASSWORD, USER};
use patron_testkit::server::Server;
use patron_testkit::wait::{soon, timed};

use super::starting::Starting;
use super::story::{Story, launch_on, refusal};
use crate::durability::tell;

#[test]
fn a_server_waits_for_a_database_that_is_not_there_yet_and_comes_up_with_it() {
    let cluster = Cluster::new();
    cluster.stop();
    let launch = launch_on(&cluster.url()).listening_on("127.0.94.1:8080");
    let mut starting = Starting::of(&launch);
    starting.says("waits for its database");
    starting.says(&format!("the database 127.0.0.1:{}/{USER}", cluster.port()));
    cluster.start();
    soon("the program answers", || Connection::try_open(([127, 0, 94, 1], 8080)));
    starting.ends_on_a_signal();
}

#[test]
fn what_will_not_pass_ends_the_start_at_once() {
    let cluster = Cluster::new();
    let place = format!("127.0.0.1:{}", cluster.port());
    for (user, password, name, says) in [
        (USER, "winter-is-coming", USER, "password authentication failed"),
        ("nobody", PASSWORD, USER, "password authentication failed"),
        (USER, PASSWORD, "nothing", "database \"nothing\" does not exist"),
    ] {
        let launch = launch_on(&format!("postgres://{user}:{password}@{place}/{name}"));
        let (outcome, took) = timed(|| launch.try_start().unwrap_err());
        let said = refusal(&outcome);
        assert!(said.contains(says) && said.contains(&place), "{said}");
        assert_eq!(said.matches("patron:").count(), 1, "{said}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

/// Something takes the database away, and something brings it back.
fn is_away_for_a_while(seed: u64, go: fn(&Cluster), come: fn(&Cluster)) {
    let cluster = Cluster::new();
    let mut story = Story::on(&cluster.url(), seed);
    let server = story.launch.start();
    let took = story.under_load(&server, |load| {
        load.acknowledges(50);
        go(&cluster);
        load.refuses(50);
        come(&cluster);
        let ((), took) = timed(|| load.acknowledges(1));
        load.acknowledges(50);
        took
    });
    tell(&format!("back after {took:?}"));
    story.is_in_order(&server);
    ends_well(server);
}

fn ends_well(mut server: Server) {
    let status = server.terminate();
    assert!(status.success(), "{status}: {}", server.stderr());
}

#[test]
fn a_database_that_is_stopped_and_started() {
    is_away_for_a_while(1, Cluster::stop, Cluster::start);
}

#[test]
fn a_database_that_is_killed_and_started() {
    is_away_for_a_while(2, Cluster::kill, Cluster::start);
}

#[test]
fn a_database_that_stands_still_and_goes_on() {
    is_away_for_a_while(3, Cluster::pause, Cluster::resume);
}
