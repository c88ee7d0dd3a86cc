//! The kinds of values that settings and commands take.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;
use patron::clock::Timestamp;
use patron::installation::Mode;
use patron::merchant::Days;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A value that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// To the control socket, which only its owner reads.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Takes any text: clap repeats the values that it refuses, so this one is checked later.
pub(super) fn parse_secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

pub(super) fn parse_mode(text: &str) -> Result<Mode, &'static str> {
    Mode::from_name(text).ok_or("it must be `sandbox` or `production`")
}

pub(super) fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "it must be an address and a port, such as 127.0.0.1:8080 or [::]:8080")
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

/// When a key expires: at a moment, or so many seconds after it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Expiry {
    /// Milliseconds since 1970.
    AtMs(i64),
    /// Seconds from now.
    AfterS(u64),
}

impl Expiry {
    /// Reads `2027-01-01T00:00:00Z` or a span such as `90d`.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Ok(span) = parse_span(text) {
            return Ok(Self::AfterS(span.as_secs()));
        }
        let at: jiff::Timestamp = text.parse().map_err(
            |_| "it must be a moment such as 2027-01-01T00:00:00Z or a span such as 90d",
        )?;
        Ok(Self::AtMs(at.as_millisecond()))
    }

    /// The moment that is meant.
    pub(crate) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::AtMs(ms) => Timestamp::from_ms(ms),
            Self::AfterS(s) => now.after(Duration::from_secs(s)),
        }
    }
}

/// After how many days something is done by itself, if ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Term {
    /// It is not.
    Never,
    /// After so many.
    Days(u16),
}

impl Term {
    /// Reads a number of days or `never`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let days = text.parse().ok().and_then(Days::new);
        let days = days.ok_or_else(|| format!("it must be 1 to {} days, or never", Days::MAX))?;
        Ok(Self::Days(days.get()))
    }
}

/// Reads a span of time: `90d`, `24h`, `30m`, `15s` or `0`.
pub(crate) fn parse_span(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "it must be a span such as 90d, 24h, 30m, 15s or 0";
    const LENGTH_MAX_S: u64 = 100 * 366 * 86_400;
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let unit_s = match text.bytes().last() {
        Some(b'd') => 86_400,
        Some(b'h') => 3_600,
        Some(b'm') => 60,
        Some(b's') => 1,
        _ => return Err(FORM),
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if digits.len() + 1 != text.len() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FORM);
    }
    let count: u64 = digits.parse().map_err(|_| FORM)?;
    let length_s = count.checked_mul(unit_s);
    match length_s.filter(|length_s| *length_s <= LENGTH_MAX_S) {
        Some(length_s) => Ok(Duration::from_secs(length_s)),
        None => Err("it must be at most a hundred years"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        for (text, expect_s) in [
            ("0", Some(0)),
            ("15s", Some(15)),
            ("0s", Some(0)),
            ("30m", Some(1_800)),
            ("24h", Some(86_400)),
            ("90d", Some(7_776_000)),
            ("", None),
            ("d", None),
            ("5", None),
            ("-5s", None),
            ("+5s", None),
            ("1.5h", None),
            ("5dd", None),
            ("5 d", None),
            ("99999999999999999999d", None),
            ("36601d", None),
        ] {
            assert_eq!(parse_span(text).ok().map(|span| span.as_secs()), expect_s, "{text}");
        }
    }

    #[test]
    fn a_term_is_a_number_of_days_or_never() {
        assert_eq!(Term::parse("never"), Ok(Term::Never));
        assert_eq!(Term::parse("36500"), Ok(Term::Days(36_500)));
        for bad in ["", "0", "-1", "36501", "99999", "1.5", "30d", "Never"] {
            assert!(Term::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_expiry_is_a_moment_or_a_span() {
        assert_eq!(Expiry::parse("2027-01-01T00:00:00Z"), Ok(Expiry::AtMs(1_798_761_600_000)));
        assert_eq!(Expiry::parse("90d"), Ok(Expiry::AfterS(7_776_000)));
        assert!(Expiry::parse("tomorrow").is_err());
        let now = Timestamp::from_ms(5);
        assert_eq!(Expiry::AfterS(2).resolve(now), Timestamp::from_ms(2_005));
    }
}
