//! Waiting for a condition, with a deadline.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place of the tests that measures time and pauses"
)]

use std::time::{Duration, Instant};

/// How long anything that should happen soon is waited for. Generous, since a busy machine is slow.
pub const SOON: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(5);

/// Asks `condition` again and again until it yields a value, and fails when `within` has passed.
///
/// # Panics
/// When the condition never came true.
pub fn until<T>(what: &str, within: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {within:?} in vain until {what}");
        std::thread::sleep(PAUSE);
    }
}

/// What `act` returns, and how long it took.
pub fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = act();
    (done, start.elapsed())
}

/// The time since something.
#[derive(Debug, Clone, Copy)]
pub struct Since(Instant);

impl Since {
    /// From now on.
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// How long ago it was.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Like [`until`], for as long as a patient reader would wait.
pub fn soon<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    until(what, SOON, condition)
}

/// Lets a time go by, where the moment itself is what is tried and no condition marks it: when a
/// program is killed.
pub fn let_pass(time: Duration) {
    std::thread::sleep(time);
}
