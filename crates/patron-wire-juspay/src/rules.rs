//! What the vendor allows in each field, and what a request's values do to a customer.

use std::ops::RangeInclusive;

use patron::customer::Customer;
use patron::edit::Edit;
use patron::merchant::Merchant;
use patron::pii::Pii;
use patron::profile::{Field, Profile, ProfileEdit};
use unicode_normalization::char::is_combining_mark;

use crate::bodies::{Presence, Said};
use crate::fields::FieldName;
use crate::{SETTING_API_VERSION, SETTING_NAMES};

pub(crate) const REFERENCE_LENGTH_MAX: usize = 300;
pub(crate) const REFERENCE_LENGTH_MIN_V3_2: usize = 8;
pub(crate) const MOBILE_NUMBER_LENGTH_MAX: usize = 300;
pub(crate) const EMAIL_LENGTH_MAX: usize = 300;
pub(crate) const NAME_LENGTH_MAX: usize = 255;
pub(crate) const COUNTRY_CODE_LENGTH_MAX: usize = 64;

/// What an email address may have besides letters, digits and its one `@`.
pub(crate) const EMAIL_MARKS: &str = "!#$%&'*+-/=?^_.{|}~`";
/// What the local part of an email address neither starts nor ends with.
pub(crate) const EMAIL_EDGES: [char; 2] = ['_', '.'];
/// What a name may have besides letters and digits.
pub(crate) const NAME_MARKS: &str = "().-_";

pub(crate) const COUNT: RangeInclusive<u32> = 1..=100;
pub(crate) const COUNT_DEFAULT: u32 = 10;
pub(crate) const OFFSET: RangeInclusive<u32> = 0..=10_000;
pub(crate) const OFFSET_DEFAULT: u32 = 0;

/// The vendor's version of its own API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiVersion {
    /// What its current documents describe.
    Default,
    /// What its document of version 3.2 describes.
    V3_2,
}

/// Which rules bind a request: the merchant's settings and the request's `version` header.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) version: ApiVersion,
    has_unicode_names: bool,
    country_code: String,
}

impl Rules {
    /// The rules for a request to this merchant. Of the `version` header only `3.2` means anything:
    /// the libraries send dates there.
    pub(crate) fn of(merchant: &Merchant, version_header: Option<&[u8]>) -> Self {
        let settings = &merchant.settings;
        let is = |name: &str, value: &str| settings.wires.get(name).is_some_and(|set| set == value);
        let is_v3_2 = version_header == Some(b"3.2") || is(SETTING_API_VERSION, "3.2");
        Self {
            version: if is_v3_2 { ApiVersion::V3_2 } else { ApiVersion::Default },
            has_unicode_names: is(SETTING_NAMES, "unicode"),
            country_code: settings.country_code.as_str().to_owned(),
        }
    }

    /// Whether the text can be a new customer's reference. Lengths are in characters.
    pub(crate) fn allow_reference(&self, text: &str) -> bool {
        let length_min = match self.version {
            ApiVersion::Default => 1,
            ApiVersion::V3_2 => REFERENCE_LENGTH_MIN_V3_2,
        };
        (length_min..=REFERENCE_LENGTH_MAX).contains(&text.chars().count())
    }

    fn allow_name(&self, text: &str) -> bool {
        let documented = |c: char| c.is_ascii_alphanumeric() || NAME_MARKS.contains(c);
        let unicode =
            |c: char| c.is_alphanumeric() || is_combining_mark(c) || matches!(c, ' ' | '\'' | '’');
        text.chars().count() <= NAME_LENGTH_MAX
            && text.chars().all(|c| documented(c) || (self.has_unicode_names && unicode(c)))
    }

    /// What a request does to a field whose stored value is `old`.
    fn judge(
        &self,
        field: Field,
        said: &Presence,
        old: Option<&Pii<String>>,
    ) -> Result<Edit<Pii<String>>, Field> {
        match said {
            Presence::Absent => Ok(Edit::Keep),
            Presence::Wrong => Err(field),
            Presence::Text(text) if old.is_some_and(|old| old.reveal() == text) => Ok(Edit::Keep),
            Presence::Text(text) => {
                let name = FieldName::of(field).ok_or(field)?;
                self.read(name, text).map_err(|_| field)
            }
        }
    }

    /// What a value does to a field: a new value, or a cleared one where the value is empty.
    fn read(&self, field: FieldName, text: &str) -> Result<Edit<Pii<String>>, FieldName> {
        let (is_allowed, value) = match field {
            FieldName::MobileNumber => {
                // Empty is an error here, not a way to clear.
                return if allow_mobile_number(text) {
                    Ok(Edit::Set(text.into()))
                } else {
                    Err(field)
                };
            }
            FieldName::EmailAddress => (allow_email(text), text),
            FieldName::FirstName | FieldName::LastName => (self.allow_name(text), text),
            FieldName::MobileCountryCode => {
                let digits = text.strip_prefix('+').unwrap_or(text);
                (allow_country_code(digits), digits)
            }
            FieldName::ObjectReferenceId
            | FieldName::GetClientAuthToken
            | FieldName::Update
            | FieldName::Count
            | FieldName::Offset => return Err(field),
        };
        match (text.is_empty(), is_allowed) {
            (true, _) => Ok(Edit::Clear),
            (false, true) => Ok(Edit::Set(value.into())),
            (false, false) => Err(field),
        }
    }
}

fn allow_mobile_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    text.len() <= MOBILE_NUMBER_LENGTH_MAX && is_digits(digits)
}

fn allow_country_code(digits: &str) -> bool {
    digits.len() <= COUNTRY_CODE_LENGTH_MAX && is_digits(digits)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The vendor's own set of characters and rule of the local part, which is neither RFC 5321's nor
/// RFC 5322's (update customer, India: "alphanumeric characters and the following special
/// characters: !#$%&'*+-/=?^_.{|}~`@; _ and . cannot appear at the beginning or end of the local
/// part").
fn allow_email(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || EMAIL_MARKS.contains(c);
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    text.len() <= EMAIL_LENGTH_MAX
        && !local.is_empty()
        && !domain.is_empty()
        && local.chars().chain(domain.chars()).all(allowed)
        && !local.starts_with(EMAIL_EDGES)
        && !local.ends_with(EMAIL_EDGES)
}

/// What a request says about a customer, read but not yet judged.
#[derive(Debug)]
pub(crate) struct Wanted {
    mobile_number: Presence,
    email_address: Presence,
    first_name: Presence,
    last_name: Presence,
    mobile_country_code: Presence,
}

impl Wanted {
    pub(crate) fn of(said: &Said) -> Self {
        Self {
            mobile_number: said.about(FieldName::MobileNumber),
            email_address: said.about(FieldName::EmailAddress),
            first_name: said.about(FieldName::FirstName),
            last_name: said.about(FieldName::LastName),
            mobile_country_code: said.about(FieldName::MobileCountryCode),
        }
    }

    /// The fields that a creation cannot do without and that were not sent.
    pub(crate) fn missing(&self, rules: &Rules, reference: &Presence) -> Vec<FieldName> {
        let needs_email = rules.version == ApiVersion::V3_2;
        [
            (FieldName::ObjectReferenceId, reference, true),
            (FieldName::MobileNumber, &self.mobile_number, true),
            (FieldName::EmailAddress, &self.email_address, needs_email),
        ]
        .into_iter()
        .filter(|(_, presence, is_needed)| *is_needed && **presence == Presence::Absent)
        .map(|(field, _, _)| field)
        .collect()
    }

    /// A field that a creation cannot do without and that was sent empty. The mobile number is not
    /// among them, since an empty one is wrong wherever it is sent.
    pub(crate) fn empty(&self, rules: &Rules) -> Option<FieldName> {
        let is_empty = self.email_address == Presence::Text(String::new());
        (rules.version == ApiVersion::V3_2 && is_empty).then_some(FieldName::EmailAddress)
    }

    /// What the request does to `stored` (or to nothing). A value that is stored already is always
    /// allowed, whatever wire brought it.
    ///
    /// # Errors
    /// All wrong fields, in the vendor's order.
    pub(crate) fn edit(
        &self,
        rules: &Rules,
        stored: Option<&Customer>,
    ) -> Result<ProfileEdit, Vec<Field>> {
        let stored = stored.map(|customer| &customer.profile);
        let mut wrong = Vec::new();
        let mut judge = |field, said, old: fn(&Profile) -> &Option<Pii<String>>| {
            let old = stored.and_then(|profile| old(profile).as_ref());
            rules.judge(field, said, old).unwrap_or_else(|field| {
                wrong.push(field);
                Edit::Keep
            })
        };
        let edit = ProfileEdit {
            mobile_number: judge(Field::MobileNumber, &self.mobile_number, |p| &p.mobile_number),
            email: judge(Field::Email, &self.email_address, |p| &p.email),
            first_name: judge(Field::FirstName, &self.first_name, |p| &p.first_name),
            last_name: judge(Field::LastName, &self.last_name, |p| &p.last_name),
            mobile_country_code: judge(Field::MobileCountryCode, &self.mobile_country_code, |p| {
                &p.mobile_country_code
            }),
            // The vendor has no keys for these, and the reference does not change by an update.
            reference: Edit::Keep,
            full_name: Edit::Keep,
            phone: Edit::Keep,
            birth_date: Edit::Keep,
            billing_address: Edit::Keep,
            shipping_address: Edit::Keep,
            country: Edit::Keep,
            region: Edit::Keep,
            currency: Edit::Keep,
            language: Edit::Keep,
            notification_settings: Edit::Keep,
            communication_preferences: Edit::Keep,
            subscription_preferences: Edit::Keep,
            payment_preferences: Edit::Keep,
            status: Edit::Keep,
            verification: Edit::Keep,
            consents: Edit::Keep,
            kyc: Edit::Keep,
            tax_ids: Edit::Keep,
            metadata: Edit::Keep,
            payment_facts: Edit::Keep,
        };
        if wrong.is_empty() { Ok(edit) } else { Err(wrong) }
    }

    /// The profile of a new customer with this reference. A country code that was not sent is the
    /// merchant's.
    ///
    /// # Errors
    /// All wrong fields, in the vendor's order.
    pub(crate) fn new_profile(
        &self,
        rules: &Rules,
        reference: &str,
    ) -> Result<Profile, Vec<Field>> {
        let edit = self.edit(rules, None);
        let mut wrong = Vec::new();
        if !rules.allow_reference(reference) {
            wrong.push(Field::Reference);
        }
        let edit = match edit {
            Ok(edit) if wrong.is_empty() => edit,
            Ok(_) => return Err(wrong),
            Err(others) => {
                wrong.extend(others);
                return Err(wrong);
            }
        };
        let country_code = match edit.mobile_country_code {
            Edit::Keep => Edit::Set(rules.country_code.as_str().into()),
            given @ (Edit::Clear | Edit::Set(_)) => given,
        };
        Ok(Profile::default().edited(&ProfileEdit {
            reference: Edit::Set(reference.into()),
            mobile_country_code: country_code,
            ..edit
        }))
    }
}

/// A number in a query: digits within `range`, or `default` when it is not sent.
pub(crate) fn bounded(
    said: &Said,
    field: FieldName,
    default: u32,
    range: RangeInclusive<u32>,
) -> Result<u32, FieldName> {
    match said.about(field) {
        Presence::Absent => Ok(default),
        Presence::Wrong => Err(field),
        Presence::Text(text) => {
            let number = if is_digits(&text) { text.parse().ok() } else { None };
            number.filter(|number| range.contains(number)).ok_or(field)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(version: ApiVersion, has_unicode_names: bool) -> Rules {
        Rules { version, has_unicode_names, country_code: "91".to_owned() }
    }

    fn check(field: FieldName, text: &str, expect: Result<Option<&str>, ()>) {
        let read = rules(ApiVersion::Default, false).read(field, text).map_err(|_| ());
        let expect = expect.map(|value| value.map_or(Edit::Clear, |value| Edit::Set(value.into())));
        assert!(read == expect, "{field:?} {text:?}");
    }

    #[test]
    fn mobile_numbers() {
        let field = FieldName::MobileNumber;
        let long = "9".repeat(300);
        for good in ["1", "99887766", "+6599887766", &long] {
            check(field, good, Ok(Some(good)));
        }
        let plus_long = format!("+{long}");
        for bad in ["", "+", "-1", "1-2", "1 2", " 1", "++1", "1+", "٣", &plus_long] {
            check(field, bad, Err(()));
        }
    }

    #[test]
    fn email_addresses() {
        let field = FieldName::EmailAddress;
        let long = format!("{}@x", "a".repeat(298));
        for good in ["customer@gmail.com", "a@b", "a._b@_.", "!#$%&'*+-/=?^{|}~`@x", "-a-@b", &long]
        {
            check(field, good, Ok(Some(good)));
        }
        let longer = format!("a{long}");
        for bad in [
            "a", "@", "a@", "@b", "a@b@c", ".a@b", "a.@b", "_a@b", "a_@b", "a b@c", "é@b", "a@é",
            "a\"b@c", "a,b@c", "(a)@b", "a@b\n", "a\0@b", &longer,
        ] {
            check(field, bad, Err(()));
        }
        check(field, "", Ok(None));
    }

    #[test]
    fn names_and_country_codes() {
        let field = FieldName::FirstName;
        let long = "n".repeat(255);
        for good in ["Jon", "J.-_()9", &long] {
            check(field, good, Ok(Some(good)));
        }
        let longer = "n".repeat(256);
        for bad in [" ", "Jon Snow", "Jön", "O'Neil", "a\0", "a,b", &longer] {
            check(field, bad, Err(()));
        }
        check(field, "", Ok(None));
        let field = FieldName::MobileCountryCode;
        check(field, "65", Ok(Some("65")));
        check(field, "+65", Ok(Some("65")));
        check(field, "", Ok(None));
        for bad in ["+", "++65", "6 5", "SG", "-65", &"9".repeat(65)] {
            check(field, bad, Err(()));
        }
        check(field, &"9".repeat(64), Ok(Some(&"9".repeat(64))));
    }

    #[test]
    fn unicode_names_are_a_setting() {
        let rules = rules(ApiVersion::Default, true);
        for good in
            ["Jon Snow", "Jön", "O'Neil", "O’Neil", "राम", "李", "e\u{301}", &"é".repeat(255)]
        {
            assert!(rules.allow_name(good), "{good}");
        }
        for bad in ["a\0", "a\n", "a<b", "😀", "a,b", &"é".repeat(256)] {
            assert!(!rules.allow_name(bad), "{bad}");
        }
    }

    #[test]
    fn references_are_counted_in_characters() {
        let default = rules(ApiVersion::Default, false);
        let v3_2 = rules(ApiVersion::V3_2, false);
        assert!(default.allow_reference("é"));
        assert!(default.allow_reference(&"é".repeat(300)));
        assert!(!default.allow_reference(&"é".repeat(301)));
        assert!(!default.allow_reference(""));
        assert!(v3_2.allow_reference("12345678"));
        assert!(!v3_2.allow_reference("1234567"));
    }
}
