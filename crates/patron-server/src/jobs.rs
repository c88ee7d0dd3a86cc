//! The work in the background, as a server does it: now and then, if no other process does.

use std::sync::Arc;
use std::time::Duration;

use patron::Patron;
use patron::clock::Clock as _;
use patron::jobs::Jobs;
use patron::store::Job;
use tokio::time::{MissedTickBehavior, interval};

use crate::metrics::Metrics;
use crate::refusal::chain;
use crate::system::SystemClock;

/// The least time between two rounds.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Does this process's part of the jobs, for ever.
pub(crate) async fn serve(patron: Arc<Patron>, lease: Duration, metrics: Arc<Metrics>) {
    let mut jobs = Jobs::new(patron, lease);
    // Several times within the lease, so that one round that is late does not lose it.
    let mut ticks = interval((lease / 3).max(PAUSE_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once, when a server that has just started has others to attend to.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        for job in Job::ALL {
            let round = jobs.do_round(job, SystemClock.now()).await;
            metrics.count_round(job, &round);
            if let Some(error) = &round.error {
                tracing::warn!(error = chain(error), job = job.name(), "the job goes on later");
            }
        }
    }
}
