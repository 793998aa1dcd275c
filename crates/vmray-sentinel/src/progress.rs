//! How far a run is, on a terminal.
//!
//! Bars only where a person watches; elsewhere nothing is drawn, and the log has the run's lines.

use std::collections::VecDeque;
use std::time::Duration;

use feed::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::SignedDuration;
use tokio::time::Instant;

use crate::live::Bar;
use crate::words;

/// The window of Sentinel's limit.
const MINUTE: Duration = Duration::from_secs(60);

/// Returns the measures of a run.
pub(crate) fn bars(progress: &Progress) -> Vec<Bar> {
    let settled = progress.accepted + progress.refused;
    vec![
        Bar { name: "windows", done: progress.windows_done, of: progress.windows_total },
        Bar { name: "samples", done: progress.samples_read, of: progress.samples_total },
        Bar { name: "indicators", done: settled, of: progress.indicators_staged.max(settled) },
    ]
}

/// Bars on stderr.
#[derive(Debug)]
pub(crate) struct Display {
    bars: Vec<ProgressBar>,
    line: ProgressBar,
    pace: Pace,
    per_minute: usize,
    drawn: MultiProgress,
}

impl Display {
    /// Starts with nothing done. `per_minute` is the pace of uploads.
    pub(crate) fn start(drawn: &MultiProgress, per_minute: usize) -> Self {
        let style = ProgressStyle::with_template("  {prefix:<11} {bar:32.cyan/blue.dim} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━━─");
        let bars = bars(&Progress::default())
            .into_iter()
            .map(|bar| {
                let shown = drawn.add(ProgressBar::new(0).with_style(style.clone()).with_prefix(bar.name));
                shown.set_message("");
                shown
            })
            .collect();
        let line =
            ProgressStyle::with_template("  {spinner} {msg:.dim}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let line = drawn.add(ProgressBar::new_spinner().with_style(line));
        line.enable_steady_tick(Duration::from_millis(120));
        Self { bars, line, pace: Pace::start(Instant::now()), per_minute, drawn: drawn.clone() }
    }

    /// Draws how far the run is.
    pub(crate) fn show(&mut self, progress: &Progress) {
        for (shown, bar) in self.bars.iter().zip(bars(progress)) {
            shown.set_length(bar.of.max(1));
            shown.set_position(bar.done);
            shown.set_message(format!("{:>9} of {}", words::number(bar.done), words::number(bar.of)));
        }
        let used = self.pace.used(Instant::now(), progress.uploads);
        let quota = format!("uploads {used} of {} in this minute", self.per_minute);
        self.line.set_message(match self.pace.left(Instant::now(), progress) {
            Some(left) => format!("{quota}, about {} left", words::span(left)),
            None => quota,
        });
    }

    /// Takes the bars away.
    pub(crate) fn finish(self) {
        for bar in self.bars.iter().chain([&self.line]) {
            bar.finish_and_clear();
        }
        // The terminal may be gone; there is nobody to tell.
        drop(self.drawn.clear());
    }
}

/// What was done when.
#[derive(Debug)]
struct Pace {
    started: Instant,
    /// When how many uploads had been made.
    uploads: VecDeque<(Instant, u64)>,
}

impl Pace {
    fn start(now: Instant) -> Self {
        Self { started: now, uploads: VecDeque::from([(now, 0)]) }
    }

    /// Returns how many uploads were made within the last minute, `total` having been made by now.
    fn used(&mut self, now: Instant, total: u64) -> u64 {
        if self.uploads.back().is_none_or(|(_, made)| *made != total) {
            self.uploads.push_back((now, total));
        }
        // The newest entry older than a minute says how many had been made when the window began.
        while self.uploads.get(1).is_some_and(|(when, _)| now.duration_since(*when) >= MINUTE) {
            self.uploads.pop_front();
        }
        let before = match self.uploads.front() {
            Some((when, made)) if now.duration_since(*when) >= MINUTE || *when == self.started => *made,
            _ => 0,
        };
        total.saturating_sub(before)
    }

    /// Returns how long the rest takes at the pace so far, once that says something.
    fn left(&self, now: Instant, progress: &Progress) -> Option<SignedDuration> {
        let settled = progress.accepted + progress.refused;
        let part = |done: u64, of: u64| (of > 0).then(|| ratio(done, of));
        // The slowest part decides; a total may still grow while windows are read.
        let parts = [
            part(progress.windows_done, progress.windows_total),
            part(progress.samples_read, progress.samples_total),
            part(settled, progress.indicators_staged.max(settled)),
        ];
        let done = parts.into_iter().flatten().fold(f64::INFINITY, f64::min);
        let spent = now.duration_since(self.started);
        if !(0.02..1.0).contains(&done) || spent < Duration::from_secs(2) {
            return None;
        }
        // Whole seconds: it is an estimate.
        let seconds = spent.mul_f64((1.0 - done) / done).as_secs() + 1;
        i64::try_from(seconds).ok().map(SignedDuration::from_secs)
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn ratio(done: u64, of: u64) -> f64 {
    done as f64 / of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_are_counted_in_a_rolling_minute() {
        let start = Instant::now();
        let mut pace = Pace::start(start);
        let at = |s| start + Duration::from_secs(s);
        assert_eq!(pace.used(at(1), 10), 10);
        assert_eq!(pace.used(at(30), 40), 40);
        assert_eq!(pace.used(at(61), 50), 40);
        assert_eq!(pace.used(at(95), 50), 10);
        assert_eq!(pace.used(at(200), 50), 0);
    }

    #[test]
    fn the_slowest_part_decides_how_long_it_takes() {
        let start = Instant::now();
        let pace = Pace::start(start);
        let progress = Progress {
            windows_done: 10,
            windows_total: 10,
            samples_read: 50,
            samples_total: 100,
            indicators_staged: 400,
            accepted: 100,
            ..Progress::default()
        };
        let left = pace.left(start + Duration::from_secs(10), &progress);
        assert_eq!(left, Some(SignedDuration::from_secs(31)));
        assert_eq!(pace.left(start, &progress), None);
        assert_eq!(pace.left(start + Duration::from_secs(10), &Progress::default()), None);
    }
}
