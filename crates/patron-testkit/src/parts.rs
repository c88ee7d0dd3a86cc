//! Parts of the core for tests that put it together themselves, without the program.

use std::future::ready;
use std::sync::{Mutex, PoisonError};

use patron::erasure::{ErasureLedger, LedgerEntry, LedgerFuture};
use patron::password::{self, Password, PasswordFuture, Passwords};

/// A ledger of erasures in memory.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<Vec<LedgerEntry>>);

impl MemoryLedger {
    /// What was written so far.
    pub fn entries(&self) -> Vec<LedgerEntry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ErasureLedger for MemoryLedger {
    fn note(&self, entry: LedgerEntry) -> LedgerFuture<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        Box::pin(ready(Ok(())))
    }
}

/// Passwords that are hashed where they are asked for.
#[derive(Debug, Default)]
pub struct PasswordsHere;

impl Passwords for PasswordsHere {
    fn hash(&self, password: Password, salt: [u8; 16]) -> PasswordFuture<'_, String> {
        Box::pin(ready(Ok(password::hash(&password, salt))))
    }

    fn verify(&self, password: Password, kept: String) -> PasswordFuture<'_, bool> {
        Box::pin(ready(Ok(password::verify(&password, &kept))))
    }
}
