//! Changes that wait together are written and committed together; one that comes alone is written at once.
//!
//! A change that was sent may have been applied though nobody heard of it. Then it is applied again, which does
//! nothing if it was, until that is known or the time is up: its number, version and change id tell.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use patron::change::Change;
use patron::clock::MonotonicClock;
use patron::entropy::Entropy;
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::store::{StoreError, Unique};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::OnGroup;
use crate::apply::{Answer, apply};
use crate::errors::{Doubt, Failed, NotAnswering, violated};
use crate::gate::jittered;
use crate::gathering::{Added, Gathering};
use crate::sql::ROWS_MAX;
use crate::transaction::{Database, TRIES_MAX, timed_out};

/// The most changes that are committed together.
const GROUP_MAX: usize = ROWS_MAX;

/// How far behind the first that waits a group is filled up.
const LOOKED_AT_MAX: usize = 4 * GROUP_MAX;

/// How many changes may wait.
const WAITING_MAX: usize = 16_384;

/// The waits between two attempts to find out what became of a commit.
const PAUSE_MIN: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_millis(500);

type Place = (MerchantNumber, CustomerNumber);

/// A change that waits.
struct Waiting {
    change: Change,
    reply: oneshot::Sender<Answer>,
}

impl Waiting {
    fn place(&self) -> Place {
        let customer = &self.change.parts().customer;
        (customer.merchant, customer.number)
    }
}

/// Whether merchants may share a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// All may.
    Everybody,
    /// None may: their rows lie on different servers, and a commit over two of them costs two rounds.
    WithinMerchant,
}

/// Writes changes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Writer {
    database: Database,
    gathering: Arc<Gathering<Waiting, HashSet<Place>>>,
    sharing: Sharing,
    clock: Arc<dyn MonotonicClock>,
    entropy: Arc<dyn Entropy>,
    on_group: OnGroup,
}

/// What a writer is made of.
pub(crate) struct Parts {
    pub(crate) database: Database,
    pub(crate) lanes_max: usize,
    pub(crate) sharing: Sharing,
    pub(crate) clock: Arc<dyn MonotonicClock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) on_group: OnGroup,
}

impl Writer {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { database, lanes_max, sharing, clock, entropy, on_group } = parts;
        let gathering = Arc::new(Gathering::new(lanes_max, WAITING_MAX));
        Self { database, gathering, sharing, clock, entropy, on_group }
    }

    /// Applies a change: where its answer will come. An answer that never comes says that the store is closed
    /// or too much waits.
    pub(crate) fn enqueue(&self, runtime: &Handle, change: Change) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        match self.gathering.add(Waiting { change, reply }) {
            Added::Waits | Added::Full => {}
            Added::StartLane => self.start_lane(runtime),
        }
        answer
    }

    fn start_lane(&self, runtime: &Handle) {
        let writer = self.clone();
        runtime.spawn(async move { writer.work_off().await });
    }

    async fn work_off(&self) {
        let next = || self.gathering.take(|waiting, busy| pick(waiting, busy, self.sharing));
        while let Some(group) = next() {
            let group = Group::of(group);
            match self.commit(&group, None).await {
                Outcome::Known(answers) => self.answer(group, answers),
                Outcome::Unknown(doubt) => {
                    // Others need not wait until it is found out.
                    let writer = self.clone();
                    tokio::spawn(async move {
                        let answers = writer.find_out(&group, doubt).await;
                        writer.answer(group, answers);
                        if writer.gathering.needs_lane() {
                            writer.start_lane(&Handle::current());
                        }
                    });
                }
            }
        }
    }

    /// Tells everybody what became of his change, and lets others change the customers.
    fn answer(&self, group: Group, answers: Vec<Answer>) {
        if answers.iter().any(Result::is_ok) {
            (self.on_group)(group.changes.len());
        }
        self.gathering.release(|busy| {
            for place in &group.places {
                busy.remove(place);
            }
        });
        for (reply, answer) in group.replies.into_iter().zip(answers) {
            // Whoever does not wait any more has nobody to tell.
            let _ = reply.send(answer);
        }
    }

    /// Commits the group, again where others came in its way, and each change by itself where something is
    /// wrong with one of them. `doubt` is what is not known of an earlier attempt.
    async fn commit(&self, group: &Group, doubt: Option<Doubt>) -> Outcome {
        let failed = match self.attempt(&group.changes).await {
            Ok(answers) => return Outcome::Known(answers),
            Err(failed) => failed,
        };
        if let Failed::Unknown(doubt) = failed {
            return Outcome::Unknown(doubt);
        }
        if let Some(doubt) = doubt
            && !is_about_one(&failed)
        {
            return Outcome::Unknown(doubt);
        }
        if !is_about_one(&failed) {
            return Outcome::Known(refuse(group.changes.len(), failed));
        }
        let mut answers = Vec::with_capacity(group.changes.len());
        for change in &group.changes {
            answers.push(match self.attempt(std::slice::from_ref(change)).await {
                Ok(mut answers) => {
                    answers.pop().unwrap_or_else(|| Err(NotAnswering::Closed.into()))
                }
                Err(Failed::Unknown(doubt)) => return Outcome::Unknown(doubt),
                Err(failed) => Err(alone(failed)),
            });
        }
        Outcome::Known(answers)
    }

    /// Finds out what became of a group whose commit nobody confirmed, until the time is up.
    async fn find_out(&self, group: &Group, mut doubt: Doubt) -> Vec<Answer> {
        let began = self.clock.elapsed();
        let mut pause = PAUSE_MIN;
        loop {
            match self.commit(group, Some(doubt)).await {
                Outcome::Known(answers) => return answers,
                Outcome::Unknown(still) => doubt = still,
            }
            if self.clock.elapsed().saturating_sub(began) >= self.database.limits.wait_max {
                return refuse(group.changes.len(), Failed::Unknown(doubt));
            }
            sleep(jittered(pause, &*self.entropy)).await;
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    /// Applies changes in one transaction; again when others came in its way before it was committed.
    async fn attempt(&self, changes: &[Change]) -> Result<Vec<Answer>, Failed> {
        let mut tries = 0_u32;
        loop {
            let failed = match self.attempt_once(changes).await {
                Ok(answers) => return Ok(answers),
                Err(failed) => failed,
            };
            tries = tries.saturating_add(1);
            if tries >= TRIES_MAX || !failed.is_passing() {
                return Err(failed);
            }
        }
    }

    async fn attempt_once(&self, changes: &[Change]) -> Result<Vec<Answer>, Failed> {
        let lent = self.database.connections.lend().await?;
        let is_sent = AtomicBool::new(false);
        let applying =
            timeout(self.database.limits.answer_time_max(), apply(&lent, changes, &is_sent));
        let outcome = applying.await.unwrap_or_else(|_| Err(timed_out(&is_sent)));
        let outcome = outcome.map_err(|failed| self.database.connections.judge(&lent, failed));
        lent.settle(&outcome).await;
        outcome
    }
}

/// What came of a group.
enum Outcome {
    Known(Vec<Answer>),
    Unknown(Doubt),
}

/// Changes that are committed together.
struct Group {
    changes: Vec<Change>,
    replies: Vec<oneshot::Sender<Answer>>,
    places: Vec<Place>,
}

impl Group {
    fn of(waiting: Vec<Waiting>) -> Self {
        let places = waiting.iter().map(Waiting::place).collect();
        let (changes, replies) = waiting.into_iter().map(|one| (one.change, one.reply)).unzip();
        Self { changes, replies, places }
    }
}

/// Takes what may be written together: no customer twice, and none that another lane is writing.
fn pick(
    waiting: &mut VecDeque<Waiting>,
    busy: &mut HashSet<Place>,
    sharing: Sharing,
) -> Vec<Waiting> {
    let mut picked: Vec<Waiting> = Vec::new();
    let mut passed = Vec::new();
    while picked.len() < GROUP_MAX
        && picked.len().saturating_add(passed.len()) < LOOKED_AT_MAX
        && let Some(one) = waiting.pop_front()
    {
        if one.reply.is_closed() {
            // Whoever sent it was told that it took too long, and need not find it done later.
            continue;
        }
        let place = one.place();
        let may_share = match sharing {
            Sharing::Everybody => true,
            Sharing::WithinMerchant => {
                picked.first().is_none_or(|first| first.place().0 == place.0)
            }
        };
        if may_share && busy.insert(place) {
            picked.push(one);
        } else {
            passed.push(one);
        }
    }
    for one in passed.into_iter().rev() {
        waiting.push_front(one);
    }
    picked
}

/// Whether one of the changes may be what the database refused, and the others not.
fn is_about_one(failed: &Failed) -> bool {
    match failed {
        Failed::Refused(_) => true,
        Failed::Database(error) => error.code().is_some_and(|code| {
            // Integrity and data: classes 22 and 23.
            code.code().starts_with("22") || code.code().starts_with("23")
        }),
        Failed::TimedOut | Failed::NoConnection(_) | Failed::Unknown(_) => false,
    }
}

/// What a refusal means for a change that was tried by itself.
fn alone(failed: Failed) -> StoreError {
    let unique = match violated(&failed) {
        Some("customer_reference") => Unique::CustomerReference,
        Some("customer_id") => Unique::CustomerId,
        Some("client_token_pkey") => Unique::ClientToken,
        Some(_) | None => return failed.into(),
    };
    StoreError::Duplicate(unique)
}

/// Tells all of them the same.
fn refuse(count: usize, failed: Failed) -> Vec<Answer> {
    let shared = Arc::new(StoreError::from(failed));
    let each = || Err(NotAnswering::Shared(Arc::clone(&shared)).into());
    std::iter::repeat_with(each).take(count).collect()
}
