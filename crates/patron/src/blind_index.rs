//! Blind indexes: what a store may compare without knowing what it is.

use unicode_normalization::UnicodeNormalization;

use crate::crypto::{DoesNotOpen, KeyBytes, Mac, derive_key};
use crate::customer::Customer;
use crate::keys::Generation;
use crate::pii::Pii;

/// 16 bytes of HMAC-SHA-256 of a value. Equal values of one field of one merchant give equal
/// indexes; nothing else can be read out of them without the merchant's index key.
pub type BlindIndex = [u8; 16];

/// What an index is over. Each has its own key, so that equal values in different fields differ.
#[derive(Debug, Clone, Copy)]
enum Over {
    Id,
    Reference,
    EmailSearch,
    PhoneSearch,
    ReferenceSearch,
    NameSearch,
}

impl Over {
    const fn purpose(self) -> &'static str {
        match self {
            Self::Id => "patron index id 1",
            Self::Reference => "patron index reference 1",
            Self::EmailSearch => "patron index email search 1",
            Self::PhoneSearch => "patron index phone search 1",
            Self::ReferenceSearch => "patron index reference search 1",
            Self::NameSearch => "patron index name search 1",
        }
    }
}

/// A merchant's index keys of one generation, one for each field.
pub struct IndexKeys {
    generation: Generation,
    id: Mac,
    reference: Mac,
    email_search: Mac,
    phone_search: Mac,
    reference_search: Mac,
    name_search: Mac,
}

/// All indexes of one customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexes {
    /// The generation of the key they were made with.
    pub generation: Generation,
    /// Over the public id, exact. Unique per merchant.
    pub id: BlindIndex,
    /// Over the reference, exact. Unique per merchant.
    pub reference: Option<BlindIndex>,
    /// Over the email address, normalised.
    pub email_search: Option<BlindIndex>,
    /// Over country code and number, digits only.
    pub phone_search: Option<BlindIndex>,
    /// Over the reference, normalised.
    pub reference_search: Option<BlindIndex>,
    /// Over the full name, normalised.
    pub name_search: Option<BlindIndex>,
}

impl IndexKeys {
    pub(crate) fn derive(key: &KeyBytes, generation: Generation) -> Result<Self, DoesNotOpen> {
        let mac = |over: Over| Ok(Mac::new(&derive_key(key, over.purpose().as_bytes())?));
        Ok(Self {
            generation,
            id: mac(Over::Id)?,
            reference: mac(Over::Reference)?,
            email_search: mac(Over::EmailSearch)?,
            phone_search: mac(Over::PhoneSearch)?,
            reference_search: mac(Over::ReferenceSearch)?,
            name_search: mac(Over::NameSearch)?,
        })
    }

    /// The index of a public id.
    pub fn id(&self, id: &str) -> BlindIndex {
        shortened(&self.id, id)
    }

    /// The index of a reference, exactly as given.
    pub fn reference(&self, reference: &str) -> BlindIndex {
        shortened(&self.reference, reference)
    }

    /// The search index of a reference.
    pub(crate) fn reference_search(&self, text: &str) -> BlindIndex {
        shortened(&self.reference_search, &normalised(text))
    }

    /// The search index of an email address.
    pub(crate) fn email_search(&self, text: &str) -> BlindIndex {
        shortened(&self.email_search, &normalised(text))
    }

    /// The search index of a phone number: its country code and number, digits only.
    pub(crate) fn phone_search(&self, digits: &str) -> BlindIndex {
        shortened(&self.phone_search, digits)
    }

    /// The search index of a full name.
    pub(crate) fn name_search(&self, text: &str) -> BlindIndex {
        shortened(&self.name_search, &normalised(text))
    }

    /// All indexes of a customer. A deleted customer keeps only the one over its id.
    pub fn of(&self, customer: &Customer) -> Indexes {
        let profile = &customer.profile;
        let visible = customer.deleted.is_none();
        let reference = profile.reference.as_ref().map(Pii::reveal).filter(|_| visible);
        let email = profile.email.as_ref().map(Pii::reveal).filter(|_| visible);
        let phone = search_phone(customer).filter(|_| visible);
        let name = search_name(customer).filter(|_| visible);
        Indexes {
            generation: self.generation,
            id: self.id(customer.id.reveal()),
            reference: reference.map(|text| self.reference(text)),
            email_search: email.map(|text| self.email_search(text)),
            phone_search: phone.map(|digits| self.phone_search(&digits)),
            reference_search: reference.map(|text| self.reference_search(text)),
            name_search: name.map(|text| self.name_search(&text)),
        }
    }
}

fn shortened(mac: &Mac, text: &str) -> BlindIndex {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = mac.sign(text.as_bytes());
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// What search compares: Unicode NFKC, lower case, runs of white space as one space, none at the ends.
pub fn normalised(text: &str) -> String {
    let folded: String = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
    };
    let mut words = folded.split_whitespace();
    let mut out = String::with_capacity(folded.len());
    if let Some(first) = words.next() {
        out.push_str(first);
    }
    for word in words {
        out.push(' ');
        out.push_str(word);
    }
    out
}

/// Digits of country code and number; without a number there is nothing to find.
fn search_phone(customer: &Customer) -> Option<String> {
    let number = customer.profile.mobile_number.as_ref()?.reveal();
    let code = customer.profile.mobile_country_code.as_ref().map_or("", |code| code.reveal());
    Some(code.chars().chain(number.chars()).filter(char::is_ascii_digit).collect())
}

/// The full name as given, else first and last name with a space.
fn search_name(customer: &Customer) -> Option<String> {
    let profile = &customer.profile;
    if let Some(full) = &profile.full_name {
        return Some(full.reveal().clone());
    }
    match (&profile.first_name, &profile.last_name) {
        (Some(first), Some(last)) => Some(format!("{} {}", first.reveal(), last.reveal())),
        (Some(one), None) | (None, Some(one)) => Some(one.reveal().clone()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::merchant_keys;

    #[test]
    fn search_ignores_case_width_and_spaces() {
        for (given, expect) in [
            ("Jon@Example.COM", "jon@example.com"),
            ("  Jon \t Snow\n", "jon snow"),
            ("ＪＯＮ", "jon"),
            ("ﬁ", "fi"),
            ("STRASSE", "strasse"),
            ("İ", "i\u{307}"),
            ("", ""),
        ] {
            assert_eq!(normalised(given), expect, "{given:?}");
        }
    }

    #[test]
    fn equal_values_in_different_fields_and_merchants_differ() {
        let (one, two) = (merchant_keys(1), merchant_keys(2));
        let text = "customer@gmail.com";
        assert_eq!(one.indexes().id(text), one.indexes().id(text));
        assert_ne!(one.indexes().id(text), one.indexes().reference(text));
        assert_ne!(one.indexes().id(text), two.indexes().id(text));
    }
}
