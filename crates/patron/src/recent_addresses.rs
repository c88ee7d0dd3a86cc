//! From where a merchant's keys were used lately, so that an allow-list can be tried before it is set.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::merchant::AllowList;

/// How many requests are remembered.
pub const REQUESTS_MAX: u32 = 10_000;

/// How many times the address may change within them: what is older is forgotten.
const RUNS_MAX: usize = 256;

/// The addresses of the last requests with a merchant's keys, as this process has seen them.
#[derive(Default)]
pub(crate) struct RecentAddresses(Mutex<Runs>);

#[derive(Default)]
struct Runs {
    /// Requests from one address that came one after the other, the newest last.
    runs: VecDeque<(Option<IpAddr>, u32)>,
    requests: u32,
}

/// What an allow-list would have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRun {
    /// Over how many requests it was tried, the last ones.
    pub requests: u32,
    /// How many of them it would have refused.
    pub refused: u32,
    /// From where those came and how many each; `None` is "not known". The most frequent first.
    pub addresses: Vec<(Option<IpAddr>, u32)>,
}

impl RecentAddresses {
    /// Remembers a request.
    pub(crate) fn note(&self, address: Option<IpAddr>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Runs { runs, requests } = &mut *held;
        match runs.back_mut() {
            Some((last, count)) if *last == address => *count = count.saturating_add(1),
            Some(_) | None => runs.push_back((address, 1)),
        }
        *requests = requests.saturating_add(1);
        if runs.len() > RUNS_MAX {
            let (_, count) = runs.pop_front().unwrap_or_default();
            *requests = requests.saturating_sub(count);
        }
        if *requests > REQUESTS_MAX
            && let Some((_, count)) = runs.front_mut()
        {
            *count = count.saturating_sub(1);
            *requests = requests.saturating_sub(1);
            if *count == 0 {
                runs.pop_front();
            }
        }
    }

    /// What `list` would have done about the last `requests_max` requests.
    pub(crate) fn try_list(&self, list: &AllowList, requests_max: u32) -> DryRun {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = requests_max;
        let mut refused: BTreeMap<Option<IpAddr>, u32> = BTreeMap::new();
        for (address, count) in held.runs.iter().rev() {
            let count = (*count).min(left);
            left = left.saturating_sub(count);
            if count > 0 && !list.admits(*address) {
                let sum = refused.entry(*address).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        let mut addresses: Vec<_> = refused.into_iter().collect();
        addresses.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        DryRun {
            requests: requests_max.saturating_sub(left),
            refused: addresses.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count)),
            addresses,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([203, 0, 113, last]))
    }

    #[test]
    fn a_list_is_tried_on_the_last_requests() {
        let recent = RecentAddresses::default();
        for last in [1, 1, 1, 2, 1, 2, 2] {
            recent.note(address(last));
        }
        recent.note(None);
        let list = AllowList::parse("203.0.113.1").unwrap();
        let all = recent.try_list(&list, 100);
        assert_eq!((all.requests, all.refused), (8, 4));
        assert_eq!(all.addresses, [(address(2), 3), (None, 1)]);
        let last = recent.try_list(&list, 2);
        assert_eq!((last.requests, last.refused), (2, 2));
        let off = recent.try_list(&AllowList::default(), 100);
        assert_eq!((off.requests, off.refused), (8, 0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let recent = RecentAddresses::default();
        for _ in 0..REQUESTS_MAX + 5 {
            recent.note(address(1));
        }
        let list = AllowList::parse("203.0.113.1").unwrap();
        assert_eq!(recent.try_list(&list, u32::MAX).requests, REQUESTS_MAX);
        for turn in 0..2_000_u32 {
            recent.note(address(u8::try_from(turn % 2).unwrap()));
        }
        assert_eq!(recent.try_list(&list, u32::MAX).requests, 256);
    }
}
