//! What a lookup and a creation come to in SQL, for whoever measures what the database makes of them by itself.

use crate::apply::{COUNT, CREATE, PUT_ENTRIES, PUT_KEYS};
use crate::connections::Isolation;
use crate::outbox::PUT_EVENTS;
use crate::reads::FIND_BY_REFERENCE;
use crate::settings::PLANNING;

/// The options with which each session is started.
pub const SESSION: &str = PLANNING;

/// Looks customers up by their references: `$1` is the merchant, `$2` a list of references.
pub fn lookup() -> &'static str {
    &FIND_BY_REFERENCE.sql
}

/// The statements of a transaction that creates so many customers of one merchant, a power of two. Each holds the
/// values of one row after those of the other, in the order of the columns that it names; the last but one counts
/// and has one row.
pub fn creation(rows: usize) -> Vec<&'static str> {
    let many = [&CREATE, &PUT_KEYS, &PUT_ENTRIES, &PUT_EVENTS].map(|of| of.for_up_to(rows));
    let statements = many.into_iter().chain([COUNT.for_up_to(1)]).flatten();
    let mut transaction = vec![Isolation::Committed.begin()];
    transaction.extend(statements.map(|(statement, _)| &*statement.sql));
    transaction.push("COMMIT");
    transaction
}
