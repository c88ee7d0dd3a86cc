//! Purging: the bytes of what was erased go from the file and its log.
//!
//! SQLite overwrites what is deleted. What is left are copies that lie where pages were put in another order before
//! (`page.rs`), and what the log still holds. So every page that may have such a copy is looked at by readers, a few at a
//! time; those that have one are overwritten by the writer, a few in a commit; and when hardly any are left, the writer
//! does the last ones, and moves the log into the file and cuts it off, before anything else is written.

use std::future::poll_fn;
use std::task::Poll;

use patron::erasure::Purged;
use patron::store::StoreError;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::errors::from_sqlite;
use crate::page::{Look, look};
use crate::writer::Finish;
use crate::{SqliteStore, sql};

/// How many pages are looked at in one read: it takes less than half a millisecond, for which whoever shares the
/// caller's thread waits.
const LOOKED_AT: usize = 64;

/// How many pages are overwritten in one commit.
const OVERWRITTEN: usize = 32;

/// How many pages the writer looks at itself before it cuts off the log.
pub(crate) const LAST: usize = 256;

/// How often the pages that were written meanwhile are looked at. Looking is faster than writing, so that there are
/// fewer each time.
const ROUNDS: u32 = 32;

/// Sees to it that no trace is left of what was erased before.
pub(crate) async fn purge(store: &SqliteStore) -> Result<Purged, StoreError> {
    // What one call has taken to look at, another takes for clean.
    let _alone = store.purging.lock().await;
    for _ in 0..ROUNDS {
        look_through(store).await?;
        match store.writer.finish_purge().await? {
            Finish::Purged => return Ok(Purged::Done),
            Finish::HeldUp => return Ok(Purged::HeldUp),
            Finish::ManyWritten => {}
        }
    }
    // Whoever comes later finds less to do.
    Ok(Purged::HeldUp)
}

/// Looks at all suspects once, and has those overwritten that need it.
async fn look_through(store: &SqliteStore) -> Result<(), StoreError> {
    let size = store.views.read(PageSize::of)?;
    let mut taken = store.writer.suspects().take(size.count);
    loop {
        let pages = taken.some(LOOKED_AT);
        if pages.is_empty() {
            return Ok(());
        }
        let unclean = store.views.read(|connection| {
            let mut unclean = Vec::new();
            for page in &pages {
                if overwritten(connection, *page, &size)?.is_some() {
                    unclean.push(*page);
                }
            }
            Ok(unclean)
        })?;
        for part in unclean.chunks(OVERWRITTEN) {
            let part = part.to_vec();
            let work = move |connection: &Connection| overwrite(connection, &part);
            store.writer.write_unasked(work).await?;
        }
        taken.clear(&pages);
        others_go_first().await;
    }
}

/// Lets others have the thread for a moment.
async fn others_go_first() {
    let mut is_first = true;
    poll_fn(|context| {
        if std::mem::take(&mut is_first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// In a file with more pages than this (137 GB), one that holds the rest of a long row may begin like one of a tree.
const AMBIGUOUS: u32 = 0x01ff_ffff;

/// How the file is divided.
struct PageSize {
    /// How many pages there are.
    count: u32,
    /// How many bytes of each SQLite uses.
    usable: usize,
}

impl PageSize {
    fn of(connection: &Connection) -> Result<Self, StoreError> {
        let place = ("(database file)", "page_count");
        let count = sql::number(connection, "PRAGMA page_count", [], place)?;
        let size = sql::number(connection, "PRAGMA page_size", [], place)?;
        // Byte 20 of the file: how many bytes at the end of each page are somebody else's.
        let reserved =
            sql::find(connection, "SELECT data FROM sqlite_dbpage WHERE pgno = 1", [], |row| {
                Ok(bytes(row.get_ref(0).map_err(from_sqlite)?).get(20).copied().unwrap_or(0))
            })?;
        let usable = size.saturating_sub(reserved.unwrap_or(0).into());
        let corrupt = || StoreError::Corrupt { table: "(database file)", column: "page_count" };
        Ok(Self {
            count: u32::try_from(count).map_err(|_| corrupt())?,
            usable: usize::try_from(usable).map_err(|_| corrupt())?,
        })
    }
}

/// Overwrites what means nothing on these pages, in the transaction that is open.
pub(crate) fn overwrite(connection: &Connection, pages: &[u32]) -> Result<(), StoreError> {
    let size = PageSize::of(connection)?;
    for page in pages {
        if let Some(data) = overwritten(connection, *page, &size)? {
            let update = "UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1";
            sql::execute(connection, update, (page, data))?;
        }
    }
    Ok(())
}

/// A page as it is with everything overwritten that means nothing, unless it is so already.
fn overwritten(
    connection: &Connection,
    page: u32,
    size: &PageSize,
) -> Result<Option<Vec<u8>>, StoreError> {
    let looked =
        sql::find(connection, "SELECT data FROM sqlite_dbpage WHERE pgno = ?1", [page], |row| {
            Ok(look(page, bytes(row.get_ref(0).map_err(from_sqlite)?), size.usable))
        })?;
    match looked {
        // The file has become shorter.
        None => Ok(None),
        Some(Look::NoTree | Look::Clean) => Ok(None),
        Some(Look::Unclean(data)) => Ok(Some(data)),
        // The rest of a long row, which begins with the number of a page that is that high.
        Some(Look::Unsound) if size.count > AMBIGUOUS => Ok(None),
        Some(Look::Unsound) => {
            Err(StoreError::Corrupt { table: "(database file)", column: "(page)" })
        }
    }
}

const fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Blob(bytes) => bytes,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => &[],
    }
}

/// Whether SQLite was built with the table that shows pages.
pub(crate) fn is_possible(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare("SELECT 1 FROM pragma_module_list WHERE name = 'sqlite_dbpage'")?.exists([])
}
