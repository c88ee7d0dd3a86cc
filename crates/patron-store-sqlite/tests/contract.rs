//! The store's contract, on SQLite.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use patron::clock::Timestamp;
use patron::store::Store;
use patron_store_sqlite::{Options, SqliteStore};
use patron_testkit::store_contract::Place;

mod with_a_memory {
    patron_testkit::store_contract!(super::run_remembering);
}

mod without_a_memory {
    patron_testkit::store_contract!(super::run_forgetting);
}

/// A data directory, and how many bytes of customers its store remembers.
struct Directory(PathBuf, u64);

impl Place for Directory {
    fn open(&self) -> Arc<dyn Store> {
        let options = Options {
            now: Timestamp::from_ms(1),
            recent_bytes_max: self.1,
            log_pages_due: 8_000,
            on_group: Arc::new(|_| {}),
            on_fatal: Arc::new(|reason| panic!("{reason}")),
        };
        Arc::new(SqliteStore::open(&self.0, options).unwrap())
    }

    /// Without a runtime, since the store needs none.
    fn run(&self, future: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(future);
        while future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
            thread::park();
        }
    }
}

fn run_remembering(check: fn(&dyn Place)) {
    run(check, 1 << 20);
}

fn run_forgetting(check: fn(&dyn Place)) {
    run(check, 0);
}

fn run(check: fn(&dyn Place), recent_bytes_max: u64) {
    let directory = tempfile::tempdir().unwrap();
    check(&Directory(directory.path().join("data"), recent_bytes_max));
}
