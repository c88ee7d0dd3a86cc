//! Reading JSON values as what a field holds. What cannot be read as that is no value of it; what is
//! too long or unknown is told by the rules afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use patron::clock::Timestamp;
use patron::profile::{
    Address, CommunicationPreferences, Consent, Kyc, NotificationSetting, TaxId,
};
use patron_wire::json::Json;

use super::Speaker;

/// An object's members, of which each known one stands there once.
struct Members<'a>(&'a [(String, Json)]);

impl<'a> Members<'a> {
    fn of(value: &'a Json) -> Option<Self> {
        match value {
            Json::Object(members) => Some(Self(members)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => None,
        }
    }

    /// The value under a key, `null` being none. Outer `None` when it stands there twice.
    fn one(&self, key: &str) -> Option<Option<&'a Json>> {
        let mut found = self.0.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
        let first = found.next();
        if found.next().is_some() {
            return None;
        }
        Some(first.filter(|value| **value != Json::Null))
    }

    /// A value that may be absent, read by `read`.
    fn maybe<T>(&self, key: &str, read: impl Fn(&Json) -> Option<T>) -> Option<Option<T>> {
        match self.one(key)? {
            None => Some(None),
            Some(value) => read(value).map(Some),
        }
    }

    /// A value that has to be there, read by `read`.
    fn must<T>(&self, key: &str, read: impl Fn(&Json) -> Option<T>) -> Option<T> {
        self.maybe(key, read)?
    }
}

fn list<T>(value: &Json, read: impl Fn(&Json) -> Option<T>) -> Option<Vec<T>> {
    match value {
        Json::List(values) => values.iter().map(read).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => None,
    }
}

/// A text.
pub(super) fn text(value: &Json) -> Option<String> {
    match value {
        Json::Text(text) => Some(text.clone()),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => None,
    }
}

fn switch(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(is_on) => Some(*is_on),
        Json::Null | Json::Number(_) | Json::Text(_) | Json::List(_) | Json::Object(_) => None,
    }
}

/// `YYYY-MM-DD`, a day that there is.
pub(super) fn date(value: &Json) -> Option<Date> {
    let text = text(value)?;
    let is_plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if is_plain { text.parse().ok() } else { None }
}

/// A moment (RFC 3339), in whole seconds, which is how it is answered.
fn moment(value: &Json) -> Option<Timestamp> {
    let text = text(value)?;
    // A program's own zone in brackets, or a space in the middle, is not of that form.
    let is_plain = matches!(text.as_bytes().get(10), Some(b'T' | b't')) && !text.contains('[');
    let at: jiff::Timestamp = if is_plain { text.parse().ok()? } else { return None };
    Some(whole_seconds(Timestamp::from_ms(at.as_millisecond())))
}

/// The moment as it is answered.
pub(super) fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_ms(at.as_ms().div_euclid(1_000).saturating_mul(1_000))
}

/// An address in parts.
pub(super) fn address(value: &Json) -> Option<Address> {
    let members = Members::of(value)?;
    Some(Address {
        text: None,
        street: members.maybe("street", text)?,
        city: members.maybe("city", text)?,
        state: members.maybe("state", text)?,
        postal_code: members.maybe("zipCode", text)?,
        country: members.maybe("country", text)?,
    })
}

/// Which notifications are wanted.
pub(super) fn notifications(value: &Json) -> Option<Vec<NotificationSetting>> {
    list(value, |one| {
        let members = Members::of(one)?;
        Some(NotificationSetting {
            notification: members.must("notificationType", text)?,
            is_enabled: members.must("isEnabled", switch)?,
        })
    })
}

/// By which channels the customer wants to be addressed.
pub(super) fn communication(value: &Json) -> Option<CommunicationPreferences> {
    let members = Members::of(value)?;
    Some(CommunicationPreferences {
        email: members.maybe("email", switch)?,
        sms: members.maybe("sms", switch)?,
        push: members.maybe("push", switch)?,
        post: members.maybe("post", switch)?,
    })
}

/// Preferences: texts by key.
pub(super) fn preferences(value: &Json) -> Option<BTreeMap<String, String>> {
    let Members(members) = Members::of(value)?;
    let mut read = BTreeMap::new();
    for (key, value) in members {
        if read.insert(key.clone(), text(value)?).is_some() {
            return None;
        }
    }
    Some(read)
}

/// By how much a merchant's clock may be ahead of ours.
const AHEAD_MAX: Duration = Duration::from_secs(300);

/// Consents. One that does not say when it was given was given when the same was said before, or else
/// now; and so was one of which a customer's own device says it, since the moment is the merchant's proof. None
/// was given later than now, as far as clocks agree, but for what has been answered so.
pub(super) fn consents(
    value: &Json,
    stored: Option<&Vec<Consent>>,
    speaker: Speaker,
    now: Timestamp,
) -> Option<Vec<Consent>> {
    list(value, |one| {
        let members = Members::of(one)?;
        let said = Consent {
            purpose: members.must("purpose", text)?,
            is_granted: members.must("isGranted", switch)?,
            version: members.maybe("version", text)?,
            at: whole_seconds(now),
        };
        let at = members.maybe("at", moment)?;
        let is_same = |before: &&Consent| Consent { at: before.at, ..said.clone() } == **before;
        let before = stored.and_then(|stored| stored.iter().find(is_same)).map(|before| before.at);
        if at.is_some_and(|at| at > now.after(AHEAD_MAX)) && at != before {
            return None;
        }
        let counts = match speaker {
            Speaker::Merchant => at,
            Speaker::Device => None,
        };
        let at = counts.or(before).unwrap_or(said.at);
        Some(Consent { at, ..said })
    })
}

/// A know-your-customer check.
pub(super) fn kyc(value: &Json) -> Option<Kyc> {
    let members = Members::of(value)?;
    Some(Kyc {
        level: members.maybe("level", text)?,
        provider: members.maybe("provider", text)?,
        reference: members.maybe("reference", text)?,
        checked_at: members.maybe("checkedAt", moment)?,
        expires_at: members.maybe("expiresAt", moment)?,
    })
}

/// Tax identifications.
pub(super) fn tax_ids(value: &Json) -> Option<Vec<TaxId>> {
    list(value, |one| {
        let members = Members::of(one)?;
        Some(TaxId {
            kind: members.must("type", text)?,
            value: members.must("value", text)?,
            country: members.maybe("country", text)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        let raw: &serde_json::value::RawValue = serde_json::from_str(text).unwrap();
        Json::read(raw).unwrap()
    }

    #[test]
    fn dates_are_plain_and_there() {
        let read = |text: &str| date(&Json::Text(text.to_owned())).map(|date| date.to_string());
        assert_eq!(read("1990-02-28").as_deref(), Some("1990-02-28"));
        assert_eq!(read("2000-02-29").as_deref(), Some("2000-02-29"));
        for bad in ["", "1990-02-29", "1990-2-28", "19900228", "28-02-1990", "1990-02-28T00:00Z"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(date(&json("19900228")), None);
    }

    #[test]
    fn moments_are_cut_to_the_second() {
        let read = |text: &str| moment(&Json::Text(text.to_owned())).map(Timestamp::as_ms);
        assert_eq!(read("2024-01-15T10:30:00Z"), Some(1_705_314_600_000));
        assert_eq!(read("2024-01-15T10:30:00.999Z"), Some(1_705_314_600_000));
        assert_eq!(read("2024-01-15T16:00:00+05:30"), Some(1_705_314_600_000));
        for bad in [
            "",
            "2024-01-15",
            "2024-01-15T10:30:00",
            "2024-01-15 10:30:00Z",
            "2024-01-15T10:30:00Z[UTC]",
            "2024-13-15T10:30:00Z",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn members_stand_once_and_are_of_their_type() {
        assert!(address(&json(r#"{"street":"1 Keep","zipCode":null,"planet":7}"#)).is_some());
        for bad in [r#"{"street":1}"#, r#"{"street":"a","street":"a"}"#, "[]", "true"] {
            assert_eq!(address(&json(bad)), None, "{bad}");
        }
        assert!(notifications(&json("[]")).is_some());
        for bad in ["[{}]", r#"[{"notificationType":"a"}]"#, r#"[{"isEnabled":true}]"#, "{}"] {
            assert_eq!(notifications(&json(bad)), None, "{bad}");
        }
        for bad in [r#"{"a":"1","a":"2"}"#, r#"{"a":1}"#, r#"{"a":null}"#, "[]"] {
            assert_eq!(preferences(&json(bad)), None, "{bad}");
        }
        assert_eq!(communication(&json(r#"{"email":"yes"}"#)), None);
        assert_eq!(kyc(&json(r#"{"checkedAt":"soon"}"#)), None);
        assert_eq!(tax_ids(&json(r#"[{"type":"eu_vat"}]"#)), None);
    }

    #[test]
    fn a_consent_that_was_given_before_keeps_its_moment() {
        let now = Timestamp::from_ms(5_999);
        let said = json(r#"[{"purpose":"terms","isGranted":true,"version":"1.0"}]"#);
        let later = Timestamp::from_ms(9_000);
        for speaker in [Speaker::Merchant, Speaker::Device] {
            let first = consents(&said, None, speaker, now).unwrap();
            assert_eq!(first[0].at, Timestamp::from_ms(5_000));
            assert_eq!(consents(&said, Some(&first), speaker, later).unwrap(), first);
            let other = json(r#"[{"purpose":"terms","isGranted":false,"version":"1.0"}]"#);
            assert_eq!(consents(&other, Some(&first), speaker, later).unwrap()[0].at, later);
        }
    }

    #[test]
    fn a_device_does_not_say_when_it_consented() {
        let now = Timestamp::from_ms(1_705_314_600_999);
        let early = json(r#"[{"purpose":"terms","isGranted":true,"at":"2001-01-01T00:00:00Z"}]"#);
        let by_merchant = consents(&early, None, Speaker::Merchant, now).unwrap();
        assert_eq!(by_merchant[0].at, Timestamp::from_ms(978_307_200_000));
        let by_device = consents(&early, None, Speaker::Device, now).unwrap();
        assert_eq!(by_device[0].at, whole_seconds(now));
        // What it was answered it may send back.
        let same = consents(&early, Some(&by_merchant), Speaker::Device, now).unwrap();
        assert_eq!(same, by_merchant);
    }

    #[test]
    fn nobody_consented_later_than_now() {
        let now = Timestamp::from_ms(1_705_314_600_500);
        let at = |at: &str| json(&format!(r#"[{{"purpose":"t","isGranted":true,"at":"{at}"}}]"#));
        for speaker in [Speaker::Merchant, Speaker::Device] {
            // Of a clock that is ahead.
            assert!(consents(&at("2024-01-15T10:35:00.999Z"), None, speaker, now).is_some());
            let late = at("2024-01-15T10:35:01Z");
            assert_eq!(consents(&late, None, speaker, now), None);
            // A moment that has been answered may be sent back, whatever the clock was then.
            let at = Timestamp::from_ms(1_705_314_901_000);
            let purpose = "t".to_owned();
            let stored = vec![Consent { purpose, is_granted: true, version: None, at }];
            assert_eq!(consents(&late, Some(&stored), speaker, now), Some(stored));
        }
    }
}
