//! Customers by their names: lookups that wait together are answered by one statement.

use std::collections::HashMap;
use std::sync::Arc;

use patron::ids::{CustomerNumber, MerchantNumber};
use patron::seal::SealedCustomer;
use patron::store::{StoreError, UniqueKey};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_postgres::Row;

use crate::connections::Connection;
use crate::errors::{Failed, NotAnswering, NotConnected};
use crate::gathering::{Added, Gathering};
use crate::rows::{read_customer, select_few_customers};
use crate::sql::{Kind, Statement, Value};
use crate::transaction::{Database, Step, in_order};

/// The most lookups that are answered together, each with one customer. It stands in the statements, too.
const BATCH_MAX: usize = 128;

/// How many lookups may wait.
const WAITING_MAX: usize = 65_536;

static FIND_BY_ID: Statement = Statement::new(
    select_few_customers!(
        "id_index = ANY ($2) AND (deleted_ms IS NULL OR reference_index IS NOT NULL)",
        128
    ),
    &[Kind::Whole, Kind::BytesList],
);

pub(crate) static FIND_BY_REFERENCE: Statement = Statement::new(
    select_few_customers!("reference_index = ANY ($2) AND reference_index IS NOT NULL", 128),
    &[Kind::Whole, Kind::BytesList],
);

static FIND_BY_NUMBER: Statement = Statement::new(
    select_few_customers!("number = ANY ($2) AND deleted_ms IS NULL", 128),
    &[Kind::Whole, Kind::Wholes],
);

/// The statements of this file, for those who look at all of them.
pub(crate) fn statements() -> Vec<&'static Statement> {
    vec![&FIND_BY_ID, &FIND_BY_REFERENCE, &FIND_BY_NUMBER]
}

type Found = Option<Arc<SealedCustomer>>;

/// A lookup that waits.
pub(crate) struct Lookup {
    merchant: MerchantNumber,
    key: UniqueKey,
    reply: oneshot::Sender<Result<Found, StoreError>>,
}

/// Looks customers up. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reads {
    database: Database,
    gathering: Arc<Gathering<Lookup, ()>>,
}

impl Reads {
    pub(crate) fn new(database: Database, lanes_max: usize) -> Self {
        Self { database, gathering: Arc::new(Gathering::new(lanes_max, WAITING_MAX)) }
    }

    /// The customer with this name, unless it is deleted. To be called on the store's own thread's runtime.
    pub(crate) fn find(
        &self,
        runtime: &Handle,
        merchant: MerchantNumber,
        key: UniqueKey,
    ) -> oneshot::Receiver<Result<Found, StoreError>> {
        let (reply, answer) = oneshot::channel();
        let lookup = Lookup { merchant, key, reply };
        match self.gathering.add(lookup) {
            Added::Waits => {}
            Added::StartLane => self.start_lane(runtime),
            // The lookup is dropped, and whoever asked hears of it.
            Added::Full => {}
        }
        answer
    }

    fn start_lane(&self, runtime: &Handle) {
        let reads = self.clone();
        runtime.spawn(async move { reads.work_off().await });
    }

    async fn work_off(&self) {
        let next = || {
            self.gathering.take(|waiting, ()| {
                waiting.retain(|one| !one.reply.is_closed());
                let count = waiting.len().min(BATCH_MAX);
                waiting.drain(..count).collect()
            })
        };
        while let Some(batch) = next() {
            let (count, answering) = (batch.len(), self.answer(batch));
            let start_lane = || self.start_lane(&Handle::current());
            self.gathering.see_through(count, answering, start_lane).await;
        }
    }

    /// Answers all of them together; where that fails, each by itself, so that one customer that cannot be
    /// read does not keep the others from being.
    async fn answer(&self, batch: Vec<Lookup>) {
        let names: Vec<_> = batch.iter().map(|one| (one.merchant, one.key)).collect();
        match self.look_up(names).await {
            Ok(found) => {
                for one in batch {
                    let customer = found.get(&(one.merchant, one.key)).cloned();
                    // Whoever does not wait any more has nobody to tell.
                    let _ = one.reply.send(Ok(customer));
                }
            }
            Err(error @ StoreError::Unavailable(_)) => {
                // Whoever waits would only hear the same, and later.
                refuse(batch.into_iter().chain(self.gathering.drain()), error);
            }
            // What is wrong with one of them is not that the database is away, and is said to that one alone.
            Err(_) => {
                for one in batch {
                    let name = (one.merchant, one.key);
                    let found = self.look_up(vec![name]).await;
                    let _ = one.reply.send(found.map(|found| found.get(&name).cloned()));
                }
            }
        }
    }

    async fn look_up(
        &self,
        names: Vec<(MerchantNumber, UniqueKey)>,
    ) -> Result<HashMap<(MerchantNumber, UniqueKey), Arc<SealedCustomer>>, StoreError> {
        let names = names.as_slice();
        self.database.ask(|held| async move { look_up(&held, names).await }).await
    }
}

/// Tells all of them the same.
fn refuse(batch: impl IntoIterator<Item = Lookup>, error: StoreError) {
    let shared = Arc::new(error);
    for one in batch {
        let _ = one.reply.send(Err(NotAnswering::Shared(Arc::clone(&shared)).into()));
    }
}

/// What a dropped lookup means: the store is closed, or as many wait as may.
pub(crate) fn dropped() -> StoreError {
    NotAnswering::NoConnection(NotConnected::Exhausted).into()
}

/// The names of one merchant, by kind.
#[derive(Default)]
struct Names {
    ids: Vec<[u8; 16]>,
    references: Vec<[u8; 16]>,
    numbers: Vec<i64>,
}

async fn look_up(
    connection: &Connection,
    names: &[(MerchantNumber, UniqueKey)],
) -> Result<HashMap<(MerchantNumber, UniqueKey), Arc<SealedCustomer>>, Failed> {
    let mut merchants: HashMap<MerchantNumber, Names> = HashMap::new();
    for (merchant, key) in names {
        let names = merchants.entry(*merchant).or_default();
        match key {
            UniqueKey::Id(index) => names.ids.push(*index),
            UniqueKey::Reference(index) => names.references.push(*index),
            UniqueKey::Number(number) => names.numbers.push(number.get()),
        }
    }
    connection.prepare(&[&FIND_BY_ID, &FIND_BY_REFERENCE, &FIND_BY_NUMBER]).await?;
    let mut questions: Vec<Step<'_, (Named, Vec<Row>)>> = Vec::new();
    for (merchant, names) in merchants {
        let Names { ids, references, numbers } = names;
        if !ids.is_empty() {
            questions.push(Box::pin(find_by_indexes(
                connection,
                &FIND_BY_ID,
                (merchant, ids),
                Named::Id,
            )));
        }
        if !references.is_empty() {
            let names = (merchant, references);
            questions.push(Box::pin(find_by_indexes(
                connection,
                &FIND_BY_REFERENCE,
                names,
                Named::Reference,
            )));
        }
        if !numbers.is_empty() {
            questions.push(Box::pin(async move {
                let values = [Value::Whole(merchant.get().into()), Value::Wholes(&numbers)];
                Ok((Named::Number, connection.query(&FIND_BY_NUMBER, &values).await?))
            }));
        }
    }
    let mut found = HashMap::new();
    for answer in in_order(questions).await {
        let (named, rows) = answer?;
        for row in rows {
            let customer = Arc::new(read_customer(&row)?);
            refuse_half_deleted(&customer)?;
            if let Some(key) = named.key_of(&customer) {
                found.insert((customer.merchant, key), customer);
            }
        }
    }
    Ok(found)
}

/// A deleted customer keeps its id and nothing else. One that still has a reference was not deleted by us, and is
/// not said to be absent.
fn refuse_half_deleted(customer: &SealedCustomer) -> Result<(), StoreError> {
    if customer.deleted.is_none() {
        Ok(())
    } else {
        Err(StoreError::Corrupt { table: "customer", column: "deleted_ms" })
    }
}

async fn find_by_indexes(
    connection: &Connection,
    statement: &Statement,
    (merchant, indexes): (MerchantNumber, Vec<[u8; 16]>),
    named: Named,
) -> Result<(Named, Vec<Row>), Failed> {
    let indexes: Vec<&[u8]> = indexes.iter().map(<[u8; 16]>::as_slice).collect();
    let values = [Value::Whole(merchant.get().into()), Value::BytesList(&indexes)];
    Ok((named, connection.query(statement, &values).await?))
}

/// By which kind of name customers were looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Id,
    Reference,
    Number,
}

impl Named {
    /// The name of this kind that a customer has.
    fn key_of(self, customer: &SealedCustomer) -> Option<UniqueKey> {
        let number: CustomerNumber = customer.number;
        match self {
            Self::Id => Some(UniqueKey::Id(customer.indexes.id)),
            Self::Reference => customer.indexes.reference.map(UniqueKey::Reference),
            Self::Number => Some(UniqueKey::Number(number)),
        }
    }
}
