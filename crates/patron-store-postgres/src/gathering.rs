//! Gathering: what comes while others are at work waits for them, and is then done together. What comes alone
//! is done at once.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What waits, and how many lanes work it off.
///
/// A lane is a task that takes what waits, does it, and takes again, until nothing waits. Whoever adds
/// something while fewer lanes than allowed are at work starts one.
pub(crate) struct Gathering<T, B> {
    state: Mutex<State<T, B>>,
    lanes_max: usize,
    waiting_max: usize,
}

struct State<T, B> {
    waiting: VecDeque<T>,
    lanes: usize,
    /// What must not be taken by another lane meanwhile, in the terms of whoever takes.
    busy: B,
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
        let state = State { waiting: VecDeque::new(), lanes: 0, busy: B::default() };
        Self { state: Mutex::new(state), lanes_max, waiting_max }
    }

    pub(crate) fn add(&self, one: T) -> Added {
        let mut state = self.lock();
        if state.waiting.len() >= self.waiting_max {
            return Added::Full;
        }
        state.waiting.push_back(one);
        if state.lanes >= self.lanes_max {
            return Added::Waits;
        }
        state.lanes = state.lanes.saturating_add(1);
        Added::StartLane
    }

    /// What a lane does next, chosen by `pick` from what waits; `None` ends the lane.
    pub(crate) fn take(
        &self,
        pick: impl FnOnce(&mut VecDeque<T>, &mut B) -> Vec<T>,
    ) -> Option<Vec<T>> {
        let mut state = self.lock();
        let State { waiting, lanes, busy } = &mut *state;
        let picked = pick(waiting, busy);
        if picked.is_empty() {
            // Whatever waits now waits for another lane, which takes again when it is done.
            *lanes = lanes.saturating_sub(1);
            return None;
        }
        Some(picked)
    }

    /// All that waits, as what failed just now would fail for them too.
    pub(crate) fn drain(&self) -> Vec<T> {
        self.lock().waiting.drain(..).collect()
    }

    /// Lets others take what was busy. The lane that calls takes again afterwards.
    pub(crate) fn release(&self, free: impl FnOnce(&mut B)) {
        free(&mut self.lock().busy);
    }

    /// Whether something waits that nobody would take: the caller is to start a lane then.
    pub(crate) fn needs_lane(&self) -> bool {
        let mut state = self.lock();
        let needs = !state.waiting.is_empty() && state.lanes < self.lanes_max;
        if needs {
            state.lanes = state.lanes.saturating_add(1);
        }
        needs
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
        assert_eq!(gathering.take(all), Some(vec![2, 3]));
        assert_eq!(gathering.take(all), None);
        assert_eq!(gathering.add(4), Added::StartLane, "the lane has ended");
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
        gathering.release(|busy| busy.clear());
        assert_eq!(gathering.take(pick), Some(vec![7]), "the first lane takes what was left");
        gathering.release(|busy| busy.clear());
        assert_eq!(gathering.take(pick), None);
    }
}
