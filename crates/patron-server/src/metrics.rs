//! Metrics in the OpenMetrics text format. No label ever holds anything that a client sent.
//!
//! Every worker counts for itself, in a [`Recorder`] that nobody else touches until `/metrics` is
//! asked for, so that counting costs a request next to nothing however many workers there are.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patron::jobs::Round;
use patron::store::Job;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// The content type of the answer.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The upper ends of the buckets for durations, in seconds: 0.1 ms to 10 s.
const DURATIONS_S: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// The buckets, the last one being for everything that takes longer.
const BUCKETS: usize = DURATIONS_S.len() + 1;

/// The upper ends of the buckets for sizes of groups of changes.
const GROUP_SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// All metrics of the process.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Requests,
    group_size: Histogram,
    connections: Gauge,
    job_held: Family<JobLabels, Gauge>,
    tokens_cleared: Counter,
    sessions_cleared: Counter,
    retention_erased: Counter,
    erased_purged: Counter,
    purge_held_up: Gauge,
    management_epoch: Gauge,
}

/// The name of a job in the background.
type JobLabels = [(&'static str, &'static str); 1];

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Requests::default();
        let group_size = Histogram::new(GROUP_SIZES);
        let connections = Gauge::default();
        let job_held = Family::<JobLabels, Gauge>::default();
        let [tokens_cleared, sessions_cleared, retention_erased, erased_purged] =
            [(); 4].map(|()| Counter::default());
        let purge_held_up = Gauge::default();
        let management_epoch = Gauge::default();
        registry.register(
            "patron_store_group_size",
            "Writes that the store made durable together",
            group_size.clone(),
        );
        registry.register("patron_connections", "Open connections", connections.clone());
        registry.register(
            "patron_job_held",
            "Whether this process does the job in the background",
            job_held.clone(),
        );
        registry.register(
            "patron_tokens_cleared",
            "Client auth tokens that were deleted after they had expired",
            tokens_cleared.clone(),
        );
        registry.register(
            "patron_sessions_cleared",
            "Sessions of operators that were deleted after they had expired",
            sessions_cleared.clone(),
        );
        registry.register(
            "patron_retention_erased",
            "Customers that were erased because their time was over",
            retention_erased.clone(),
        );
        registry.register(
            "patron_erased_purged",
            "Erased customers whose bytes have gone from the live files",
            erased_purged.clone(),
        );
        registry.register(
            "patron_purge_held_up",
            "Whether erased customers wait for somebody who still reads what was there before, or for the next turn",
            purge_held_up.clone(),
        );
        registry.register(
            "patron_management_epoch",
            "The last change of merchants or keys that this process has learned of",
            management_epoch.clone(),
        );
        registry.register(
            "patron_build",
            "The program",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register_collector(Box::new(requests.clone()));
        Self {
            registry,
            requests,
            group_size,
            connections,
            job_held,
            tokens_cleared,
            sessions_cleared,
            retention_erased,
            erased_purged,
            purge_held_up,
            management_epoch,
        }
    }

    /// Where one worker counts its requests.
    pub(crate) fn recorder(&self) -> Arc<Recorder> {
        let recorder = Arc::new(Recorder::default());
        let mut recorders = self.requests.0.lock().unwrap_or_else(PoisonError::into_inner);
        recorders.push(Arc::clone(&recorder));
        recorder
    }

    /// Open connections.
    pub(crate) const fn connections(&self) -> &Gauge {
        &self.connections
    }

    /// Counts a group of changes.
    pub(crate) fn count_group(&self, size: usize) {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.group_size.observe(f64::from(size));
    }

    /// Counts a round of a job.
    pub(crate) fn count_round(&self, job: Job, round: &Round) {
        self.job_held.get_or_create(&[("job", job.name())]).set(round.is_held.into());
        let counter = match job {
            Job::ClearTokens => &self.tokens_cleared,
            Job::ClearSessions => &self.sessions_cleared,
            Job::Retain => &self.retention_erased,
            Job::PurgeErased => {
                self.purge_held_up.set(round.is_held_up.into());
                &self.erased_purged
            }
        };
        counter.inc_by(round.done);
    }

    /// Takes in of which change of merchants or keys the process has learned last.
    pub(crate) fn note_management_epoch(&self, epoch: u64) {
        self.management_epoch.set(i64::try_from(epoch).unwrap_or(i64::MAX));
    }

    /// Everything, as text.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot go wrong.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// What one worker counted.
#[derive(Default)]
pub(crate) struct Recorder {
    in_flight: AtomicI64,
    series: Mutex<HashMap<Labels, Series>>,
}

/// Wire, route and status.
type Labels = (&'static str, &'static str, u16);

/// Requests with the same labels.
#[derive(Default, Clone, Copy)]
struct Series {
    buckets: [u64; BUCKETS],
    sum_s: f64,
}

/// A request that is being answered. Dropped when it is, or when the client left.
pub(crate) struct InFlight<'a>(&'a AtomicI64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Recorder {
    /// Counts a request in.
    pub(crate) fn begin(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    /// Counts an answer.
    pub(crate) fn count(
        &self,
        wire: &'static str,
        route: &'static str,
        status: u16,
        duration: Duration,
    ) {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.entry((wire, route, status)).or_default().count(duration.as_secs_f64());
    }
}

impl Series {
    fn count(&mut self, duration_s: f64) {
        let bucket = DURATIONS_S.partition_point(|end| *end < duration_s);
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.sum_s += duration_s;
    }

    fn add(&mut self, other: &Self) {
        for (count, more) in self.buckets.iter_mut().zip(other.buckets) {
            *count += more;
        }
        self.sum_s += other.sum_s;
    }

    fn requests(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// All workers' counts, summed up whenever they are asked for.
#[derive(Default, Clone)]
struct Requests(Arc<Mutex<Vec<Arc<Recorder>>>>);

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Requests")
    }
}

impl Requests {
    fn sum(&self) -> (i64, BTreeMap<Labels, Series>) {
        let recorders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut in_flight = 0;
        let mut sum: BTreeMap<Labels, Series> = BTreeMap::new();
        for recorder in recorders.iter() {
            in_flight += recorder.in_flight.load(Ordering::Relaxed);
            let series = recorder.series.lock().unwrap_or_else(PoisonError::into_inner);
            for (labels, one) in series.iter() {
                sum.entry(*labels).or_default().add(one);
            }
        }
        (in_flight, sum)
    }
}

impl Collector for Requests {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let (in_flight, sum) = self.sum();
        encoder
            .encode_descriptor(
                "patron_requests_in_flight",
                "Requests that are being answered.",
                None,
                MetricType::Gauge,
            )?
            .encode_gauge(&in_flight)?;
        let mut counters = encoder.encode_descriptor(
            "patron_requests",
            "Requests that were answered.",
            None,
            MetricType::Counter,
        )?;
        for (labels, series) in &sum {
            counters
                .encode_family(&encoded(labels))?
                .encode_counter::<NoLabelSet, u64, f64>(&series.requests(), None)?;
        }
        let mut histograms = encoder.encode_descriptor(
            "patron_request_duration_seconds",
            "From a request's head to its answer.",
            None,
            MetricType::Histogram,
        )?;
        for (labels, series) in &sum {
            let ends = DURATIONS_S.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = ends.zip(series.buckets).collect();
            histograms.encode_family(&encoded(labels))?.encode_histogram::<NoLabelSet>(
                series.sum_s,
                series.requests(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

fn encoded((wire, route, status): &Labels) -> [(&'static str, String); 3] {
    [("wire", (*wire).to_owned()), ("route", (*route).to_owned()), ("status", status.to_string())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_summed_up() {
        let metrics = Metrics::new();
        let one = metrics.recorder();
        let two = metrics.recorder();
        one.count("w", "/a/{id}", 200, Duration::from_micros(100));
        two.count("w", "/a/{id}", 200, Duration::from_micros(101));
        two.count("w", "/a/{id}", 404, Duration::from_secs(60));
        let _asked = one.begin();
        drop(two.begin());
        metrics.count_group(3);
        let round = |is_held, done| Round { is_held, done, is_held_up: is_held, error: None };
        metrics.count_round(Job::ClearTokens, &round(false, 2));
        metrics.count_round(Job::ClearTokens, &round(true, 5));
        metrics.count_round(Job::ClearSessions, &round(true, 1));
        metrics.count_round(Job::Retain, &round(true, 2));
        metrics.count_round(Job::PurgeErased, &round(true, 3));
        metrics.note_management_epoch(7);
        let text = metrics.to_text();
        for line in [
            "patron_requests_in_flight 1",
            "patron_requests_total{wire=\"w\",route=\"/a/{id}\",status=\"200\"} 2",
            "patron_requests_total{wire=\"w\",route=\"/a/{id}\",status=\"404\"} 1",
            "patron_request_duration_seconds_bucket{le=\"0.0001\",wire=\"w\",route=\"/a/{id}\",status=\"200\"} 1",
            "patron_request_duration_seconds_bucket{le=\"0.00025\",wire=\"w\",route=\"/a/{id}\",status=\"200\"} 2",
            "patron_request_duration_seconds_bucket{le=\"10.0\",wire=\"w\",route=\"/a/{id}\",status=\"404\"} 0",
            "patron_request_duration_seconds_bucket{le=\"+Inf\",wire=\"w\",route=\"/a/{id}\",status=\"404\"} 1",
            "patron_store_group_size_count 1",
            "patron_job_held{job=\"clear_tokens\"} 1",
            "patron_tokens_cleared_total 7",
            "patron_sessions_cleared_total 1",
            "patron_retention_erased_total 2",
            "patron_erased_purged_total 3",
            "patron_purge_held_up 1",
            "patron_management_epoch 7",
            "patron_build_info{version=\"0.1.0\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
    }
}
