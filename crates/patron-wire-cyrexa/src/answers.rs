//! Answers: the vendor's client, the list, tokens, and the headers that all have.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use patron::clock::Timestamp;
use patron::customer::Customer;
use patron::merchant::Merchant;
use patron::pii::Pii;
use patron::profile::{
    Address, CommunicationPreferences, Consent, Kyc, NotificationSetting, PaymentFacts, Profile,
    TaxId,
};
use patron_wire::etag::entity_tag;
use patron_wire::request_id::X_REQUEST_ID;
use patron_wire::{Answer, Context};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::correspondence;
use crate::errors::Failure;
use crate::route::location;
use crate::rules::words;

/// The vendor's client: always the twelve keys of its schema, unset ones `null`. The keys below them are
/// ours, and there once they are set.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientBody<'a> {
    id: i64,
    owner_id: u32,
    user_id: Option<i64>,
    owner_name: &'a str,
    name: Option<Cow<'a, str>>,
    email: Option<&'a str>,
    address: Option<Cow<'a, str>>,
    phone: Option<Cow<'a, str>>,
    member_id: Option<&'a str>,
    has_payment_requests: bool,
    total_deposits: Box<RawValue>,
    create_date: String,
    #[serde(flatten)]
    more: MoreBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MoreBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    date_of_birth: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing_address: Option<AddressBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_address: Option<AddressBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_currency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification_settings: Option<Vec<NotificationBody<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    communication_preferences: Option<CommunicationBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_preferences: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_preferences: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consents: Option<Vec<ConsentBody<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kyc: Option<KycBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_information: Option<Vec<TaxBody<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AddressBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    street: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zip_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NotificationBody<'a> {
    notification_type: &'a str,
    is_enabled: bool,
}

#[derive(Serialize)]
struct CommunicationBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sms: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    push: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConsentBody<'a> {
    purpose: &'a str,
    is_granted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KycBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct TaxBody<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListBody<'a> {
    customers: Vec<ClientBody<'a>>,
    page_number: u32,
    page_size: u32,
    total: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenBody<'a> {
    access_token: &'a str,
    expire_date: String,
}

impl<'a> ClientBody<'a> {
    fn new(customer: &'a Customer, owner: &'a Merchant) -> Self {
        let Customer {
            merchant: _,
            number,
            id: _,
            version: _,
            created,
            updated: _,
            deleted: _,
            created_by,
            profile,
            history_head: _,
        } = customer;
        let facts = profile.payment_facts.as_ref().map(Pii::reveal);
        Self {
            id: number.get(),
            owner_id: owner.number.get(),
            user_id: created_by.map(|key| key.get()),
            owner_name: &owner.name,
            name: correspondence::name(profile),
            email: shown(&profile.email),
            address: correspondence::address(profile),
            phone: correspondence::phone(profile),
            member_id: shown(&profile.reference),
            has_payment_requests: facts.is_some_and(|facts| facts.has_payment_requests),
            total_deposits: total_deposits(facts),
            create_date: created.to_rfc3339_seconds(),
            more: MoreBody::new(profile),
        }
    }
}

impl<'a> MoreBody<'a> {
    fn new(profile: &'a Profile) -> Self {
        let Profile {
            // In the vendor's own keys.
            reference: _,
            first_name: _,
            last_name: _,
            full_name: _,
            email: _,
            mobile_country_code: _,
            mobile_number: _,
            phone: _,
            payment_facts: _,
            birth_date,
            billing_address,
            shipping_address,
            country,
            region,
            currency,
            language,
            notification_settings,
            communication_preferences,
            subscription_preferences,
            payment_preferences,
            status,
            verification,
            consents,
            kyc,
            tax_ids,
            // The vendor has no key for these.
            metadata: _,
        } = profile;
        Self {
            date_of_birth: birth_date.as_ref().map(|date| date.reveal().to_string()),
            billing_address: parts(billing_address),
            shipping_address: parts(shipping_address),
            country: shown(country),
            region: shown(region),
            default_currency: shown(currency),
            language: shown(language),
            notification_settings: notification_settings.as_ref().map(notifications),
            communication_preferences: communication_preferences.as_ref().map(communication),
            status: status.map(words::of_status),
            verification_status: verification.map(words::of_verification),
            subscription_preferences: subscription_preferences.as_ref().map(Pii::reveal),
            payment_preferences: payment_preferences.as_ref().map(Pii::reveal),
            consents: consents.as_ref().map(|all| all.reveal().iter().map(consent).collect()),
            kyc: kyc.as_ref().map(checked),
            tax_information: tax_ids.as_ref().map(|all| all.reveal().iter().map(tax).collect()),
        }
    }
}

fn shown(value: &Option<Pii<String>>) -> Option<&str> {
    value.as_ref().map(|value| value.reveal().as_str())
}

/// The sum as a JSON number with the digits that it has, where it is one.
fn total_deposits(facts: Option<&PaymentFacts>) -> Box<RawValue> {
    let text = facts.map_or("0", |facts| facts.total_deposits.as_str());
    let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let number = if is_number { RawValue::from_string(text.to_owned()).ok() } else { None };
    number.unwrap_or_else(|| RawValue::NULL.to_owned())
}

fn parts(address: &Option<Pii<Address>>) -> Option<AddressBody<'_>> {
    let Address { text: _, street, city, state, postal_code, country } = address.as_ref()?.reveal();
    correspondence::parts_of(address)?;
    Some(AddressBody {
        street: street.as_deref(),
        city: city.as_deref(),
        state: state.as_deref(),
        zip_code: postal_code.as_deref(),
        country: country.as_deref(),
    })
}

fn notifications(settings: &Pii<Vec<NotificationSetting>>) -> Vec<NotificationBody<'_>> {
    settings.reveal().iter().map(notification).collect()
}

fn notification(setting: &NotificationSetting) -> NotificationBody<'_> {
    let NotificationSetting { notification, is_enabled } = setting;
    NotificationBody { notification_type: notification, is_enabled: *is_enabled }
}

fn communication(preferences: &Pii<CommunicationPreferences>) -> CommunicationBody {
    let CommunicationPreferences { email, sms, push, post } = *preferences.reveal();
    CommunicationBody { email, sms, push, post }
}

fn consent(consent: &Consent) -> ConsentBody<'_> {
    let Consent { purpose, is_granted, version, at } = consent;
    ConsentBody {
        purpose,
        is_granted: *is_granted,
        version: version.as_deref(),
        at: at.to_rfc3339_seconds(),
    }
}

fn checked(kyc: &Pii<Kyc>) -> KycBody<'_> {
    let Kyc { level, provider, reference, checked_at, expires_at } = kyc.reveal();
    KycBody {
        level: level.as_deref(),
        provider: provider.as_deref(),
        reference: reference.as_deref(),
        checked_at: checked_at.map(Timestamp::to_rfc3339_seconds),
        expires_at: expires_at.map(Timestamp::to_rfc3339_seconds),
    }
}

fn tax(tax_id: &TaxId) -> TaxBody<'_> {
    let TaxId { kind, value, country } = tax_id;
    TaxBody { kind, value, country: country.as_deref() }
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
    version: Option<u64>,
    location: Option<String>,
}

impl Reply {
    /// The customer.
    pub(crate) fn customer(customer: &Customer, owner: &Merchant) -> Self {
        let body = json(&ClientBody::new(customer, owner));
        Self { status: StatusCode::OK, body, version: Some(customer.version), location: None }
    }

    /// The customer that was just created, and where it is now.
    pub(crate) fn created(customer: &Customer, owner: &Merchant) -> Self {
        Self {
            status: StatusCode::CREATED,
            location: Some(location(customer.number)),
            ..Self::customer(customer, owner)
        }
    }

    /// A page of customers; number and size echo the request.
    pub(crate) fn page(
        customers: &[Customer],
        owner: &Merchant,
        [page_number, page_size]: [u32; 2],
        total: u64,
    ) -> Self {
        let customers = customers.iter().map(|customer| ClientBody::new(customer, owner));
        let customers = customers.collect();
        let body = json(&ListBody { customers, page_number, page_size, total });
        Self { status: StatusCode::OK, body, version: None, location: None }
    }

    /// A token, shown this once.
    pub(crate) fn token(access_token: &str, expires: Timestamp) -> Self {
        let expire_date = expires.to_rfc3339_seconds();
        let body = json(&TokenBody { access_token, expire_date });
        Self { status: StatusCode::OK, body, version: None, location: None }
    }

    /// Nothing: what was to go is gone.
    pub(crate) const fn gone() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: Vec::new(), version: None, location: None }
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
    received: Timestamp,
}

impl Sender {
    pub(crate) fn new(context: &Context) -> Self {
        Self { request_id: context.request_id.clone(), received: context.received }
    }

    pub(crate) fn answer(self, route: &'static str, outcome: Result<Reply, Failure>) -> Answer {
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_REQUEST_ID, ascii(&self.request_id));
        let (status, body, failure) = match outcome {
            Ok(Reply { status, body, version, location }) => {
                headers.extend(version.map(|version| (header::ETAG, ascii(&entity_tag(version)))));
                headers.extend(location.map(|path| (header::LOCATION, ascii(&path))));
                (status, body, None)
            }
            Err(Failure { refusal, cause }) => {
                headers.extend(refusal.header());
                let status = StatusCode::from_u16(refusal.http_status());
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                (status, refusal.body(&self.request_id, self.received), cause)
            }
        };
        // A 204 has no body, and so nothing to say about it.
        if !body.is_empty() {
            let kind = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, kind);
        }
        *response.status_mut() = status;
        *response.body_mut() = body.into();
        Answer { response, route, failure }
    }
}

/// A header's value from text that is printable ASCII: request ids, paths and versions are.
fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
