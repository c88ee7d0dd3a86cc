//! What is known about a customer, as it is answered: all fields of the core, in its own neutral names.

use std::collections::BTreeMap;

use patron::pii::Pii;
use patron::profile::{
    Address, CommunicationPreferences, Consent, Kyc, NotificationSetting, PaymentFacts, Profile,
    TaxId,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{times, words};

/// What is known about a customer. What is not known is `null`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Profile, rename_all = "camelCase")]
pub(crate) struct ProfileBody<'a> {
    /// The merchant's own reference of the customer.
    reference: Option<&'a str>,
    /// First name.
    first_name: Option<&'a str>,
    /// Last name.
    last_name: Option<&'a str>,
    /// The whole name, where it was given whole.
    full_name: Option<&'a str>,
    /// Email address.
    email: Option<&'a str>,
    /// Country code of the mobile number.
    mobile_country_code: Option<&'a str>,
    /// Mobile number.
    mobile_number: Option<&'a str>,
    /// The whole phone number, where it was given whole.
    phone: Option<&'a str>,
    /// Date of birth.
    #[schema(format = Date)]
    birth_date: Option<String>,
    /// Billing address.
    billing_address: Option<AddressBody<'a>>,
    /// Shipping address.
    shipping_address: Option<AddressBody<'a>>,
    /// Country of residence, ISO 3166-1 alpha-2.
    country: Option<&'a str>,
    /// Region of residence.
    region: Option<&'a str>,
    /// Preferred currency, ISO 4217.
    currency: Option<&'a str>,
    /// Preferred language, BCP 47.
    language: Option<&'a str>,
    /// Which notifications are wanted.
    notification_settings: Option<Vec<NotificationBody<'a>>>,
    /// By which channels the customer wants to be addressed.
    communication_preferences: Option<CommunicationBody>,
    /// Preferences about subscriptions.
    subscription_preferences: Option<&'a BTreeMap<String, String>>,
    /// Preferences about payments.
    payment_preferences: Option<&'a BTreeMap<String, String>>,
    /// Where the customer stands with the merchant.
    #[schema(value_type = Option<crate::schemas::Status>)]
    status: Option<&'static str>,
    /// How far the customer's identity is verified.
    #[schema(value_type = Option<crate::schemas::Verification>)]
    verification: Option<&'static str>,
    /// What the customer agreed to or refused.
    consents: Option<Vec<ConsentBody<'a>>>,
    /// Know-your-customer check.
    kyc: Option<KycBody<'a>>,
    /// Tax identifications.
    tax_ids: Option<Vec<TaxIdBody<'a>>>,
    /// The merchant's own keys and values.
    metadata: Option<&'a BTreeMap<String, String>>,
    /// What the payment side knows.
    payment_facts: Option<PaymentFactsBody<'a>>,
}

/// A postal address. Parts are as they were given.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Address, rename_all = "camelCase")]
pub(crate) struct AddressBody<'a> {
    /// The whole address, where it was given as one text.
    text: Option<&'a str>,
    /// Street and house number.
    street: Option<&'a str>,
    /// City or town.
    city: Option<&'a str>,
    /// State, province or region.
    state: Option<&'a str>,
    /// Postal code.
    postal_code: Option<&'a str>,
    /// Country.
    country: Option<&'a str>,
}

/// One kind of notification, switched on or off.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NotificationSetting, rename_all = "camelCase")]
pub(crate) struct NotificationBody<'a> {
    /// The merchant's name for the kind.
    notification: &'a str,
    /// Whether the customer wants it.
    is_enabled: bool,
}

/// By which channels the customer wants to be addressed; `null` where nobody asked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CommunicationPreferences)]
pub(crate) struct CommunicationBody {
    /// Email.
    email: Option<bool>,
    /// Text messages.
    sms: Option<bool>,
    /// Push notifications.
    push: Option<bool>,
    /// Letters.
    post: Option<bool>,
}

/// What the customer agreed to or refused.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Consent, rename_all = "camelCase")]
pub(crate) struct ConsentBody<'a> {
    /// What it is about.
    purpose: &'a str,
    /// Agreed or refused.
    is_granted: bool,
    /// The version of the text that was shown.
    version: Option<&'a str>,
    /// When the customer said so.
    #[schema(format = DateTime)]
    at: String,
}

/// The result of a know-your-customer check.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Kyc, rename_all = "camelCase")]
pub(crate) struct KycBody<'a> {
    /// The level that was reached.
    level: Option<&'a str>,
    /// Who checked.
    provider: Option<&'a str>,
    /// The provider's own reference.
    reference: Option<&'a str>,
    /// When it was checked.
    #[schema(format = DateTime)]
    checked_at: Option<String>,
    /// Until when it holds.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A tax identification.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaxId)]
pub(crate) struct TaxIdBody<'a> {
    /// Its kind, such as `eu_vat`.
    kind: &'a str,
    /// The number.
    value: &'a str,
    /// The country that issued it.
    country: Option<&'a str>,
}

/// What the payment side knows of a customer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PaymentFacts, rename_all = "camelCase")]
pub(crate) struct PaymentFactsBody<'a> {
    /// Whether a payment request was ever made for the customer.
    has_payment_requests: bool,
    /// The sum of all deposits, as a decimal number.
    total_deposits: &'a str,
}

fn shown(value: &Option<Pii<String>>) -> Option<&str> {
    value.as_ref().map(|value| value.reveal().as_str())
}

impl<'a> ProfileBody<'a> {
    pub(crate) fn new(profile: &'a Profile) -> Self {
        let Profile {
            reference,
            first_name,
            last_name,
            full_name,
            email,
            mobile_country_code,
            mobile_number,
            phone,
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
            metadata,
            payment_facts,
        } = profile;
        Self {
            reference: shown(reference),
            first_name: shown(first_name),
            last_name: shown(last_name),
            full_name: shown(full_name),
            email: shown(email),
            mobile_country_code: shown(mobile_country_code),
            mobile_number: shown(mobile_number),
            phone: shown(phone),
            birth_date: birth_date.as_ref().map(|date| date.reveal().to_string()),
            billing_address: billing_address.as_ref().map(address),
            shipping_address: shipping_address.as_ref().map(address),
            country: shown(country),
            region: shown(region),
            currency: shown(currency),
            language: shown(language),
            notification_settings: each(notification_settings, notification),
            communication_preferences: communication_preferences.as_ref().map(communication),
            subscription_preferences: subscription_preferences.as_ref().map(Pii::reveal),
            payment_preferences: payment_preferences.as_ref().map(Pii::reveal),
            status: status.map(words::status),
            verification: verification.map(words::verification),
            consents: each(consents, consent),
            kyc: kyc.as_ref().map(checked),
            tax_ids: each(tax_ids, tax_id),
            metadata: metadata.as_ref().map(Pii::reveal),
            payment_facts: payment_facts.as_ref().map(facts),
        }
    }
}

fn each<'a, T, U>(all: &'a Option<Pii<Vec<T>>>, body: impl Fn(&'a T) -> U) -> Option<Vec<U>> {
    all.as_ref().map(|all| all.reveal().iter().map(body).collect())
}

fn address(address: &Pii<Address>) -> AddressBody<'_> {
    let Address { text, street, city, state, postal_code, country } = address.reveal();
    AddressBody {
        text: text.as_deref(),
        street: street.as_deref(),
        city: city.as_deref(),
        state: state.as_deref(),
        postal_code: postal_code.as_deref(),
        country: country.as_deref(),
    }
}

fn notification(setting: &NotificationSetting) -> NotificationBody<'_> {
    let NotificationSetting { notification, is_enabled } = setting;
    NotificationBody { notification, is_enabled: *is_enabled }
}

fn communication(preferences: &Pii<CommunicationPreferences>) -> CommunicationBody {
    let CommunicationPreferences { email, sms, push, post } = *preferences.reveal();
    CommunicationBody { email, sms, push, post }
}

fn consent(consent: &Consent) -> ConsentBody<'_> {
    let Consent { purpose, is_granted, version, at } = consent;
    let version = version.as_deref();
    ConsentBody { purpose, is_granted: *is_granted, version, at: times::text(*at) }
}

fn checked(kyc: &Pii<Kyc>) -> KycBody<'_> {
    let Kyc { level, provider, reference, checked_at, expires_at } = kyc.reveal();
    KycBody {
        level: level.as_deref(),
        provider: provider.as_deref(),
        reference: reference.as_deref(),
        checked_at: checked_at.map(times::text),
        expires_at: expires_at.map(times::text),
    }
}

fn tax_id(tax_id: &TaxId) -> TaxIdBody<'_> {
    let TaxId { kind, value, country } = tax_id;
    TaxIdBody { kind, value, country: country.as_deref() }
}

fn facts(facts: &Pii<PaymentFacts>) -> PaymentFactsBody<'_> {
    let PaymentFacts { has_payment_requests, total_deposits } = facts.reveal();
    PaymentFactsBody { has_payment_requests: *has_payment_requests, total_deposits }
}

#[cfg(test)]
mod tests {
    use patron::profile::Field;

    use super::*;

    #[test]
    fn every_field_stands_under_its_name() {
        let body = serde_json::to_value(ProfileBody::new(&Profile::default())).unwrap();
        let mut expect: Vec<_> =
            Field::ALL.iter().map(|field| crate::fields::name(*field)).collect();
        expect.sort_unstable();
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, expect);
    }
}
