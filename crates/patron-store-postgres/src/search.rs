//! Searching: which customers a query finds, newest first, and how many there are.
//!
//! There is a statement for each term that an index can lead to, and it is the narrowest of those that are asked for
//! that leads. The indexes are in the order of the list, so that a page is read by walking one of them; all other terms
//! are looked at in what is found on the way. Each search is planned by itself: then a term that is not asked for
//! costs nothing, and is nothing to be wrong about.

use std::cmp::Reverse;

use patron::ids::{CustomerNumber, MerchantNumber};
use patron::store::{COUNTED_MAX, SealedPage, SealedQuery, Start};

use crate::connections::Connection;
use crate::errors::Failed;
use crate::read::{all, count_customers, one};
use crate::rows::{Columns, NO_COUNT, read_customer, select_customer};
use crate::sql::{Kind, Statement, Value};

/// Merchant; how many at most, after how many; created from, and before which place of the list; the terms.
const KINDS: [Kind; 15] = [
    Kind::Whole,
    Kind::Whole,
    Kind::Whole,
    Kind::Whole,
    Kind::Whole,
    Kind::Whole,
    Kind::Bytes,
    Kind::Whole,
    Kind::Bytes,
    Kind::Bytes,
    Kind::Bytes,
    Kind::BytesList,
    Kind::Bytes,
    Kind::Whole,
    Kind::Whole,
];

/// The index of the term that leads is in the order of the list.
macro_rules! listed {
    () => {
        "created_ms"
    };
}

/// There are few, which are sorted. The planner, which does not know how few, would rather walk through the list.
macro_rules! sorted {
    () => {
        "created_ms + 0"
    };
}

/// The customers that a query finds, by one term that leads to them.
macro_rules! found {
    ($order:ident, $lead:literal) => {
        concat!(
            "FROM customer WHERE merchant = $1 AND deleted_ms IS NULL",
            $lead,
            " AND ",
            $order!(),
            " >= $4 AND (",
            $order!(),
            ", number) < ($5, $6) \
             AND ($7::bytea IS NULL OR id_index = $7) AND ($8::bigint IS NULL OR number = $8) \
             AND ($9::bytea IS NULL OR reference_index = $9) \
             AND ($10::bytea IS NULL OR reference_search = $10) \
             AND ($11::bytea IS NULL OR email_search = $11) \
             AND ($12::bytea[] IS NULL OR phone_search = ANY ($12)) \
             AND ($13::bytea IS NULL OR name_search = $13) \
             AND ($14::bigint IS NULL OR status = $14) \
             AND ($15::bigint IS NULL OR verification = $15) "
        )
    };
}

macro_rules! page {
    ($order:ident, $lead:literal) => {
        Statement::new(
            select_customer!(
                "JOIN (SELECT number ",
                found!($order, $lead),
                "ORDER BY ",
                $order!(),
                " DESC, number DESC LIMIT $2 OFFSET $3) AS page \
                 ON c.number = page.number WHERE c.merchant = $1"
            ),
            &KINDS,
        )
    };
}

macro_rules! count {
    ($order:ident, $lead:literal) => {
        Statement::new(
            concat!(
                "SELECT count(*) FROM (SELECT 1 ",
                found!($order, $lead),
                "LIMIT $2 OFFSET $3) AS found"
            ),
            &KINDS,
        )
    };
}

static PAGE_OF_ALL: Statement = page!(listed, "");
static COUNT_OF_ALL: Statement = count!(listed, "");
static PAGE_BY_NUMBER: Statement = page!(sorted, " AND number = $8");
static COUNT_BY_NUMBER: Statement = count!(sorted, " AND number = $8");
static PAGE_BY_ID: Statement = page!(sorted, " AND id_index = $7");
static COUNT_BY_ID: Statement = count!(sorted, " AND id_index = $7");
static PAGE_BY_EXACT_REFERENCE: Statement = page!(sorted, " AND reference_index = $9");
static COUNT_BY_EXACT_REFERENCE: Statement = count!(sorted, " AND reference_index = $9");
static PAGE_BY_REFERENCE: Statement = page!(listed, " AND reference_search = $10");
static COUNT_BY_REFERENCE: Statement = count!(listed, " AND reference_search = $10");
static PAGE_BY_EMAIL: Statement = page!(listed, " AND email_search = $11");
static COUNT_BY_EMAIL: Statement = count!(listed, " AND email_search = $11");
static PAGE_BY_PHONE: Statement = page!(listed, " AND phone_search = ($12::bytea[])[1]");
static COUNT_BY_PHONE: Statement = count!(listed, " AND phone_search = ($12::bytea[])[1]");
static PAGE_BY_PHONES: Statement =
    page!(sorted, " AND phone_search = ANY ($12) AND phone_search IS NOT NULL");
static COUNT_BY_PHONES: Statement =
    count!(sorted, " AND phone_search = ANY ($12) AND phone_search IS NOT NULL");
static PAGE_BY_NAME: Statement = page!(listed, " AND name_search = $13");
static COUNT_BY_NAME: Statement = count!(listed, " AND name_search = $13");
static PAGE_BY_STATUS: Statement = page!(listed, " AND status = $14 AND status <> 0");
static COUNT_BY_STATUS: Statement = count!(listed, " AND status = $14 AND status <> 0");
static PAGE_BY_VERIFICATION: Statement =
    page!(listed, " AND verification = $15 AND verification <> 0");
static COUNT_BY_VERIFICATION: Statement =
    count!(listed, " AND verification = $15 AND verification <> 0");

/// The term by which customers are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lead {
    Number,
    Id,
    ExactReference,
    Email,
    /// One number.
    Phone,
    /// One of several numbers.
    Phones,
    Reference,
    Name,
    Verification,
    Status,
    None,
}

impl Lead {
    const ALL: [Self; 11] = [
        Self::Number,
        Self::Id,
        Self::ExactReference,
        Self::Email,
        Self::Phone,
        Self::Phones,
        Self::Reference,
        Self::Name,
        Self::Verification,
        Self::Status,
        Self::None,
    ];

    /// The narrowest, as a rule, of those that the query has.
    fn of(query: &SealedQuery) -> Self {
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
            created_from: _,
            created_before: _,
        } = query;
        let is_set = |lead: &Self| match lead {
            Self::Number => number.is_some(),
            Self::Id => id.is_some(),
            Self::ExactReference => reference.is_some(),
            Self::Email => email_search.is_some(),
            Self::Phone => phone_search.len() == 1,
            Self::Phones => phone_search.len() > 1,
            Self::Reference => reference_search.is_some(),
            Self::Name => name_search.is_some(),
            Self::Verification => verification.is_some(),
            Self::Status => status.is_some(),
            Self::None => true,
        };
        Self::ALL.into_iter().find(is_set).unwrap_or(Self::None)
    }

    /// Whether a page is read by walking an index in the order of the list.
    const fn is_listed(self) -> bool {
        match self {
            Self::Number | Self::Id | Self::ExactReference | Self::Phones => false,
            Self::Email
            | Self::Phone
            | Self::Reference
            | Self::Name
            | Self::Verification
            | Self::Status
            | Self::None => true,
        }
    }

    const fn page(self) -> &'static Statement {
        match self {
            Self::Number => &PAGE_BY_NUMBER,
            Self::Id => &PAGE_BY_ID,
            Self::ExactReference => &PAGE_BY_EXACT_REFERENCE,
            Self::Email => &PAGE_BY_EMAIL,
            Self::Phone => &PAGE_BY_PHONE,
            Self::Phones => &PAGE_BY_PHONES,
            Self::Reference => &PAGE_BY_REFERENCE,
            Self::Name => &PAGE_BY_NAME,
            Self::Verification => &PAGE_BY_VERIFICATION,
            Self::Status => &PAGE_BY_STATUS,
            Self::None => &PAGE_OF_ALL,
        }
    }

    const fn count(self) -> &'static Statement {
        match self {
            Self::Number => &COUNT_BY_NUMBER,
            Self::Id => &COUNT_BY_ID,
            Self::ExactReference => &COUNT_BY_EXACT_REFERENCE,
            Self::Email => &COUNT_BY_EMAIL,
            Self::Phone => &COUNT_BY_PHONE,
            Self::Phones => &COUNT_BY_PHONES,
            Self::Reference => &COUNT_BY_REFERENCE,
            Self::Name => &COUNT_BY_NAME,
            Self::Verification => &COUNT_BY_VERIFICATION,
            Self::Status => &COUNT_BY_STATUS,
            Self::None => &COUNT_OF_ALL,
        }
    }
}

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    Lead::ALL.into_iter().flat_map(|lead| [lead.page(), lead.count()]).collect()
}

/// A place in the list, which is newest first: when a customer was created, and its number.
type Place = (i64, i64);

/// Before the first.
const BEFORE_ALL: Place = (i64::MAX, i64::MAX);

/// A query's terms as they are bound.
struct Terms<'q> {
    query: &'q SealedQuery,
    phones: Vec<&'q [u8]>,
}

impl<'q> Terms<'q> {
    fn of(query: &'q SealedQuery) -> Self {
        Self { query, phones: query.phone_search.iter().map(<[u8; 16]>::as_slice).collect() }
    }

    fn values(
        &self,
        merchant: MerchantNumber,
        (limit, offset): (u32, u32),
        (before_ms, before_number): Place,
    ) -> [Value<'_>; KINDS.len()] {
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
            created_before: _,
        } = self.query;
        let bytes = |index: &'q Option<[u8; 16]>| {
            Value::OptionalBytes(index.as_ref().map(|index| &index[..]))
        };
        [
            Value::Whole(merchant.get().into()),
            Value::Whole(limit.into()),
            Value::Whole(offset.into()),
            Value::Whole(created_from.map_or(i64::MIN, |from| from.as_ms())),
            Value::Whole(before_ms),
            Value::Whole(before_number),
            bytes(id),
            Value::OptionalWhole(number.map(CustomerNumber::get)),
            bytes(reference),
            bytes(reference_search),
            bytes(email_search),
            Value::OptionalBytesList((!phone_search.is_empty()).then_some(&self.phones)),
            bytes(name_search),
            Value::OptionalWhole(status.map(Into::into)),
            Value::OptionalWhole(verification.map(Into::into)),
        ]
    }
}

/// A planner that knows nothing of a table, or of a column, would rather fetch all that it finds and sort it than walk
/// in order.
const IN_ORDER: &str = "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off";

/// A page of what the query finds, and how many it finds. Within a transaction, whose moment both are of.
pub(crate) async fn search_customers(
    connection: &Connection,
    merchant: MerchantNumber,
    query: &SealedQuery,
    start: Start,
    limit: u32,
) -> Result<SealedPage, Failed> {
    let lead = Lead::of(query);
    // Numbers begin at 1.
    let end = query.created_before.map_or(BEFORE_ALL, |before| (before.as_ms(), 0));
    let (offset, place) = match start {
        Start::Offset(offset) => (offset, end),
        Start::After(created, number) => (0, end.min((created.as_ms(), number.get()))),
    };
    let terms = Terms::of(query);
    let values = terms.values(merchant, (limit, offset), place);
    if lead.is_listed() {
        connection.run(IN_ORDER).await?;
    }
    let rows = connection.query_afresh(lead.page(), &values).await?;
    let mut customers = all(&rows, read_customer)?;
    customers.sort_unstable_by_key(|customer| Reverse((customer.created, customer.number)));
    let total = if query.is_everything() {
        count_customers(connection, merchant).await?
    } else {
        let values = terms.values(merchant, (COUNTED_MAX, 0), end);
        let rows = connection.query_afresh(lead.count(), &values).await?;
        let counted = one(&rows, |row| Columns::of(row, "customer").take_number("count"))?;
        counted.ok_or(NO_COUNT)?
    };
    Ok(SealedPage { customers, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_term_leads() {
        let mut query = SealedQuery::default();
        let check = |query: &SealedQuery, expect| assert_eq!(Lead::of(query), expect);
        check(&query, Lead::None);
        query.status = Some(1);
        check(&query, Lead::Status);
        query.verification = Some(1);
        check(&query, Lead::Verification);
        query.name_search = Some([1; 16]);
        check(&query, Lead::Name);
        query.phone_search = vec![[1; 16], [2; 16]];
        check(&query, Lead::Phones);
        query.phone_search.pop();
        check(&query, Lead::Phone);
        query.id = Some([1; 16]);
        check(&query, Lead::Id);
        query.number = CustomerNumber::new(1);
        check(&query, Lead::Number);
    }
}
