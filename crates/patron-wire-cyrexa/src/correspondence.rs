//! What this vendor's name, phone and address are in the core, which other wires read and write in
//! parts: both directions.

use std::borrow::Cow;

use patron::pii::Pii;
use patron::profile::{Address, Profile};
use patron_wire::phone::{International, digits_of};

/// The name as it is answered: as it was given whole, else first and last joined by one space.
pub(crate) fn name(profile: &Profile) -> Option<Cow<'_, str>> {
    if let Some(full) = &profile.full_name {
        return Some(full.reveal().as_str().into());
    }
    let first = profile.first_name.as_ref().map(|name| name.reveal().as_str());
    let last = profile.last_name.as_ref().map(|name| name.reveal().as_str());
    match (first, last) {
        (Some(first), Some(last)) => Some(format!("{first} {last}").into()),
        (Some(one), None) | (None, Some(one)) => Some(one.into()),
        (None, None) => None,
    }
}

/// First and last name in a whole one: the last word is the last name, and a single word the first name.
pub(crate) fn split_name(name: &str) -> (Option<&str>, Option<&str>) {
    let name = name.trim();
    match name.rsplit_once(char::is_whitespace) {
        Some((first, last)) => (Some(first.trim_end()), Some(last)),
        None => (Some(name).filter(|name| !name.is_empty()), None),
    }
}

/// The phone number as it is answered: as it was given whole, else `+`, country code, number.
pub(crate) fn phone(profile: &Profile) -> Option<Cow<'_, str>> {
    if let Some(phone) = &profile.phone {
        return Some(phone.reveal().as_str().into());
    }
    let number = profile.mobile_number.as_ref()?.reveal().as_str();
    match &profile.mobile_country_code {
        // A number that came in the international form has its code already.
        Some(code) if !number.starts_with('+') => {
            Some(format!("+{}{number}", code.reveal()).into())
        }
        Some(_) | None => Some(number.into()),
    }
}

/// Country code and number in a whole phone number. One that is not international is taken for the
/// merchant's country's.
pub(crate) fn split_phone(phone: &str, default_code: &str) -> (String, String) {
    match International::parse(phone) {
        Some(International { country_code, number }) => (country_code, number),
        None => (default_code.to_owned(), digits_of(phone)),
    }
}

/// The billing address as one text: as it was given, else its parts, joined by a comma and a space.
pub(crate) fn address(profile: &Profile) -> Option<Cow<'_, str>> {
    let address = profile.billing_address.as_ref()?.reveal();
    match &address.text {
        Some(text) => Some(text.as_str().into()),
        None => Some(joined(address)).filter(|text| !text.is_empty()).map(Cow::from),
    }
}

/// The parts of an address in the vendor's order, as one text. Empty ones are left out.
pub(crate) fn joined(address: &Address) -> String {
    let Address { text: _, street, city, state, postal_code, country } = address;
    let parts = [street, city, state, postal_code, country];
    let said = parts.into_iter().flatten().map(String::as_str).filter(|part| !part.is_empty());
    said.collect::<Vec<_>>().join(", ")
}

/// The parts of an address alone. `None` where it has none.
pub(crate) fn parts(address: &Address) -> Option<Address> {
    let parts = Address { text: None, ..address.clone() };
    (parts != Address::default()).then_some(parts)
}

/// The parts of an address of the profile.
pub(crate) fn parts_of(address: &Option<Pii<Address>>) -> Option<Address> {
    address.as_ref().and_then(|address| parts(address.reveal()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_the_last_word_and_joined() {
        for (whole, first, last) in [
            ("Jon Snow", Some("Jon"), Some("Snow")),
            ("Jon", Some("Jon"), None),
            ("Jon Aegon  Targaryen", Some("Jon Aegon"), Some("Targaryen")),
            ("  Jon \t Snow ", Some("Jon"), Some("Snow")),
            ("李 小龍", Some("李"), Some("小龍")),
        ] {
            assert_eq!(split_name(whole), (first, last), "{whole}");
        }
        let mut profile = Profile { last_name: Some("Snow".into()), ..Profile::default() };
        assert_eq!(name(&profile).unwrap(), "Snow");
        profile.first_name = Some("Jon".into());
        assert_eq!(name(&profile).unwrap(), "Jon Snow");
        profile.full_name = Some("  Jon   Snow".into());
        assert_eq!(name(&profile).unwrap(), "  Jon   Snow");
        assert_eq!(name(&Profile::default()), None);
    }

    #[test]
    fn phones_are_split_by_country_and_joined() {
        for (whole, code, number) in [
            ("+1 (555) 123-4567", "1", "5551234567"),
            ("+65 9988.7766", "65", "99887766"),
            ("099 887-766", "91", "099887766"),
            // No country has this code.
            ("+999 123", "91", "999123"),
        ] {
            assert_eq!(split_phone(whole, "91"), (code.to_owned(), number.to_owned()), "{whole}");
        }
        let mut profile = Profile { mobile_country_code: Some("91".into()), ..Profile::default() };
        assert_eq!(phone(&profile), None);
        profile.mobile_number = Some("99887766".into());
        assert_eq!(phone(&profile).unwrap(), "+9199887766");
        profile.mobile_number = Some("+6599887766".into());
        assert_eq!(phone(&profile).unwrap(), "+6599887766");
        profile.phone = Some("0-99".into());
        assert_eq!(phone(&profile).unwrap(), "0-99");
        profile = Profile { mobile_number: Some("99".into()), ..Profile::default() };
        assert_eq!(phone(&profile).unwrap(), "99");
    }

    #[test]
    fn addresses_are_one_text_or_parts() {
        let part = |text: &str| Some(text.to_owned());
        let mut billing = Address { city: part("Winterfell"), ..Address::default() };
        billing.street = part("1 Great Keep");
        billing.state = part("");
        billing.country = part("GB");
        let of = |billing: &Address| {
            let billing_address = Some(Pii::new(billing.clone()));
            let profile = Profile { billing_address, ..Profile::default() };
            address(&profile).map(Cow::into_owned)
        };
        assert_eq!(of(&billing).unwrap(), "1 Great Keep, Winterfell, GB");
        assert_eq!(parts(&billing), Some(billing.clone()));
        billing.text = part("The North");
        assert_eq!(of(&billing).unwrap(), "The North");
        assert_eq!(of(&Address::default()), None);
        let text = Address { text: part("The North"), ..Address::default() };
        assert_eq!(parts(&text), None);
    }
}
