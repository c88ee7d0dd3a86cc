//! What was measured, in the shape in which it is written down.

use std::time::Duration;

use serde::Serialize;

use crate::database::Description;

/// Everything that one run found out.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) setting: Setting,
    pub(crate) full_speed: Vec<FullSpeed>,
    pub(crate) half_load: Vec<HalfLoad>,
    pub(crate) starts: Vec<Start>,
    pub(crate) memory: Vec<Size>,
    pub(crate) binary: Size,
}

/// What was measured where.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) program: String,
    pub(crate) machine: String,
    pub(crate) server_core: usize,
    pub(crate) load_core: usize,
    /// Otherwise an acknowledged write costs nothing, and the figures of writes mean nothing.
    pub(crate) is_on_disk: bool,
    /// Otherwise the load takes too long for what it does.
    pub(crate) is_release_build: bool,
    pub(crate) customers: u32,
    pub(crate) rounds: u16,
    pub(crate) seconds: f64,
    pub(crate) connections: u16,
    /// Where customers are not in a file of SQLite's.
    pub(crate) database: Option<Description>,
}

/// One measurement at full speed.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Lap {
    /// Answers a second.
    pub(crate) rate: f64,
    /// How much of a core the server took.
    pub(crate) server_busy: f64,
    /// How much of a core the database behind it took, where that can be seen.
    pub(crate) database_busy: Option<f64>,
    /// How much of the time the load had something to do.
    pub(crate) load_busy: f64,
}

/// One thing that was done as fast as it can be, in every round.
#[derive(Debug, Serialize)]
pub(crate) struct FullSpeed {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) laps: Vec<Lap>,
    pub(crate) rate: Spread,
    pub(crate) server_busy: f64,
    pub(crate) load_busy: f64,
    /// Microseconds of processor time that the server took for each. Says more than the rate where
    /// other programs are in the way.
    pub(crate) server_us: f64,
    /// The same for the database, where that can be seen.
    pub(crate) database_us: Option<f64>,
    pub(crate) against: Option<Against>,
}

/// How much of a ceiling was reached.
#[derive(Debug, Serialize)]
pub(crate) struct Against {
    pub(crate) ceiling: &'static str,
    /// Round by round, each against what the ceiling was in the same round.
    pub(crate) ratios: Vec<f64>,
    /// The median.
    pub(crate) ratio: f64,
    /// Where one was set.
    pub(crate) target: Option<f64>,
}

impl FullSpeed {
    /// `None` without a lap.
    pub(crate) fn of(name: &'static str, what: &'static str, laps: Vec<Lap>) -> Option<Self> {
        let middle = |of: fn(&Lap) -> f64| median(laps.iter().map(of).collect());
        let database_us = laps.iter().map(|lap| Some(lap.database_busy? / lap.rate * 1e6));
        Some(Self {
            name,
            what,
            database_us: database_us.collect::<Option<Vec<_>>>().and_then(median),
            rate: Spread::of(laps.iter().map(|lap| lap.rate).collect())?,
            server_busy: middle(|lap| lap.server_busy)?,
            load_busy: middle(|lap| lap.load_busy)?,
            server_us: middle(|lap| lap.server_busy / lap.rate * 1e6)?,
            against: None,
            laps,
        })
    }

    /// Compared, round by round, with the laps of a ceiling.
    pub(crate) fn against(&mut self, ceiling: &'static str, laps: &[Lap], target: Option<f64>) {
        let ratios: Vec<_> =
            self.laps.iter().zip(laps).map(|(lap, ceiling)| lap.rate / ceiling.rate).collect();
        let ratio = median(ratios.clone());
        self.against = ratio.map(|ratio| Against { ceiling, ratios, ratio, target });
    }
}

/// The middle of several values, and how far they lie apart.
#[derive(Debug, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of no values.
    pub(crate) fn of(values: Vec<f64>) -> Option<Self> {
        let min = values.iter().copied().reduce(f64::min)?;
        let max = values.iter().copied().reduce(f64::max)?;
        Some(Self { median: median(values)?, min, max })
    }
}

/// The value in the middle, or between the two there; `None` of no values.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get(values.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// How long answers took in one measurement, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latencies {
    pub(crate) answers: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

impl Latencies {
    /// `None` without an answer.
    pub(crate) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let last = times.len().checked_sub(1)?;
        // The longest time of the fastest so many in a thousand.
        let at = |of_1000: usize| {
            let place = (times.len() * of_1000).div_ceil(1_000).saturating_sub(1).min(last);
            times.get(place).map(|time| time.as_secs_f64() * 1e3)
        };
        Some(Self {
            answers: times.len(),
            p50_ms: at(500)?,
            p99_ms: at(990)?,
            p999_ms: at(999)?,
            max_ms: at(1_000)?,
        })
    }
}

/// Answers at half of the speed that a server can reach.
#[derive(Debug, Serialize)]
pub(crate) struct HalfLoad {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) laps: Vec<Latencies>,
    /// The median of the rounds.
    pub(crate) p50_ms: f64,
    /// The median of the rounds.
    pub(crate) p99_ms: f64,
    pub(crate) p50_target_ms: f64,
    pub(crate) p99_target_ms: f64,
}

/// From starting the program to its first answer.
#[derive(Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) times_ms: Vec<f64>,
    pub(crate) median_ms: f64,
    pub(crate) target_ms: f64,
}

/// Bytes, in millions.
#[derive(Debug, Serialize)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) mb: f64,
    /// Only where one was set.
    pub(crate) target_mb: Option<f64>,
}

/// A count as a number to divide with; counts here are far below the limit.
pub(crate) fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lap(rate: f64) -> Lap {
        Lap { rate, server_busy: 1.0, database_busy: None, load_busy: 0.5 }
    }

    fn laps(rates: &[f64]) -> Vec<Lap> {
        rates.iter().map(|rate| lap(*rate)).collect()
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }

    #[test]
    fn a_spread_has_ends() {
        let Spread { median, min, max } = Spread::of(vec![2.0, 9.0, 1.0]).unwrap();
        assert_eq!((median, min, max), (2.0, 1.0, 9.0));
        assert!(Spread::of(vec![]).is_none());
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let mut read = FullSpeed::of("read", "read", laps(&[50.0, 60.0, 10.0])).unwrap();
        // The ratio of the medians would be 0.5.
        read.against("ceiling", &laps(&[100.0, 80.0, 100.0]), Some(0.75));
        let Against { ratios, ratio, target, ceiling } = read.against.unwrap();
        assert_eq!(ratios, [0.5, 0.75, 0.1]);
        assert_eq!((ratio, target, ceiling), (0.5, Some(0.75), "ceiling"));
    }

    #[test]
    fn percentiles_are_of_what_was_seen() {
        let times = (1..=1_000).rev().map(Duration::from_millis).collect();
        let found = Latencies::of(times).unwrap();
        assert_eq!((found.p50_ms, found.p99_ms), (500.0, 990.0));
        assert_eq!((found.p999_ms, found.max_ms, found.answers), (999.0, 1_000.0, 1_000));
        let one = Latencies::of(vec![Duration::from_micros(1_500)]).unwrap();
        assert_eq!((one.p50_ms, one.max_ms), (1.5, 1.5));
        assert!(Latencies::of(vec![]).is_none());
    }
}
