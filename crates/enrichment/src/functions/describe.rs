//! What each function does and takes, for people and tools.

use super::Function;

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// The forms in which it is read.
    pub form: Form,
    /// Whether it must be there.
    pub required: bool,
    /// What it means.
    pub doc: &'static str,
}

/// The forms in which a parameter is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A whole number from 1, or its digits.
    Number,
    /// A text; a number is taken for one.
    Text,
    /// 32, 40 or 64 hexadecimal digits.
    Hash,
    /// `true` or `false`, or the word.
    Flag,
    /// A list of texts, or one text with commas.
    List,
    /// The words `malicious` and `suspicious`, as a list or in one text.
    Verdicts,
    /// Bytes in base64, or the object with `$content` that the Office 365 connector makes.
    Base64,
}

const fn needed(name: &'static str, form: Form, doc: &'static str) -> Parameter {
    Parameter { name, form, required: true, doc }
}

const fn optional(name: &'static str, form: Form, doc: &'static str) -> Parameter {
    Parameter { name, form, required: false, doc }
}

const SAMPLE: Parameter = needed("sample_id", Form::Number, "The sample's number in VMRay");
const SHAREABLE: Parameter = optional("shareable", Form::Flag, "Whether VirusTotal may learn the hash; default false");
const MAX_JOBS: Parameter = optional("max_jobs", Form::Number, "Upper bound on the analyses");
const TAGS: Parameter = optional("tags", Form::List, "Tags of the submission, without blanks");
const NET_SCHEME: Parameter = optional("net_scheme_name", Form::Text, "Name of the network scheme in VMRay");

impl Function {
    /// Returns what it does.
    pub fn summary(self) -> &'static str {
        match self {
            Self::GetAnalysisBySampleID => "The analyses of a sample",
            Self::GetVMRayIOCs => "The IOCs of a sample, and STIX indicators made of them",
            Self::GetVMRaySample => "A sample",
            Self::GetVMRaySampleByHash => "The samples with a hash",
            Self::GetVMRaySubmission => "A submission: whether it has finished, and its verdict",
            Self::GetVMRayThreatIndicator => "The VTIs of a sample, by their older name",
            Self::GetVMRayVTIs => "The VTIs of a sample",
            Self::UplaodURL => "Submits a URL, unless VMRay knows its verdict",
            Self::VMRayUploadSample => "Submits a file, unless VMRay knows its verdict",
        }
    }

    /// Returns what a success holds.
    pub fn answer(self) -> &'static str {
        match self {
            Self::GetAnalysisBySampleID => "VMRay's list of analyses, as VMRay sent it",
            Self::GetVMRayIOCs => {
                "Without `submission_id` and `sample_verdict` VMRay's answer, as VMRay sent it; with both \
                 `{\"api_resp\": VMRay's answer, \"custom_resp\": [indicators]}`"
            }
            Self::GetVMRaySampleByHash => "VMRay's list of samples, as VMRay sent it; empty if VMRay knows none",
            Self::GetVMRaySample | Self::GetVMRaySubmission | Self::GetVMRayThreatIndicator | Self::GetVMRayVTIs => {
                "VMRay's answer, as VMRay sent it"
            }
            Self::UplaodURL | Self::VMRayUploadSample => {
                "`{\"vmray_job\": [], \"vmray_sample\": [], \"vmray_submission\": []}`; no jobs if VMRay knew the verdict \
                 or is still analysing it"
            }
        }
    }

    /// Returns its parameters.
    pub fn parameters(self) -> Vec<Parameter> {
        match self {
            Self::GetVMRaySample | Self::GetVMRayThreatIndicator | Self::GetVMRayVTIs => vec![SAMPLE],
            Self::GetAnalysisBySampleID => {
                vec![SAMPLE, optional("limit", Form::Number, "Maximum number; without it, all")]
            }
            Self::GetVMRayIOCs => vec![
                SAMPLE,
                optional("submission_id", Form::Number, "The submission whose verdict the indicators stand for"),
                optional("sample_verdict", Form::Verdicts, "Verdicts of IOCs of which indicators are made"),
                optional("incident_id", Form::Text, "Becomes a label of the indicators"),
                optional(
                    "valid_until",
                    Form::Number,
                    "Days from now that the indicators live; without it as the feed's",
                ),
            ],
            Self::GetVMRaySampleByHash => vec![needed("hash", Form::Hash, "MD5, SHA-1 or SHA-256")],
            Self::GetVMRaySubmission => vec![needed("submission_id", Form::Number, "The submission's number in VMRay")],
            Self::UplaodURL => {
                vec![needed("url", Form::Text, "The URL, as it is to be opened"), SHAREABLE, MAX_JOBS, TAGS, NET_SCHEME]
            }
            Self::VMRayUploadSample => vec![
                needed("file", Form::Base64, "The file's content"),
                optional("name", Form::Text, "The file's name"),
                optional("document_password", Form::Text, "Password of a document"),
                optional("archive_password", Form::Text, "Password of an archive"),
                optional("sample_type", Form::Text, "VMRay's name of the type; without it, VMRay detects the type"),
                SHAREABLE,
                MAX_JOBS,
                TAGS,
                NET_SCHEME,
            ],
        }
    }
}
