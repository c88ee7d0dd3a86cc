//! Work in the background: each job is done by one process at a time, in rounds, a step at a time.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, MonotonicClock, Timestamp};
use crate::erasure::{ErasedCustomer, Purged};
use crate::error::{Error, Kind};
use crate::ids::{MerchantNumber, ProcessId};
use crate::patron::Patron;
use crate::store::{CustomerAge, Job};

/// How many tokens or sessions are deleted in a step. A store may do it in parts.
const CLEARED_MAX: u32 = 1_000;

/// How many customers are looked at in a step.
const AGES_MAX: u32 = 500;

/// How many erased customers are seen to at once: a purge may cost much, and then it is long until the next one.
const PURGED_MAX: usize = 100_000;

/// How many of them are looked for again before each attempt.
const FOUND_AGAIN_MAX: usize = 1_000;

/// How many purges are written down in a commit.
const RECORDED_MAX: usize = 1_000;

/// How many merchants are asked about their erased customers in a round, whose receipts wait for that.
const ASKED_MAX: u32 = 2_000;

/// By how much the clock may run ahead of time as it passes. Beyond that nobody is erased because of the time: a
/// clock that jumps a year would erase everybody, beyond recall.
const AHEAD_MAX: Duration = Duration::from_secs(3_600);

/// How many steps a round has at most, so that rounds go on to be told about and come to an end.
const STEPS_MAX: u32 = 100;

/// When jobs are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobPolicy {
    /// When a process dies, another one takes over what it held after so long.
    pub lease: Duration,
    /// The least time between two walks over all customers whose merchants have a retention.
    pub retain_every: Duration,
}

/// What this process does of the jobs.
pub struct Jobs {
    patron: Arc<Patron>,
    holder: ProcessId,
    policy: JobPolicy,
    passing: Arc<dyn MonotonicClock>,
    /// What both clocks showed in the first round.
    first_round: Option<(Timestamp, Duration)>,
    /// Whose tokens are still to be looked at.
    tokens: Walk,
    /// Whose customers are still to be looked at: after which number of the merchant that is next.
    retention: Walk,
    retained_after: i64,
    /// When the last walk over customers began.
    retention_began: Option<Timestamp>,
    erased: Erased,
}

/// Those who were erased and wait for a purge, as far as this process has found them.
#[derive(Default)]
struct Erased {
    /// Whose are still to be looked at.
    merchants: Walk,
    /// Who was found on that walk, merchant by merchant, and in how many rounds.
    unpurged: Vec<ErasedCustomer>,
    rounds: u32,
    /// When all of these were purged; they are to be written down.
    purged: Option<Timestamp>,
}

/// The present walk over all merchants, which may take several rounds.
#[derive(Default)]
struct Walk {
    unvisited: Vec<MerchantNumber>,
}

/// What came of a round of a job.
#[derive(Debug, Default)]
pub struct Round {
    /// Whether the job was this process's when the round ended.
    pub is_held: bool,
    /// How many things were done with.
    pub done: u64,
    /// Whether something is left to do that somebody holds up who still reads what was there before.
    pub is_held_up: bool,
    /// Why the round ended early, or passed something over. The next one goes on.
    pub error: Option<Error>,
}

impl Round {
    fn count(&mut self, done: impl TryInto<u64>) {
        self.done = self.done.saturating_add(done.try_into().unwrap_or(u64::MAX));
    }
}

impl Jobs {
    /// The jobs of a process that begins.
    pub fn new(patron: Arc<Patron>, policy: JobPolicy, passing: Arc<dyn MonotonicClock>) -> Self {
        let holder = ProcessId::issue(&*patron.entropy);
        Self {
            patron,
            holder,
            policy,
            passing,
            first_round: None,
            tokens: Walk::default(),
            retention: Walk::default(),
            retained_after: 0,
            retention_began: None,
            erased: Erased::default(),
        }
    }

    /// Does a part of a job, unless it is another process's. Called now and then, several times within the
    /// lease, so that the job stays with whom it is.
    pub async fn do_round(&mut self, job: Job, clock: &dyn Clock) -> Round {
        let mut round = Round::default();
        let now = clock.now();
        let ended = match job {
            Job::ClearTokens => self.clear_tokens(&mut round, now).await,
            Job::ClearSessions => self.clear_sessions(&mut round, now).await,
            Job::Retain => self.retain(&mut round, now).await,
            Job::PurgeErased => self.purge_erased(&mut round, clock).await,
        };
        if let Err(error) = ended {
            round.error = Some(error);
        }
        round
    }

    /// Whether the next step may be made. It is asked before each, so that a process that stood still for
    /// longer than its lease does nothing more.
    async fn claim(&self, job: Job, round: &mut Round) -> Result<bool, Error> {
        // What fails leaves open whose it is.
        round.is_held = false;
        round.is_held = self.patron.store.claim_job(job, self.holder, self.policy.lease).await?;
        Ok(round.is_held)
    }

    async fn all_merchants(&self) -> Result<Vec<MerchantNumber>, Error> {
        let merchants = self.patron.store.list_merchants().await?;
        Ok(merchants.into_iter().map(|merchant| merchant.number).collect())
    }

    /// Goes on with the walk over all merchants, to its end at most.
    async fn clear_tokens(&mut self, round: &mut Round, now: Timestamp) -> Result<(), Error> {
        let store = Arc::clone(&self.patron.store);
        // Whoever comes with a token that has just expired is told so; see `Kind::Expired`.
        let before = now.before(self.patron.tokens.lifetime);
        if !self.claim(Job::ClearTokens, round).await? {
            return Ok(());
        }
        if self.tokens.unvisited.is_empty() {
            self.tokens.unvisited = self.all_merchants().await?;
        }
        for step in 0..STEPS_MAX {
            // One whose step fails is passed over until the next walk, so that others have their turn.
            let Some(merchant) = self.tokens.unvisited.pop() else {
                return Ok(());
            };
            if step > 0 && !self.claim(Job::ClearTokens, round).await? {
                return Ok(());
            }
            let cleared = store.clear_expired_tokens(merchant, before, CLEARED_MAX).await?;
            round.count(cleared);
            if cleared == CLEARED_MAX {
                self.tokens.unvisited.push(merchant);
            }
        }
        Ok(())
    }

    async fn clear_sessions(&mut self, round: &mut Round, now: Timestamp) -> Result<(), Error> {
        // Whoever comes with a session that has just expired is told so; see `Kind::Expired`.
        let before = now.before(self.patron.sessions.longest());
        for _ in 0..STEPS_MAX {
            if !self.claim(Job::ClearSessions, round).await? {
                return Ok(());
            }
            let cleared = self.patron.store.clear_expired_sessions(before, CLEARED_MAX).await?;
            round.count(cleared);
            if cleared < CLEARED_MAX {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Goes on with the walk over all customers of the merchants that have a retention.
    async fn retain(&mut self, round: &mut Round, now: Timestamp) -> Result<(), Error> {
        if !self.claim(Job::Retain, round).await? {
            return Ok(());
        }
        if self.has_jumped_ahead(now) {
            let kind = Kind::Unavailable { retry_after_s: 3_600 };
            let public = "the clock has jumped ahead, so nobody is erased by retention: check the \
                          clock, then start again";
            return Err(Error::new(kind, public));
        }
        if self.retention.unvisited.is_empty() {
            let is_due = |began: Timestamp| now >= began.after(self.policy.retain_every);
            if !self.retention_began.is_none_or(is_due) {
                return Ok(());
            }
            self.retention_began = Some(now);
            self.retention.unvisited = self.all_merchants().await?;
            self.retained_after = 0;
        }
        for _ in 0..STEPS_MAX {
            let Some(merchant) = self.retention.unvisited.pop() else {
                return Ok(());
            };
            if !self.claim(Job::Retain, round).await? {
                self.retention.unvisited.push(merchant);
                return Ok(());
            }
            // A merchant whose step fails is passed over until the next walk.
            let after = std::mem::take(&mut self.retained_after);
            if let Some(last) = self.retain_step(round, merchant, after, now).await? {
                self.retained_after = last;
                self.retention.unvisited.push(merchant);
            }
        }
        Ok(())
    }

    /// Whether the clock has run ahead of time since the first round.
    fn has_jumped_ahead(&mut self, now: Timestamp) -> bool {
        let elapsed = self.passing.elapsed();
        let (began, elapsed_then) = *self.first_round.get_or_insert((now, elapsed));
        now > began.after(elapsed.saturating_sub(elapsed_then)).after(AHEAD_MAX)
    }

    /// Erases those of the merchant's next customers whose time is over. Answers after whom to go on.
    async fn retain_step(
        &self,
        round: &mut Round,
        merchant: MerchantNumber,
        after: i64,
        now: Timestamp,
    ) -> Result<Option<i64>, Error> {
        // Asked for each step: whoever takes a retention back has it honoured at once.
        let Some(desk) = self.patron.own_desk(merchant, now).await? else {
            return Ok(None);
        };
        let retention = desk.context.merchant.settings.retention;
        if !retention.is_set() {
            return Ok(None);
        }
        let ages = self.patron.store.list_ages(merchant, after, AGES_MAX).await?;
        let last = ages.last().map(|age| age.number.get());
        for age in ages.iter().filter(|age| retention.is_over(age, now)) {
            let still = |updated: Timestamp, deleted: Option<Timestamp>| {
                retention.is_over(&CustomerAge { number: age.number, updated, deleted }, now)
            };
            match desk.erase_if(age.number, still).await {
                Ok(is_erased) => round.count(u32::from(is_erased)),
                // One that does not open keeps nobody else from being forgotten.
                Err(error) if *error.kind() == Kind::Internal => round.error = Some(error),
                Err(error) => return Err(error),
            }
        }
        Ok(last)
    }

    /// Goes on with the walk over all merchants. What was erased of one is purged with all the others'.
    async fn purge_erased(&mut self, round: &mut Round, clock: &dyn Clock) -> Result<(), Error> {
        let store = Arc::clone(&self.patron.store);
        let is_ours = self.claim(Job::PurgeErased, round).await?;
        // What is done is done, whoever has the job by now.
        if let Some(now) = self.erased.purged {
            return self.record_purged(round, now).await;
        }
        if !is_ours {
            self.erased = Erased::default();
            return Ok(());
        }
        if self.erased.merchants.unvisited.is_empty() && self.erased.unpurged.is_empty() {
            self.erased.merchants.unvisited = self.all_merchants().await?;
            self.erased.rounds = 0;
        }
        self.gather_unpurged(clock.now()).await?;
        let found = self.erased.unpurged.len();
        let is_enough = self.erased.merchants.unvisited.is_empty() || found >= PURGED_MAX;
        if !is_enough || found == 0 || !self.claim(Job::PurgeErased, round).await? {
            return Ok(());
        }
        match store.purge_erased().await? {
            Purged::Done => {}
            Purged::HeldUp => {
                round.is_held_up = true;
                // Where that costs little, those are found as well the next time who are erased until then.
                if self.erased.rounds == 1 && found <= FOUND_AGAIN_MAX {
                    self.erased = Erased::default();
                }
                return Ok(());
            }
        }
        // It took its time, and a receipt says when it was done.
        let now = clock.now();
        self.erased.purged = Some(now);
        self.record_purged(round, now).await
    }

    /// Writes down who is purged. What the store does not take now is done in the next round: another purge might be
    /// hours away.
    async fn record_purged(&mut self, round: &mut Round, now: Timestamp) -> Result<(), Error> {
        while let Some(last) = self.erased.unpurged.last() {
            let merchant = last.merchant;
            let others = |erased: &ErasedCustomer| erased.merchant != merchant;
            let unpurged = &self.erased.unpurged;
            let of_others = unpurged.iter().rposition(others).map_or(0, |at| at.saturating_add(1));
            let first = of_others.max(unpurged.len().saturating_sub(RECORDED_MAX));
            let part = unpurged.get(first..).unwrap_or_default().to_vec();
            match self.record_part(merchant, part, now).await {
                Ok(count) => round.count(count),
                Err(error) if matches!(error.kind(), Kind::Unavailable { .. }) => {
                    return Err(error);
                }
                Err(error) if *error.kind() == Kind::Stale => {
                    self.erased = Erased::default();
                    return Ok(());
                }
                // Others' receipts do not wait for a merchant whose keys do not open.
                Err(error) => round.error = Some(error),
            }
            self.erased.unpurged.truncate(first);
        }
        self.erased.purged = None;
        Ok(())
    }

    /// Writes down some of a merchant's. How many.
    async fn record_part(
        &self,
        merchant: MerchantNumber,
        part: Vec<ErasedCustomer>,
        now: Timestamp,
    ) -> Result<usize, Error> {
        let Some(desk) = self.patron.own_desk(merchant, now).await? else {
            return Ok(0);
        };
        let part = part.into_iter();
        let purged: Vec<_> = part.filter_map(|erased| erased.purged_at(now, desk.keys())).collect();
        let count = purged.len();
        self.patron.store.record_purges(purged).await?;
        // An earlier attempt may have written it, and nobody confirmed it.
        self.patron.store.confirm().await?;
        Ok(count)
    }

    /// Asks the next merchants for whom they have erased, until there are enough.
    async fn gather_unpurged(&mut self, now: Timestamp) -> Result<(), Error> {
        if self.erased.merchants.unvisited.is_empty() {
            return Ok(());
        }
        self.erased.rounds = self.erased.rounds.saturating_add(1);
        for _ in 0..ASKED_MAX {
            let room = PURGED_MAX.saturating_sub(self.erased.unpurged.len());
            let limit = u32::try_from(room).unwrap_or(u32::MAX);
            if limit == 0 {
                break;
            }
            let Some(merchant) = self.erased.merchants.unvisited.pop() else { break };
            let mut unpurged = self.patron.store.list_unpurged(merchant, limit).await?;
            if unpurged.is_empty() {
                continue;
            }
            let Some(desk) = self.patron.own_desk(merchant, now).await? else {
                continue;
            };
            // What was touched by hand gets no receipt, and would be purged for again and again.
            unpurged.retain(|erased| erased.is_genuine(desk.keys()));
            self.erased.unpurged.append(&mut unpurged);
        }
        Ok(())
    }
}
