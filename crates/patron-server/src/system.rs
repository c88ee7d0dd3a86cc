//! The operating system's clock and generator: the only place where time and randomness are made.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
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

/// Bytes that follow from a seed: the same seed gives the same ids in the same order.
pub(crate) struct SeededIds {
    key: hmac::Key,
    blocks: AtomicU64,
}

impl SeededIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &seed.to_be_bytes()),
            blocks: AtomicU64::new(0),
        }
    }
}

impl Entropy for SeededIds {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = self.blocks.fetch_add(1, Ordering::Relaxed);
            let tag = hmac::sign(&self.key, &block.to_be_bytes());
            for (byte, random) in chunk.iter_mut().zip(tag.as_ref()) {
                *byte = *random;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use patron::entropy::random_bytes;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_again_and_another_seed_others() {
        let draw = |seed| -> ([u8; 40], [u8; 8]) {
            let ids = SeededIds::new(seed);
            (random_bytes(&ids), random_bytes(&ids))
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(draw(7).0[..8], draw(7).1);
    }

    #[test]
    fn the_system_generator_does_not_repeat() {
        let entropy = OsEntropy::new();
        assert_ne!(random_bytes::<32>(&entropy), random_bytes::<32>(&entropy));
    }
}
