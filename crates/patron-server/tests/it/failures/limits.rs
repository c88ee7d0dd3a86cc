//! The database is there and cannot do all that it is asked: its disk is full, it takes no writes, or it has no
//! connections to spare.

use patron_testkit::http::{Call, Connection};
use patron_testkit::postgres::{Cluster, Setup, USER};
use patron_testkit::server::SANDBOX_KEY;
use patron_testkit::together::together;
use patron_testkit::wait::soon;

use super::starting::Starting;
use super::story::{Story, ask, launch_on};

/// Has the server make files for its log in advance, so that it is not the log that lacks room first.
fn with_room_for_its_log(megabytes: u32) -> Cluster {
    let size = format!("{megabytes}MB");
    let setup = Setup::new().with("min_wal_size", &size).with("max_wal_size", &size);
    let cluster = setup.on_a_disk_of(96).start();
    for _ in 0..megabytes {
        cluster.psql("select pg_logical_emit_message(true, 'x', 'y'); select pg_switch_wal()");
    }
    cluster.psql("checkpoint");
    cluster
}

#[test]
fn without_room_for_more_rows_nothing_is_created_and_all_is_read() {
    let cluster = with_room_for_its_log(32);
    let mut story = Story::on(&cluster.url(), 1);
    let server = story.launch.start();
    story.under_load(&server, |load| {
        load.acknowledges(50);
        cluster.fill_disk();
        load.refuses(100);
        load.shows(100);
        cluster.free_disk();
        load.acknowledges(50);
    });
    assert!(!cluster.log().contains("PANIC"), "{}", cluster.log());
    assert!(cluster.log().contains("No space left"), "{}", cluster.log());
    story.is_in_order(&server);
}

#[test]
fn without_room_for_its_log_the_database_breaks_down_and_comes_back() {
    let cluster = Setup::new().on_a_disk_of(64).start();
    let mut story = Story::on(&cluster.url(), 5);
    let server = story.launch.start();
    story.under_load(&server, |load| {
        load.acknowledges(50);
        cluster.fill_disk();
        // The program may stop at the first row that finds no room, and somebody else goes on.
        let sql = "select pg_logical_emit_message(true, 'x', repeat('x', 500000))";
        soon("the server has no room for its log", || {
            cluster.try_psql(sql);
            cluster.log().contains("PANIC").then_some(())
        });
        load.refuses(50);
        cluster.free_disk();
        // It may have given up by now, and whoever looks after it starts it again.
        let gave_up = soon("the server is back or has given up", || {
            let is_back = cluster.try_psql("select 1").status.success();
            let gave_up = cluster.log().contains("database system is shut down");
            (is_back || gave_up).then_some(gave_up)
        });
        if gave_up {
            cluster.kill();
            cluster.start();
        }
        load.acknowledges(50);
    });
    story.is_in_order(&server);
}

/// Sessions that begin from now on are told so.
fn say_read_only(cluster: &Cluster, is_read_only: bool) {
    let value = if is_read_only { "on" } else { "off" };
    cluster.psql(&format!(
        "set default_transaction_read_only = off; \
         alter database {USER} set default_transaction_read_only = {value}"
    ));
}

#[test]
fn a_database_that_takes_no_writes_is_read_and_is_written_once_it_does() {
    let cluster = Cluster::new();
    let mut story = Story::on(&cluster.url(), 2);
    let server = story.launch.start();
    story.under_load(&server, |load| {
        load.acknowledges(50);
        say_read_only(&cluster, true);
        drop_sessions(&cluster);
        load.refuses(50);
        load.shows(50);
        say_read_only(&cluster, false);
        load.acknowledges(50);
    });
    story.is_in_order(&server);
}

#[test]
fn a_server_that_takes_no_writes_is_read_and_is_written_once_it_does() {
    let cluster = Cluster::new();
    let mut story = Story::on(&cluster.url(), 3);
    let server = story.launch.start();
    let say = |value: &str| {
        cluster.psql(&format!(
            "alter system set default_transaction_read_only = {value}; select pg_reload_conf()"
        ));
    };
    story.under_load(&server, |load| {
        load.acknowledges(50);
        say("on");
        load.refuses(100);
        load.shows(50);
        let before = sessions_so_far(&cluster);
        load.refuses(200);
        let more = sessions_so_far(&cluster) - before;
        assert!(more <= 60, "{more} connections were made for nothing");
        say("off");
        load.acknowledges(50);
    });
    story.is_in_order(&server);
}

fn sessions_so_far(cluster: &Cluster) -> u64 {
    let sql = "select sessions from pg_stat_database where datname = 'patron'";
    cluster.psql(sql).parse().unwrap()
}

fn sessions_now(cluster: &Cluster) -> u64 {
    let sql = "select count(*) from pg_stat_activity where application_name = 'patron'";
    cluster.psql(sql).parse().unwrap()
}

/// Ends all sessions of the program.
fn drop_sessions(cluster: &Cluster) {
    cluster.psql(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'patron'",
    );
}

#[test]
fn without_a_connection_to_spare_a_server_waits_and_then_makes_do_with_those_it_gets() {
    let cluster = Setup::new().with("max_connections", "20").start();
    // Three of them are for superusers alone.
    let others = cluster.occupy(USER, 17);
    let launch = launch_on(&cluster.url()).listening_on("127.0.95.1:8080");
    let mut starting = Starting::of(&launch);
    starting.says("waits for its database");
    starting.says("connection slots");
    drop(others);
    soon("the program answers", || Connection::try_open(([127, 0, 95, 1], 8080)));
}

#[test]
fn a_server_makes_do_with_the_connections_that_it_gets() {
    let cluster = Setup::new().with("max_connections", "20").start();
    let mut story = Story::on(&cluster.url(), 4);
    let others = cluster.occupy(USER, 13);
    let server = story.launch.start();
    story.under_load(&server, |load| {
        // With four connections, for itself and for the load, it does everything that it does with more.
        load.acknowledges(100);
        load.shows(20);
        drop_sessions(&cluster);
        load.acknowledges(100);
        drop(others);
        load.acknowledges(50);
    });
    story.is_in_order(&server);
    assert!(sessions_now(&cluster) <= 16, "no more connections than it may have");
}

#[test]
fn two_connections_serve_many_clients() {
    let cluster = Cluster::new();
    let launch = launch_on(&cluster.url()).with("--database-connections-max").with("2");
    let server = launch.start();
    let made = together(
        64,
        |_| Connection::open(&server),
        |number, mut connection| {
            for turn in 0..5 {
                let form = format!("object_reference_id=r{number}-{turn}&mobile_number=1");
                let call = Call::post("/customers").basic(SANDBOX_KEY).form(form);
                ask(&mut connection, &call).expect(200);
                let call = Call::get(format!("/customers/r{number}-{turn}")).basic(SANDBOX_KEY);
                ask(&mut connection, &call).expect(200);
            }
            5
        },
    );
    assert_eq!(made.into_iter().sum::<i32>(), 320);
    assert_eq!(sessions_now(&cluster), 2);
}

#[test]
fn a_server_that_confirms_what_it_has_not_stored_is_not_believed() {
    let cluster = Cluster::new();
    cluster.psql(&format!("alter database {USER} set synchronous_commit = off"));
    let refused = launch_on(&cluster.url()).try_start().unwrap_err();
    assert!(refused.stderr.contains("synchronous_commit is off"), "{refused:?}");
    cluster.psql(&format!("alter database {USER} reset synchronous_commit"));
    let mut story = Story::on(&cluster.url(), 9);
    let server = story.launch.start();
    let set = |value: &str| {
        cluster.psql(&format!("alter system set synchronous_commit = {value}"));
        cluster.psql("select pg_reload_conf()");
    };
    story.under_load(&server, |load| {
        load.acknowledges(20);
        set("off");
        load.refuses(20);
        set("on");
        load.acknowledges(20);
    });
    story.is_in_order(&server);
}
