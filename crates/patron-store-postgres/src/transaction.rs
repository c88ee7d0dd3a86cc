//! Running transactions and questions: on a connection that is lent, within limits of time, again where that
//! may help and cannot hurt.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use patron::store::StoreError;
use tokio::time::timeout;

use crate::connections::{Connection, Connections, Isolation};
use crate::errors::{Doubt, Failed};
use crate::settings::Limits;

/// What is done with a connection, for as long as it is lent.
pub(crate) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, Failed>> + Send + 'c>>;

/// How often something is done that others, or lost connections, came in the way of: more often than a
/// process has connections that a server's end can have broken.
pub(crate) const TRIES_MAX: u32 = 24;

/// The database as transactions see it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) connections: Connections,
    pub(crate) limits: Limits,
}

impl Database {
    /// The answer to a question that changes nothing: asked again when its connection was lost.
    pub(crate) async fn ask<T>(
        &self,
        question: impl for<'c> Fn(&'c Connection) -> Work<'c, T>,
    ) -> Result<T, StoreError> {
        let mut tries = 0_u32;
        loop {
            let failed = match self.try_ask(&question).await {
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
    pub(crate) async fn ask_once<T>(
        &self,
        question: impl for<'c> Fn(&'c Connection) -> Work<'c, T>,
    ) -> Result<T, Failed> {
        self.try_ask(&question).await
    }

    async fn try_ask<T>(
        &self,
        question: &impl for<'c> Fn(&'c Connection) -> Work<'c, T>,
    ) -> Result<T, Failed> {
        let lent = self.connections.lend().await?;
        let asked = timeout(self.limits.answer_time_max(), question(&lent)).await;
        let answer = asked.unwrap_or(Err(Failed::TimedOut));
        if let Err(failed) = &answer
            && failed.spoils_connection()
        {
            lent.spoil();
        }
        answer
    }

    /// The answer to questions that must all see one moment.
    pub(crate) async fn ask_snapshot<T: Send>(
        &self,
        questions: impl for<'c> Fn(&'c Connection) -> Work<'c, T> + Sync,
    ) -> Result<T, StoreError> {
        let questions = &questions;
        self.ask(|connection| {
            Box::pin(async move {
                connection.begin(Isolation::Snapshot).await?;
                let answer = questions(connection).await;
                match &answer {
                    Ok(_) => connection.run("COMMIT").await?,
                    Err(_) => connection.roll_back().await,
                }
                answer
            })
        })
        .await
    }

    /// Does `work` in a transaction, once. A refusal takes it back.
    pub(crate) async fn try_write<T>(
        &self,
        work: impl for<'c> FnOnce(&'c Connection) -> Work<'c, T>,
    ) -> Result<T, Failed> {
        let lent = self.connections.lend().await?;
        let connection: &Connection = &lent;
        let is_sent = AtomicBool::new(false);
        let attempt = async {
            connection.begin(Isolation::Committed).await?;
            match work(connection).await {
                Ok(done) => {
                    is_sent.store(true, Ordering::Relaxed);
                    connection.commit().await?;
                    Ok(done)
                }
                Err(failed) => {
                    if !failed.spoils_connection() {
                        connection.roll_back().await;
                    }
                    Err(failed)
                }
            }
        };
        let outcome = timeout(self.limits.answer_time_max(), attempt).await.unwrap_or_else(|_| {
            Err(if is_sent.load(Ordering::Relaxed) {
                Failed::Unknown(Doubt::TimedOut)
            } else {
                Failed::TimedOut
            })
        });
        if let Err(failed) = &outcome
            && failed.spoils_connection()
        {
            lent.spoil();
        }
        outcome
    }

    /// Does `work` in a transaction, and again when others came in its way before it was committed. What is
    /// not known to have failed is not repeated.
    pub(crate) async fn write<T>(
        &self,
        work: impl for<'c> Fn(&'c Connection) -> Work<'c, T>,
    ) -> Result<T, Failed> {
        let mut tries = 0_u32;
        loop {
            let failed = match self.try_write(&work).await {
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

/// Polls futures in their order, each until it is ready: their requests go out one behind the other, and
/// nobody waits for an answer before the last is sent.
pub(crate) async fn in_order<T>(mut waiting: Vec<Work<'_, T>>) -> Vec<Result<T, Failed>> {
    let mut answers: Vec<Option<Result<T, Failed>>> = Vec::new();
    answers.resize_with(waiting.len(), || None);
    std::future::poll_fn(|context| {
        let mut is_done = true;
        for (future, answer) in waiting.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(ready) => *answer = Some(ready),
                    std::task::Poll::Pending => is_done = false,
                }
            }
        }
        if is_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}
