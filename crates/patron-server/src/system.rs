//! The operating system's clock and generator: the only place where time and randomness are made.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SecureRandom;
use patron::clock::{Clock, MonotonicClock, Timestamp};
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

/// Time as it passes, on this machine.
pub(crate) struct PassingTime(Stopwatch);

impl PassingTime {
    pub(crate) fn start() -> Self {
        Self(Stopwatch::start())
    }
}

impl MonotonicClock for PassingTime {
    /// On Linux the usual clock stands still while the machine sleeps, and this one does not.
    #[cfg(target_os = "linux")]
    fn elapsed(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::try_from(now).unwrap_or_else(|_| self.0.elapsed())
    }

    #[cfg(not(target_os = "linux"))]
    fn elapsed(&self) -> Duration {
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

/// Random bytes for what must be unique but is no secret, such as the ids of requests: the operating
/// system is asked for many at a time, since asking takes longer than most of a request.
pub(crate) struct PooledEntropy(OsEntropy);

/// How many bytes are asked for at a time.
const POOL_SIZE: usize = 1_024;

/// What a thread has left of its last pool.
struct Pool {
    bytes: [u8; POOL_SIZE],
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_SIZE], used: POOL_SIZE }) };
}

impl PooledEntropy {
    pub(crate) fn new() -> Self {
        Self(OsEntropy::new())
    }
}

impl Entropy for PooledEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        POOL.with_borrow_mut(|pool| {
            let end = pool.used.saturating_add(bytes.len());
            if end > POOL_SIZE {
                self.0.fill(&mut pool.bytes);
                pool.used = 0;
            }
            let end = pool.used.saturating_add(bytes.len());
            match pool.bytes.get(pool.used..end) {
                Some(fresh) => {
                    bytes.copy_from_slice(fresh);
                    pool.used = end;
                }
                // More than a pool holds.
                None => self.0.fill(bytes),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use patron::entropy::random_bytes;

    use super::*;

    #[test]
    fn pooled_bytes_are_never_given_twice() {
        let entropy = PooledEntropy::new();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1_000 {
            assert!(seen.insert(random_bytes::<16>(&entropy)));
        }
        let large: [u8; POOL_SIZE + 1] = random_bytes(&entropy);
        assert!(large.iter().any(|byte| *byte != 0));
        assert!(seen.insert(random_bytes::<16>(&entropy)));
    }

    #[test]
    fn the_system_generator_does_not_repeat() {
        let entropy = OsEntropy::new();
        assert_ne!(random_bytes::<32>(&entropy), random_bytes::<32>(&entropy));
    }
}
