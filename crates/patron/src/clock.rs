//! Time as a value: milliseconds since 1970 in UTC, and the trait that tells it at the edge.

use std::time::Duration;

/// A moment in UTC, in milliseconds since 1970-01-01T00:00:00Z. Negative values are before that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `ms` milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// This moment plus `duration`; saturates at the end of time.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(ms))
    }

    /// This moment less `duration`; saturates at the beginning of time.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(ms))
    }

    /// `YYYY-MM-DDTHH:MM:SSZ`: UTC in whole seconds, cut off, not rounded.
    ///
    /// Years outside -9999 to 9999, which no clock shows, are written as the nearest that fits.
    pub fn to_rfc3339_seconds(self) -> String {
        let seconds = self.0.div_euclid(1_000);
        let at = jiff::Timestamp::from_second(seconds).unwrap_or(if seconds < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        });
        // Display of a jiff timestamp without a fraction is exactly this form (RFC 3339, `Z`).
        jiff::Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
    }
}

/// Tells the time. Implemented at the edge, in the server; the core only ever receives the result.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// Tells how time passes. Implemented at the edge; it never goes back, and goes on while the process is
/// stopped or the machine asleep.
pub trait MonotonicClock: Send + Sync {
    /// The time since some moment that stays the same for as long as the process lives.
    fn elapsed(&self) -> Duration;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_whole_seconds_with_a_z() {
        assert_eq!(
            Timestamp::from_ms(1_470_125_272_999).to_rfc3339_seconds(),
            "2016-08-02T08:07:52Z"
        );
        assert_eq!(Timestamp::from_ms(-1).to_rfc3339_seconds(), "1969-12-31T23:59:59Z");
        assert!(Timestamp::from_ms(i64::MAX).to_rfc3339_seconds().starts_with("9999-"));
    }
}
