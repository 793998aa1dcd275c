//! How a generated world is made.

use std::time::Duration;

use jiff::Timestamp;

/// Size, time and mixture of a generated world. Rates are shares from 0 to 1.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    /// Seed: the same options give the same world.
    pub seed: u64,
    /// Samples.
    pub samples: usize,
    /// Findings per sample, on average.
    pub iocs_per_sample: usize,
    /// First submission.
    pub start: Timestamp,
    /// Last submission.
    pub end: Timestamp,
    /// Samples with the verdict malicious.
    pub malicious_rate: f64,
    /// Samples with the verdict suspicious; the rest is clean, a few not available or null.
    pub suspicious_rate: f64,
    /// Samples that are submitted again, some of them with another verdict.
    pub resubmission_rate: f64,
    /// Submissions that never finish.
    pub unfinished_rate: f64,
    /// Submissions that finish much later than others made at their time.
    pub late_rate: f64,
    /// How much later at most.
    pub late_by: Duration,
    /// Finished submissions without a finish time.
    pub no_finish_time_rate: f64,
    /// Findings that other samples have too.
    pub shared_ioc_rate: f64,
    /// Distinct findings that are shared.
    pub shared_iocs: u64,
    /// Findings with verdict null.
    pub null_verdict_rate: f64,
    /// Findings with value null.
    pub null_value_rate: f64,
    /// Findings with something odd: quotes, non-ASCII, IPv6, port, private address, memory dump, `ioc` false, ...
    pub odd_rate: f64,
    /// Samples with lists of hundreds of entries and file entries with hundreds of names.
    pub huge_list_rate: f64,
    /// Samples with a URL of 100 kB.
    pub long_url_rate: f64,
    /// Submissions that all finish in one second, in the middle of the time.
    pub burst: usize,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            samples: 200,
            iocs_per_sample: 12,
            start: Timestamp::constant(1_767_225_600, 0), // 2026-01-01
            end: Timestamp::constant(1_769_817_600, 0),   // 30 days later
            malicious_rate: 0.55,
            suspicious_rate: 0.2,
            resubmission_rate: 0.15,
            unfinished_rate: 0.01,
            late_rate: 0.03,
            late_by: Duration::from_secs(6 * 3600),
            no_finish_time_rate: 0.01,
            shared_ioc_rate: 0.2,
            shared_iocs: 500,
            null_verdict_rate: 0.02,
            null_value_rate: 0.01,
            odd_rate: 0.1,
            huge_list_rate: 0.002,
            long_url_rate: 0.001,
            burst: 0,
        }
    }
}

impl WorldOptions {
    /// Returns options without anything odd: every finding has a plain value and a verdict, every submission ends.
    pub fn plain(seed: u64, samples: usize) -> Self {
        Self {
            seed,
            samples,
            unfinished_rate: 0.0,
            late_rate: 0.0,
            no_finish_time_rate: 0.0,
            null_verdict_rate: 0.0,
            null_value_rate: 0.0,
            odd_rate: 0.0,
            huge_list_rate: 0.0,
            long_url_rate: 0.0,
            ..Self::default()
        }
    }
}
