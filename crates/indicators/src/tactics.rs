//! ATT&CK tactics of a sample.

use vmray::{MitreAttack, readable};

use crate::excerpt::excerpts;
use crate::finding::{MAX_TEXT_CHARS, MAX_TEXTS};

/// Returns the names of all tactics of a sample, sorted and bounded.
pub fn tactics(attack: &MitreAttack) -> Vec<String> {
    let names = readable(&attack.techniques).flat_map(|technique| &technique.tactics);
    excerpts(names.map(String::as_str), MAX_TEXT_CHARS, MAX_TEXTS)
}
