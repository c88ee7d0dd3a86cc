//! Searching: which customers a query finds, newest first, and how many there are.
//!
//! A page and a count walk one index, which is in the order of the list, and look each customer up in the
//! indexes of the other terms: rows are read of those only that are answered.

mod end;
mod walked;

use patron::blind_index::{BlindIndex, Indexes};
use patron::clock::Timestamp;
use patron::ids::{CustomerNumber, MerchantNumber};
use patron::seal::SealedCustomer;
use patron::store::{COUNTED_MAX, SealedPage, SealedQuery, Start, StoreError, UniqueKey};
use rusqlite::Connection;

use self::walked::Walked;
use crate::rows::Columns;
use crate::{read, second_look, sql};

/// Where a customer stands in the list: when it was created, and its number.
type Place = (i64, i64);

/// Behind the end of the list, which is newest first.
const NEWER_THAN_ALL: Place = (i64::MAX, i64::MAX);

/// What of a query is looked for in indexes of their own, with one phone number at most.
#[derive(Clone, Copy)]
struct Terms<'q> {
    reference: Option<&'q BlindIndex>,
    email: Option<&'q BlindIndex>,
    phone: Option<&'q BlindIndex>,
    name: Option<&'q BlindIndex>,
    status: Option<u8>,
    verification: Option<u8>,
}

/// A part of the list: from a place to before another, all of it or some.
#[derive(Clone, Copy)]
struct Part {
    created_from: i64,
    before: Place,
    limit: u32,
    offset: u32,
}

impl Part {
    /// The same from its beginning, with room for what would be skipped.
    const fn unskipped(self) -> Self {
        Self { limit: self.limit.saturating_add(self.offset), offset: 0, ..self }
    }

    /// Whether a walk that found these places has come to the end of the part, having skipped none of them.
    fn has_ended(&self, found: &[Place]) -> bool {
        self.offset == 0 && u32::try_from(found.len()).is_ok_and(|found| found < self.limit)
    }
}

impl Terms<'_> {
    /// The indexes that have one of the terms, the narrowest first as a rule.
    fn walkable(&self) -> Vec<Walked> {
        let Self { reference, email, phone, name, status, verification } = self;
        [
            (reference.is_some(), Walked::Reference),
            (email.is_some(), Walked::Email),
            (phone.is_some(), Walked::Phone),
            (name.is_some(), Walked::Name),
            (verification.is_some(), Walked::Verification),
            (status.is_some(), Walked::Status),
        ]
        .into_iter()
        .filter_map(|(is_set, walked)| is_set.then_some(walked))
        .collect()
    }
}

/// A merchant's customers of one moment, as they are looked for.
struct Search<'c> {
    connection: &'c Connection,
    merchant: MerchantNumber,
}

/// As far as it matters how wide an index is: whatever has fewer entries is walked to its end at once.
const WIDTH_MAX: u32 = 1_000;

impl Search<'_> {
    /// Places of a page.
    fn places(
        &self,
        walked: Walked,
        terms: &Terms<'_>,
        part: &Part,
    ) -> Result<Vec<Place>, StoreError> {
        self.run(walked.statements().page, terms, part, |columns| {
            Ok((columns.take("created_ms")?, columns.take("number")?))
        })
    }

    /// How many entries a statement that counts finds in the part, up to its limit.
    fn count(&self, sql: &'static str, terms: &Terms<'_>, part: &Part) -> Result<u64, StoreError> {
        let counted = self.run(sql, terms, part, |columns| columns.take_number("(index)"))?;
        counted.first().copied().ok_or(StoreError::Corrupt { table: "customer", column: "(index)" })
    }

    fn run<T>(
        &self,
        sql: &'static str,
        terms: &Terms<'_>,
        part: &Part,
        mut read: impl FnMut(&mut Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let Terms { reference, email, phone, name, status, verification } = *terms;
        let Part { created_from, before: (before_ms, before_number), limit, offset } = *part;
        sql::list(
            self.connection,
            sql,
            (
                self.merchant.get(),
                reference,
                email,
                phone,
                name,
                status,
                verification,
                created_from,
                before_ms,
                before_number,
                limit,
                offset,
            ),
            |row| read(&mut Columns::of(row, "customer")),
        )
    }

    /// The index in which the least is walked, and how much that is, as far as it matters: the merchant's list where no
    /// term has one of its own.
    fn narrowest(&self, terms: &Terms<'_>, part: &Part) -> Result<(u64, Walked), StoreError> {
        let walkable = terms.walkable();
        let [first, rest @ ..] = walkable.as_slice() else {
            return Ok((WIDTH_MAX.into(), Walked::List));
        };
        let mut narrowest = (WIDTH_MAX.into(), *first);
        if rest.is_empty() {
            return Ok(narrowest);
        }
        let part = Part { limit: WIDTH_MAX, offset: 0, ..*part };
        for walked in walkable {
            let width = self.count(walked.statements().width, terms, &part)?;
            // Of two that are as wide, the one that is so as a rule.
            if width < narrowest.0 {
                narrowest = (width, walked);
            }
        }
        Ok(narrowest)
    }
}

/// How many entries of an index are passed over at once: in a millisecond.
pub(crate) const FAR: u32 = 10_000;

/// Whether to find a page may take long: it begins far from the beginning, or so many customers have each of several
/// terms that there is no telling how many are to be looked at.
pub(crate) fn takes_long(
    connection: &Connection,
    merchant: MerchantNumber,
    query: &SealedQuery,
    start: Start,
) -> Result<bool, StoreError> {
    if unique_key(query).is_some() {
        return Ok(false);
    }
    if let Start::Offset(offset) = start
        && offset > FAR
    {
        return Ok(true);
    }
    let search = Search { connection, merchant };
    for phone in phones(query) {
        let terms = Terms { phone, ..terms(query) };
        if terms.walkable().len() > 1 {
            let (width, _) = search.narrowest(&terms, &whole(query))?;
            if width >= WIDTH_MAX.into() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// All that the time of creation leaves of the list, as far as it is counted.
fn whole(query: &SealedQuery) -> Part {
    Part {
        created_from: query.created_from.map_or(i64::MIN, Timestamp::as_ms),
        before: query.created_before.map_or(NEWER_THAN_ALL, |before| (before.as_ms(), 0)),
        limit: COUNTED_MAX,
        offset: 0,
    }
}

/// A page of what the query finds. Runs inside a read transaction.
pub(crate) fn search(
    connection: &Connection,
    merchant: MerchantNumber,
    query: &SealedQuery,
    start: Start,
    limit: u32,
) -> Result<SealedPage, StoreError> {
    let search = Search { connection, merchant };
    match unique_key(query) {
        Some(key) => search.by_name(&key, query, start, limit),
        None => search.by_terms(query, start, limit),
    }
}

/// A name that one customer has at most.
fn unique_key(query: &SealedQuery) -> Option<UniqueKey> {
    let number = query.number.map(UniqueKey::Number);
    number
        .or_else(|| query.id.map(UniqueKey::Id))
        .or_else(|| query.reference.map(UniqueKey::Reference))
}

impl Search<'_> {
    fn by_name(
        &self,
        key: &UniqueKey,
        query: &SealedQuery,
        start: Start,
        limit: u32,
    ) -> Result<SealedPage, StoreError> {
        let found = read::find_customer(self.connection, self.merchant, key)?;
        let found = found.filter(|customer| is_found(query, customer));
        let total = u64::from(found.is_some());
        let is_on_page = |customer: &SealedCustomer| match start {
            Start::Offset(offset) => offset == 0,
            Start::After(created, number) => {
                (customer.created, customer.number.get()) < (created, number.get())
            }
        };
        let customers = found.filter(|customer| limit > 0 && is_on_page(customer));
        Ok(SealedPage { customers: customers.into_iter().collect(), total })
    }

    fn by_terms(
        &self,
        query: &SealedQuery,
        start: Start,
        limit: u32,
    ) -> Result<SealedPage, StoreError> {
        let counted = whole(query);
        let (before, offset) = match start {
            Start::Offset(offset) => (counted.before, offset),
            Start::After(created, number) => {
                (counted.before.min((created.as_ms(), number.get())), 0)
            }
        };
        let page = Part { before, limit, offset, ..counted };
        let mut total = 0_u64;
        let mut places = Vec::new();
        let phones = phones(query);
        // Nobody has two phone numbers, so that the customers of each come from a walk of its own.
        let walks = phones.len();
        for phone in phones {
            let terms = Terms { phone, ..terms(query) };
            let (_, walked) = self.narrowest(&terms, &counted)?;
            if !query.is_everything() {
                total = total.saturating_add(self.count(
                    walked.statements().count,
                    &terms,
                    &counted,
                )?);
            }
            // Places of several walks are put in one order, and skipped, when all are there.
            let page = if walks == 1 { page } else { page.unskipped() };
            let found = self.places(walked, &terms, &page)?;
            if page.has_ended(&found) {
                let (begin, end) = (page.before, (page.created_from, 0));
                self.confirm_end(walked, &terms, (begin, end), &found)?;
            }
            places.extend(found);
        }
        if walks > 1 {
            places.sort_unstable_by(|one, other| other.cmp(one));
            let skipped = usize::try_from(offset).unwrap_or(usize::MAX).min(places.len());
            places.drain(..skipped);
            places.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        let customers = self.rows(query, &places)?;
        if query.is_everything() {
            total = read::total(self.connection, self.merchant)?;
            if let Start::Offset(offset) = start {
                let (found, asked) = (customers.len(), (total, offset, limit));
                second_look::confirm_length(self.connection, self.merchant, found, asked)?;
            }
        }
        Ok(SealedPage { customers, total: total.min(total_max(query)) })
    }

    /// The customers at these places. An index that leads to others is damaged.
    fn rows(
        &self,
        query: &SealedQuery,
        places: &[Place],
    ) -> Result<Vec<SealedCustomer>, StoreError> {
        let damaged = || StoreError::Corrupt { table: "customer", column: "(index)" };
        let mut customers = Vec::with_capacity(places.len());
        for (created_ms, number) in places {
            let number = CustomerNumber::new(*number).ok_or_else(damaged)?;
            let found = read::find_by_number(self.connection, self.merchant, number)?;
            let is_right = |customer: &SealedCustomer| {
                customer.created.as_ms() == *created_ms && is_found(query, customer)
            };
            customers.push(found.filter(is_right).ok_or_else(damaged)?);
        }
        Ok(customers)
    }
}

fn total_max(query: &SealedQuery) -> u64 {
    if query.is_everything() { u64::MAX } else { COUNTED_MAX.into() }
}

/// Each of the phone numbers once; a single "any" where none is looked for.
fn phones(query: &SealedQuery) -> Vec<Option<&BlindIndex>> {
    let mut phones: Vec<_> = query.phone_search.iter().map(Some).collect();
    phones.sort_unstable();
    phones.dedup();
    if phones.is_empty() { vec![None] } else { phones }
}

/// The terms that have an index, but for the phone number.
const fn terms(query: &SealedQuery) -> Terms<'_> {
    let SealedQuery {
        id: _,
        number: _,
        reference: _,
        reference_search,
        email_search,
        phone_search: _,
        name_search,
        status,
        verification,
        created_from: _,
        created_before: _,
    } = query;
    Terms {
        reference: reference_search.as_ref(),
        email: email_search.as_ref(),
        phone: None,
        name: name_search.as_ref(),
        status: *status,
        verification: *verification,
    }
}

/// Whether the customer is one of those that are asked for.
fn is_found(query: &SealedQuery, customer: &SealedCustomer) -> bool {
    let SealedQuery {
        id,
        number,
        reference,
        reference_search,
        email_search,
        phone_search,
        name_search,
        status,
        verification,
        created_from,
        created_before,
    } = query;
    let Indexes {
        generation: _,
        id: own_id,
        reference: own_reference,
        email_search: own_email,
        phone_search: own_phone,
        reference_search: own_reference_search,
        name_search: own_name,
    } = &customer.indexes;
    let has = |term: &Option<BlindIndex>, own: &Option<BlindIndex>| term.is_none() || term == own;
    customer.deleted.is_none()
        && id.is_none_or(|id| id == *own_id)
        && number.is_none_or(|number| number == customer.number)
        && has(reference, own_reference)
        && has(reference_search, own_reference_search)
        && has(email_search, own_email)
        && has(name_search, own_name)
        && (phone_search.is_empty() || own_phone.is_some_and(|own| phone_search.contains(&own)))
        && status.is_none_or(|status| status == customer.status)
        && verification.is_none_or(|verification| verification == customer.verification)
        && created_from.is_none_or(|from| customer.created >= from)
        && created_before.is_none_or(|before| customer.created < before)
}

#[cfg(test)]
mod tests;
