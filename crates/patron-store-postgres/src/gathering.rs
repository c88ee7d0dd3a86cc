//! Gathering: what comes while others are at work waits for them, and is then done together. What comes alone
//! is done at once.
//!
//! The larger a group, the less each in it costs, and the longer it takes. So those who wait go when they are as many
//! as those under way, or when nobody is under way: with few callers nobody waits long, with many the groups grow.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

/// Who takes longer is not waited for: he may be waiting himself, for a lock or for a server that is away.
const LATE_AFTER: Duration = Duration::from_millis(20);

/// What waits, and how many lanes work it off.
///
/// A lane is a task that takes what waits, does it, and takes again, until there is nothing for it to take. Whoever
/// adds something may have to start one.
pub(crate) struct Gathering<T, B> {
    state: Mutex<State<T, B>>,
    lanes_max: usize,
    waiting_max: usize,
}

struct State<T, B> {
    waiting: VecDeque<T>,
    lanes: usize,
    /// Lanes that were started and have not taken anything yet.
    starting: usize,
    /// How many were taken, are not done, and are not late.
    under_way: usize,
    /// What must not be taken by another lane meanwhile, in the terms of whoever takes.
    busy: B,
}

impl<T, B> State<T, B> {
    /// Whether those who wait are to go now.
    fn is_time(&self) -> bool {
        !self.waiting.is_empty() && self.waiting.len() >= self.under_way
    }

    /// Counts a lane more if one is wanted, which the caller is to start.
    fn wants_lane(&mut self, lanes_max: usize) -> bool {
        let wants = self.is_time() && self.starting == 0 && self.lanes < lanes_max;
        if wants {
            self.lanes = self.lanes.saturating_add(1);
            self.starting = self.starting.saturating_add(1);
        }
        wants
    }
}

/// What comes of adding something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// A lane will take it.
    Waits,
    /// The caller is to start a lane.
    StartLane,
    /// As many wait as may.
    Full,
}

impl<T, B: Default> Gathering<T, B> {
    pub(crate) fn new(lanes_max: usize, waiting_max: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            lanes: 0,
            starting: 0,
            under_way: 0,
            busy: B::default(),
        };
        Self { state: Mutex::new(state), lanes_max, waiting_max }
    }

    pub(crate) fn add(&self, one: T) -> Added {
        let mut state = self.lock();
        if state.waiting.len() >= self.waiting_max {
            return Added::Full;
        }
        state.waiting.push_back(one);
        if state.wants_lane(self.lanes_max) { Added::StartLane } else { Added::Waits }
    }

    /// What a lane does next, chosen by `pick` from what waits; `None` ends the lane.
    pub(crate) fn take(
        &self,
        pick: impl FnOnce(&mut VecDeque<T>, &mut B) -> Vec<T>,
    ) -> Option<Vec<T>> {
        let mut state = self.lock();
        state.starting = state.starting.saturating_sub(1);
        let picked = if state.is_time() {
            let State { waiting, busy, .. } = &mut *state;
            pick(waiting, busy)
        } else {
            Vec::new()
        };
        if picked.is_empty() {
            // Whatever waits now waits for another lane, which takes again when it is done.
            state.lanes = state.lanes.saturating_sub(1);
            return None;
        }
        state.under_way = state.under_way.saturating_add(picked.len());
        Some(picked)
    }

    /// All that waits, as what failed just now would fail for them too.
    pub(crate) fn drain(&self) -> Vec<T> {
        self.lock().waiting.drain(..).collect()
    }

    /// Does what was taken, which are so many. When it takes long, others go meanwhile: `start_lane` is called when
    /// they need a lane.
    pub(crate) async fn see_through<R>(
        &self,
        count: usize,
        work: impl Future<Output = R>,
        start_lane: impl FnOnce(),
    ) -> R {
        let mut work = pin!(work);
        if let Ok(done) = timeout(LATE_AFTER, &mut work).await {
            self.forget(count);
            return done;
        }
        self.forget(count);
        if self.needs_lane() {
            start_lane();
        }
        work.await
    }

    fn forget(&self, count: usize) {
        let mut state = self.lock();
        state.under_way = state.under_way.saturating_sub(count);
    }

    /// Lets others take what was busy. The lane that calls takes again afterwards.
    pub(crate) fn release(&self, free: impl FnOnce(&mut B)) {
        free(&mut self.lock().busy);
    }

    /// Whether something waits that nobody would take: the caller is to start a lane then.
    pub(crate) fn needs_lane(&self) -> bool {
        self.lock().wants_lane(self.lanes_max)
    }

    /// Nothing here can be left half-changed: a panic while the lock was held is a bug elsewhere.
    fn lock(&self) -> MutexGuard<'_, State<T, B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(waiting: &mut VecDeque<u8>, (): &mut ()) -> Vec<u8> {
        waiting.drain(..).collect()
    }

    #[test]
    fn what_comes_alone_starts_a_lane_and_what_comes_meanwhile_waits_for_it() {
        let gathering: Gathering<u8, ()> = Gathering::new(1, 3);
        assert_eq!(gathering.add(1), Added::StartLane);
        assert_eq!(gathering.take(all), Some(vec![1]));
        assert_eq!(gathering.add(2), Added::Waits);
        assert_eq!(gathering.add(3), Added::Waits);
        gathering.forget(1);
        assert_eq!(gathering.take(all), Some(vec![2, 3]));
        gathering.forget(2);
        assert_eq!(gathering.take(all), None);
        assert_eq!(gathering.add(4), Added::StartLane, "the lane has ended");
    }

    #[test]
    fn as_many_as_are_under_way_go_beside_them() {
        let gathering: Gathering<u8, ()> = Gathering::new(3, 9);
        assert_eq!(gathering.add(1), Added::StartLane);
        assert_eq!(gathering.add(2), Added::Waits, "the lane that starts takes both");
        assert_eq!(gathering.take(all), Some(vec![1, 2]));
        assert_eq!(gathering.add(3), Added::Waits);
        assert_eq!(gathering.add(4), Added::StartLane);
        assert_eq!(gathering.take(all), Some(vec![3, 4]));
        assert_eq!(gathering.add(5), Added::Waits);
        gathering.forget(2);
        assert_eq!(gathering.take(all), None, "two are under way, and one would go");
        gathering.forget(2);
        assert_eq!(gathering.take(all), Some(vec![5]), "the last lane leaves nobody behind");
    }

    #[tokio::test]
    async fn nobody_waits_for_who_is_late() {
        let gathering: Gathering<u8, ()> = Gathering::new(2, 9);
        for one in 1..4 {
            gathering.add(one);
        }
        assert_eq!(gathering.take(all), Some(vec![1, 2, 3]));
        assert_eq!(gathering.add(4), Added::Waits);
        let (is_started, started) = tokio::sync::oneshot::channel();
        let work = async {
            assert!(started.await.is_ok());
            assert_eq!(gathering.take(all), Some(vec![4]));
        };
        gathering.see_through(3, work, || is_started.send(()).unwrap()).await;
        assert_eq!(gathering.add(5), Added::Waits);
        gathering.see_through(1, async {}, || panic!("nobody is late")).await;
        assert_eq!(gathering.take(all), Some(vec![5]));
    }

    #[test]
    fn no_more_wait_than_may() {
        let gathering: Gathering<u8, ()> = Gathering::new(1, 1);
        assert_eq!(gathering.add(1), Added::StartLane);
        assert_eq!(gathering.add(2), Added::Full);
    }

    #[test]
    fn what_is_busy_is_left_to_the_lane_that_has_it() {
        let gathering: Gathering<u8, Vec<u8>> = Gathering::new(2, 9);
        let pick = |waiting: &mut VecDeque<u8>, busy: &mut Vec<u8>| {
            let at = waiting.iter().position(|one| !busy.contains(one));
            let one = at.and_then(|at| waiting.remove(at));
            busy.extend(one);
            one.into_iter().collect()
        };
        assert_eq!(gathering.add(7), Added::StartLane);
        assert_eq!(gathering.take(pick), Some(vec![7]));
        assert_eq!(gathering.add(7), Added::StartLane);
        assert_eq!(gathering.take(pick), None, "the second lane has nothing to do");
        gathering.forget(1);
        gathering.release(|busy| busy.clear());
        assert_eq!(gathering.take(pick), Some(vec![7]), "the first lane takes what was left");
        gathering.forget(1);
        gathering.release(|busy| busy.clear());
        assert_eq!(gathering.take(pick), None);
    }
}
