//! The one thread that writes. Writes that wait together are committed together, so that many share
//! the cost of making a commit durable; a write that comes alone is committed at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use patron::ids::{CustomerNumber, MerchantNumber};
use patron::store::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::connections::BUSY_TIMEOUT;
use crate::errors::{
    NotAnswering, commit_certainly_failed, from_sqlite, is_refusal, log_was_not_written,
};
use crate::suspects::Suspects;
use crate::views::Views;
use crate::written::Written;
use crate::{OnFatal, OnGroup, purge, sql};

/// The most writes that are committed together: more gain nothing, and each waits longer.
const GROUP_MAX: usize = 64;

/// How many writes may wait. Whoever comes later waits to be let in.
const QUEUE_MAX: usize = 1_024;

/// For how long all writes may wait for somebody who reads. A look for a customer takes microseconds.
const READ_MAX: Duration = Duration::from_millis(50);

/// The handle to the writer's thread. Dropping it lets the thread finish what waits, and waits for it.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    epoch: Arc<AtomicU64>,
    is_stopped: Arc<AtomicBool>,
    suspects: Arc<Suspects>,
}

/// Whom the writer tells what.
pub(crate) struct Listeners {
    pub(crate) on_group: OnGroup,
    pub(crate) on_fatal: OnFatal,
}

/// What a write changes of that which may be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moves {
    Nothing,
    /// What is remembered until the management epoch grows.
    ManagementEpoch,
    /// One customer.
    Customer(MerchantNumber, CustomerNumber),
}

/// For whom something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Somebody asked for it, and is told what became of it.
    Asked,
    /// The program writes it by itself, and again later: twice is as good as once, and nobody was
    /// promised anything.
    Unasked,
}

impl Writer {
    /// Starts the thread, which owns `connection` from now on.
    pub(crate) fn start(
        connection: Connection,
        views: Arc<Views>,
        listeners: Listeners,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let is_stopped = Arc::new(AtomicBool::new(false));
        let suspects = Arc::new(Suspects::all());
        let committer = Committer {
            connection,
            written: Written::beside(views.file()),
            views,
            listeners,
            is_stopped: Arc::clone(&is_stopped),
            suspects: Arc::clone(&suspects),
        };
        let thread = thread::Builder::new()
            .name("patron-writer".to_owned())
            .spawn(move || committer.serve(waiting))?;
        let epoch = Arc::new(AtomicU64::new(0));
        Ok(Self { queue: Some(queue), thread: Some(thread), epoch, is_stopped, suspects })
    }

    /// Has `work` done in a transaction, and answers once that is durable. `work` may be done again
    /// when its transaction was rolled back because of another write.
    pub(crate) async fn write<T, F>(&self, moves: Moves, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        arrived(self.enqueue(moves, work).await?).await
    }

    /// As [`Writer::write`], for what nobody asked for, may be done twice and is tried again later. A
    /// disk that takes no writes refuses it, and does not end what goes well without writing.
    pub(crate) async fn write_unasked<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        arrived(self.enqueue_from(Origin::Unasked, Moves::Nothing, work).await?).await
    }

    /// As [`Writer::write`], but answers as soon as the write waits, with where its answer will come.
    pub(crate) async fn enqueue<T, F>(&self, moves: Moves, work: F) -> Result<Answer<T>, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.enqueue_from(Origin::Asked, moves, work).await
    }

    async fn enqueue_from<T, F>(
        &self,
        origin: Origin,
        moves: Moves,
        work: F,
    ) -> Result<Answer<T>, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let epoch = match moves {
            Moves::Nothing | Moves::Customer(..) => None,
            Moves::ManagementEpoch => Some(Arc::clone(&self.epoch)),
        };
        let customer = match moves {
            Moves::Nothing | Moves::ManagementEpoch => None,
            Moves::Customer(merchant, number) => Some((merchant, number)),
        };
        let write = Box::new(Waiting { work, done: None, reply, epoch, customer, origin });
        self.order(Order::Write(write)).await?;
        Ok(answer)
    }

    /// Overwrites the last stale copies, moves the log into the file and cuts it off.
    pub(crate) async fn finish_purge(&self) -> Result<Finish, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::FinishPurge(reply)).await?;
        arrived(answer).await
    }

    /// Pages that may have stale copies.
    pub(crate) fn suspects(&self) -> &Suspects {
        &self.suspects
    }

    async fn order(&self, order: Order) -> Result<(), StoreError> {
        let queue = self.queue.as_ref().ok_or(NotAnswering::WriterEnded)?;
        queue.send(order).await.map_err(|_| NotAnswering::WriterEnded.into())
    }

    /// A number that grew with every committed write that moves it.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether nothing is written any more: the outcome of a commit is unknown, or the thread has ended.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Without a sender the thread finds the end of its queue and returns.
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // It returns an error only if it panicked, which `Committer` has told.
            let _ = thread.join();
        }
    }
}

/// Where the answer to a write that waits will come.
pub(crate) type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;

/// The answer, once it has come.
pub(crate) async fn arrived<T>(answer: Answer<T>) -> Result<T, StoreError> {
    // The writer drops a write without an answer only when its thread ends.
    answer.await.unwrap_or_else(|_| Err(NotAnswering::WriterEnded.into()))
}

/// What the writer is asked for.
enum Order {
    Write(Box<dyn Write>),
    FinishPurge(oneshot::Sender<Result<Finish, StoreError>>),
}

/// What came of the end of a purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// Nothing stale is left.
    Purged,
    /// So much was written meanwhile that it would take long: readers look at it first.
    ManyWritten,
    /// Somebody reads what the log still holds.
    HeldUp,
}

/// A write that waits for its commit.
trait Write: Send {
    /// The customer that is changed, if it is one.
    fn customer(&self) -> Option<(MerchantNumber, CustomerNumber)>;

    /// For whom it is.
    fn origin(&self) -> Origin;

    /// Does the work in the transaction that is open. `Err` leaves the transaction in doubt; a mere
    /// refusal is `Ok`.
    fn perform(&mut self, connection: &Connection) -> Result<(), StoreError>;

    /// Tells the caller what came of it, now that it is durable.
    fn acknowledge(self: Box<Self>);

    /// Tells the caller that nothing was written.
    fn fail(self: Box<Self>, error: StoreError);
}

struct Waiting<T, F> {
    work: F,
    done: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    epoch: Option<Arc<AtomicU64>>,
    customer: Option<(MerchantNumber, CustomerNumber)>,
    origin: Origin,
}

impl<T, F> Write for Waiting<T, F>
where
    T: Send,
    F: Fn(&Connection) -> Result<T, StoreError> + Send,
{
    fn customer(&self) -> Option<(MerchantNumber, CustomerNumber)> {
        self.customer
    }

    fn origin(&self) -> Origin {
        self.origin
    }

    fn perform(&mut self, connection: &Connection) -> Result<(), StoreError> {
        match (self.work)(connection) {
            Err(error) if !is_refusal(&error) => Err(error),
            done => {
                self.done = Some(done);
                Ok(())
            }
        }
    }

    fn acknowledge(self: Box<Self>) {
        let done = self.done.unwrap_or_else(|| Err(NotAnswering::WriterEnded.into()));
        if let (Some(epoch), Ok(_)) = (&self.epoch, &done) {
            epoch.fetch_add(1, Ordering::AcqRel);
        }
        // A caller that does not wait any more has nobody to tell.
        let _ = self.reply.send(done);
    }

    fn fail(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

/// The writer's own side: what lives on its thread.
struct Committer {
    connection: Connection,
    views: Arc<Views>,
    listeners: Listeners,
    is_stopped: Arc<AtomicBool>,
    suspects: Arc<Suspects>,
    /// Dropped after the connection: see [`Written`].
    written: Written,
}

impl Drop for Committer {
    /// A writer that panics is a bug of ours; it must not look as if it were still writing.
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
        if thread::panicking() {
            (self.listeners.on_fatal)(
                "the writer of the database stopped because of a bug, so nothing more is written: \
                 start again, and report what the log says",
            );
        }
    }
}

impl Committer {
    fn serve(mut self, mut waiting: mpsc::Receiver<Order>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut group = Vec::new();
            let mut next = Some(first);
            let mut purge = None;
            while let Some(order) = next.take() {
                match order {
                    Order::Write(write) => group.push(write),
                    // It comes after what was asked for before it.
                    Order::FinishPurge(reply) => purge = Some(reply),
                }
                if group.len() < GROUP_MAX && purge.is_none() {
                    next = waiting.try_recv().ok();
                }
            }
            if !group.is_empty() {
                self.commit_group(group);
            }
            if let Some(reply) = purge {
                // A caller that does not wait any more has nobody to tell.
                let _ = reply.send(self.finish_purge());
            }
        }
        // Leaves a single file behind. What a reader holds up stays in the log, which is as safe.
        self.views.close();
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// Commits all writes together. When one of them fails unexpectedly, all are rolled back and each
    /// is run again by itself, so that only those fail that fail alone.
    fn commit_group(&mut self, mut group: Vec<Box<dyn Write>>) {
        if self.is_stopped.load(Ordering::Acquire) {
            return fail_all(group, || NotAnswering::WriterStopped.into());
        }
        match self.try_commit(&mut group) {
            Ok(()) => {
                (self.listeners.on_group)(group.len());
                group.into_iter().for_each(<dyn Write>::acknowledge);
            }
            Err(Failure::Work(error)) => match <[_; 1]>::try_from(group) {
                Ok([write]) => write.fail(error),
                Err(group) => group.into_iter().for_each(|write| self.commit_group(vec![write])),
            },
            Err(Failure::Refused(error)) => {
                let error = Arc::new(error);
                fail_all(group, || NotAnswering::CommitRefused(Arc::clone(&error)).into());
            }
            Err(Failure::Unknown(error)) => {
                self.stop(&error);
                fail_all(group, || NotAnswering::WriterStopped.into());
            }
        }
    }

    fn try_commit(&mut self, group: &mut [Box<dyn Write>]) -> Result<(), Failure> {
        let views = Arc::clone(&self.views);
        let _begun = views.begin_group(group.iter().filter_map(|write| write.customer()));
        self.run("BEGIN IMMEDIATE").map_err(Failure::Refused)?;
        let is_unasked = group.iter().all(|write| write.origin() == Origin::Unasked);
        for write in group {
            if let Err(error) = write.perform(&self.connection) {
                self.roll_back()?;
                return Err(Failure::Work(error));
            }
        }
        match self.run("COMMIT") {
            Ok(()) => {
                self.note_written();
                Ok(())
            }
            Err(error)
                if commit_certainly_failed(&error)
                    || (is_unasked && log_was_not_written(&error)) =>
            {
                self.roll_back()?;
                Err(Failure::Refused(error))
            }
            Err(error) => Err(Failure::Unknown(error)),
        }
    }

    /// Notes which pages the commit has written.
    fn note_written(&mut self) {
        match self.written.read() {
            Ok(pages) => self.suspects.add(&pages),
            Err(_) => self.suspects.add_all(),
        }
    }

    /// Nothing is written between the last look at a page and the end of the log.
    fn finish_purge(&mut self) -> Result<Finish, StoreError> {
        let suspects = Arc::clone(&self.suspects);
        let place = ("(database file)", "page_count");
        let count = sql::number(&self.connection, "PRAGMA page_count", [], place)?;
        let mut taken = suspects.take(u32::try_from(count).unwrap_or(u32::MAX));
        if taken.len() > purge::LAST {
            return Ok(Finish::ManyWritten);
        }
        let pages = taken.some(purge::LAST);
        self.overwrite(pages.clone())?;
        taken.clear(&pages);
        self.cut_log_off()
    }

    /// Overwrites what means nothing on these pages, in a commit of its own.
    fn overwrite(&mut self, pages: Vec<u32>) -> Result<(), StoreError> {
        let (reply, mut answer) = oneshot::channel();
        let work = move |connection: &Connection| purge::overwrite(connection, &pages);
        let origin = Origin::Unasked;
        let write = Waiting { work, done: None, reply, epoch: None, customer: None, origin };
        self.commit_group(vec![Box::new(write)]);
        answer.try_recv().unwrap_or_else(|_| Err(NotAnswering::WriterEnded.into()))
    }

    /// Moves the log into the file and cuts it off. Whoever reads for longer than [`READ_MAX`] holds it up.
    fn cut_log_off(&self) -> Result<Finish, StoreError> {
        // Begun, so that no reader keeps its snapshot when it has read.
        let _begun = self.views.begin_group([]);
        self.connection.busy_timeout(READ_MAX).map_err(from_sqlite)?;
        let is_busy = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        self.connection.busy_timeout(BUSY_TIMEOUT).map_err(from_sqlite)?;
        Ok(if is_busy.map_err(from_sqlite)? { Finish::HeldUp } else { Finish::Purged })
    }

    /// Takes the open transaction back, unless SQLite has done so by itself.
    fn roll_back(&self) -> Result<(), Failure> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.run("ROLLBACK").map_err(Failure::Unknown)
    }

    fn run(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    /// From here on nothing is known of what the next start will find, so nothing more is promised.
    fn stop(&self, error: &rusqlite::Error) {
        self.is_stopped.store(true, Ordering::Release);
        (self.listeners.on_fatal)(&format!(
            "the database did not confirm a commit, so nothing of it was acknowledged and nothing \
             more is written: {error}; check the disk, then start again"
        ));
    }
}

/// Why a group was not committed.
enum Failure {
    /// A write failed; the transaction was rolled back.
    Work(StoreError),
    /// The transaction could not begin, or its commit was refused and rolled back.
    Refused(rusqlite::Error),
    /// Whether the transaction is committed is not known.
    Unknown(rusqlite::Error),
}

fn fail_all(group: Vec<Box<dyn Write>>, error: impl Fn() -> StoreError) {
    group.into_iter().for_each(|write| write.fail(error()));
}

#[cfg(test)]
mod tests;
