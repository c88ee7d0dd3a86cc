//! Reading values: from what stands in a body or a query to the types of the core. What is refused is said
//! without the value.

use std::ops::RangeInclusive;

use patron::api_key::Scope;
use patron::clock::Timestamp;
use patron::ids::{CustomerNumber, MerchantId};
use patron::merchant::{CountryCode, Days, Standing};
use patron::operator::Role;
use patron::password::Password;
use patron::pii::Pii;
use patron::profile::{Status, Verification};
use patron_wire::json::Json;

use crate::bodies::Expected;
use crate::{times, words};

/// The most characters of a name or a label.
pub(crate) const LABEL_LENGTH_MAX: usize = 100;

/// The most characters of what is searched for.
pub(crate) const TERM_LENGTH_MAX: usize = 300;

/// A text of any kind.
pub(crate) fn text(value: Json) -> Result<String, Expected> {
    match value {
        Json::Text(text) => Ok(text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => {
            Err("It is a text.")
        }
    }
}

/// A switch.
pub(crate) fn switch(value: Json) -> Result<bool, Expected> {
    match value {
        Json::Bool(is_on) => Ok(is_on),
        Json::Null | Json::Number(_) | Json::Text(_) | Json::List(_) | Json::Object(_) => {
            Err("It is true or false.")
        }
    }
}

/// The digits of a whole number, without those after a point that say nothing.
fn whole(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, rest)) if !rest.is_empty() && rest.bytes().all(|digit| digit == b'0') => whole,
        Some(_) | None => text,
    }
}

/// A whole number within a range, as JSON has it.
pub(crate) fn integer(value: Json, range: RangeInclusive<u32>) -> Result<u32, Expected> {
    let number = match value {
        Json::Number(text) => whole(&text).parse().ok(),
        Json::Null | Json::Bool(_) | Json::Text(_) | Json::List(_) | Json::Object(_) => None,
    };
    number.filter(|number| range.contains(number)).ok_or("It is a whole number within its limits.")
}

/// A whole number within a range, as a query has it.
pub(crate) fn digits<T: std::str::FromStr + PartialOrd>(
    value: Json,
    range: RangeInclusive<T>,
) -> Result<T, Expected> {
    let text = text(value)?;
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_digits { text.parse().ok() } else { None };
    number.filter(|number| range.contains(number)).ok_or("It is a whole number within its limits.")
}

/// A customer's number in a query.
pub(crate) fn customer_number(value: Json) -> Result<CustomerNumber, Expected> {
    let number = digits(value, 1..=i64::MAX)?;
    CustomerNumber::new(number).ok_or("It is a whole number within its limits.")
}

/// A name or a label: 1 to [`LABEL_LENGTH_MAX`] characters that can be printed.
pub(crate) fn label(value: Json) -> Result<String, Expected> {
    let text = text(value)?;
    let fits = (1..=LABEL_LENGTH_MAX).contains(&text.chars().count());
    if fits && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    Err("It has 1 to 100 printable characters.")
}

/// A text to search for: 1 to [`TERM_LENGTH_MAX`] characters.
pub(crate) fn term(value: Json) -> Result<Pii<String>, Expected> {
    let text = text(value)?;
    let fits = (1..=TERM_LENGTH_MAX).contains(&text.chars().count());
    if fits { Ok(Pii::new(text)) } else { Err("It has 1 to 300 characters.") }
}

/// A phone number to search for: some digits, whatever stands between them.
pub(crate) fn phone(value: Json) -> Result<Pii<String>, Expected> {
    let phone = term(value)?;
    // Full-width digits are digits too.
    if phone.reveal().chars().any(|c| c.is_ascii_digit() || ('０'..='９').contains(&c)) {
        return Ok(phone);
    }
    Err("It has 1 to 300 characters, one of which is a digit.")
}

/// An operator's address, as the core has it: something, one `@`, something, without white space.
pub(crate) fn email(value: Json) -> Result<Pii<String>, Expected> {
    let text = text(value)?;
    let is_one = text
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if is_one && is_plain && text.len() <= patron::operators::EMAIL_LENGTH_MAX {
        return Ok(Pii::new(text));
    }
    Err("It is an address of mail of at most 254 bytes: a name, an @ and a host.")
}

/// A password that is set.
pub(crate) fn new_password(value: Json) -> Result<Password, Expected> {
    Password::chosen(&text(value)?).ok_or("It has 12 to 256 characters.")
}

/// A moment.
pub(crate) fn moment(value: Json) -> Result<Timestamp, Expected> {
    times::parse(&text(value)?)
        .ok_or("It is a moment as in RFC 3339, such as 2024-01-15T10:30:00Z.")
}

/// The public id of a new merchant.
pub(crate) fn merchant_id(value: Json) -> Result<MerchantId, Expected> {
    MerchantId::parse(&text(value)?).ok_or("It has 1 to 64 of A-Z a-z 0-9 _ . -")
}

/// A telephone country code.
pub(crate) fn country_code(value: Json) -> Result<CountryCode, Expected> {
    CountryCode::parse(&text(value)?).ok_or("It has 1 to 4 digits.")
}

/// A number of days.
pub(crate) fn days(value: Json) -> Result<Days, Expected> {
    let days = integer(value, 1..=Days::MAX.into())?;
    let days = u16::try_from(days).ok().and_then(Days::new);
    days.ok_or("It is a whole number within its limits.")
}

/// Whether a merchant's keys are to work.
pub(crate) fn standing(value: Json) -> Result<Standing, Expected> {
    let text = text(value)?;
    let mut all = [Standing::Active, Standing::Suspended].into_iter();
    all.find(|one| one.name() == text).ok_or("It is active or suspended.")
}

/// A scope.
pub(crate) fn scope(value: Json) -> Result<Scope, Expected> {
    Scope::from_name(&text(value)?)
        .ok_or("It is customers:read, customers:write, customers:erase or admin.")
}

/// A role.
pub(crate) fn role(value: Json) -> Result<Role, Expected> {
    Role::from_name(&text(value)?).ok_or("It is owner, operator or auditor.")
}

/// A customer's status.
pub(crate) fn status(value: Json) -> Result<Status, Expected> {
    words::find_status(&text(value)?).ok_or("It is active, inactive or suspended.")
}

/// How far a customer's identity is verified.
pub(crate) fn verification(value: Json) -> Result<Verification, Expected> {
    let found = words::find_verification(&text(value)?);
    found.ok_or("It is unverified, pending, verified or rejected.")
}

/// A sum: a decimal number that is no less than nothing, as every reader of JSON writes one.
pub(crate) fn sum(value: Json) -> Result<String, Expected> {
    let text = text(value)?;
    let (whole, rest) = text.split_once('.').unwrap_or((&text, "0"));
    let is_digits = |text: &str, length_max: usize| {
        (1..=length_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_plain = whole == "0" || !whole.starts_with('0');
    if is_plain && is_digits(whole, 18) && is_digits(rest, 6) {
        return Ok(text);
    }
    Err("It is a decimal number such as 120.50: 1 to 18 digits, and up to 6 after the point.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Json {
        Json::Text(text.to_owned())
    }

    #[test]
    fn sums_are_numbers_that_json_has_too() {
        for good in ["0", "0.5", "120.50", "999999999999999999.999999"] {
            assert_eq!(sum(said(good)).as_deref(), Ok(good));
            assert!(serde_json::from_str::<&serde_json::value::RawValue>(good).is_ok());
        }
        for bad in ["", ".5", "5.", "00", "01", "-1", "+1", "1e3", "1.0000000", "1.2.3", "٣"] {
            assert!(sum(said(bad)).is_err(), "{bad}");
        }
        assert!(sum(said(&"9".repeat(19))).is_err());
        assert!(sum(Json::Number("5".to_owned())).is_err());
    }

    #[test]
    fn numbers_are_whole_and_within_their_limits() {
        let number = |text: &str| integer(Json::Number(text.to_owned()), 1..=10);
        assert_eq!((number("1"), number("10"), number("3.00")), (Ok(1), Ok(10), Ok(3)));
        for bad in ["0", "11", "-1", "1.5", "1.", "1e1", "99999999999999999999"] {
            assert!(number(bad).is_err(), "{bad}");
        }
        assert_eq!(digits(said("7"), 1..=9_u32), Ok(7));
        for bad in ["", "0", "+7", "7.0", " 7", "٣", "10"] {
            assert!(digits(said(bad), 1..=9_u32).is_err(), "{bad}");
        }
        assert!(customer_number(said("9007199254740991")).is_ok());
        assert!(customer_number(said("9007199254740992")).is_err());
    }

    #[test]
    fn a_limit_of_the_cores_is_the_same_here() {
        assert_eq!(LABEL_LENGTH_MAX, patron::management::LABEL_LENGTH_MAX);
        assert_eq!(patron::operators::EMAIL_LENGTH_MAX, 254);
        assert_eq!([patron::password::LENGTH_MIN, patron::password::LENGTH_MAX], [12, 256]);
    }

    #[test]
    fn addresses_of_mail() {
        for good in ["a@b", "jön@exämple.com", &format!("{}@b", "a".repeat(252))] {
            assert!(email(said(good)).is_ok(), "{good}");
        }
        for bad in ["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "a\u{a0}@b"] {
            assert!(email(said(bad)).is_err(), "{bad}");
        }
        assert!(email(said(&format!("{}@b", "a".repeat(253)))).is_err());
    }

    #[test]
    fn a_phone_number_to_look_for_has_a_digit() {
        assert!(phone(said("+65 9988")).is_ok() && phone(said("６５")).is_ok());
        assert!(phone(said("+")).is_err() && phone(said("")).is_err());
    }
}
