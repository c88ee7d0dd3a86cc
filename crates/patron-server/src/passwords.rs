//! Where operators' passwords are hashed: on a few threads of their own, since each takes tens of milliseconds and
//! 19 MiB, and whoever serves requests has no such time.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use patron::password::{self, Busy, Password, PasswordFuture, Passwords};
use tokio::sync::oneshot;

/// How many are hashed at a time.
const THREADS: usize = 2;

/// How many wait for their turn, at most: a second's worth. Whoever comes then is told to come later.
const WAITING_MAX: usize = 64;

/// A password to hash, or to check.
type Work = Box<dyn FnOnce() + Send>;

/// The threads, which end when this is dropped and what waits is done.
pub(crate) struct PasswordThreads {
    queue: SyncSender<Work>,
}

impl PasswordThreads {
    /// Starts them.
    pub(crate) fn start() -> io::Result<Self> {
        let (queue, waiting) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..THREADS {
            let waiting = Arc::clone(&waiting);
            let name = format!("passwords-{number}");
            thread::Builder::new().name(name).spawn(move || work_on(&waiting))?;
        }
        Ok(Self { queue })
    }

    /// Does `work` on one of the threads.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (answer, answered) = oneshot::channel();
        let work = Box::new(move || {
            // Whoever asked may have left meanwhile.
            if !answer.is_closed() {
                drop(answer.send(work()));
            }
        });
        self.queue.try_send(work).map_err(|_| Busy)?;
        answered.await.map_err(|_| Busy)
    }
}

/// Does what waits, one thing after the other, until nobody can ask any more.
fn work_on(waiting: &Mutex<Receiver<Work>>) {
    loop {
        // The lock is held while one thread waits for work, and let go of before it is done.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            // Whoever asked learns of a panic by hearing nothing, and the thread goes on.
            Ok(work) => drop(catch_unwind(AssertUnwindSafe(work))),
            Err(_) => return,
        }
    }
}

impl Passwords for PasswordThreads {
    fn hash(&self, password: Password, salt: [u8; 16]) -> PasswordFuture<'_, String> {
        Box::pin(self.apart(move || password::hash(&password, salt)))
    }

    fn verify(&self, password: Password, kept: String) -> PasswordFuture<'_, bool> {
        Box::pin(self.apart(move || password::verify(&password, &kept)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use tokio::runtime::Builder;

    use super::*;

    fn password(text: &str) -> Password {
        Password::chosen(text).unwrap()
    }

    #[test]
    fn a_password_is_hashed_and_checked_elsewhere() {
        let threads = PasswordThreads::start().unwrap();
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let kept = threads.hash(password("correct horse battery"), [1; 16]).await.unwrap();
            let right = threads.verify(password("correct horse battery"), kept.clone());
            assert_eq!(right.await, Ok(true));
            let wrong = threads.verify(password("correct horse batterx"), kept);
            assert_eq!(wrong.await, Ok(false));
        });
    }

    #[test]
    fn more_than_can_wait_are_told_to_come_later() {
        let threads = PasswordThreads::start().unwrap();
        let (begun, go_on) =
            (Arc::new(Barrier::new(THREADS + 1)), Arc::new(Barrier::new(THREADS + 1)));
        for _ in 0..THREADS {
            let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
            let work: Work = Box::new(move || {
                begun.wait();
                go_on.wait();
            });
            threads.queue.try_send(work).unwrap();
        }
        begun.wait();
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut waiting: Vec<_> =
                (0..WAITING_MAX).map(|_| Box::pin(threads.apart(|| ()))).collect();
            for one in &mut waiting {
                let asked = std::future::poll_fn(|context| {
                    std::task::Poll::Ready(one.as_mut().poll(context).is_pending())
                });
                assert!(asked.await, "it waits for its turn");
            }
            assert_eq!(threads.apart(|| ()).await, Err(Busy));
            go_on.wait();
            for one in waiting {
                assert_eq!(one.await, Ok(()));
            }
            assert_eq!(threads.apart(|| 7).await, Ok(7));
        });
    }
}
