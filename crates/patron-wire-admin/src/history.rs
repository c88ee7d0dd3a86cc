//! Histories: who changed what, when and from where.

use patron::clerk::{ENTRIES_MAX, HistoryPage, ShownEntry};
use patron::error::Error;
use patron::history::EntryHeader;
use patron::operator::Sight;
use patron::profile::{Field, Profile};
use patron::seal::OpenedEntry;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::actors::ActorBody;
use crate::answers::Reply;
use crate::bodies::{self, Fields, Said};
use crate::call::{Call, Outcome};
use crate::pages::{self, CURSOR};
use crate::profiles::ProfileBody;
use crate::{fields, times, values, words};

/// How many entries a page has if nobody says.
pub(crate) const LIMIT_DEFAULT: u32 = 50;

/// A page of a customer's history, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = History)]
pub(crate) struct HistoryBody {
    /// The entries.
    items: Vec<EntryBody>,
    /// The `before` of the next page; `null` at the end.
    next: Option<String>,
    /// Whether values are masked, as auditors see them.
    masked: bool,
}

/// A change of a customer.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryEntry)]
pub(crate) struct EntryBody {
    /// The version that it made.
    #[schema(minimum = 1)]
    version: u64,
    /// What happened.
    #[schema(value_type = crate::schemas::Happened)]
    happened: &'static str,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who did it.
    actor: ActorBody,
    /// Where and why, and with which request; `null` once the customer is erased.
    origin: Option<OriginBody>,
    /// Which fields changed.
    changes: Vec<ChangeBody>,
}

/// Where a change came from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Origin, rename_all = "camelCase")]
pub(crate) struct OriginBody {
    /// The client's address; `null` where it is not known, and for auditors.
    address: Option<String>,
    /// The request's id; one of ours where the client's own is no UUID.
    request_id: String,
    /// Why, where a reason was given.
    reason: Option<String>,
}

/// What became of a field.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Change, rename_all = "camelCase")]
pub(crate) struct ChangeBody {
    /// Which field of the profile.
    field: &'static str,
    /// Whether its values are left out: the customer is erased, or no part of them is for auditors.
    hidden: bool,
    /// What it was.
    #[schema(value_type = crate::schemas::AnyValue)]
    old: Value,
    /// What it became.
    #[schema(value_type = crate::schemas::AnyValue)]
    new: Value,
}

impl HistoryBody {
    pub(crate) fn new(page: HistoryPage, sight: Sight) -> Result<Self, Error> {
        let HistoryPage { entries, next } = page;
        let items = entries.into_iter().map(EntryBody::new).collect::<Result<_, _>>()?;
        let next = next.map(|version| version.to_string());
        Ok(Self { items, next, masked: sight == Sight::Masked })
    }
}

impl EntryBody {
    fn new(entry: ShownEntry) -> Result<Self, Error> {
        let ShownEntry { header, opened } = entry;
        let EntryHeader { merchant: _, number: _, version, happened, changed, at, actor_code } =
            header;
        let (actor_number, origin, before, after) = match opened {
            Some(opened) => {
                let OpenedEntry { before, after, actor_number, address, request_id, reason } =
                    opened;
                let origin = OriginBody { address, request_id, reason };
                (Some(actor_number), Some(origin), values_of(&before)?, values_of(&after)?)
            }
            None => (None, None, Map::new(), Map::new()),
        };
        let change = |field: &Field| ChangeBody::new(*field, &before, &after);
        Ok(Self {
            version,
            happened: words::happened(happened),
            at: times::text(at),
            actor: ActorBody::kept(actor_code, actor_number),
            origin,
            changes: changed.iter().map(change).collect(),
        })
    }
}

/// The values of a profile by their names.
fn values_of(profile: &Profile) -> Result<Map<String, Value>, Error> {
    let values = serde_json::to_value(ProfileBody::new(profile)).map_err(Error::internal)?;
    match values {
        Value::Object(values) => Ok(values),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Error::internal("a profile is no object"))
        }
    }
}

impl ChangeBody {
    fn new(field: Field, before: &Map<String, Value>, after: &Map<String, Value>) -> Self {
        let name = fields::name(field);
        let value = |values: &Map<String, Value>| values.get(name).cloned().unwrap_or(Value::Null);
        let (old, new) = (value(before), value(after));
        // What changed was something before or is something now, unless it is not shown.
        Self { field: name, hidden: old.is_null() && new.is_null(), old, new }
    }
}

/// Versions below this one. The first is 1.
pub(crate) fn before(fields: &mut Fields) -> Option<u64> {
    fields.optional("before", |value| values::digits(value, 1..=VERSION_MAX).map_err(|_| CURSOR))
}

/// No customer has so many versions.
const VERSION_MAX: u64 = 999_999_999_999_999_999;

struct Wanted {
    before: Option<u64>,
    limit: u32,
}

impl Said for Wanted {
    fn take(fields: &mut Fields) -> Option<Self> {
        let before = before(fields);
        Some(Self { before, limit: pages::limit(fields, LIMIT_DEFAULT, ENTRIES_MAX) })
    }
}

/// `GET /admin/v1/merchants/{merchant}/customers/{customer}/history`
pub(crate) async fn list(call: &mut Call<'_>) -> Outcome {
    let within = call.within().await?;
    let clerk = within.clerk()?;
    let Wanted { before, limit } = bodies::from_query(call.request)?;
    let page = clerk.history(call.customer()?, before, limit).await?;
    Ok(Reply::ok(&HistoryBody::new(page, within.sight())?))
}
