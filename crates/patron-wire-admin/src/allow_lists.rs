//! Allow-lists: from where a merchant's keys may be used, and what a list would refuse.

use patron::management::MerchantEdit;
use patron::merchant::{AllowList, parse_range};
use patron::recent_addresses::{DryRun, REQUESTS_MAX};
use patron_wire::json::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::Reply;
use crate::bodies::{self, Expected, Fields, Said};
use crate::call::{Call, Outcome};
use crate::errors::Failure;
use crate::values;

/// The most entries of a list.
const ADDRESSES_MAX: usize = 500;

/// From where a merchant's keys may be used.
#[derive(Serialize, ToSchema)]
#[schema(as = AllowList)]
pub(crate) struct AllowListBody {
    /// Addresses and ranges (`203.0.113.0/24`) of both families. None at all is "from anywhere".
    #[schema(value_type = Vec<crate::schemas::NetworkAddress>, max_items = 500)]
    addresses: Vec<String>,
}

impl AllowListBody {
    fn new(list: &AllowList) -> Self {
        let text = list.to_text();
        let addresses = text.split(',').filter(|part| !part.is_empty());
        Self { addresses: addresses.map(str::to_owned).collect() }
    }
}

fn address(value: Json) -> Result<String, Expected> {
    let range = parse_range(&values::text(value)?);
    range
        .map(|range| range.to_string())
        .map_err(|_| "It is an address, or a range such as 203.0.113.0/24.")
}

/// The addresses as the core reads them.
fn addresses(fields: &mut Fields) -> Option<AllowList> {
    let addresses = fields.list("addresses", ADDRESSES_MAX, address)?;
    AllowList::parse(&addresses.join(",")).ok()
}

/// A list that is to be in force.
struct NewAllowList(AllowList);

impl Said for NewAllowList {
    fn take(fields: &mut Fields) -> Option<Self> {
        addresses(fields).map(Self)
    }
}

/// A list to try, and on how many requests.
#[derive(ToSchema)]
#[schema(as = AllowListTrial)]
pub(crate) struct TrialBody {
    /// Addresses and ranges, as in an allow-list.
    #[schema(value_type = Vec<crate::schemas::NetworkAddress>, max_items = 500)]
    addresses: AllowList,
    /// On how many of the last requests with the merchant's keys.
    #[schema(minimum = 1, maximum = 10_000)]
    requests: u32,
}

impl Said for TrialBody {
    fn take(fields: &mut Fields) -> Option<Self> {
        let addresses = addresses(fields);
        let number = |value| values::integer(value, 1..=REQUESTS_MAX);
        let requests = fields.required("requests", number);
        Some(Self { addresses: addresses?, requests: requests? })
    }
}

/// What a list would have done.
#[derive(Serialize, ToSchema)]
#[schema(as = AllowListResult)]
pub(crate) struct TrialResult {
    /// On how many requests it was tried: there may be fewer than were asked for.
    requests: u32,
    /// How many of them it would have refused.
    refused: u32,
    /// From where those came, the most frequent first.
    addresses: Vec<RefusedBody>,
}

/// Requests that a list would have refused.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedAddress)]
pub(crate) struct RefusedBody {
    /// From where they came; `null` where that is not known.
    address: Option<String>,
    /// How many there were.
    #[schema(minimum = 1)]
    count: u32,
}

/// `GET /admin/v1/merchants/{merchant}/allow-list`
pub(crate) async fn find(call: &mut Call<'_>) -> Outcome {
    let within = call.within().await?;
    within.manager()?;
    bodies::no_query(call.request)?;
    Ok(Reply::ok(&AllowListBody::new(&within.merchant().settings.allow_list)))
}

/// `PUT /admin/v1/merchants/{merchant}/allow-list`
pub(crate) async fn replace(call: &mut Call<'_>) -> Outcome {
    let manager = call.within().await?.manager()?;
    let NewAllowList(list) = bodies::from_json(call.request).await?;
    let edit = MerchantEdit { allow_list: Some(list), ..MerchantEdit::default() };
    let merchant = manager.set(edit).await.map_err(Failure::of_change)?;
    Ok(Reply::ok(&AllowListBody::new(&merchant.settings.allow_list)))
}

/// `POST /admin/v1/merchants/{merchant}/allow-list/dry-run`
pub(crate) async fn try_out(call: &mut Call<'_>) -> Outcome {
    let manager = call.within().await?.manager()?;
    let TrialBody { addresses, requests } = bodies::from_json(call.request).await?;
    let DryRun { requests, refused, addresses } = manager.try_allow_list(&addresses, requests);
    let addresses = addresses.into_iter().map(|(address, count)| RefusedBody {
        address: address.map(|address| address.to_string()),
        count,
    });
    Ok(Reply::ok(&TrialResult { requests, refused, addresses: addresses.collect() }))
}
