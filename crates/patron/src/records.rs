//! The private, versioned records that are sealed: the only things of the core that serde knows.
//!
//! A record's bytes outlive the program that wrote them: never change a struct here that was
//! released. A new field means `RecordV2` beside `RecordV1`, with a conversion from the old one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::pii::Pii;
use crate::profile::{
    Address, CommunicationPreferences, Consent, Kyc, NotificationSetting, PaymentFacts, Profile,
    Status, TaxId, Verification,
};

/// The version of [`RecordV1`] and [`EntryV1`], stored beside them and bound into their sealing.
pub(crate) const SCHEMA: u16 = 1;

/// What of a customer is sealed in its row.
#[derive(Serialize, Deserialize)]
pub(crate) struct RecordV1 {
    pub(crate) id: String,
    pub(crate) created_by: Option<i64>,
    pub(crate) profile: ProfileV1,
}

/// What of a history entry is sealed: only the changed fields have values in `before` and `after`.
#[derive(Serialize, Deserialize)]
pub(crate) struct EntryV1 {
    pub(crate) before: ProfileV1,
    pub(crate) after: ProfileV1,
    pub(crate) actor_number: i64,
    pub(crate) address: Option<String>,
    pub(crate) request_id: String,
    pub(crate) reason: Option<String>,
}

/// What of an access is sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct AccessV1 {
    pub(crate) address: Option<String>,
    pub(crate) request_id: String,
}

/// What of an operator is sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct OperatorV1 {
    pub(crate) email: String,
    pub(crate) name: String,
}

#[derive(Serialize, Deserialize, Default)]
pub(crate) struct ProfileV1 {
    reference: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    full_name: Option<String>,
    email: Option<String>,
    mobile_country_code: Option<String>,
    mobile_number: Option<String>,
    phone: Option<String>,
    birth_date: Option<(i16, i8, i8)>,
    billing_address: Option<AddressV1>,
    shipping_address: Option<AddressV1>,
    country: Option<String>,
    region: Option<String>,
    currency: Option<String>,
    language: Option<String>,
    notification_settings: Option<Vec<(String, bool)>>,
    communication_preferences: Option<[Option<bool>; 4]>,
    subscription_preferences: Option<BTreeMap<String, String>>,
    payment_preferences: Option<BTreeMap<String, String>>,
    status: Option<u8>,
    verification: Option<u8>,
    consents: Option<Vec<ConsentV1>>,
    kyc: Option<KycV1>,
    tax_ids: Option<Vec<TaxIdV1>>,
    metadata: Option<BTreeMap<String, String>>,
    payment_facts: Option<(bool, String)>,
}

#[derive(Serialize, Deserialize)]
struct AddressV1 {
    text: Option<String>,
    street: Option<String>,
    city: Option<String>,
    state: Option<String>,
    postal_code: Option<String>,
    country: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ConsentV1 {
    purpose: String,
    is_granted: bool,
    version: Option<String>,
    at_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct KycV1 {
    level: Option<String>,
    provider: Option<String>,
    reference: Option<String>,
    checked_at_ms: Option<i64>,
    expires_at_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct TaxIdV1 {
    kind: String,
    value: String,
    country: Option<String>,
}

/// A record says something that the program cannot read: it was written by a newer one, or broken
/// before it was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed record holds a value that this version does not know")]
pub(crate) struct Unreadable;

impl ProfileV1 {
    pub(crate) fn from_profile(profile: Profile) -> Self {
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
            reference: bare(reference),
            first_name: bare(first_name),
            last_name: bare(last_name),
            full_name: bare(full_name),
            email: bare(email),
            mobile_country_code: bare(mobile_country_code),
            mobile_number: bare(mobile_number),
            phone: bare(phone),
            birth_date: bare(birth_date).map(|date| (date.year(), date.month(), date.day())),
            billing_address: bare(billing_address).map(AddressV1::from),
            shipping_address: bare(shipping_address).map(AddressV1::from),
            country: bare(country),
            region: bare(region),
            currency: bare(currency),
            language: bare(language),
            notification_settings: bare(notification_settings).map(switches),
            communication_preferences: bare(communication_preferences).map(
                |CommunicationPreferences { email, sms, push, post }| [email, sms, push, post],
            ),
            subscription_preferences: bare(subscription_preferences),
            payment_preferences: bare(payment_preferences),
            status: status.map(Status::code),
            verification: verification.map(Verification::code),
            consents: bare(consents).map(|all| all.into_iter().map(ConsentV1::from).collect()),
            kyc: bare(kyc).map(KycV1::from),
            tax_ids: bare(tax_ids).map(|all| all.into_iter().map(TaxIdV1::from).collect()),
            metadata: bare(metadata),
            payment_facts: bare(payment_facts).map(
                |PaymentFacts { has_payment_requests, total_deposits }| {
                    (has_payment_requests, total_deposits)
                },
            ),
        }
    }

    pub(crate) fn into_profile(self) -> Result<Profile, Unreadable> {
        let birth_date = self.birth_date.map(|(year, month, day)| {
            jiff::civil::Date::new(year, month, day).map_err(|_| Unreadable)
        });
        let status = self.status.map(|code| Status::from_code(code).ok_or(Unreadable));
        let verification =
            self.verification.map(|code| Verification::from_code(code).ok_or(Unreadable));
        Ok(Profile {
            reference: pii(self.reference),
            first_name: pii(self.first_name),
            last_name: pii(self.last_name),
            full_name: pii(self.full_name),
            email: pii(self.email),
            mobile_country_code: pii(self.mobile_country_code),
            mobile_number: pii(self.mobile_number),
            phone: pii(self.phone),
            birth_date: pii(birth_date.transpose()?),
            billing_address: pii(self.billing_address.map(Address::from)),
            shipping_address: pii(self.shipping_address.map(Address::from)),
            country: pii(self.country),
            region: pii(self.region),
            currency: pii(self.currency),
            language: pii(self.language),
            notification_settings: pii(self.notification_settings.map(|all| {
                all.into_iter()
                    .map(|(notification, is_enabled)| NotificationSetting {
                        notification,
                        is_enabled,
                    })
                    .collect()
            })),
            communication_preferences: pii(self.communication_preferences.map(
                |[email, sms, push, post]| CommunicationPreferences { email, sms, push, post },
            )),
            subscription_preferences: pii(self.subscription_preferences),
            payment_preferences: pii(self.payment_preferences),
            status: status.transpose()?,
            verification: verification.transpose()?,
            consents: pii(self.consents.map(|all| all.into_iter().map(Consent::from).collect())),
            kyc: pii(self.kyc.map(Kyc::from)),
            tax_ids: pii(self.tax_ids.map(|all| all.into_iter().map(TaxId::from).collect())),
            metadata: pii(self.metadata),
            payment_facts: pii(self.payment_facts.map(|(has_payment_requests, total_deposits)| {
                PaymentFacts { has_payment_requests, total_deposits }
            })),
        })
    }
}

fn switches(settings: Vec<NotificationSetting>) -> Vec<(String, bool)> {
    settings.into_iter().map(|one| (one.notification, one.is_enabled)).collect()
}

fn bare<T>(value: Option<Pii<T>>) -> Option<T> {
    value.map(Pii::into_revealed)
}

fn pii<T>(value: Option<T>) -> Option<Pii<T>> {
    value.map(Pii::new)
}

impl From<Address> for AddressV1 {
    fn from(address: Address) -> Self {
        let Address { text, street, city, state, postal_code, country } = address;
        Self { text, street, city, state, postal_code, country }
    }
}

impl From<AddressV1> for Address {
    fn from(address: AddressV1) -> Self {
        let AddressV1 { text, street, city, state, postal_code, country } = address;
        Self { text, street, city, state, postal_code, country }
    }
}

impl From<Consent> for ConsentV1 {
    fn from(consent: Consent) -> Self {
        let Consent { purpose, is_granted, version, at } = consent;
        Self { purpose, is_granted, version, at_ms: at.as_ms() }
    }
}

impl From<ConsentV1> for Consent {
    fn from(consent: ConsentV1) -> Self {
        let ConsentV1 { purpose, is_granted, version, at_ms } = consent;
        Self { purpose, is_granted, version, at: Timestamp::from_ms(at_ms) }
    }
}

impl From<Kyc> for KycV1 {
    fn from(kyc: Kyc) -> Self {
        let Kyc { level, provider, reference, checked_at, expires_at } = kyc;
        let checked_at_ms = checked_at.map(Timestamp::as_ms);
        let expires_at_ms = expires_at.map(Timestamp::as_ms);
        Self { level, provider, reference, checked_at_ms, expires_at_ms }
    }
}

impl From<KycV1> for Kyc {
    fn from(kyc: KycV1) -> Self {
        let KycV1 { level, provider, reference, checked_at_ms, expires_at_ms } = kyc;
        let checked_at = checked_at_ms.map(Timestamp::from_ms);
        let expires_at = expires_at_ms.map(Timestamp::from_ms);
        Self { level, provider, reference, checked_at, expires_at }
    }
}

impl From<TaxId> for TaxIdV1 {
    fn from(tax_id: TaxId) -> Self {
        let TaxId { kind, value, country } = tax_id;
        Self { kind, value, country }
    }
}

impl From<TaxIdV1> for TaxId {
    fn from(tax_id: TaxIdV1) -> Self {
        let TaxIdV1 { kind, value, country } = tax_id;
        Self { kind, value, country }
    }
}
