//! The operating system's clock and generator: the only place where time and randomness are made.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SecureRandom;
use patron::clock::{Clock, Timestamp};
use patron::entropy::Entropy;

/// The operating system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that others are given")]
    fn now(&self) -> Timestamp {
        // A clock that is set before 1970 shows 1970.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// How long something takes.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "this is what the edge measures durations with")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The operating system's generator of random bytes.
#[expect(clippy::disallowed_types, reason = "this is the generator that others are given")]
pub(crate) struct OsEntropy(aws_lc_rs::rand::SystemRandom);

impl OsEntropy {
    #[expect(clippy::disallowed_types, reason = "this is the generator that others are given")]
    pub(crate) fn new() -> Self {
        Self(aws_lc_rs::rand::SystemRandom::new())
    }
}

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if self.0.fill(bytes).is_err() {
            // A predictable key is worse than no answer.
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use patron::entropy::random_bytes;

    use super::*;

    #[test]
    fn the_system_generator_does_not_repeat() {
        let entropy = OsEntropy::new();
        assert_ne!(random_bytes::<32>(&entropy), random_bytes::<32>(&entropy));
    }
}
