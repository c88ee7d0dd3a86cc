//! Work in the background: each job is done by one process at a time, in rounds, a step at a time.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::ids::{MerchantNumber, ProcessId};
use crate::patron::Patron;
use crate::store::Job;

/// How many tokens are deleted in a step. A store may do it in parts.
const TOKENS_MAX: u32 = 1_000;

/// How many steps a round has at most, so that rounds go on to be told about and come to an end.
const STEPS_MAX: u32 = 100;

/// What this process does of the jobs.
pub struct Jobs {
    patron: Arc<Patron>,
    holder: ProcessId,
    lease: Duration,
    /// Whose tokens are still to be looked at in the present walk over all merchants, which may take
    /// several rounds.
    unvisited: Vec<MerchantNumber>,
}

/// What came of a round of a job.
#[derive(Debug, Default)]
pub struct Round {
    /// Whether the job was this process's when the round ended.
    pub is_held: bool,
    /// How many things were done with.
    pub done: u64,
    /// Why the round ended early. The next one goes on.
    pub error: Option<Error>,
}

impl Jobs {
    /// The jobs of a process that begins. When it dies, another one takes over what it held after `lease`.
    pub fn new(patron: Arc<Patron>, lease: Duration) -> Self {
        let holder = ProcessId::issue(&*patron.entropy);
        Self { patron, holder, lease, unvisited: Vec::new() }
    }

    /// Does a part of a job, unless it is another process's. Called now and then, several times within the
    /// lease, so that the job stays with whom it is.
    pub async fn do_round(&mut self, job: Job, now: Timestamp) -> Round {
        let mut round = Round::default();
        let ended = match job {
            Job::ClearTokens => self.clear_tokens(&mut round, now).await,
        };
        round.error = ended.err();
        round
    }

    /// Whether the next step may be made. It is asked before each, so that a process that stood still for
    /// longer than its lease does nothing more.
    async fn claim(&self, job: Job, round: &mut Round) -> Result<bool, Error> {
        // What fails leaves open whose it is.
        round.is_held = false;
        round.is_held = self.patron.store.claim_job(job, self.holder, self.lease).await?;
        Ok(round.is_held)
    }

    /// Goes on with the walk over all merchants, to its end at most.
    async fn clear_tokens(&mut self, round: &mut Round, now: Timestamp) -> Result<(), Error> {
        let store = Arc::clone(&self.patron.store);
        if !self.claim(Job::ClearTokens, round).await? {
            return Ok(());
        }
        if self.unvisited.is_empty() {
            let merchants = store.list_merchants().await?;
            self.unvisited = merchants.into_iter().map(|merchant| merchant.number).collect();
        }
        for step in 0..STEPS_MAX {
            // One whose step fails is passed over until the next walk, so that others have their turn.
            let Some(merchant) = self.unvisited.pop() else {
                return Ok(());
            };
            if step > 0 && !self.claim(Job::ClearTokens, round).await? {
                return Ok(());
            }
            let cleared = store.clear_expired_tokens(merchant, now, TOKENS_MAX).await?;
            round.done = round.done.saturating_add(cleared.into());
            if cleared == TOKENS_MAX {
                self.unvisited.push(merchant);
            }
        }
        Ok(())
    }
}
