//! How often a database that is away is tried again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patron::entropy::{Entropy, random_bytes};
use tokio::time::sleep;

use crate::errors::ConnectError;

/// The wait before the second attempt to connect; it doubles with each that fails.
const BACKOFF_MIN: Duration = Duration::from_millis(25);

/// The longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Lets attempts to connect pass, or keeps them away for a while after one has failed, so that a
/// database that comes back is not run over.
pub(crate) struct Gate {
    pub(crate) entropy: Arc<dyn Entropy>,
    shut: Mutex<Option<Shut>>,
}

struct Shut {
    why: Arc<ConnectError>,
    failures: u32,
    is_waiting: bool,
}

impl Gate {
    pub(crate) fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, shut: Mutex::default() }
    }

    pub(crate) fn pass(&self) -> Result<(), Arc<ConnectError>> {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        match &*shut {
            Some(Shut { why, is_waiting: true, .. }) => Err(Arc::clone(why)),
            Some(Shut { is_waiting: false, .. }) | None => Ok(()),
        }
    }

    pub(crate) fn open(&self) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Nobody tries again before the wait is over.
    pub(crate) fn shut(self: &Arc<Self>, why: &Arc<ConnectError>) {
        let mut shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        if shut.as_ref().is_some_and(|shut| shut.is_waiting) {
            return;
        }
        let failures = shut.as_ref().map_or(0, |shut| shut.failures).saturating_add(1);
        *shut = Some(Shut { why: Arc::clone(why), failures, is_waiting: true });
        drop(shut);
        let doubled = BACKOFF_MIN.saturating_mul(1 << failures.min(10).saturating_sub(1));
        let wait = jittered(doubled.min(BACKOFF_MAX), &*self.entropy);
        let gate = Arc::clone(self);
        tokio::spawn(async move {
            sleep(wait).await;
            let mut shut = gate.shut.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(shut) = &mut *shut {
                shut.is_waiting = false;
            }
        });
    }
}

/// Between half of `wait` and all of it, so that many processes do not come at one moment.
pub(crate) fn jittered(wait: Duration, entropy: &dyn Entropy) -> Duration {
    let [byte] = random_bytes::<1>(entropy);
    let half = wait / 2;
    half.saturating_add(half.saturating_mul(byte.into()) / 255)
}
