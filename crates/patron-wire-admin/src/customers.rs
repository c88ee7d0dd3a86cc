//! Customers: looking for them, at them, and changing what this interface alone may change.

use std::collections::BTreeMap;

use patron::clerk::{CUSTOMERS_MAX, Shown};
use patron::customer::Customer;
use patron::edit::Edit;
use patron::operator::Sight;
use patron::pii::Pii;
use patron::profile::{PaymentFacts, ProfileEdit, limits};
use patron::search::{Cursor, PageFrom, SearchQuery, Total};
use patron_wire::etag::if_match;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::Reply;
use crate::bodies::{self, Fields, Said};
use crate::call::{Call, Outcome};
use crate::pages::{self, CURSOR};
use crate::profiles::ProfileBody;
use crate::{fields, times, values};

/// How many customers a page has if nobody says.
pub(crate) const LIMIT_DEFAULT: u32 = 20;

/// A customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Customer, rename_all = "camelCase")]
pub(crate) struct CustomerBody<'a> {
    /// Its number.
    #[schema(value_type = crate::schemas::CustomerNumber)]
    number: i64,
    /// Its public id.
    id: &'a str,
    /// 1 when created, one more with every change: the entity tag.
    #[schema(minimum = 1)]
    version: u64,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When something last changed.
    #[schema(format = DateTime)]
    updated_at: String,
    /// When it was deleted, and so hidden from all but this interface.
    #[schema(format = DateTime)]
    deleted_at: Option<String>,
    /// The number of the key that created it, if one did.
    #[schema(minimum = 1)]
    created_by_key: Option<i64>,
    /// Whether values are masked, as auditors see them.
    masked: bool,
    /// The fields that have a value, no part of which is shown.
    hidden: Vec<&'static str>,
    /// What is known about it.
    profile: ProfileBody<'a>,
}

impl<'a> CustomerBody<'a> {
    pub(crate) fn of(shown: &'a Shown) -> Self {
        let Shown { customer, sight, hidden } = shown;
        let hidden = hidden.iter().map(|field| fields::name(*field)).collect();
        Self { masked: *sight == Sight::Masked, hidden, ..Self::new(customer) }
    }

    /// The customer with all that is known about it.
    pub(crate) fn new(customer: &'a Customer) -> Self {
        let Customer {
            merchant: _,
            number,
            id,
            version,
            created,
            updated,
            deleted,
            created_by,
            profile,
            history_head: _,
        } = customer;
        Self {
            number: number.get(),
            id: id.reveal(),
            version: *version,
            created_at: times::text(*created),
            updated_at: times::text(*updated),
            deleted_at: deleted.map(times::text),
            created_by_key: created_by.map(|key| key.get()),
            masked: false,
            hidden: Vec::new(),
            profile: ProfileBody::new(profile),
        }
    }
}

/// A page of customers, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct CustomerList<'a> {
    /// The customers.
    items: Vec<CustomerBody<'a>>,
    /// How many there are in all.
    total: TotalBody,
    /// The `cursor` of the next page; `null` at the end.
    next: Option<String>,
}

/// How many customers are found in all.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Total, rename_all = "camelCase")]
pub(crate) struct TotalBody {
    /// So many.
    count: u64,
    /// False where counting stopped: there may be more.
    is_exact: bool,
}

/// Which customers are looked for, and which page of them.
struct Search {
    query: SearchQuery,
    from: PageFrom,
    limit: u32,
}

impl Said for Search {
    fn take(fields: &mut Fields) -> Option<Self> {
        let query = SearchQuery {
            id: fields.optional("id", values::term),
            number: fields.optional("number", values::customer_number),
            exact_reference: None,
            reference: fields.optional("reference", values::term),
            email: fields.optional("email", values::term),
            phone: fields.optional("phone", values::phone),
            name: fields.optional("name", values::term),
            status: fields.optional("status", values::status),
            verification: fields.optional("verification", values::verification),
            created_from: fields.optional("createdFrom", values::moment),
            created_before: fields.optional("createdBefore", values::moment),
        };
        let cursor =
            fields.optional("cursor", |value| Cursor::parse(&values::text(value)?).ok_or(CURSOR));
        let limit = pages::limit(fields, LIMIT_DEFAULT, CUSTOMERS_MAX);
        Some(Self { query, from: cursor.map_or(PageFrom::Offset(0), PageFrom::Cursor), limit })
    }
}

/// A customer's metadata, as a whole.
pub(crate) struct Metadata(BTreeMap<String, String>);

impl Said for Metadata {
    fn take(fields: &mut Fields) -> Option<Self> {
        let mut metadata = BTreeMap::new();
        for (key, value) in fields.rest() {
            let key_fits = (1..=limits::METADATA_KEY_LENGTH_MAX).contains(&key.chars().count());
            let text = values::text(value).ok();
            let text =
                text.filter(|text| text.chars().count() <= limits::METADATA_VALUE_LENGTH_MAX);
            match text {
                Some(_) if !key_fits => fields.refuse(&key, "A key has 1 to 40 characters."),
                Some(text) => {
                    metadata.insert(key, text);
                }
                None => fields.refuse(&key, "A value is a text of at most 500 characters."),
            }
        }
        if metadata.len() > limits::METADATA_KEYS_MAX {
            fields.refuse("metadata", "There are at most 50 keys.");
        }
        Some(Self(metadata))
    }
}

/// What the payment side knows of a customer.
#[derive(ToSchema)]
#[schema(as = NewPaymentFacts, rename_all = "camelCase")]
pub(crate) struct NewPaymentFactsBody {
    /// Whether a payment request was ever made for the customer.
    has_payment_requests: bool,
    /// The sum of all deposits, as a decimal number.
    #[schema(pattern = "^(0|[1-9][0-9]{0,17})(\\.[0-9]{1,6})?$")]
    total_deposits: String,
}

impl Said for NewPaymentFactsBody {
    fn take(fields: &mut Fields) -> Option<Self> {
        let has_payment_requests = fields.required("hasPaymentRequests", values::switch);
        let total_deposits = fields.required("totalDeposits", values::sum);
        Some(Self { has_payment_requests: has_payment_requests?, total_deposits: total_deposits? })
    }
}

/// `GET /admin/v1/merchants/{merchant}/customers`
pub(crate) async fn search(call: &mut Call<'_>) -> Outcome {
    let clerk = call.within().await?.clerk()?;
    let Search { query, from, limit } = bodies::from_query(call.request)?;
    let page = clerk.search(&query, from, limit).await?;
    let Total { count, is_exact } = page.total;
    Ok(Reply::ok(&CustomerList {
        items: page.customers.iter().map(CustomerBody::of).collect(),
        total: TotalBody { count, is_exact },
        next: page.next.map(Cursor::to_text),
    }))
}

/// `GET /admin/v1/merchants/{merchant}/customers/{customer}`
pub(crate) async fn find(call: &mut Call<'_>) -> Outcome {
    let clerk = call.within().await?.clerk()?;
    bodies::no_query(call.request)?;
    let shown = clerk.find(call.customer()?).await?;
    Ok(Reply::ok(&CustomerBody::of(&shown)).at_version(shown.customer.version))
}

/// `DELETE /admin/v1/merchants/{merchant}/customers/{customer}`
pub(crate) async fn delete(call: &mut Call<'_>) -> Outcome {
    let eraser = call.within().await?.eraser()?;
    bodies::nothing(call.request).await?;
    let precondition = if_match(&call.request.headers);
    eraser.delete(call.customer()?, &precondition).await?;
    Ok(Reply::done())
}

/// `PUT /admin/v1/merchants/{merchant}/customers/{customer}/metadata`
pub(crate) async fn replace_metadata(call: &mut Call<'_>) -> Outcome {
    let writer = call.within().await?.writer()?;
    let Metadata(metadata) = bodies::from_json(call.request).await?;
    let metadata = if metadata.is_empty() { Edit::Clear } else { Edit::Set(Pii::new(metadata)) };
    let edit = ProfileEdit { metadata, ..ProfileEdit::default() };
    let precondition = if_match(&call.request.headers);
    let updated = writer.update(call.customer()?, &precondition, |_| Ok(edit.clone())).await?;
    // Whoever may write may not read for that.
    Ok(Reply::done().at_version(updated.version))
}

/// `PUT /admin/v1/merchants/{merchant}/customers/{customer}/payment-facts`
pub(crate) async fn replace_payment_facts(call: &mut Call<'_>) -> Outcome {
    let writer = call.within().await?.writer()?;
    let NewPaymentFactsBody { has_payment_requests, total_deposits } =
        bodies::from_json(call.request).await?;
    let facts = PaymentFacts { has_payment_requests, total_deposits };
    let payment_facts = Edit::Set(Pii::new(facts));
    let edit = ProfileEdit { payment_facts, ..ProfileEdit::default() };
    let precondition = if_match(&call.request.headers);
    let updated = writer.update(call.customer()?, &precondition, |_| Ok(edit.clone())).await?;
    Ok(Reply::done().at_version(updated.version))
}
