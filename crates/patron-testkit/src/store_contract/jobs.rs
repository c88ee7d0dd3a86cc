//! Work in the background that one process at a time does.

use std::time::Duration;

use patron::ids::ProcessId;
use patron::store::Job;

use super::{Opened, Place};

/// A job that nobody holds is given to whoever asks, and its holder may go on with it as often as it asks,
/// for whichever time. What several stores promise each other is tested where there can be several.
pub fn who_holds_a_job_may_claim_it_again(place: &dyn Place) {
    let opened = Opened::at(place);
    let holder = ProcessId::from_bytes([7; 16]);
    for job in Job::ALL {
        for lease_ms in [1, 60_000, 3_600_000, 60_000] {
            let lease = Duration::from_millis(lease_ms);
            let claimed = opened.wait(opened.store.claim_job(job, holder, lease));
            assert!(claimed.unwrap(), "{job:?} for {lease_ms} ms");
        }
    }
}
