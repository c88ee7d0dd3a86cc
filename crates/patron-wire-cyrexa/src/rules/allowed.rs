//! What each field may hold. Lengths are in characters, not bytes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use oxilangtag::LanguageTag;
use patron::clock::Timestamp;
use patron::profile::{Address, Consent, Kyc, NotificationSetting, TaxId};
use patron_wire::mailbox::is_mailbox;

use super::limits;
use crate::{codes, correspondence};

fn is_within(text: &str, length_max: usize) -> bool {
    text.chars().count() <= length_max
}

fn is_some_within(text: &str, length_max: usize) -> bool {
    !text.is_empty() && is_within(text, length_max)
}

fn each_once<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = BTreeSet::new();
    names.all(|name| seen.insert(name))
}

/// A text that may hold anything.
pub(super) fn free_text(text: &str, length_max: usize) -> bool {
    is_within(text, length_max)
}

/// A name has a word in it.
pub(super) fn name(text: &str) -> bool {
    is_within(text, limits::NAME_LENGTH_MAX) && text.contains(|c: char| !c.is_whitespace())
}

pub(super) fn email(text: &str) -> bool {
    is_within(text, limits::EMAIL_LENGTH_MAX) && is_mailbox(text)
}

pub(super) fn phone(text: &str) -> bool {
    is_within(text, limits::PHONE_LENGTH_MAX)
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+ ()-.".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// As long as the text that it is answered as may be; its country is a code.
pub(super) fn address(address: &Address) -> bool {
    let country = address.country.as_deref().filter(|country| !country.is_empty());
    is_within(&correspondence::joined(address), limits::ADDRESS_LENGTH_MAX)
        && country.is_none_or(codes::is_country)
}

/// Not in the future, anywhere on earth that counts its days by UTC, and not too long ago.
pub(super) fn birth_date(date: Date, now: Timestamp) -> bool {
    let today = jiff::Timestamp::from_millisecond(now.as_ms());
    let today = today.map(|now| jiff::tz::Offset::UTC.to_datetime(now).date());
    date.year() >= limits::BIRTH_YEAR_MIN && today.is_ok_and(|today| date <= today)
}

pub(super) fn country(text: &str) -> bool {
    codes::is_country(text)
}

pub(super) fn currency(text: &str) -> bool {
    codes::is_currency(text)
}

/// A well-formed tag (RFC 5646, section 2.2.9).
pub(super) fn language(text: &str) -> bool {
    is_within(text, limits::LANGUAGE_LENGTH_MAX) && LanguageTag::parse(text).is_ok()
}

pub(super) fn notifications(settings: &[NotificationSetting]) -> bool {
    let names = || settings.iter().map(|setting| setting.notification.as_str());
    settings.len() <= limits::NOTIFICATIONS_MAX
        && names().all(|name| is_some_within(name, limits::NOTIFICATION_TYPE_LENGTH_MAX))
        && each_once(names())
}

pub(super) fn preferences(preferences: &BTreeMap<String, String>) -> bool {
    preferences.len() <= limits::PREFERENCES_MAX
        && preferences.iter().all(|(key, value)| {
            is_some_within(key, limits::PREFERENCE_KEY_LENGTH_MAX)
                && is_within(value, limits::PREFERENCE_VALUE_LENGTH_MAX)
        })
}

/// One word for each purpose, and each purpose once.
pub(super) fn consents(consents: &[Consent]) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    consents.len() <= limits::CONSENTS_MAX
        && consents.iter().all(|Consent { purpose, is_granted: _, version, at: _ }| {
            is_some_within(purpose, limits::PURPOSE_LENGTH_MAX)
                && purpose.bytes().all(is_token)
                && version
                    .as_ref()
                    .is_none_or(|text| is_within(text, limits::CONSENT_VERSION_LENGTH_MAX))
        })
        && each_once(consents.iter().map(|consent| consent.purpose.as_str()))
}

pub(super) fn kyc(kyc: &Kyc) -> bool {
    let Kyc { level, provider, reference, checked_at: _, expires_at: _ } = kyc;
    let mut texts = [level, provider, reference].into_iter().flatten();
    texts.all(|text| is_within(text, limits::KYC_TEXT_LENGTH_MAX))
}

pub(super) fn tax_ids(tax_ids: &[TaxId]) -> bool {
    tax_ids.len() <= limits::TAX_IDS_MAX
        && tax_ids.iter().all(|TaxId { kind, value, country }| {
            is_some_within(kind, limits::TAX_TYPE_LENGTH_MAX)
                && is_some_within(value, limits::TAX_VALUE_LENGTH_MAX)
                && country.as_deref().is_none_or(codes::is_country)
        })
}
