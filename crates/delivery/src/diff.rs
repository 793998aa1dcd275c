//! What a finding changes about an indicator: nothing, or one of three things that are worth an upload.

use indicators::{Finding, Severity, Style, Support};
use jiff::Timestamp;
use ledger::{IndicatorRecord, IndicatorState};
use outbound::mutant;

/// Confidence of an indicator that a sample calls malicious.
pub(crate) const MALICIOUS: u8 = 100;

/// What to do about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Not known yet.
    New,
    /// Its content is another than the one staged last.
    Changed,
    /// Seen again with less than half of its life left.
    Refresh,
    /// Nothing that Sentinel need hear of.
    Unchanged,
    /// Its life was over before it could be sent.
    Expired,
}

impl Change {
    /// Says whether the object is sent.
    pub fn is_sent(self) -> bool {
        matches!(self, Self::New | Self::Changed | Self::Refresh)
    }
}

/// Compares a finding with what is known of its value and with what the same sample said before.
pub(crate) fn compare(
    known: Option<&IndicatorRecord>,
    before: Option<&Support>,
    finding: &Finding,
    style: &Style,
    now: Timestamp,
) -> Change {
    let kind = finding.observable.kind();
    let until = style.expiry.valid_until(kind, finding.support.last_seen);
    let Some(known) = known else {
        return if until <= now { Change::Expired } else { Change::New };
    };
    let alive = until.max(known.valid_until) > now;
    let changed = known.content != content(confidence(Some(known), finding), style)
        || before.map_or(!finding.support.incidents.is_empty(), |before| says_otherwise(before, &finding.support));
    if changed && alive {
        return Change::Changed;
    }
    let life = style.expiry.for_kind(kind);
    let left = known.valid_until.duration_since(now);
    let due = left.saturating_add(left) < life;
    // A refused indicator stays in quarantine until its content changes or it is replayed.
    let may = known.state != IndicatorState::Quarantined;
    if mutant!(UnchangedSentAgain) && may && alive {
        return Change::Refresh;
    }
    if may && due && until > known.valid_until && until > now { Change::Refresh } else { Change::Unchanged }
}

/// Returns the highest confidence of all evidence, this finding included.
pub(crate) fn confidence(known: Option<&IndicatorRecord>, finding: &Finding) -> u8 {
    let own = match finding.support.severity {
        Severity::Malicious => MALICIOUS,
        Severity::Suspicious => 75,
    };
    known.map_or(own, |known| known.confidence.max(own))
}

/// Returns a text that differs when a change of the whole indicator is worth an upload. Another supporting sample
/// alone is not, unless an incident led to it.
pub(crate) fn content(confidence: u8, style: &Style) -> String {
    format!("{confidence} {} {}", style.tlp.marking(), style.created_by)
}

/// Says whether labels or phases become others. The severity is not among what is compared: the confidence of all
/// evidence stands in the content, and a sample that says less than before does not lower it.
fn says_otherwise(before: &Support, after: &Support) -> bool {
    before.threat_names != after.threat_names
        || before.classifications != after.classifications
        || before.tactics != after.tactics
        || before.incidents != after.incidents
}
