//! Access logs: who looked at customers.

use patron::access_log::{Access, AccessPlace};
use patron::clerk::{AccessPage, ENTRIES_MAX};
use patron::clock::Timestamp;
use patron::hex;
use patron::ids::{AccessId, CustomerNumber};
use serde::Serialize;
use utoipa::ToSchema;

use crate::actors::ActorBody;
use crate::answers::Reply;
use crate::bodies::{self, Fields, Said};
use crate::call::{Call, Outcome};
use crate::pages::{self, CURSOR};
use crate::{times, values};

/// How many entries a page has if nobody says.
pub(crate) const LIMIT_DEFAULT: u32 = 50;

/// A page of an access log, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = AccessLog)]
pub(crate) struct AccessLogBody {
    /// The entries.
    items: Vec<AccessBody>,
    /// The `after` of the next page; `null` at the end.
    next: Option<String>,
}

/// Somebody looked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Access, rename_all = "camelCase")]
pub(crate) struct AccessBody {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// What was done.
    #[schema(value_type = crate::schemas::Accessed)]
    accessed: &'static str,
    /// The number of the customer at whom; `null` where nobody was found, or where it is about the log itself.
    #[schema(value_type = Option<crate::schemas::CustomerNumber>)]
    customer: Option<i64>,
    /// Who looked.
    actor: ActorBody,
    /// The client's address; `null` where it is not known, for auditors, and in exports of who may not read the log.
    address: Option<String>,
    /// The request's id; one of ours where the client's own is no UUID. `null` in exports of who may not read the
    /// log.
    request_id: Option<String>,
}

impl AccessLogBody {
    pub(crate) fn new(page: AccessPage) -> Self {
        let AccessPage { accesses, next } = page;
        let items = accesses.into_iter().map(AccessBody::new).collect();
        Self { items, next: next.map(text_of) }
    }
}

impl AccessBody {
    fn new(access: Access) -> Self {
        let Access { at, id: _, accessed, customer, actor_code, actor_number, address, request_id } =
            access;
        Self {
            at: times::text(at),
            accessed: accessed.name(),
            customer: customer.map(CustomerNumber::get),
            actor: ActorBody::kept(actor_code, Some(actor_number)),
            address,
            request_id: Some(request_id).filter(|id| !id.is_empty()),
        }
    }
}

/// A place in the log as text.
fn text_of(AccessPlace { at, id }: AccessPlace) -> String {
    format!("{}.{}", at.as_ms(), hex::encode(id.as_bytes()).as_str())
}

/// Reads what [`text_of`] writes.
fn parse(text: &str) -> Option<AccessPlace> {
    let (at, id) = text.split_once('.')?;
    let id = AccessId::from_bytes(*hex::decode(id)?);
    let place = AccessPlace { at: Timestamp::from_ms(at.parse().ok()?), id };
    (text_of(place) == text).then_some(place)
}

/// Where a page begins: after this entry.
pub(crate) fn after(fields: &mut Fields) -> Option<AccessPlace> {
    fields.optional("after", |value| parse(&values::text(value)?).ok_or(CURSOR))
}

struct Wanted {
    customer: Option<CustomerNumber>,
    after: Option<AccessPlace>,
    limit: u32,
}

impl Said for Wanted {
    fn take(fields: &mut Fields) -> Option<Self> {
        let customer = fields.optional("customer", values::customer_number);
        let after = after(fields);
        let limit = pages::limit(fields, LIMIT_DEFAULT, ENTRIES_MAX);
        Some(Self { customer, after, limit })
    }
}

/// `GET /admin/v1/merchants/{merchant}/access-log`
pub(crate) async fn list(call: &mut Call<'_>) -> Outcome {
    let clerk = call.within().await?.clerk()?;
    let Wanted { customer, after, limit } = bodies::from_query(call.request)?;
    let page = clerk.access_log(customer, after, limit).await?;
    Ok(Reply::ok(&AccessLogBody::new(page)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written_and_in_no_other_way() {
        let text = "1732900000000.000102030405060708090a0b0c0d0e0f";
        assert_eq!(parse(text).map(text_of).as_deref(), Some(text));
        for bad in
            ["", ".", "1", "1.", "1.00", &text[1..text.len() - 1], "01.00", &text.replace('f', "F")]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
