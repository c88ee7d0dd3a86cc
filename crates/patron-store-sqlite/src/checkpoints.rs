//! Moving the write-ahead log into the database file, beside the writer instead of in its way.
//!
//! A checkpoint of a long log takes tens of milliseconds, and whatever is to be committed meanwhile
//! would wait for it. So a thread of its own moves what is in the log while the writer goes on
//! writing, then what was written during that, and so on, until little is left. The writer moves that
//! little between two groups; then nothing is in the log that is not in the file, and the log starts
//! anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use crate::connections;

/// Pages in the log before they are moved. Indexes are hit at random, so the longer the log, the more
/// often one page in it is moved once for many changes. 8,000 pages are 32 MiB. Measured with 64
/// callers and 100,000 customers: 6,200 creates a second at SQLite's own 1,000 pages, 10,800 at
/// 4,000, 11,900 at 16,000.
const PAGES_DUE: u32 = 8_000;

/// So few pages are moved by the writer itself: a millisecond or two.
const PAGES_FEW: u32 = 256;

/// So many pages are moved by the writer whatever it costs: the disk is too slow for the thread to
/// get ahead, and the log must not grow without end. 256 MiB.
const PAGES_MAX: u32 = 65_536;

/// How often the thread begins again with what was written meanwhile.
const PASSES_MAX: u32 = 16;

/// The checkpoints of one writer.
pub(crate) struct Checkpoints {
    log: Arc<Log>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the writer and the thread know of the log.
#[derive(Default)]
struct Log {
    /// Pages in it after the last commit.
    pages: AtomicU32,
    /// Whether so little is left that the writer is to move it.
    is_nearly_moved: AtomicBool,
}

impl Checkpoints {
    /// Takes over the checkpoints of `writer`, whose file this is.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn of(writer: &mut Connection, file: PathBuf) -> std::io::Result<Self> {
        let log = Arc::new(Log::default());
        let seen = Arc::clone(&log);
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.pages.store(u32::try_from(pages).unwrap_or(0), Ordering::Release);
            Ok(())
        };
        // In the place of SQLite's own hook, which is what moves the log otherwise.
        writer.wal_hook(Some(hook)).map_err(std::io::Error::other)?;
        let (wake, woken) = sync_channel(1);
        let of_thread = Arc::clone(&log);
        let thread = thread::Builder::new()
            .name("patron-checkpoints".to_owned())
            .spawn(move || of_thread.move_when_woken(&file, &woken))?;
        Ok(Self { log, wake: Some(wake), thread: Some(thread) })
    }

    /// To be called by the writer between two groups.
    ///
    /// A checkpoint that fails loses nothing, since all is in the log; the next one begins again.
    pub(crate) fn between_groups(&self, writer: &Connection) {
        let pages = self.log.pages.load(Ordering::Acquire);
        if self.log.is_nearly_moved.swap(false, Ordering::AcqRel) || pages >= PAGES_MAX {
            let _ = checkpoint(writer);
        } else if pages >= PAGES_DUE
            && let Some(wake) = &self.wake
        {
            // When it is awake already, it finds these pages too.
            let _ = wake.try_send(());
        }
    }

    /// Ends the thread, after the checkpoint that it is at.
    pub(crate) fn end(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // It returns an error only if it panicked: then there are no checkpoints, and no harm.
            let _ = thread.join();
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.end();
    }
}

/// Moves what no reader still needs, without waiting for anybody: pages in the log, and pages moved.
fn checkpoint(connection: &Connection) -> rusqlite::Result<(i32, i32)> {
    connection.wal_checkpoint_v2(Some("main"), CheckpointMode::PASSIVE)
}

impl Log {
    fn move_when_woken(&self, file: &Path, woken: &Receiver<()>) {
        let mut connection = None;
        while woken.recv().is_ok() {
            if connection.is_none() {
                connection = connections::open_checkpointer(file).ok();
            }
            if let Some(connection) = &connection {
                self.move_most(connection);
            }
        }
    }

    fn move_most(&self, connection: &Connection) {
        for _ in 0..PASSES_MAX {
            let Ok((_, moved)) = checkpoint(connection) else { return };
            let left = i64::from(self.pages.load(Ordering::Acquire)) - i64::from(moved);
            if left <= i64::from(PAGES_FEW) {
                self.is_nearly_moved.store(true, Ordering::Release);
                return;
            }
        }
    }
}
