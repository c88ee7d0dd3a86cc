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

patron_testkit::store_contract!(run);

/// A data directory.
struct Directory(PathBuf);

impl Place for Directory {
    fn open(&self) -> Arc<dyn Store> {
        let options = Options {
            now: Timestamp::from_ms(1),
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

fn run(check: fn(&dyn Place)) {
    let directory = tempfile::tempdir().unwrap();
    check(&Directory(directory.path().join("data")));
}
