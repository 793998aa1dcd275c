//! What is counted, for Prometheus. Labels are names of routes and statuses, never a value that somebody sent.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::calls::Calls;
use crate::live::Live;
use crate::view::View;

/// The kind of text that [`Metrics::text`] returns.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

/// The counters of one process.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    duration: Family<Labels, Histogram>,
    in_flight: Gauge,
    indicators_known: Gauge,
    quarantine_open: Gauge,
    samples_open: Gauge,
    last_run: Gauge,
    limits: Family<Labels, Gauge>,
    decreases: Family<Labels, Gauge>,
}

impl Metrics {
    /// Returns those of this process, which tell of its own calls, too.
    pub(crate) fn new(calls: &Calls) -> Self {
        let mut registry = Registry::with_prefix("vmray_sentinel");
        calls.register(&mut registry);
        let requests = Family::<Labels, Counter>::default();
        let duration =
            Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 3.0, 10)));
        let (in_flight, indicators_known) = (Gauge::default(), Gauge::default());
        let (quarantine_open, samples_open, last_run) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("http_requests", "Requests answered, by route and status", requests.clone());
        registry.register("http_request_duration_seconds", "Time to the answer, by route", duration.clone());
        registry.register("http_requests_in_flight", "Requests being answered", in_flight.clone());
        registry.register("feed_indicators_known", "Indicators in the ledger", indicators_known.clone());
        registry.register("feed_quarantine_open", "Records that Sentinel refused", quarantine_open.clone());
        registry.register("feed_samples_open", "Samples that could not be read", samples_open.clone());
        let (limits, decreases) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
        registry.register(
            "feed_concurrency_limit",
            "Requests that may be under way at the same time, by service",
            limits.clone(),
        );
        registry.register(
            "feed_concurrency_decreases",
            "How often that limit was decreased since the process started, by service",
            decreases.clone(),
        );
        registry.register("feed_last_run_timestamp_seconds", "End of the newest run that ended well", last_run.clone());
        Self {
            registry,
            requests,
            duration,
            in_flight,
            indicators_known,
            quarantine_open,
            samples_open,
            last_run,
            limits,
            decreases,
        }
    }

    /// Counts a request that begins; it is in flight until what is returned is dropped.
    pub(super) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts a request that was answered.
    pub(super) fn answered(&self, route: &str, status: u16, took: Duration) {
        let route = ("route", route.to_owned());
        self.duration.get_or_create(&vec![route.clone()]).observe(took.as_secs_f64());
        self.requests.get_or_create(&vec![route, ("status", status.to_string())]).inc();
    }

    /// Returns all of it as text, with what the ledger and the feed say now.
    pub(super) fn text(&self, view: Option<&View>, live: &Live) -> String {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for (service, limit) in &live.limits {
            let Some(limit) = limit else { continue };
            let labels = vec![("service", (*service).to_owned())];
            self.limits.get_or_create(&labels).set(number(limit.limit));
            self.decreases.get_or_create(&labels).set(i64::try_from(limit.decreases).unwrap_or(i64::MAX));
        }
        if let Some(view) = view {
            self.indicators_known.set(number(view.indicators));
            self.quarantine_open.set(number(view.quarantine.len()));
            self.samples_open.set(number(view.open_samples.len()));
            let good = view.runs.iter().find(|run| run.outcome == "done");
            self.last_run.set(good.map_or(0, |run| run.ended.as_second()));
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        encode(&mut text, &self.registry).unwrap_or_default();
        text
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use outbound::LimitStatus;

    use super::*;

    #[test]
    fn the_limit_of_each_service_is_told_once_it_is_known() {
        let metrics = Metrics::new(&Calls::new());
        assert!(!metrics.text(None, &Live::default()).contains("service="));
        let vmray = LimitStatus { limit: 32, bound: 64, taken: 5, decreases: 1 };
        let live = Live { limits: [("vmray", Some(vmray)), ("sentinel", None)], ..Live::default() };
        let text = metrics.text(None, &live);
        assert!(text.contains("vmray_sentinel_feed_concurrency_limit{service=\"vmray\"} 32\n"), "{text}");
        assert!(text.contains("vmray_sentinel_feed_concurrency_decreases{service=\"vmray\"} 1\n"), "{text}");
        assert!(!text.contains("service=\"sentinel\""), "{text}");
    }
}
