//! Work in the background: one process of three does it, and another when that one dies.

use std::time::Duration;

use patron_testkit::http::Call;
use patron_testkit::wait::{Since, soon};

use super::{Processes, tell};
use crate::stage::metric;

/// What the helper sets.
const LEASE: Duration = Duration::from_millis(300);

/// How much later than the lease's end another may begin: it looks three times within a lease.
const SLACK: Duration = Duration::from_millis(700);

impl Processes {
    /// Tokens that have expired, put where those are that processes issue.
    pub(super) fn put_expired_tokens(&self, count: usize) {
        self.cluster.psql(&format!(
            "insert into client_token (merchant, hash, number, issued_ms, expires_ms, uses_left) \
             select min(number), sha256(random()::text::bytea || n::text::bytea), 1, 0, 1, 1 \
             from merchant, generate_series(1, {count}) as n group by n"
        ));
    }

    /// Whether this process says that it does the job.
    pub(super) fn holds_job(&self, number: usize) -> bool {
        let metrics = Call::get("/metrics").send(self.server(number));
        // Before its first round it says nothing.
        metrics.text().lines().any(|line| line == "patron_job_held{job=\"clear_tokens\"} 1")
    }

    pub(super) fn cleared(&self, number: usize) -> usize {
        metric(self.server(number), "patron_tokens_cleared_total ")
    }

    /// The process that does the job: the only one of these that says so.
    pub(super) fn holder_among(&self, numbers: &[usize]) -> usize {
        soon("one process has the job", || {
            let holders: Vec<_> =
                numbers.iter().copied().filter(|number| self.holds_job(*number)).collect();
            // Who hands it over and who takes it are not asked at the same moment.
            match holders.as_slice() {
                [one] => Some(*one),
                _ => None,
            }
        })
    }

    fn tokens(&self) -> String {
        self.cluster.psql("select count(*) from client_token")
    }
}

#[test]
fn one_process_does_the_work_and_another_takes_over_when_it_dies() {
    let mut processes = Processes::three();
    let holder = processes.holder_among(&[0, 1, 2]);
    for _ in 0..5 {
        processes.put_expired_tokens(20);
        soon("they are cleared", || (processes.tokens() == "0").then_some(()));
    }
    assert_eq!(processes.holder_among(&[0, 1, 2]), holder, "it stays with whom it is");
    let cleared: Vec<_> = (0..3).map(|number| processes.cleared(number)).collect();
    assert_eq!(cleared.iter().sum::<usize>(), 100, "{cleared:?}");
    assert_eq!(cleared[holder], 100, "nobody else does it: {cleared:?}");

    let others: Vec<_> = (0..3).filter(|number| *number != holder).collect();
    processes.servers[holder].kill();
    let dead = Since::now();
    processes.put_expired_tokens(20);
    let heir = soon("another takes over", || {
        others.iter().copied().find(|number| processes.holds_job(*number))
    });
    let took = dead.elapsed();
    tell(&format!("another took over after {took:?}"));
    assert!(took <= LEASE + SLACK, "{took:?}");
    soon("what expired meanwhile is cleared", || (processes.tokens() == "0").then_some(()));
    assert_eq!(processes.cleared(heir), 20);

    processes.servers[holder] = processes.servers[holder].launch().start();
    processes.put_expired_tokens(20);
    soon("they are cleared", || (processes.tokens() == "0").then_some(()));
    assert_eq!(processes.holder_among(&[0, 1, 2]), heir, "who comes back does not take it away");
    assert_eq!(processes.cleared(heir), 40);
}
