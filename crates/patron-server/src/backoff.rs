//! Pauses between tries: short at first, for what passes at once, and longer the longer it lasts.

use std::time::Duration;

use tokio::time::sleep;

const FIRST: Duration = Duration::from_millis(50);

const LONGEST: Duration = Duration::from_secs(2);

/// The pauses between tries that have failed so far.
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { next: FIRST }
    }

    /// Waits before the next try.
    pub(crate) async fn pause(&mut self) {
        sleep(self.step()).await;
    }

    fn step(&mut self) -> Duration {
        let step = self.next;
        self.next = step.saturating_mul(2).min(LONGEST);
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new();
        let steps: Vec<_> = (0..8).map(|_| backoff.step().as_millis()).collect();
        assert_eq!(steps, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
    }
}
