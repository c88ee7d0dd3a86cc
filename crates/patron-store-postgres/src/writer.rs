//! Changes that wait together are written and committed together; one that comes alone is written at once.
//!
//! A change that was sent may have been applied though nobody heard of it. Then it is applied again, which does
//! nothing if it was, until that is known or the time is up: its number, version and change id tell.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use patron::change::{Change, ChangeParts, Expected};
use patron::clock::MonotonicClock;
use patron::entropy::Entropy;
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::store::{StoreError, Unique};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::OnGroup;
use crate::apply::{Answer, apply, was_applied};
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
            let start_lane = || self.start_lane(&Handle::current());
            let committing = self.commit(&group, None);
            match self.gathering.see_through(group.changes.len(), committing, start_lane).await {
                Outcome::Known(answers) => self.answer(group, answers),
                Outcome::Away(error) => {
                    let answers = refuse(group.changes.len(), &error);
                    self.answer(group, answers);
                }
                Outcome::Silent(error) => {
                    let answers = refuse(group.changes.len(), &error);
                    self.answer(group, answers);
                    // Whoever waits would only hear the same, and later.
                    for waiting in self.gathering.drain() {
                        let _ = waiting
                            .reply
                            .send(Err(NotAnswering::Shared(Arc::clone(&error)).into()));
                    }
                }
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
            && !is_answer(&failed)
        {
            return Outcome::Unknown(doubt);
        }
        if failed.is_silence() {
            return Outcome::Silent(Arc::new(failed.into()));
        }
        if !is_answer(&failed) && !failed.waited_too_long() {
            return Outcome::Away(Arc::new(failed.into()));
        }
        self.commit_singly(group, doubt).await
    }

    /// Commits each change of the group by itself, since what is wrong is wrong with one of them.
    async fn commit_singly(&self, group: &Group, doubt: Option<Doubt>) -> Outcome {
        let mut answers = Vec::with_capacity(group.changes.len());
        for (change, reply) in group.changes.iter().zip(&group.replies) {
            if doubt.is_none() && reply.is_closed() {
                // Whoever sent it was told that it took too long.
                answers.push(Err(NotAnswering::TimedOut.into()));
                continue;
            }
            let failed = match self.attempt(std::slice::from_ref(change)).await {
                Ok(mut one) => {
                    answers.push(one.pop().unwrap_or_else(|| Err(NotAnswering::Closed.into())));
                    continue;
                }
                Err(failed) => failed,
            };
            match (failed, doubt) {
                (Failed::Unknown(doubt), _) => return Outcome::Unknown(doubt),
                (failed, Some(doubt)) if !is_answer(&failed) => return Outcome::Unknown(doubt),
                (failed, None) if failed.is_silence() => {
                    let left = group.changes.len().saturating_sub(answers.len());
                    answers.extend(refuse(left, &Arc::new(failed.into())));
                    break;
                }
                (failed, _) if is_numbered_again(change, &failed) => {
                    answers.push(self.answer_to_number(change).await);
                }
                (failed, _) => answers.push(Err(alone(failed))),
            }
        }
        Outcome::Known(answers)
    }

    /// What is said to whoever creates a customer with a number that has a history: it was another's, which was
    /// erased, or it was this one's, which was created before and erased since.
    async fn answer_to_number(&self, change: &Change) -> Answer {
        let ChangeParts { id, customer, .. } = change.parts();
        let place = (customer.merchant, customer.number);
        let asked =
            self.database.write_again(|held| async move { was_applied(&held, place, *id).await });
        if asked.await? { Ok(()) } else { Err(StoreError::Duplicate(Unique::CustomerNumber)) }
    }

    /// Finds out what became of a group whose commit nobody confirmed, until the time is up.
    async fn find_out(&self, group: &Group, mut doubt: Doubt) -> Vec<Answer> {
        let began = self.clock.elapsed();
        let mut pause = PAUSE_MIN;
        loop {
            match self.commit(group, Some(doubt)).await {
                Outcome::Known(answers) => return answers,
                // Not with a doubt.
                Outcome::Away(error) | Outcome::Silent(error) => {
                    return refuse(group.changes.len(), &error);
                }
                Outcome::Unknown(still) => doubt = still,
            }
            if self.clock.elapsed().saturating_sub(began) >= self.database.limits.wait_max {
                let error = Arc::new(Failed::Unknown(doubt).into());
                return refuse(group.changes.len(), &error);
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
        let applying = timeout(
            self.database.limits.answer_time_max,
            apply(&lent, changes, self.sharing, &is_sent),
        );
        let outcome = applying.await.unwrap_or_else(|_| Err(timed_out(&is_sent)));
        let outcome = outcome.map_err(|failed| self.database.connections.judge(&lent, failed));
        lent.settle(&outcome).await;
        outcome
    }
}

/// What came of a group.
enum Outcome {
    Known(Vec<Answer>),
    /// The database refuses, and nothing was written.
    Away(Arc<StoreError>),
    /// The database is not there, and nothing was written.
    Silent(Arc<StoreError>),
    /// The commit was sent, and what became of it is not known.
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

/// Whether it is an answer to what one of the changes says, and not to the others.
fn is_answer(failed: &Failed) -> bool {
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
    let uniques = [
        ("customer_reference", Unique::CustomerReference),
        ("customer_id", Unique::CustomerId),
        ("client_token_pkey", Unique::ClientToken),
    ];
    let found = uniques.into_iter().find(|(of, _)| violates(&failed, of));
    found.map_or_else(|| failed.into(), |(_, unique)| StoreError::Duplicate(unique))
}

/// Whether a new customer ran into a history that is there already.
fn is_numbered_again(change: &Change, failed: &Failed) -> bool {
    change.parts().expected == Expected::Absent && violates(failed, "history_pkey")
}

/// Whether a refusal is that of this unique key.
fn violates(failed: &Failed, key: &str) -> bool {
    violated(failed).is_some_and(|name| {
        // Over Citus the number of the part of the table stands behind the name.
        let number = name.strip_prefix(key).map(|rest| rest.strip_prefix('_').unwrap_or(rest));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// The same for all of them.
fn refuse(count: usize, error: &Arc<StoreError>) -> Vec<Answer> {
    let each = || Err(NotAnswering::Shared(Arc::clone(error)).into());
    std::iter::repeat_with(each).take(count).collect()
}
