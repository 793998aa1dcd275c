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
    /// Samples that may not be seen: 403.
    pub forbidden_rate: f64,
    /// Samples that have been deleted: 404.
    pub missing_rate: f64,
    /// Samples whose findings stay `waiting`.
    pub waiting_rate: f64,
    /// Samples of which only the verdict is paid for.
    pub locked_rate: f64,
    /// Samples whose findings are a reply that nobody expects.
    pub unreadable_rate: f64,
    /// Samples that hold another one, whose submission ends after theirs. The others come on top of `samples`.
    pub late_child_rate: f64,
    /// Samples that are e-mails: their findings hold the mail and its sender.
    pub email_rate: f64,
    /// Findings without the field `verdict`.
    pub no_verdict_field_rate: f64,
    /// Findings and submissions with a reason for their verdict.
    pub reason_rate: f64,
    /// Finished submissions whose `has_errors` is null.
    pub null_errors_rate: f64,
    /// Samples whose classifications and threat names are null.
    pub null_names_rate: f64,
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
            forbidden_rate: 0.01,
            missing_rate: 0.005,
            waiting_rate: 0.01,
            locked_rate: 0.01,
            unreadable_rate: 0.005,
            late_child_rate: 0.03,
            email_rate: 0.03,
            no_verdict_field_rate: 0.01,
            reason_rate: 0.02,
            null_errors_rate: 0.01,
            null_names_rate: 0.05,
            burst: 0,
        }
    }
}

impl WorldOptions {
    /// Returns options without anything odd: every sample is shown, every finding has a plain value and a verdict,
    /// every submission ends.
    pub fn plain(seed: u64, samples: usize) -> Self {
        Self { seed, samples, ..Self::default().with_odd(0.0) }
    }

    /// Makes so many times as much of what is odd: 0 nothing, 1 the same. A share stays a share.
    #[must_use]
    pub fn with_odd(mut self, times: f64) -> Self {
        let odd = [
            &mut self.unfinished_rate,
            &mut self.late_rate,
            &mut self.no_finish_time_rate,
            &mut self.null_verdict_rate,
            &mut self.null_value_rate,
            &mut self.odd_rate,
            &mut self.huge_list_rate,
            &mut self.long_url_rate,
            &mut self.forbidden_rate,
            &mut self.missing_rate,
            &mut self.waiting_rate,
            &mut self.locked_rate,
            &mut self.unreadable_rate,
            &mut self.late_child_rate,
            &mut self.email_rate,
            &mut self.no_verdict_field_rate,
            &mut self.reason_rate,
            &mut self.null_errors_rate,
            &mut self.null_names_rate,
        ];
        for rate in odd {
            *rate = (*rate * times).clamp(0.0, 1.0);
        }
        self
    }
}
