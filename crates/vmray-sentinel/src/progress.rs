//! How far a run is, on a terminal.
//!
//! Bars only where a person watches; elsewhere nothing is drawn, and the log has the run's lines.

use std::sync::Arc;
use std::time::Duration;

use feed::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use outbound::{Allowance, Clock, Pacer};
use tokio::time::Instant;

use crate::live::Bar;
use crate::words;

/// Objects of one upload.
const OBJECTS_OF_AN_UPLOAD: u64 = 100;

/// Returns the measures of a run.
pub(crate) fn bars(progress: &Progress) -> Vec<Bar> {
    let settled = progress.accepted + progress.refused;
    vec![
        Bar { name: "windows", done: progress.windows_done, of: progress.windows_total },
        Bar { name: "samples", done: progress.samples_read, of: progress.samples_total },
        Bar { name: "indicators", done: settled, of: settled + progress.objects_left },
    ]
}

/// Bars on stderr.
#[derive(Debug)]
pub(crate) struct Display {
    bars: Vec<ProgressBar>,
    line: ProgressBar,
    pacer: Pacer,
    clock: Arc<dyn Clock>,
    started: Instant,
}

impl Display {
    /// Starts with nothing done. `pacer` is the pace of uploads.
    pub(crate) fn start(drawn: &MultiProgress, pacer: &Pacer, clock: &Arc<dyn Clock>) -> Self {
        // The numbers are cut where the terminal is narrow: a line that wraps cannot be drawn over.
        let style = ProgressStyle::with_template("{prefix:<11} {bar:20.cyan/blue.dim} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━━─");
        let bars = bars(&Progress::default())
            .into_iter()
            .map(|bar| {
                let shown = drawn.add(ProgressBar::new(1).with_style(style.clone()).with_prefix(bar.name));
                shown.set_message("");
                shown
            })
            .collect();
        let line = ProgressStyle::with_template("{spinner} {wide_msg:.dim}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let line = drawn.add(ProgressBar::new_spinner().with_style(line));
        line.enable_steady_tick(Duration::from_millis(120));
        Self { bars, line, pacer: pacer.clone(), clock: Arc::clone(clock), started: Instant::now() }
    }

    /// Draws how far the run is.
    pub(crate) fn show(&mut self, progress: &Progress) {
        for (shown, bar) in self.bars.iter().zip(bars(progress)) {
            shown.set_length(bar.of.max(1));
            shown.set_position(bar.done);
            shown.set_message(format!("{:>9} of {}", words::number(bar.done), words::number(bar.of)));
        }
        let line = line(progress, &self.pacer.allowance(), self.clock.now(), self.started.elapsed());
        self.line.set_message(line);
    }

    /// Leaves the bars as they are at last.
    pub(crate) fn finish(self) {
        self.line.finish_and_clear();
        for bar in &self.bars {
            bar.abandon();
        }
    }
}

/// What is going on and what is waited for, short enough for sixty columns.
fn line(progress: &Progress, pace: &Allowance, now: Timestamp, spent: Duration) -> String {
    let on_the_wire = pace.in_flight;
    if progress.stopping {
        return match on_the_wire {
            0 => "stopping".to_owned(),
            _ => format!("stopping: {} on the wire", words::count(on_the_wire, "upload")),
        };
    }
    if let Some(wait) = progress.waits(now).first() {
        let left = words::span(SignedDuration::from_secs(wait.until.duration_since(now).as_secs()));
        return format!("{} asks to wait until {}, {left}", wait.service, wait.until.strftime("%H:%M:%S UTC"));
    }
    let mut parts = Vec::new();
    if let Some(left) = left(progress, pace, spent) {
        parts.push(format!("about {} left", rough(left)));
    }
    if let Some(limit) = pace.limit {
        parts.push(format!("uploads {}/{limit} a minute", pace.used()));
    }
    let next = pace.time_for(1);
    if progress.objects_left > on_the_wire as u64 * OBJECTS_OF_AN_UPLOAD && !next.is_zero() {
        parts.push(format!("next in {} s", next.as_secs() + 1));
    } else if progress.objects_left > 0 && on_the_wire > 0 {
        parts.push(format!("{} to come", words::count(on_the_wire, "answer")));
    }
    if let Some(limit) = progress.vmray_limit.filter(|_| progress.samples_read < progress.samples_total) {
        parts.push(format!("{}/{} requests to VMRay", limit.taken, limit.limit));
    }
    if let Some(limit) = progress.sentinel_limit.filter(|limit| limit.decreases > 0 && progress.objects_left > 0) {
        parts.push(format!("{} at a time", words::count(limit.limit, "upload")));
    }
    parts.join(", ")
}

/// Returns how long the rest takes: reading at the speed so far, sending at the pace that there is.
fn left(progress: &Progress, pace: &Allowance, spent: Duration) -> Option<Duration> {
    let uploads = progress.objects_left.div_ceil(OBJECTS_OF_AN_UPLOAD).saturating_sub(pace.in_flight as u64);
    let sending = if uploads == 0 { Duration::ZERO } else { pace.time_for(uploads) };
    let reading = match (progress.samples_read, progress.samples_total) {
        (read, total) if read < total => {
            let done = ratio(read, total);
            // Less says nothing yet.
            if done < 0.02 || spent < Duration::from_secs(2) {
                return None;
            }
            spent.mul_f64((1.0 - done) / done)
        }
        _ => Duration::ZERO,
    };
    Some(reading.max(sending)).filter(|left| *left >= Duration::from_secs(1))
}

/// `43 s`, `12 min`, `5 h`: it is an estimate.
fn rough(left: Duration) -> String {
    match left.as_secs() + 1 {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds @ 100..7200 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn ratio(done: u64, of: u64) -> f64 {
    done as f64 / of as f64
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use feed::{Service, Wait};
    use indicatif::{ProgressDrawTarget, TermLike};
    use outbound::{LimitStatus, TokioClock};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const NOW: &str = "2026-01-01T12:00:00Z";

    /// A terminal of some width. What is written beyond it goes on in the next line, as on a real one.
    #[derive(Debug, Clone)]
    struct Terminal(Arc<Mutex<Screen>>);

    #[derive(Debug)]
    struct Screen {
        width: usize,
        rows: Vec<Vec<char>>,
        row: usize,
        column: usize,
    }

    impl Screen {
        fn put(&mut self, letter: char) {
            match letter {
                '\r' => self.column = 0,
                '\n' => (self.row, self.column) = (self.row + 1, 0),
                letter => {
                    if self.column == self.width {
                        (self.row, self.column) = (self.row + 1, 0);
                    }
                    while self.rows.len() <= self.row {
                        self.rows.push(vec![' '; self.width]);
                    }
                    self.rows[self.row][self.column] = letter;
                    self.column += 1;
                }
            }
        }
    }

    impl Terminal {
        fn new(width: usize) -> Self {
            Self(Arc::new(Mutex::new(Screen { width, rows: Vec::new(), row: 0, column: 0 })))
        }

        fn lines(&self) -> Vec<String> {
            let screen = self.0.lock().unwrap();
            let lines = screen.rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned());
            lines.filter(|line| !line.is_empty()).collect()
        }
    }

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            u16::try_from(self.0.lock().unwrap().width).unwrap()
        }

        fn move_cursor_up(&self, n: usize) -> io::Result<()> {
            let mut screen = self.0.lock().unwrap();
            screen.row = screen.row.saturating_sub(n);
            Ok(())
        }

        fn move_cursor_down(&self, n: usize) -> io::Result<()> {
            self.0.lock().unwrap().row += n;
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)?;
            self.write_str("\n")
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            let mut screen = self.0.lock().unwrap();
            let mut letters = text.chars();
            while let Some(letter) = letters.next() {
                // Colours take no room.
                if letter == '\u{1b}' {
                    letters.by_ref().find(char::is_ascii_alphabetic);
                } else {
                    screen.put(letter);
                }
            }
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            let mut screen = self.0.lock().unwrap();
            let (row, width) = (screen.row, screen.width);
            if let Some(line) = screen.rows.get_mut(row) {
                *line = vec![' '; width];
            }
            screen.column = 0;
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn large() -> Progress {
        Progress {
            windows_done: 3,
            windows_total: 4,
            samples_read: 101_234,
            samples_total: 1_234_567,
            objects_left: 1_100_000,
            uploads: 950,
            accepted: 151_450,
            refused: 12,
            ..Progress::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_line_is_wider_than_the_terminal_and_the_last_picture_is_complete() {
        for width in [40, 60, 80] {
            let terminal = Terminal::new(width);
            let drawn = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(terminal.clone())));
            let clock: Arc<dyn Clock> = Arc::new(TokioClock::new(at(NOW)));
            let pacer = Pacer::per_minute(95);
            let mut permits = Vec::new();
            for _ in 0..95 {
                permits.push(pacer.acquire().await);
            }
            drop(permits);
            let mut display = Display::start(&drawn, &pacer, &clock);
            let wait =
                Wait { service: Service::Sentinel, asked: Duration::from_secs(599), until: at("2026-01-01T12:09:59Z") };
            let last = Progress {
                windows_done: 4,
                samples_read: 15_190,
                samples_total: 15_190,
                accepted: 15_145,
                refused: 45,
                objects_left: 0,
                ..large()
            };
            let waiting = Progress { sentinel_wait: Some(wait), ..large() };
            for progress in [large(), waiting, Progress { stopping: true, ..large() }, last] {
                display.show(&progress);
                let lines = terminal.lines();
                assert!(lines.len() <= 4, "{width}: {lines:#?}");
            }
            display.finish();
            let lines = terminal.lines();
            let names: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
            assert_eq!(names, ["windows", "samples", "indicators"], "{width}: {lines:#?}");
            if width >= 60 {
                assert!(lines[0].ends_with("4 of 4"), "{lines:#?}");
                assert!(lines[1..].iter().all(|line| line.ends_with("15,190 of 15,190")), "{lines:#?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_says_what_is_waited_for_and_never_more_uploads_than_the_pace_allows() {
        let pacer = Pacer::per_minute(95);
        for _ in 0..90 {
            pacer.acquire().await.answered();
        }
        tokio::time::advance(Duration::from_secs(17)).await;
        for _ in 0..5 {
            pacer.acquire().await.answered();
        }
        let shown = |progress: &Progress| line(progress, &pacer.allowance(), at(NOW), Duration::from_secs(90));
        let sending = Progress { objects_left: 4500, accepted: 9500, ..Progress::default() };
        assert_eq!(shown(&sending), "about 44 s left, uploads 95/95 a minute, next in 44 s");
        // Of 200 uploads 90 may go in 43 s, 5 in a minute, 90 a minute after the first, 15 after that.
        let many = Progress { objects_left: 20_000, ..sending };
        assert_eq!(shown(&many), "about 3 min left, uploads 95/95 a minute, next in 44 s");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(shown(&many).ends_with("next in 43 s"), "{}", shown(&many));
        let wait = Wait { service: Service::Vmray, asked: Duration::from_secs(400), until: at("2026-01-01T12:05:03Z") };
        let waiting = Progress { vmray_wait: Some(wait), ..sending };
        assert_eq!(shown(&waiting), "VMRay asks to wait until 12:05:03 UTC, 5 min 3 s");
        let permit = Pacer::per_minute(5);
        let held = permit.acquire().await;
        let stopping = Progress { stopping: true, ..waiting };
        let told = line(&stopping, &permit.allowance(), at(NOW), Duration::ZERO);
        assert_eq!(told, "stopping: 1 upload on the wire");
        let limit = |limit, decreases| Some(LimitStatus { limit, bound: 64, taken: 23, decreases });
        let reading =
            Progress { samples_read: 5, samples_total: 500, vmray_limit: limit(32, 1), ..Progress::default() };
        assert_eq!(shown(&reading), "uploads 95/95 a minute, 23/32 requests to VMRay");
        let lowered = Progress { objects_left: 80, sentinel_limit: limit(6, 1), ..Progress::default() };
        assert!(shown(&lowered).ends_with("6 uploads at a time"), "{}", shown(&lowered));
        let last = Progress { objects_left: 80, ..Progress::default() };
        assert_eq!(line(&last, &permit.allowance(), at(NOW), Duration::ZERO), "uploads 1/5 a minute, 1 answer to come");
        held.answered();
    }
}
