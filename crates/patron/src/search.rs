//! Searching: what is looked for, what stores compare, and the pages that come of it.

use unicode_normalization::UnicodeNormalization as _;

use crate::blind_index::IndexKeys;
use crate::clock::Timestamp;
use crate::customer::Customer;
use crate::ids::CustomerNumber;
use crate::merchant::CountryCode;
use crate::pii::Pii;
use crate::profile::{Status, Verification};
use crate::store::{COUNTED_MAX, SealedQuery, Start};

/// Which customers are looked for. Everything that is set must hold.
///
/// Texts are compared after normalisation (Unicode NFKC, case, white space), but for the id and the exact
/// reference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchQuery {
    /// The public id, exactly.
    pub id: Option<Pii<String>>,
    /// The number.
    pub number: Option<CustomerNumber>,
    /// The merchant's reference, exactly as given.
    pub exact_reference: Option<Pii<String>>,
    /// The merchant's reference.
    pub reference: Option<Pii<String>>,
    /// The email address.
    pub email: Option<Pii<String>>,
    /// The phone number, with its country code (`+65…`, `0065…`) or without.
    pub phone: Option<Pii<String>>,
    /// The full name.
    pub name: Option<Pii<String>>,
    /// Where the customer stands with the merchant.
    pub status: Option<Status>,
    /// How far the customer's identity is verified.
    pub verification: Option<Verification>,
    /// Created at this moment or later.
    pub created_from: Option<Timestamp>,
    /// Created before this moment.
    pub created_before: Option<Timestamp>,
}

impl SearchQuery {
    /// Whether it finds out whether somebody has a value that is masked for some.
    pub(crate) const fn is_about_values(&self) -> bool {
        self.exact_reference.is_some()
            || self.reference.is_some()
            || self.email.is_some()
            || self.phone.is_some()
            || self.name.is_some()
    }

    /// What a store compares.
    pub(crate) fn sealed(&self, keys: &IndexKeys, country_code: &CountryCode) -> SealedQuery {
        let Self {
            id,
            number,
            exact_reference,
            reference,
            email,
            phone,
            name,
            status,
            verification,
            created_from,
            created_before,
        } = self;
        let phones = phone.as_ref().map(|phone| phone_candidates(phone.reveal(), country_code));
        SealedQuery {
            id: id.as_ref().map(|id| keys.id(id.reveal())),
            number: *number,
            reference: exact_reference.as_ref().map(|text| keys.reference(text.reveal())),
            reference_search: reference.as_ref().map(|text| keys.reference_search(text.reveal())),
            email_search: email.as_ref().map(|text| keys.email_search(text.reveal())),
            phone_search: phones.iter().flatten().map(|digits| keys.phone_search(digits)).collect(),
            name_search: name.as_ref().map(|text| keys.name_search(text.reveal())),
            status: status.map(Status::code),
            verification: verification.map(Verification::code),
            created_from: *created_from,
            created_before: *created_before,
        }
    }
}

/// The digits that a phone number may be kept as. One that says its country code (`+`, `00`) is meant as it
/// stands; any other may lack it.
fn phone_candidates(text: &str, country_code: &CountryCode) -> Vec<String> {
    // Full-width digits are digits too.
    let text: String = text.nfkc().collect();
    let text = text.trim();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if text.starts_with('+') {
        return vec![digits];
    }
    if let Some(with_code) = digits.strip_prefix("00") {
        return vec![with_code.to_owned()];
    }
    let with_code = format!("{}{digits}", country_code.as_str());
    vec![digits, with_code]
}

/// A place in a list of customers, newest first: who comes after it was created earlier.
///
/// It stays a place when the customer that made it is deleted, so that walking a list shows each customer that
/// stays once, whatever is added or taken away meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    created: Timestamp,
    number: CustomerNumber,
}

impl Cursor {
    pub(crate) const fn at(customer: &Customer) -> Self {
        Self { created: customer.created, number: customer.number }
    }

    /// The cursor as text.
    pub fn to_text(self) -> String {
        format!("{}.{}", self.created.as_ms(), self.number.get())
    }

    /// Reads what [`Cursor::to_text`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (created, number) = text.split_once('.')?;
        let created = Timestamp::from_ms(created.parse().ok()?);
        let cursor = Self { created, number: CustomerNumber::new(number.parse().ok()?)? };
        (cursor.to_text() == text).then_some(cursor)
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFrom {
    /// After so many customers; 0 is the newest.
    Offset(u32),
    /// After the last customer of another page.
    Cursor(Cursor),
}

impl PageFrom {
    pub(crate) const fn start(self) -> Start {
        match self {
            Self::Offset(offset) => Start::Offset(offset),
            Self::Cursor(Cursor { created, number }) => Start::After(created, number),
        }
    }
}

/// How many customers a query finds in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// So many.
    pub count: u64,
    /// False where counting stopped at [`COUNTED_MAX`]: there may be more.
    pub is_exact: bool,
}

impl Total {
    pub(crate) fn of(query: &SealedQuery, count: u64) -> Self {
        Self { count, is_exact: query.is_everything() || count < COUNTED_MAX.into() }
    }
}

/// A page of what a query found.
#[derive(Debug)]
pub struct CustomerPage {
    /// The customers, newest first.
    pub customers: Vec<Customer>,
    /// How many there are in all.
    pub total: Total,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_may_lack_its_country_code() {
        let code = CountryCode::parse("65").unwrap();
        for (text, expect) in [
            ("+65 9988-7766", vec!["6599887766"]),
            ("0065 99887766", vec!["6599887766"]),
            ("99887766", vec!["99887766", "6599887766"]),
            (" (99) 88.77.66 ", vec!["99887766", "6599887766"]),
            ("６５９９", vec!["6599", "656599"]),
            ("+", vec![""]),
        ] {
            assert_eq!(phone_candidates(text, &code), expect, "{text}");
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_in_no_other_way() {
        let text = "1732900000000.4097";
        assert_eq!(Cursor::parse(text).map(Cursor::to_text).as_deref(), Some(text));
        for bad in ["", ".", "1.", ".1", "1.0", "01.1", "+1.1", "1.1 ", "1.9007199254740992", "a.b"]
        {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
