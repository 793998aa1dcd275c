//! Why VMRay thinks so: threat indicators (VTIs) and the ATT&CK techniques they stand for.

use serde::{Serialize, Serializer};

use crate::Entry;
use crate::lenient::{FromScalar, Lenient};
use crate::record::record;

/// Whether a report can still grow. Older servers do not say, and then it cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ReportStatus {
    /// It is complete.
    #[default]
    Finished,
    /// Analyses still run; ask again.
    Waiting,
    /// One that this version does not know, as sent.
    Other(String),
}

impl ReportStatus {
    /// Returns the word VMRay uses.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Finished => "finished",
            Self::Waiting => "waiting",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for ReportStatus {
    fn from(text: &str) -> Self {
        for known in [Self::Finished, Self::Waiting] {
            if known.as_str().eq_ignore_ascii_case(text.trim()) {
                return known;
            }
        }
        Self::Other(text.to_owned())
    }
}

impl Lenient for ReportStatus {
    fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::from_scalar(serde::Deserialize::deserialize(deserializer)?);
        Ok(text.map(|text| Self::from(text.as_str())).unwrap_or_default())
    }
}

impl Serialize for ReportStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

record! {
    /// Answer to a question for a sample's VTIs.
    pub struct ThreatIndicators {
        /// Whether the analyses behind it have ended.
        status: ReportStatus = "status",
        /// The VTIs.
        threat_indicators: Vec<Entry<Vti>> = "threat_indicators",
    }
}

record! {
    /// A VMRay threat indicator: one behaviour that speaks against the sample.
    pub struct Vti {
        /// Its number in the server's database.
        id: Option<u64> = "id",
        /// Its group, such as `Persistence`.
        category: Option<String> = "category",
        /// What the sample does.
        operation: Option<String> = "operation",
        /// 1 (weak) to 5 (strong).
        score: Option<i64> = "score",
        /// Kinds of malware.
        classifications: Vec<String> = "classifications",
        /// Analyses that saw it.
        analysis_ids: Vec<u64> = "analysis_ids",
    }
}

record! {
    /// Answer to a question for a sample's ATT&CK techniques.
    pub struct MitreAttack {
        /// Whether the analyses behind it have ended.
        status: ReportStatus = "status",
        /// The techniques.
        techniques: Vec<Entry<Technique>> = "mitre_attack_techniques",
    }
}

record! {
    /// An ATT&CK technique.
    pub struct Technique {
        /// Its number in the server's database.
        id: Option<u64> = "id",
        /// Its name.
        technique: Option<String> = "technique",
        /// Its ATT&CK number; old numbering (`T1060`) occurs.
        technique_id: Option<String> = "technique_id",
        /// Names of its tactics, such as `Defense Evasion`.
        tactics: Vec<String> = "tactics",
        /// Which ATT&CK matrix.
        matrix_version: Option<String> = "matrix_version",
        /// Version of the technique.
        version: Option<f64> = "version",
        /// The VTIs that stand for it.
        threat_indicators: Vec<Entry<Vti>> = "threat_indicators",
        /// Analyses that saw it.
        analysis_ids: Vec<u64> = "analysis_ids",
    }
}
