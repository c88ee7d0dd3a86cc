//! Applying a group of changes in one transaction: customers, their histories, events, tokens and counts.
//!
//! First everything that can refuse a change is asked, in two rounds at most: rows are locked or made, in an order
//! that is the same for everybody, so that two groups never wait for each other. Then all that the changes that
//! are not refused have to write is written in statements that they share.

mod writes;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use patron::change::{Change, ChangeParts, Expected};
use patron::clock::Timestamp;
use patron::ids::{ChangeId, CustomerNumber, MerchantNumber};
use patron::seal::SealedCustomer;
use patron::store::{StoreError, Unique};
use tokio_postgres::Row;

use crate::apply::writes::write_and_commit;
pub(crate) use crate::apply::writes::{COUNT, PUT_ENTRIES, PUT_KEYS, entry_values};
use crate::by_merchant::Rows;
use crate::connections::{Connection, Isolation};
use crate::errors::Failed;
use crate::rows::{Columns, customer_values};
use crate::sql::{Kind, RowsStatement, Statement, Value};
use crate::transaction::{Step, in_order};
use crate::writer::Sharing;

/// The rows that a step answers: whose they are, and whether they were just created.
type Answered = (MerchantNumber, bool, Vec<Row>);

/// What became of one change.
pub(crate) type Answer = Result<(), StoreError>;

/// Locks what is to be updated, in the order of the numbers.
pub(crate) static LOCK: Statement = Statement::new(
    "SELECT number, version, deleted_ms FROM customer WHERE merchant = $1 AND number = ANY ($2) \
     ORDER BY number FOR UPDATE",
    &[Kind::Whole, Kind::Wholes],
);

/// The types of a customer's columns, in the order of [`customer_values`].
const CUSTOMER: [Kind; 19] = [
    Kind::Whole,
    Kind::Whole,
    Kind::Whole,
    Kind::Whole,
    Kind::Whole,
    Kind::Whole,
    Kind::Whole,
    Kind::Whole,
    Kind::Whole,
    Kind::Bytes,
    Kind::Bytes,
    Kind::Bytes,
    Kind::Bytes,
    Kind::Bytes,
    Kind::Bytes,
    Kind::Bytes,
    Kind::Whole,
    Kind::Bytes,
    Kind::Whole,
];

/// Answers the numbers of those that were created: whoever finds a key taken is left out.
pub(crate) static CREATE: RowsStatement = RowsStatement::new(
    "INSERT INTO customer (merchant, number, version, created_ms, updated_ms, deleted_ms, status, \
     verification, index_generation, id_index, reference_index, email_search, phone_search, \
     reference_search, name_search, history_head, schema, sealed, key_generation) VALUES ",
    &CUSTOMER,
    " ON CONFLICT DO NOTHING RETURNING number",
);

/// Whose names they are that the changes of a group want. Each question has an index of its own, which the planner
/// takes when it is told how few there are at most.
static FIND_TAKEN: Statement = Statement::new(
    "(SELECT number, id_index, reference_index FROM customer \
         WHERE merchant = $1 AND number = ANY ($2) LIMIT 64) \
     UNION ALL (SELECT number, id_index, reference_index FROM customer \
         WHERE merchant = $1 AND id_index = ANY ($3) LIMIT 64) \
     UNION ALL (SELECT number, id_index, reference_index FROM customer \
         WHERE merchant = $1 AND reference_index IS NOT NULL AND reference_index = ANY ($4) LIMIT 64)",
    &[Kind::Whole, Kind::Wholes, Kind::BytesList, Kind::BytesList],
);

/// Which of these changes were applied before. The lock makes a commit of what would otherwise be a mere
/// question: once that is confirmed, so is what it has seen, on the replica too.
static FIND_APPLIED: Statement = Statement::new(
    "SELECT change_id FROM history WHERE merchant = $1 AND number = ANY ($2) \
     AND change_id = ANY ($3) ORDER BY number, version FOR UPDATE",
    &[Kind::Whole, Kind::Wholes, Kind::BytesList],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    let single = [&LOCK, &FIND_TAKEN, &FIND_APPLIED];
    CREATE.all().into_iter().chain(single).chain(writes::statements()).collect()
}

/// Applies changes in a transaction of their own; what became of each, in order. No customer is among them twice.
/// `is_sent` is set before the commit is sent.
///
/// After an error the transaction may still be open.
pub(crate) async fn apply(
    connection: &Connection,
    changes: &[Change],
    sharing: Sharing,
    is_sent: &AtomicBool,
) -> Result<Vec<Answer>, Failed> {
    let found = Found::look(connection, changes).await?;
    let mut answers = Vec::with_capacity(changes.len());
    let mut winners = Vec::with_capacity(changes.len());
    for change in changes {
        let answer = found.judge(change.parts())?;
        if matches!(answer, Judged::Applies) {
            winners.push(change.parts());
        }
        answers.push(match answer {
            Judged::Applies | Judged::WasApplied => Ok(()),
            Judged::Refused(error) => Err(error),
        });
    }
    is_sent.store(true, Ordering::Relaxed);
    if winners.is_empty() {
        connection.commit().await?;
    } else {
        write_and_commit(connection, &winners, &found, sharing).await?;
    }
    Ok(answers)
}

/// Whether this change of a customer was applied before. It is confirmed as soon as the transaction commits.
pub(crate) async fn was_applied(
    connection: &Connection,
    (merchant, number): Place,
    change: ChangeId,
) -> Result<bool, Failed> {
    let (numbers, changes) = ([number.get()], [change.as_bytes().as_slice()]);
    let values =
        [Value::Whole(merchant.get().into()), Value::Wholes(&numbers), Value::BytesList(&changes)];
    Ok(!connection.query(&FIND_APPLIED, &values).await?.is_empty())
}

/// What is to be done about a change.
enum Judged {
    Applies,
    /// The same change was applied before: it came again after a commit whose outcome its sender did not see.
    WasApplied,
    Refused(StoreError),
}

/// What one merchant's changes want.
#[derive(Default)]
struct Wants<'a> {
    updated: Vec<i64>,
    created: Vec<&'a SealedCustomer>,
}

/// A merchant and one of its customers.
type Place = (MerchantNumber, CustomerNumber);

fn place(customer: &SealedCustomer) -> Place {
    (customer.merchant, customer.number)
}

/// What was found about a group of changes before anything else is written.
#[derive(Default)]
struct Found {
    /// Customers that are there and now locked: version, and when they were deleted.
    locked: HashMap<Place, (u64, Option<Timestamp>)>,
    /// Customers that were just created.
    created: HashSet<Place>,
    /// The changes that were applied before.
    applied: HashSet<[u8; 16]>,
    /// Why customers could not be created.
    taken: HashMap<Place, Unique>,
}

impl Found {
    async fn look(connection: &Connection, changes: &[Change]) -> Result<Self, Failed> {
        let mut found = Self::default();
        let mut wants: BTreeMap<MerchantNumber, Wants<'_>> = BTreeMap::new();
        for change in changes {
            let ChangeParts { expected, customer, .. } = change.parts();
            let wants = wants.entry(customer.merchant).or_default();
            match expected {
                Expected::Absent => wants.created.push(customer),
                Expected::Version(_) => wants.updated.push(customer.number.get()),
            }
        }
        found.lock_and_create(connection, wants).await?;
        found.ask_about_losers(connection, changes).await?;
        Ok(found)
    }

    async fn lock_and_create(
        &mut self,
        connection: &Connection,
        wants: BTreeMap<MerchantNumber, Wants<'_>>,
    ) -> Result<(), Failed> {
        let mut statements = vec![&LOCK];
        let mut steps: Vec<Step<'_, Answered>> = Vec::new();
        let mut created = Vec::new();
        for (merchant, wants) in wants {
            let Wants { mut updated, created: wanted } = wants;
            created.extend(wanted);
            if !updated.is_empty() {
                updated.sort_unstable();
                steps.push(Box::pin(async move {
                    let values = [Value::Whole(merchant.get().into()), Value::Wholes(&updated)];
                    Ok((merchant, false, connection.query(&LOCK, &values).await?))
                }));
            }
        }
        // Two who create the same references do it in the same order.
        created.sort_by_key(|customer| {
            (customer.merchant, customer.indexes.reference, customer.number)
        });
        let mut rows = Rows::default();
        for customer in created {
            rows.add(customer.merchant, &customer_values(customer)?);
        }
        for (merchant, statement, values) in rows.chunks(&CREATE, &mut statements) {
            steps.push(Box::pin(async move {
                Ok((merchant, true, connection.query(statement, &values).await?))
            }));
        }
        connection.prepare(&statements).await?;
        // Waited for: what was sent behind a beginning that fails would be committed by itself.
        connection.begin(Isolation::Committed).await?;
        for step in in_order(steps).await {
            let (merchant, is_creation, rows) = step?;
            for row in &rows {
                let mut columns = Columns::of(row, "customer");
                let number = columns.take_customer("number")?;
                if is_creation {
                    self.created.insert((merchant, number));
                } else {
                    let version = columns.take_number("version")?;
                    let deleted = columns.take_optional_time("deleted_ms")?;
                    self.locked.insert((merchant, number), (version, deleted));
                }
            }
        }
        Ok(())
    }

    /// Whether the change would be refused, as far as is known without asking why.
    fn loses(&self, change: &ChangeParts) -> bool {
        match change.expected {
            Expected::Absent => !self.created.contains(&place(&change.customer)),
            Expected::Version(version) => {
                let locked = self.locked.get(&place(&change.customer));
                locked.is_none_or(|(found, _)| *found != version)
            }
        }
    }

    /// Finds out why changes lose: they were applied before, or somebody has their names.
    async fn ask_about_losers(
        &mut self,
        connection: &Connection,
        changes: &[Change],
    ) -> Result<(), Failed> {
        let mut losers: BTreeMap<MerchantNumber, Vec<&ChangeParts>> = BTreeMap::new();
        for change in changes.iter().map(Change::parts).filter(|change| self.loses(change)) {
            losers.entry(change.customer.merchant).or_default().push(change);
        }
        for (merchant, losers) in losers {
            let merchant_value = Value::Whole(merchant.get().into());
            let mut numbers: Vec<i64> =
                losers.iter().map(|change| change.customer.number.get()).collect();
            numbers.sort_unstable();
            let changes: Vec<&[u8]> =
                losers.iter().map(|change| change.id.as_bytes().as_slice()).collect();
            let values = [merchant_value, Value::Wholes(&numbers), Value::BytesList(&changes)];
            for row in connection.query(&FIND_APPLIED, &values).await? {
                self.applied.insert(Columns::of(&row, "history").take_bytes("change_id")?);
            }
            let created: Vec<&SealedCustomer> = losers
                .iter()
                .filter(|change| change.expected == Expected::Absent)
                .map(|change| &change.customer)
                .collect();
            if !created.is_empty() {
                self.ask_what_is_taken(connection, merchant, &created).await?;
            }
        }
        Ok(())
    }

    async fn ask_what_is_taken(
        &mut self,
        connection: &Connection,
        merchant: MerchantNumber,
        wanted: &[&SealedCustomer],
    ) -> Result<(), Failed> {
        let numbers: Vec<i64> = wanted.iter().map(|customer| customer.number.get()).collect();
        let ids: Vec<&[u8]> =
            wanted.iter().map(|customer| customer.indexes.id.as_slice()).collect();
        let references: Vec<&[u8]> = wanted
            .iter()
            .filter_map(|customer| customer.indexes.reference.as_ref())
            .map(<[u8; 16]>::as_slice)
            .collect();
        let values = [
            Value::Whole(merchant.get().into()),
            Value::Wholes(&numbers),
            Value::BytesList(&ids),
            Value::BytesList(&references),
        ];
        let (mut taken_ids, mut taken_references) = (HashSet::new(), HashSet::new());
        for row in connection.query(&FIND_TAKEN, &values).await? {
            let mut columns = Columns::of(&row, "customer");
            let number = columns.take_customer("number")?;
            let id: [u8; 16] = columns.take_bytes("id_index")?;
            let reference: Option<[u8; 16]> = columns.take_optional_bytes("reference_index")?;
            taken_ids.insert((id, number));
            taken_references.extend(reference.map(|reference| (reference, number)));
        }
        for customer in wanted {
            let by_another = |(_, number): &&([u8; 16], CustomerNumber)| *number != customer.number;
            let is_id =
                taken_ids.iter().filter(by_another).any(|(id, _)| *id == customer.indexes.id);
            let is_reference = taken_references
                .iter()
                .filter(by_another)
                .any(|(reference, _)| Some(*reference) == customer.indexes.reference);
            // What was in the way may be gone by now. A number is what its sender draws anew.
            let unique = if is_id {
                Unique::CustomerId
            } else if is_reference {
                Unique::CustomerReference
            } else {
                Unique::CustomerNumber
            };
            self.taken.insert(place(customer), unique);
        }
        Ok(())
    }

    fn judge(&self, change: &ChangeParts) -> Result<Judged, StoreError> {
        if !self.loses(change) {
            return Ok(Judged::Applies);
        }
        if self.applied.contains(change.id.as_bytes()) {
            return Ok(Judged::WasApplied);
        }
        Ok(Judged::Refused(match change.expected {
            Expected::Version(_) => StoreError::Stale,
            Expected::Absent => {
                let taken = self.taken.get(&place(&change.customer)).copied();
                StoreError::Duplicate(taken.unwrap_or(Unique::CustomerNumber))
            }
        }))
    }

    /// By how many customers a change makes its merchant have more.
    fn count(&self, change: &ChangeParts) -> i64 {
        let was_there = match change.expected {
            Expected::Absent => false,
            Expected::Version(_) => {
                let locked = self.locked.get(&place(&change.customer));
                locked.is_some_and(|(_, deleted)| deleted.is_none())
            }
        };
        i64::from(change.customer.deleted.is_none()) - i64::from(was_there)
    }
}
