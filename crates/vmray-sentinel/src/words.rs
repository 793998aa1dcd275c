//! Numbers and times as people read them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use ledger::RunRecord;

/// `12,345`.
pub(crate) fn number(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or_default().to_string();
    let mut shown = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 record`, `2 records`, `2 entries`.
pub(crate) fn count(amount: impl TryInto<u64> + Copy, noun: &str) -> String {
    let number = number(amount);
    match (amount.try_into().unwrap_or_default(), noun.strip_suffix('y')) {
        (1, _) => format!("{number} {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {noun}s"),
    }
}

/// `3 s`, `4 min 10 s`, `2 h 5 min`, `3 days`: two units at most.
pub(crate) fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().unsigned_abs();
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        small => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0 => format!("{} ms", duration.subsec_millis().unsigned_abs()),
        1..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..172_800 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `4 min ago`, `in 4 min`.
pub(crate) fn ago(now: Timestamp, then: Timestamp) -> String {
    let passed = now.duration_since(then);
    match passed.as_secs() {
        -1..=1 => "just now".to_owned(),
        2.. => format!("{} ago", span(passed)),
        _ => format!("in {}", span(passed)),
    }
}

/// `2026-01-31 08:00:00 UTC`.
pub(crate) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `1,200 accepted, 3 refused`: what is not zero.
pub(crate) fn counts(counts: &BTreeMap<String, u64>) -> String {
    let shown = ledger::counts_in_order(counts).into_iter().filter(|(_, amount)| *amount > 0);
    let shown: Vec<_> = shown.map(|(name, amount)| format!("{} {}", number(amount), name.replace('_', " "))).collect();
    if shown.is_empty() { "nothing new".to_owned() } else { shown.join(", ") }
}

/// What a run did. One that failed before it found anything has not found that there is nothing new.
pub(crate) fn what_it_did(run: &RunRecord) -> String {
    let found_nothing = run.counts.values().all(|amount| *amount == 0);
    if run.outcome == "failed" && found_nothing { "nothing".to_owned() } else { counts(&run.counts) }
}

/// How a run ended, from the ledger's word for it.
pub(crate) fn outcome(word: &str) -> &str {
    match word {
        "done" => "done",
        "stopped_early" => "stopped early, the next run continues",
        "failed" => "failed, the next run continues",
        "waiting" => "under way, waiting as a service asked",
        other => other,
    }
}

/// Breaks a text into lines of at most `width` characters where there are blanks. What stands between backticks is a
/// command, and stays whole so that it can be copied.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in unbreakable(paragraph) {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// The words of a line; blanks between backticks belong to the word.
fn unbreakable(text: &str) -> impl Iterator<Item = &str> {
    let mut in_command = false;
    text.split(move |c| {
        in_command ^= c == '`';
        c == ' ' && !in_command
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn counts_follow_the_path_of_the_data() {
        let names = ["accepted", "filtered_out", "new", "receipts", "refused", "samples_read", "uploads", "zebras"];
        let told: BTreeMap<String, u64> = names.iter().map(|name| ((*name).to_owned(), 1)).collect();
        let shown = "1 samples read, 1 filtered out, 1 new, 1 receipts, 1 uploads, 1 accepted, 1 refused, 1 zebras";
        assert_eq!(counts(&told), shown);
    }

    #[rstest]
    #[case("failed", 0, "nothing")]
    #[case("failed", 3, "3 new")]
    #[case("done", 0, "nothing new")]
    fn a_run_that_failed_early_does_not_say_that_nothing_is_new(
        #[case] outcome: &str,
        #[case] new: u64,
        #[case] shown: &str,
    ) {
        let run = RunRecord {
            started: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
            outcome: outcome.to_owned(),
            error: None,
            next_step: None,
            counts: BTreeMap::from([("new".to_owned(), new)]),
        };
        assert_eq!(what_it_did(&run), shown);
    }

    #[rstest]
    #[case(0, "0")]
    #[case(999, "999")]
    #[case(1000, "1,000")]
    #[case(1_234_567, "1,234,567")]
    fn groups_digits(#[case] value: u64, #[case] shown: &str) {
        assert_eq!(number(value), shown);
    }

    #[rstest]
    #[case(0, "0 ms")]
    #[case(59, "59 s")]
    #[case(60, "1 min")]
    #[case(250, "4 min 10 s")]
    #[case(7500, "2 h 5 min")]
    #[case(259_200, "3 days")]
    fn shows_spans(#[case] seconds: i64, #[case] shown: &str) {
        assert_eq!(span(SignedDuration::from_secs(seconds)), shown);
    }

    #[test]
    fn wraps_at_blanks_and_keeps_long_words() {
        assert_eq!(wrapped("one two three\nfour", 7), ["one two", "three", "four"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcdefghij", "k"]);
        assert_eq!(wrapped("run `a b c` now", 6), ["run", "`a b c`", "now"]);
    }

    #[test]
    fn says_when() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        assert_eq!(ago(now, "2026-01-01T00:00:00Z".parse().unwrap()), "10 min ago");
        assert_eq!(ago(now, "2026-01-01T00:11:30Z".parse().unwrap()), "in 1 min 30 s");
        assert_eq!(count(1_usize, "record"), "1 record");
        assert_eq!(count(0_u64, "record"), "0 records");
        assert_eq!(count(1200_u64, "entry"), "1,200 entries");
    }
}
