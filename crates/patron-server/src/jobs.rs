//! The work in the background, as a server does it: now and then, if no other process does.

use std::sync::Arc;
use std::time::Duration;

use patron::Patron;
use patron::clock::MonotonicClock;
use patron::jobs::{JobPolicy, Jobs};
use patron::store::Job;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::metrics::Metrics;
use crate::refusal::chain;
use crate::system::{PassingTime, SystemClock};

/// The least time between two rounds.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Begins this process's part of the jobs, for ever: each goes on by itself, since a purge may take long.
pub(crate) fn begin(
    patron: &Arc<Patron>,
    policy: JobPolicy,
    metrics: &Arc<Metrics>,
) -> Vec<JoinHandle<()>> {
    let passing: Arc<dyn MonotonicClock> = Arc::new(PassingTime::start());
    let begin = |job| {
        let jobs = Jobs::new(Arc::clone(patron), policy, Arc::clone(&passing));
        tokio::spawn(serve(job, jobs, policy.lease, Arc::clone(metrics)))
    };
    Job::ALL.into_iter().map(begin).collect()
}

/// Does a job whenever it is this process's turn.
async fn serve(job: Job, mut jobs: Jobs, lease: Duration, metrics: Arc<Metrics>) {
    // Several times within the lease, so that one round that is late does not lose it.
    let mut ticks = interval((lease / 3).max(PAUSE_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once, when a server that has just started has others to attend to.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let round = jobs.do_round(job, &SystemClock).await;
        metrics.count_round(job, &round);
        if let Some(error) = &round.error {
            tracing::warn!(error = chain(error), job = job.name(), "the job goes on later");
        }
    }
}
