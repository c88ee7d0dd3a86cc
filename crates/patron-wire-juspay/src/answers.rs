//! Answers: the customer in the vendor's ten fields, the list, and the headers that all have.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use patron::customer::Customer;
use patron::ids::MerchantId;
use patron::pii::Pii;
use patron::profile::Profile;
use patron::queries::CustomerList;
use patron::token::IssuedToken;
use patron_wire::etag::entity_tag;
pub(crate) use patron_wire::request_id::X_REQUEST_ID;
use patron_wire::{Answer, Context};
use serde::Serialize;

use crate::errors::Failure;
use crate::rules::ApiVersion;

pub(crate) const X_RESPONSE_ID: HeaderName = HeaderName::from_static("x-response-id");
pub(crate) const X_JP_MERCHANT_ID: HeaderName = HeaderName::from_static("x-jp-merchant-id");

/// The vendor's customer: always all ten fields, unset ones `null`.
#[derive(Serialize)]
struct CustomerBody<'a> {
    id: &'a str,
    /// Only under version 3.2, equal to `id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a str>,
    object: &'static str,
    object_reference_id: Option<&'a str>,
    mobile_number: Option<&'a str>,
    date_created: String,
    last_updated: String,
    email_address: Option<&'a str>,
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    mobile_country_code: Option<&'a str>,
    /// Only when asked for; otherwise absent, which the .NET library insists on.
    #[serde(skip_serializing_if = "Option::is_none")]
    juspay: Option<TokenBody>,
}

#[derive(Serialize)]
struct TokenBody {
    client_auth_token: String,
    client_auth_token_expiry: String,
}

#[derive(Serialize)]
struct ListBody<'a> {
    count: u32,
    offset: u32,
    total: u64,
    list: Vec<CustomerBody<'a>>,
}

impl<'a> CustomerBody<'a> {
    fn new(customer: &'a Customer, token: Option<&IssuedToken>, version: ApiVersion) -> Self {
        let Customer {
            merchant: _,
            number: _,
            id,
            version: _,
            created,
            updated,
            deleted: _,
            created_by: _,
            profile,
            history_head: _,
        } = customer;
        let Profile {
            reference,
            first_name,
            last_name,
            email,
            mobile_country_code,
            mobile_number,
            // The vendor has no fields for these.
            full_name: _,
            phone: _,
            birth_date: _,
            billing_address: _,
            shipping_address: _,
            country: _,
            region: _,
            currency: _,
            language: _,
            notification_settings: _,
            communication_preferences: _,
            subscription_preferences: _,
            payment_preferences: _,
            status: _,
            verification: _,
            consents: _,
            kyc: _,
            tax_ids: _,
            metadata: _,
            payment_facts: _,
        } = profile;
        Self {
            id: id.reveal(),
            customer_id: (version == ApiVersion::V3_2).then(|| id.reveal()),
            object: "customer",
            object_reference_id: shown(reference),
            mobile_number: shown(mobile_number),
            date_created: created.to_rfc3339_seconds(),
            last_updated: updated.to_rfc3339_seconds(),
            email_address: shown(email),
            first_name: shown(first_name),
            last_name: shown(last_name),
            mobile_country_code: shown(mobile_country_code),
            juspay: token.map(|issued| TokenBody {
                client_auth_token: issued.token.to_text().to_string(),
                client_auth_token_expiry: issued.expires.to_rfc3339_seconds(),
            }),
        }
    }
}

fn shown(value: &Option<Pii<String>>) -> Option<&str> {
    value.as_ref().map(|value| value.reveal().as_str())
}

/// The vendor's sample of a customer, as this wire answers it.
pub(crate) fn example_customer(version: ApiVersion, has_token: bool) -> serde_json::Value {
    let id = "cst_om2l6ctlptxwxuzj";
    let date = "2016-08-02T08:07:52Z";
    let body = CustomerBody {
        id,
        customer_id: (version == ApiVersion::V3_2).then_some(id),
        object: "customer",
        object_reference_id: Some("customer@gmail.com"),
        mobile_number: Some("99887766"),
        date_created: date.to_owned(),
        last_updated: date.to_owned(),
        email_address: Some("customer@gmail.com"),
        first_name: Some("Jon"),
        last_name: Some("Snow"),
        mobile_country_code: Some("65"),
        juspay: has_token.then(|| TokenBody {
            client_auth_token: "tkn_24543c6a278f45d680d09edb32e78061".to_owned(),
            client_auth_token_expiry: "2016-08-02T08:22:52Z".to_owned(),
        }),
    };
    serde_json::to_value(body).unwrap_or_default()
}

/// A list with the vendor's sample in it.
pub(crate) fn example_list() -> serde_json::Value {
    let customer = example_customer(ApiVersion::Default, false);
    serde_json::json!({"count": 10, "offset": 0, "total": 1, "list": [customer]})
}

/// A successful answer: always 200, never 201.
#[derive(Debug)]
pub(crate) struct Reply {
    body: Vec<u8>,
    version: Option<u64>,
}

impl Reply {
    /// The customer, and its token when one was asked for.
    pub(crate) fn customer(
        customer: &Customer,
        token: Option<&IssuedToken>,
        version: ApiVersion,
    ) -> Self {
        let body = json(&CustomerBody::new(customer, token, version));
        Self { body, version: Some(customer.version) }
    }

    /// A part of the list; `count` and `offset` echo the request.
    pub(crate) fn list(list: &CustomerList, count: u32, offset: u32, version: ApiVersion) -> Self {
        let customers = list.customers.iter();
        let bodies = customers.map(|customer| CustomerBody::new(customer, None, version)).collect();
        let body = json(&ListBody { count, offset, total: list.total, list: bodies });
        Self { body, version: None }
    }
}

/// Texts, numbers and lists only: serialising them cannot fail.
fn json(body: &impl Serialize) -> Vec<u8> {
    // A customer is about 300 bytes, and a text that grows is copied each time.
    let mut text = Vec::with_capacity(512);
    if serde_json::to_writer(&mut text, body).is_err() {
        text.clear();
    }
    text
}

/// Makes the answer to one request.
pub(crate) struct Sender {
    request_id: String,
    merchant: Option<MerchantId>,
}

impl Sender {
    pub(crate) fn new(context: &Context) -> Self {
        Self { request_id: context.request_id.clone(), merchant: None }
    }

    /// From here on the answer names the merchant.
    pub(crate) fn for_merchant(&mut self, merchant: &MerchantId) {
        self.merchant = Some(merchant.clone());
    }

    pub(crate) fn answer(self, route: &'static str, outcome: Result<Reply, Failure>) -> Answer {
        let (status, body, extra, failure) = match outcome {
            Ok(Reply { body, version }) => {
                let tag = version.map(|version| (header::ETAG, ascii(&entity_tag(version))));
                (StatusCode::OK, body, tag, None)
            }
            Err(Failure { refusal, cause }) => {
                let status = StatusCode::from_u16(refusal.http_status());
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                (status, refusal.body(&self.request_id), refusal.header(), cause)
            }
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let request_id = ascii(&self.request_id);
        headers.insert(X_REQUEST_ID, request_id.clone());
        headers.insert(X_RESPONSE_ID, request_id);
        if let Some(merchant) = &self.merchant {
            headers.insert(X_JP_MERCHANT_ID, ascii(merchant.as_str()));
        }
        headers.extend(extra);
        Answer { response, route, failure }
    }
}

/// A header's value from text that is printable ASCII: request ids, merchant ids and versions are.
fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
