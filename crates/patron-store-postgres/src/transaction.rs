//! Running transactions and questions: on a connection that is lent, within limits of time, again where that
//! may help and cannot hurt.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use patron::store::StoreError;
use tokio::time::{sleep, timeout};

use crate::connections::{Connections, Isolation, Lent};
use crate::errors::{Doubt, Failed};
use crate::limits::Limits;

/// How often something is done that others, or lost connections, came in the way of: more often than a
/// process has connections that a server's end can have broken.
pub(crate) const TRIES_MAX: u32 = 24;

/// How often something is done again that may have been done.
const DOUBTS_MAX: u32 = 3;

/// The waits between two attempts to find out what became of a commit.
const PAUSE_MIN: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Longer than any migration takes.
const LONG: Duration = Duration::from_secs(7 * 86_400);

/// A connection, for as long as something is done with it.
pub(crate) type Held = Arc<Lent>;

/// The database as questions and transactions see it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) connections: Connections,
    pub(crate) limits: Limits,
}

impl Database {
    /// The same, for what takes as long as it takes.
    pub(crate) fn patient(&self) -> Self {
        self.within(LONG)
    }

    /// The same, where what is asked or done has so much time.
    pub(crate) fn within(&self, answer_time_max: Duration) -> Self {
        let limits = Limits { answer_time_max, ..self.limits };
        Self { connections: self.connections.clone(), limits }
    }

    /// The answer to a question that changes nothing: asked again when its connection was lost.
    pub(crate) async fn ask<T, F>(&self, question: impl Fn(Held) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        self.ask_within(self.limits.answer_time_max, question).await
    }

    /// The same, when each connection is given up that has not answered in this time.
    pub(crate) async fn ask_within<T, F>(
        &self,
        time_max: Duration,
        question: impl Fn(Held) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let mut tries = 0_u32;
        loop {
            let failed = match self.ask_once_within(time_max, &question).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            tries = tries.saturating_add(1);
            if tries >= TRIES_MAX || !failed.is_passing() {
                return Err(failed.into());
            }
        }
    }

    /// The answer to a question that changes nothing, asked once.
    pub(crate) async fn ask_once<T, F>(&self, question: impl Fn(Held) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        self.ask_once_within(self.limits.answer_time_max, question).await
    }

    /// The same, when the connection is given up if it has not answered in this time.
    pub(crate) async fn ask_once_within<T, F>(
        &self,
        time_max: Duration,
        question: impl Fn(Held) -> F,
    ) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let held = Arc::new(self.connections.lend().await?);
        let asked = timeout(time_max, question(Arc::clone(&held))).await;
        let answer = asked.unwrap_or(Err(Failed::TimedOut));
        if let Err(Failed::TimedOut) = &answer {
            self.connections.suspect();
        }
        match &answer {
            Err(failed) if failed.spoils_connection() || failed.is_aftermath() => held.spoil(),
            Ok(_) | Err(_) => held.done(),
        }
        answer
    }

    /// The answer to questions that must all see one moment.
    pub(crate) async fn ask_snapshot<T, F>(
        &self,
        questions: impl Fn(Held) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let questions = &questions;
        self.ask(|held| async move {
            let answer = match held.begin(Isolation::Snapshot).await {
                Ok(()) => questions(Arc::clone(&held)).await,
                Err(failed) => Err(failed),
            };
            // Nothing is written, so either end will do; one that fails spoils the connection.
            held.roll_back().await;
            answer
        })
        .await
    }

    /// Does `work` in a transaction, once. A refusal takes it back.
    pub(crate) async fn write_once<T, F>(&self, work: impl Fn(Held) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let held = Arc::new(self.connections.lend().await?);
        let is_sent = AtomicBool::new(false);
        let attempt = async {
            held.begin(Isolation::Committed).await?;
            let done = work(Arc::clone(&held)).await?;
            is_sent.store(true, Ordering::Relaxed);
            held.commit().await?;
            Ok(done)
        };
        let outcome = timeout(self.limits.answer_time_max, attempt).await;
        let outcome = outcome.unwrap_or_else(|_| Err(timed_out(&is_sent)));
        let outcome = outcome.map_err(|failed| self.connections.judge(&held, failed));
        held.settle(&outcome).await;
        outcome
    }

    /// Does `work` in a transaction, and again when others came in its way before it was committed. What is
    /// not known to have failed is not repeated.
    pub(crate) async fn write<T, F>(&self, work: impl Fn(Held) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let mut tries = 0_u32;
        loop {
            let failed = match self.write_once(&work).await {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            tries = tries.saturating_add(1);
            if tries >= TRIES_MAX || !failed.is_passing() {
                return Err(failed);
            }
        }
    }
}

impl Database {
    /// Does work that may be done twice: as [`Database::write`], and again when it is not known whether it was done.
    pub(crate) async fn write_again<T, F>(&self, work: impl Fn(Held) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let mut doubts = 0_u32;
        loop {
            match self.write(&work).await {
                Err(Failed::Unknown(_)) if doubts < DOUBTS_MAX => {
                    doubts = doubts.saturating_add(1);
                }
                outcome => return outcome,
            }
        }
    }
}

impl Database {
    /// Attempts to write, and again until the outcome is known or the time is up. Each attempt is told what is not
    /// known of those before it, and finds out for itself whether one of them was done.
    pub(crate) async fn until_known<T, F>(
        &self,
        attempt: impl Fn(Option<Doubt>) -> F,
    ) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let (mut pause, mut waited) = (PAUSE_MIN, Duration::ZERO);
        let mut doubt = None;
        while waited <= self.limits.wait_max {
            match attempt(doubt).await {
                Ok(done) => return Ok(done),
                Err(Failed::Unknown(still)) => doubt = Some(still),
                // The store's own answer, or one to a change that was never in doubt.
                Err(failed @ Failed::Refused(_)) => return Err(failed),
                Err(failed) if doubt.is_none() => return Err(failed),
                Err(_) => {}
            }
            sleep(pause).await;
            waited = waited.saturating_add(pause);
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
        Err(Failed::Unknown(doubt.unwrap_or(Doubt::TimedOut)))
    }
}

/// What it means that a transaction took too long.
pub(crate) fn timed_out(is_sent: &AtomicBool) -> Failed {
    if is_sent.load(Ordering::Relaxed) {
        Failed::Unknown(Doubt::TimedOut)
    } else {
        Failed::TimedOut
    }
}

/// A step of several that are sent together.
pub(crate) type Step<'c, T> = Pin<Box<dyn Future<Output = Result<T, Failed>> + Send + 'c>>;

/// Polls steps in their order, until each is ready: their requests go out one behind the other, and nobody
/// waits for an answer before the last is sent.
pub(crate) async fn in_order<T>(mut steps: Vec<Step<'_, T>>) -> Vec<Result<T, Failed>> {
    let mut answers = Vec::new();
    answers.resize_with(steps.len(), || None);
    poll_fn(|context| {
        let mut is_done = true;
        for (step, answer) in steps.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match step.as_mut().poll(context) {
                    Poll::Ready(ready) => *answer = Some(ready),
                    Poll::Pending => is_done = false,
                }
            }
        }
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}
