//! What is seen of the file without asking the writer: snapshots of readers, and customers that were
//! read lately. The writer says here when the file is about to change, and when it has.
//!
//! This process owns the file and has one writer, so that this is all that there is to know. Every
//! read sees what was acknowledged before it began, and never less than what another read has seen:
//!
//! 1. Before a group changes anything, it is begun, the customers in it are forgotten, and idle
//!    readers let go of their snapshots. From then on reads take a new snapshot of the file, where the
//!    commit is one moment for all of them.
//! 2. Once the outcome is certain, the group is finished.
//! 3. A snapshot is used again only while no group has been begun since it was taken, and a customer
//!    is remembered only if no group has touched it since.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use patron::ids::{CustomerNumber, MerchantNumber};
use patron::seal::SealedCustomer;
use patron::store::{StoreError, UniqueKey};
use rusqlite::Connection;

use crate::connections::Readers;
use crate::groups::{GroupNumber, Groups};
use crate::read;
use crate::recent::Recent;

/// What is seen of the file.
pub(crate) struct Views {
    groups: Groups,
    recent: Recent,
    readers: Readers,
}

impl Views {
    /// Of this file; about `recent_bytes_max` bytes of customers are remembered.
    pub(crate) fn new(file: PathBuf, recent_bytes_max: u64) -> Self {
        Self {
            groups: Groups::default(),
            recent: Recent::new(recent_bytes_max),
            readers: Readers::new(file),
        }
    }

    pub(crate) fn file(&self) -> &Path {
        self.readers.file()
    }

    /// Opens the first reader, so that reading does not depend on files that can be opened later.
    pub(crate) fn open_first(&self) -> rusqlite::Result<()> {
        self.readers.open_first()
    }

    /// Reads in one moment.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.readers.read(&self.groups, read)
    }

    /// The customer with this name, remembered or read.
    pub(crate) fn find_customer(
        &self,
        merchant: MerchantNumber,
        key: UniqueKey,
    ) -> Result<Option<Arc<SealedCustomer>>, StoreError> {
        if let Some(customer) = self.recent.find(merchant, &key) {
            return Ok(Some(customer));
        }
        let before = self.groups.finished();
        let found = self.read(|connection| read::find_customer(connection, merchant, &key))?;
        let found = found.map(Arc::new);
        if let Some(customer) = &found {
            self.recent.remember(before, key, customer);
        }
        Ok(found)
    }

    /// Begins a group that changes these customers.
    pub(crate) fn begin_group(
        &self,
        customers: impl IntoIterator<Item = (MerchantNumber, CustomerNumber)>,
    ) -> BegunGroup<'_> {
        let number = self.groups.begin();
        for customer in customers {
            self.recent.forget(number, customer);
        }
        self.readers.let_go();
        BegunGroup { groups: &self.groups, number }
    }

    /// Closes the readers that are idle, so that nothing holds up the end of the log.
    pub(crate) fn close(&self) {
        self.readers.close();
    }
}

/// A group that is being committed. Dropped once its outcome is certain.
pub(crate) struct BegunGroup<'a> {
    groups: &'a Groups,
    number: GroupNumber,
}

impl Drop for BegunGroup<'_> {
    fn drop(&mut self) {
        self.groups.finish(self.number);
    }
}
