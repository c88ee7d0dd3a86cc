//! Lists from a replica: never older than what any process acknowledged before, whatever becomes of the replica.

use std::time::Duration;

use patron_testkit::effort::rounds;
use patron_testkit::postgres::{Cluster, Setup};
use patron_testkit::together::together;
use patron_testkit::wait::{Since, soon};

use super::model::{Moments, explain};
use super::orders::{CLIENTS, Client, Outages, settle};
use super::{Processes, tell};

/// What the statement for a page says, which no other does.
const PAGE: &str = "LIMIT $2 OFFSET $3";

/// How long an answer may take while the replica is of no use.
const PATIENCE: Duration = Duration::from_secs(8);

/// Three processes, the last two of which list from a replica, and what notes all statements.
struct Followed {
    processes: Processes,
    replica: Cluster,
    created: usize,
}

impl Followed {
    fn start() -> Self {
        let cluster = Setup::new().with("log_statement", "all").start();
        let replica = cluster.replica("r1");
        let processes = Processes::over(cluster, |_, number, launch| match number {
            0 => launch,
            _ => launch.with_variable("PATRON_READ_URL", replica.url()),
        });
        Self { processes, replica, created: 0 }
    }

    /// Creates a customer through one process, and lists it through another at once.
    #[track_caller]
    fn create_and_list(&mut self) {
        let reference = format!("r{}", self.created);
        let form = format!("object_reference_id={reference}&mobile_number=1");
        let made = Since::now();
        let customer = self.processes.post(self.created, "/customers", &form).expect(200);
        let made = made.elapsed();
        self.created += 1;
        let asked = Since::now();
        let page = self.processes.get(1 + self.created % 2, "/customers?count=3").expect(200);
        let took = asked.elapsed();
        assert_eq!(page["list"][0], customer);
        assert_eq!(page["total"], self.created);
        assert!(took <= PATIENCE, "a list took {took:?}");
        assert!(made <= PATIENCE, "a creation took {made:?}");
    }

    /// How many lists were read from the replica.
    fn lists_by_replica(&self) -> usize {
        self.replica.log().lines().filter(|line| line.contains(PAGE)).count()
    }

    /// Goes on until lists come from the replica again.
    fn until_replica_is_used(&mut self) {
        let before = self.lists_by_replica();
        soon("lists come from the replica", || {
            self.create_and_list();
            (self.lists_by_replica() > before).then_some(())
        });
    }
}

#[test]
fn a_list_shows_what_any_process_acknowledged_before() {
    let mut followed = Followed::start();
    followed.until_replica_is_used();
    let before = followed.lists_by_replica();
    let count = rounds(200, 20_000);
    for _ in 0..count {
        followed.create_and_list();
    }
    let used = followed.lists_by_replica() - before;
    tell(&format!("{used} of {count} lists came from the replica"));
    assert!(used * 2 > count, "it is hardly used: {used} of {count}");

    followed.replica.pause_replay();
    let before = followed.lists_by_replica();
    for _ in 0..20 {
        followed.create_and_list();
    }
    assert_eq!(followed.lists_by_replica(), before, "it was asked for what it cannot know");
    followed.replica.resume_replay();
    followed.until_replica_is_used();
    followed.processes.verify();
}

#[test]
fn lists_go_on_without_the_replica() {
    let mut followed = Followed::start();
    followed.until_replica_is_used();
    followed.replica.kill();
    for _ in 0..20 {
        followed.create_and_list();
    }
    followed.replica.start();
    followed.until_replica_is_used();
    // One that is there and says nothing is worse than one that is gone.
    followed.replica.pause();
    let before = Since::now();
    for _ in 0..20 {
        followed.create_and_list();
    }
    tell(&format!("twenty lists with a silent replica took {:?}", before.elapsed()));
    followed.replica.resume();
    followed.until_replica_is_used();
    followed.processes.verify();
}

/// The operations of the other stories, with lists from the replica. Each commit waits until a second replica has
/// it, which is slow: what the first shows meanwhile is not acknowledged yet, and must not be shown.
#[test]
fn some_order_explains_every_answer_with_lists_from_a_replica() {
    let followed = Followed::start();
    let processes = &followed.processes;
    let slow = processes.cluster.replica("slow");
    processes.cluster.require_sync(&slow);
    for round in 0..rounds(2, 100) {
        let moments = Moments::default();
        let servers: Vec<_> = processes.servers.iter().collect();
        let client = |number| Client::new(&moments, &servers, (number, round), Outages::Never);
        let heard = together(CLIENTS, client, |_, mut client: Client<'_>| {
            for _ in 0..80 {
                client.act();
            }
            client.into_facts()
        });
        match explain(&heard.concat()) {
            Ok(last) => settle(processes, &last),
            Err(why) => panic!("in round {round}: {why}"),
        }
    }
    assert!(followed.lists_by_replica() > 0, "the replica was not used");
    processes.cluster.require_no_sync();
}
