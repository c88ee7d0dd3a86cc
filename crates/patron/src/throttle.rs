//! Throttling of what is guessed at: so many failures in a while, then none is heard until it is over.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// How many keys are remembered at once. Beyond that, those whose time is over are forgotten, then those that have
/// not met the limit; never those that have, whom somebody could make forgotten by trying many others.
const KEYS_MAX: usize = 10_000;

/// Counts failures by key within windows of time.
pub(crate) struct Throttle<K> {
    windows: Mutex<HashMap<K, Window>>,
    failures_max: u32,
    window: Duration,
}

#[derive(Clone, Copy)]
struct Window {
    ends: Timestamp,
    failures: u32,
}

impl<K: Eq + Hash> Throttle<K> {
    pub(crate) fn new(failures_max: u32, window: Duration) -> Self {
        Self { windows: Mutex::default(), failures_max, window }
    }

    /// Counts an attempt as a failure until [`Throttle::forgive`] is told otherwise, so that many attempts at
    /// once are no more than one after the other. `Err` says in how many seconds another one is heard.
    pub(crate) fn attempt(&self, key: K, now: Timestamp) -> Result<(), u32> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= KEYS_MAX && !windows.contains_key(&key) {
            windows.retain(|_, window| now < window.ends);
            if windows.len() >= KEYS_MAX {
                windows.retain(|_, window| window.failures >= self.failures_max);
            }
            if windows.len() >= KEYS_MAX {
                // Nobody new is heard while so many are guessed at.
                return Err(1);
            }
        }
        let fresh = Window { ends: now.after(self.window), failures: 0 };
        let window = windows.entry(key).or_insert(fresh);
        if now >= window.ends {
            *window = fresh;
        }
        if window.failures >= self.failures_max {
            let left_ms = window.ends.as_ms().saturating_sub(now.as_ms());
            return Err(u32::try_from(left_ms.saturating_add(999) / 1_000).unwrap_or(u32::MAX));
        }
        window.failures = window.failures.saturating_add(1);
        Ok(())
    }

    /// The attempt was no failure.
    pub(crate) fn forgive(&self, key: &K) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = windows.get_mut(key) {
            window.failures = window.failures.saturating_sub(1);
            if window.failures == 0 {
                windows.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_so_many_failures_nobody_is_heard_until_the_window_ends() {
        let throttle = Throttle::new(2, Duration::from_secs(10));
        let at = Timestamp::from_ms;
        assert_eq!(throttle.attempt("a", at(0)), Ok(()));
        throttle.forgive(&"a");
        assert_eq!(throttle.attempt("a", at(1)), Ok(()));
        assert_eq!(throttle.attempt("a", at(2)), Ok(()));
        assert_eq!(throttle.attempt("a", at(2_500)), Err(8));
        assert_eq!(throttle.attempt("b", at(2_500)), Ok(()));
        assert_eq!(throttle.attempt("a", at(10_001)), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::new(2, Duration::from_secs(10));
        let at = Timestamp::from_ms(0);
        assert_eq!(throttle.attempt(0, at), Ok(()));
        assert_eq!(throttle.attempt(0, at), Ok(()));
        for key in 1..KEYS_MAX + 10 {
            assert_eq!(throttle.attempt(key, at), Ok(()));
        }
        assert!(throttle.windows.lock().unwrap().len() <= KEYS_MAX);
        assert!(throttle.attempt(0, at).is_err(), "whom somebody guesses at is not forgotten");
        let full = Throttle::new(1, Duration::from_secs(10));
        for key in 0..KEYS_MAX {
            assert_eq!(full.attempt(key, at), Ok(()));
        }
        assert!(full.attempt(KEYS_MAX, at).is_err());
        assert_eq!(full.attempt(KEYS_MAX, Timestamp::from_ms(10_000)), Ok(()));
    }
}
