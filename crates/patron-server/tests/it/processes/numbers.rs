//! Customers' numbers: nobody's is anybody else's, whichever process gave it.

use patron_testkit::effort::rounds;
use patron_testkit::http::Call;
use patron_testkit::server::SANDBOX_KEY;

use super::Processes;

/// Customers for each process at once.
const CROWD: usize = 30;

#[test]
fn no_number_is_given_twice_though_processes_are_killed() {
    let mut processes = Processes::three();
    let mut created = 0;
    for round in 0..rounds(4, 60) {
        let replies = processes.all_at_once(CROWD, |number| {
            let form = format!("object_reference_id=r{round}-{number}&mobile_number=1");
            Call::post("/customers").basic(SANDBOX_KEY).form(form)
        });
        for reply in &replies {
            reply.expect(200);
        }
        created += CROWD;
        // It loses what is left of its block, and gets another.
        let victim = &mut processes.servers[round % 3];
        victim.kill();
        *victim = victim.launch().start();
    }
    let (cluster, verified) = (&processes.cluster, processes.verify());
    assert_eq!(verified["customers"], created);
    let count = "select count(distinct number) from customer";
    assert_eq!(cluster.psql(count), created.to_string());
    let beyond = "select count(*) from customer, counter \
                  where counter.name = 'customer' and number >= next";
    assert_eq!(cluster.psql(beyond), "0");
    // Each process had a block of its own in each round, but for those that were left over.
    let blocks: usize =
        cluster.psql("select count(distinct (number - 1) / 4096) from customer").parse().unwrap();
    assert!(blocks >= 3 + rounds(4, 60) - 1, "{blocks} blocks");
}
