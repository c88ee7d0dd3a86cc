//! Masking: what somebody sees who may recognise a value, and not learn one.

use std::collections::BTreeMap;

use crate::pii::Pii;
use crate::profile::{Address, Consent, Field, Kyc, Profile, TaxId};

/// A profile with every value masked, and the fields whose values cannot be shown in part and are left out.
pub(crate) fn masked(profile: &Profile) -> (Profile, Vec<Field>) {
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
    let shown = Profile {
        reference: each(reference, |text: &String| reference_of(text)),
        first_name: each(first_name, |text: &String| beginning(text)),
        last_name: each(last_name, |text: &String| beginning(text)),
        full_name: each(full_name, |text: &String| words(text)),
        email: each(email, |text: &String| address_of_mail(text)),
        mobile_country_code: mobile_country_code.clone(),
        mobile_number: each(mobile_number, |_| HIDDEN.to_owned()),
        phone: each(phone, |_| HIDDEN.to_owned()),
        birth_date: None,
        billing_address: each(billing_address, postal),
        shipping_address: each(shipping_address, postal),
        country: country.clone(),
        region: each(region, |text: &String| beginning(text)),
        currency: currency.clone(),
        language: language.clone(),
        notification_settings: notification_settings.clone(),
        communication_preferences: communication_preferences.clone(),
        subscription_preferences: each(subscription_preferences, values),
        payment_preferences: each(payment_preferences, values),
        status: *status,
        verification: *verification,
        consents: each(consents, |all: &Vec<Consent>| all.clone()),
        kyc: each(kyc, checked),
        tax_ids: each(tax_ids, |all: &Vec<TaxId>| all.iter().map(tax_id).collect()),
        metadata: each(metadata, values),
        payment_facts: None,
    };
    let hidden =
        [(Field::BirthDate, birth_date.is_some()), (Field::PaymentFacts, payment_facts.is_some())];
    let hidden = hidden.into_iter().filter(|(_, is_set)| *is_set).map(|(field, _)| field).collect();
    (shown, hidden)
}

/// What stands in the place of what is not shown.
const HIDDEN: &str = "***";

fn each<T, U>(value: &Option<Pii<T>>, mask: impl Fn(&T) -> U) -> Option<Pii<U>> {
    value.as_ref().map(|value| Pii::new(mask(value.reveal())))
}

/// The first character of a text of at least three.
fn beginning(text: &str) -> String {
    let mut characters = text.chars();
    match (characters.next(), characters.nth(1)) {
        (Some(first), Some(_)) => format!("{first}{HIDDEN}"),
        _ => HIDDEN.to_owned(),
    }
}

fn words(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(beginning).collect();
    words.join(" ")
}

/// The last two digits of a number of at least six. (Not for phone numbers: so few are left that they are found by
/// asking.)
fn ending(text: &str) -> String {
    let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    match digits.as_slice() {
        [.., a, b] if digits.len() >= 6 => format!("{HIDDEN}{a}{b}"),
        _ => HIDDEN.to_owned(),
    }
}

/// The beginning of the name, and the last label of the host.
fn address_of_mail(text: &str) -> String {
    match (text.rsplit_once('@'), text.rsplit_once('.')) {
        (Some((name, host)), Some((_, label))) if host.contains('.') && is_short(label) => {
            format!("{}@{HIDDEN}.{label}", beginning(name))
        }
        _ => beginning(text),
    }
}

/// Some names of top-level domains are people's.
fn is_short(label: &str) -> bool {
    label.len() <= 7 && label.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// A reference is an address of mail more often than not.
fn reference_of(text: &str) -> String {
    if text.contains('@') { address_of_mail(text) } else { beginning(text) }
}

/// The keys of a map say what is kept, its values about whom.
fn values(map: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    map.keys().map(|key| (key.clone(), HIDDEN.to_owned())).collect()
}

fn postal(address: &Address) -> Address {
    let Address { text, street, city, state, postal_code, country } = address;
    let hidden = |part: &Option<String>| part.as_ref().map(|_| HIDDEN.to_owned());
    Address {
        text: hidden(text),
        street: hidden(street),
        city: city.as_deref().map(beginning),
        state: state.as_deref().map(beginning),
        postal_code: hidden(postal_code),
        country: country.clone(),
    }
}

fn checked(kyc: &Kyc) -> Kyc {
    let Kyc { level, provider, reference, checked_at, expires_at } = kyc;
    Kyc {
        level: level.clone(),
        provider: provider.clone(),
        reference: reference.as_deref().map(beginning),
        checked_at: *checked_at,
        expires_at: *expires_at,
    }
}

fn tax_id(tax_id: &TaxId) -> TaxId {
    let TaxId { kind, value, country } = tax_id;
    TaxId { kind: kind.clone(), value: ending(value), country: country.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_value_is_recognised_and_not_learned() {
        for (masked, expect) in [
            (beginning("Jonathan"), "J***"),
            (beginning("Jo"), "***"),
            (beginning(""), "***"),
            (beginning("Ürgüp"), "Ü***"),
            (words("Jon  Aegon Snow"), "J*** A*** S***"),
            (ending("+65 9988-7766"), "***66"),
            (ending("12345"), "***"),
            (address_of_mail("jon@gmail.com"), "j***@***.com"),
            (address_of_mail("jo@mail.co.uk"), "***@***.uk"),
            (address_of_mail("jon@localhost"), "j***"),
            (address_of_mail("foo@mr.johnsmith"), "f***"),
            (reference_of("customer@gmail.com"), "c***@***.com"),
            (reference_of("A-1000"), "A***"),
        ] {
            assert_eq!(masked, expect);
        }
    }

    #[test]
    fn what_cannot_be_shown_in_part_is_named() {
        let profile = Profile {
            birth_date: Some(Pii::new(jiff::civil::date(1990, 2, 3))),
            first_name: Some("Jonathan".into()),
            ..Profile::default()
        };
        let (shown, hidden) = masked(&profile);
        assert_eq!(shown.birth_date, None);
        assert_eq!(hidden, [Field::BirthDate]);
        assert_eq!(shown.first_name, Some("J***".into()));
    }
}
