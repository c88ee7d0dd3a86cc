//! Whether a walk that found less than it could take came to its end, or was led astray by a damaged index.
//!
//! As in `second_look.rs`: a search ends beside what has misled it. So whatever stands beside the place where the walk
//! has ended must be what its own row says, and the last customer that was found must stand there.

use patron::blind_index::BlindIndex;
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::seal::SealedCustomer;
use patron::store::StoreError;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, ToSql};

use super::{Place, Search, Terms, Walked};
use crate::rows::Columns;
use crate::{read, sql};

/// What an index is ordered by, behind the merchant and before the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Term {
    /// Nothing.
    None,
    /// A blind index.
    Index(BlindIndex),
    /// A status or a verification.
    Code(u8),
}

impl ToSql for Term {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::None => ValueRef::Integer(0),
            Self::Index(index) => ValueRef::Blob(index),
            Self::Code(code) => ValueRef::Integer((*code).into()),
        }))
    }
}

/// An entry of the index that was walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    merchant: i64,
    term: Term,
    place: Place,
}

/// The statements that look beside a place. Each is a seek and takes what stands there.
pub(super) struct Beside {
    /// The entries at the place and after it.
    pub(super) after: &'static str,
    /// The ones before.
    pub(super) before: &'static str,
    /// The last entry of all.
    pub(super) last: &'static str,
    /// The first entry of all.
    pub(super) first: &'static str,
    /// The same beyond the merchant's own: the entry of whomsoever after the place, and before it, and whosever entries
    /// are the last and the first of the index.
    pub(super) after_any: &'static str,
    pub(super) before_any: &'static str,
    pub(super) last_of_any: &'static str,
    pub(super) first_of_any: &'static str,
}

/// Parameters: 1 merchant, 2 term, 3 and 4 place.
macro_rules! beside {
    ($index:literal) => {
        beside!("0", $index, "created_ms, number", "?3, ?4", "", "")
    };
    ($index:literal, $term:literal, $is_in:literal) => {
        beside!(
            $term,
            concat!($index, $is_in),
            concat!($term, ", created_ms, number"),
            "?2, ?3, ?4",
            concat!($term, " ASC, "),
            concat!($term, " DESC, ")
        )
    };
    ($term:expr, $index:expr, $order:expr, $place:expr, $up:expr, $down:expr) => {
        Beside {
            after: concat!(
                seek!($term, $index),
                " AND (",
                $order,
                ") >= (",
                $place,
                ") ORDER BY ",
                $up,
                "created_ms ASC, number ASC LIMIT 2"
            ),
            before: concat!(
                seek!($term, $index),
                " AND (",
                $order,
                ") < (",
                $place,
                ") ORDER BY ",
                $down,
                "created_ms DESC, number DESC LIMIT 2"
            ),
            last: concat!(
                seek!($term, $index),
                " ORDER BY ",
                $down,
                "created_ms DESC, number DESC LIMIT 1"
            ),
            first: concat!(
                seek!($term, $index),
                " ORDER BY ",
                $up,
                "created_ms ASC, number ASC LIMIT 1"
            ),
            after_any: concat!(
                seek_any!($term, $index),
                " AND (merchant, ",
                $order,
                ") >= (?1, ",
                $place,
                ") ORDER BY merchant ASC, ",
                $up,
                "created_ms ASC, number ASC LIMIT 1"
            ),
            before_any: concat!(
                seek_any!($term, $index),
                " AND (merchant, ",
                $order,
                ") < (?1, ",
                $place,
                ") ORDER BY merchant DESC, ",
                $down,
                "created_ms DESC, number DESC LIMIT 1"
            ),
            last_of_any: concat!(
                seek_any!($term, $index),
                " ORDER BY merchant DESC, ",
                $down,
                "created_ms DESC, number DESC LIMIT 1"
            ),
            first_of_any: concat!(
                seek_any!($term, $index),
                " ORDER BY merchant ASC, ",
                $up,
                "created_ms ASC, number ASC LIMIT 1"
            ),
        }
    };
}

/// `$index` goes on with what makes an entry stand in that index.
macro_rules! seek {
    ($term:expr, $index:expr) => {
        concat!(seek_any!($term, $index), " AND merchant = ?1")
    };
}

/// The same, whose ever.
macro_rules! seek_any {
    ($term:expr, $index:expr) => {
        concat!(
            "SELECT merchant, ",
            $term,
            ", created_ms, number FROM customer INDEXED BY ",
            $index,
            " AND deleted_ms IS NULL"
        )
    };
}

const LIST: Beside = beside!("customer_list WHERE TRUE");
const REFERENCE: Beside =
    beside!("customer_by_reference", "reference_search", " WHERE reference_search IS NOT NULL");
const EMAIL: Beside =
    beside!("customer_by_email", "email_search", " WHERE email_search IS NOT NULL");
const PHONE: Beside =
    beside!("customer_by_phone", "phone_search", " WHERE phone_search IS NOT NULL");
const NAME: Beside = beside!("customer_by_name", "name_search", " WHERE name_search IS NOT NULL");
const STATUS: Beside = beside!("customer_by_status", "status", " WHERE status <> 0");
const VERIFICATION: Beside =
    beside!("customer_by_verification", "verification", " WHERE verification <> 0");

impl Walked {
    pub(super) const fn beside(self) -> &'static Beside {
        match self {
            Self::List => &LIST,
            Self::Reference => &REFERENCE,
            Self::Email => &EMAIL,
            Self::Phone => &PHONE,
            Self::Name => &NAME,
            Self::Status => &STATUS,
            Self::Verification => &VERIFICATION,
        }
    }

    /// What of the terms this index is ordered by.
    fn term_of(self, terms: &Terms<'_>) -> Option<Term> {
        let index = |index: Option<&BlindIndex>| index.copied().map(Term::Index);
        match self {
            Self::List => Some(Term::None),
            Self::Reference => index(terms.reference),
            Self::Email => index(terms.email),
            Self::Phone => index(terms.phone),
            Self::Name => index(terms.name),
            Self::Status => terms.status.map(Term::Code),
            Self::Verification => terms.verification.map(Term::Code),
        }
    }

    /// The same of a customer's own row.
    fn own_term(self, row: &SealedCustomer) -> Option<Term> {
        match self {
            Self::List => Some(Term::None),
            Self::Reference => row.indexes.reference_search.map(Term::Index),
            Self::Email => row.indexes.email_search.map(Term::Index),
            Self::Phone => row.indexes.phone_search.map(Term::Index),
            Self::Name => row.indexes.name_search.map(Term::Index),
            Self::Status => Some(Term::Code(row.status)),
            Self::Verification => Some(Term::Code(row.verification)),
        }
    }

    /// Reads what [`Beside`] selects.
    fn read_entry(self, row: &Row<'_>) -> Result<Entry, StoreError> {
        let mut columns = Columns::of(row, "customer");
        let merchant = columns.take("merchant")?;
        let term = match self {
            Self::List => columns.take::<i64>("(index)").map(|_| Term::None),
            Self::Reference | Self::Email | Self::Phone | Self::Name => {
                columns.take("(index)").map(Term::Index)
            }
            Self::Status | Self::Verification => columns.take_number("(index)").map(Term::Code),
        }?;
        Ok(Entry { merchant, term, place: (columns.take("created_ms")?, columns.take("number")?) })
    }
}

const DAMAGED: StoreError = StoreError::Corrupt { table: "customer", column: "(index)" };

const fn refuse_unless(is_whole: bool) -> Result<(), StoreError> {
    if is_whole { Ok(()) } else { Err(DAMAGED) }
}

impl Search<'_> {
    /// Nothing, where a walk that began before `begin` has ended at `end` because there was nobody else: `found` are the
    /// places that it has found, newest first.
    pub(super) fn confirm_end(
        &self,
        walked: Walked,
        terms: &Terms<'_>,
        (begin, end): (Place, Place),
        found: &[Place],
    ) -> Result<(), StoreError> {
        let term = walked.term_of(terms).ok_or(DAMAGED)?;
        let end = Entry { merchant: self.merchant.get().into(), term, place: end };
        let beside = walked.beside();
        let after = self.look(walked, beside.after, &end)?;
        let before = self.look(walked, beside.before, &end)?;
        refuse_unless(after.iter().all(|entry| *entry >= end) && after.is_sorted())?;
        refuse_unless(
            before.iter().all(|entry| *entry < end) && before.is_sorted_by(|a, b| a > b),
        )?;
        if after.is_empty() {
            let last = self.look_at_edge(walked, beside.last)?;
            refuse_unless(last.iter().all(|entry| *entry < end))?;
            // Whoever comes then is another merchant's, or there is nobody.
            let next = self.look(walked, beside.after_any, &end)?;
            let last = self.look_at_edge_of_any(walked, beside.last_of_any, &next)?;
            refuse_unless(next.iter().all(|entry| entry.merchant > end.merchant))?;
            refuse_unless(last.iter().all(|entry| *entry < end))?;
            next.iter().try_for_each(|entry| self.confirm_entry(walked, entry))?;
        }
        if before.is_empty() {
            let first = self.look_at_edge(walked, beside.first)?;
            refuse_unless(first.iter().all(|entry| *entry >= end))?;
            let next = self.look(walked, beside.before_any, &end)?;
            let first = self.look_at_edge_of_any(walked, beside.first_of_any, &next)?;
            refuse_unless(next.iter().all(|entry| entry.merchant < end.merchant))?;
            refuse_unless(first.iter().all(|entry| *entry >= end))?;
            next.iter().try_for_each(|entry| self.confirm_entry(walked, entry))?;
        }
        for entry in after.first().into_iter().chain(before.first()) {
            self.confirm_entry(walked, entry)?;
        }
        // Where nothing else is asked for, whoever stands at the end is the last that was found.
        if terms.walkable().len() > 1 {
            return Ok(());
        }
        let oldest = after.first().filter(|entry| entry.term == term && entry.place < begin);
        refuse_unless(oldest.map(|entry| entry.place) == found.last().copied())
    }

    fn look(
        &self,
        walked: Walked,
        sql: &'static str,
        Entry { merchant, term, place: (created_ms, number) }: &Entry,
    ) -> Result<Vec<Entry>, StoreError> {
        let values = (merchant, term, created_ms, number);
        sql::list(self.connection, sql, values, |row| walked.read_entry(row))
    }

    fn look_at_edge(&self, walked: Walked, sql: &'static str) -> Result<Vec<Entry>, StoreError> {
        sql::list(self.connection, sql, [self.merchant.get()], |row| walked.read_entry(row))
    }

    /// The entry at an edge of the whole index, found without looking for it, where nobody is said to be `beside`.
    fn look_at_edge_of_any(
        &self,
        walked: Walked,
        sql: &'static str,
        beside: &[Entry],
    ) -> Result<Vec<Entry>, StoreError> {
        if !beside.is_empty() {
            return Ok(Vec::new());
        }
        sql::list(self.connection, sql, (), |row| walked.read_entry(row))
    }

    /// Nothing, when an entry says what its own row says.
    fn confirm_entry(&self, walked: Walked, entry: &Entry) -> Result<(), StoreError> {
        let Entry { merchant, term, place: (created_ms, number) } = entry;
        let merchant = u32::try_from(*merchant).map(MerchantNumber::new).map_err(|_| DAMAGED)?;
        let number = CustomerNumber::new(*number).ok_or(DAMAGED)?;
        let row = read::find_by_number(self.connection, merchant, number)?.ok_or(DAMAGED)?;
        let is_own = walked.own_term(&row) == Some(*term) && row.created.as_ms() == *created_ms;
        refuse_unless(is_own && row.deleted.is_none())
    }
}
