//! `GetVMRayIOCs`: the IOCs of a sample and, asked with a submission and verdicts, indicators made of them.
//!
//! The indicators are the feed's, so that a playbook's upload and the feed's do not overwrite each other with
//! something else; a label for the incident is added where one is named.

use indicators::{Expiry, Finding, Reading, Rules, Severity, SubmissionFacts, VerdictFilter, compose, name_of};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use stix::Indicator;
use vmray::{IocsReply, Submission, SubmissionId, Verdict};

use super::{Error, Functions, Parameters, json};

/// Characters of an incident's id that a label carries.
const MAX_INCIDENT_CHARS: usize = 256;

/// The answer to a call with a submission and verdicts.
#[derive(Serialize)]
struct Both<'a> {
    api_resp: &'a RawValue,
    custom_resp: Vec<Indicator>,
}

/// What a caller wants to have indicators for.
struct Wanted {
    submission: SubmissionId,
    verdicts: VerdictFilter,
    incident: Option<String>,
    expiry: Option<Expiry>,
}

impl Functions {
    pub(super) async fn iocs(&self, parameters: &Parameters) -> Result<String, Error> {
        let sample = parameters.id("sample_id")?;
        let wanted = Wanted::read(parameters)?;
        let text = sample.to_string();
        let segments = ["sample", text.as_str(), "iocs"];
        let asked = self.vmray.get_raw(&segments, &[]);
        let not_found = |error: vmray::Error| Error::from(error).about(|| format!("the sample {sample}"));
        let Some(wanted) = wanted else {
            return Ok(Box::<str>::from(asked.await.map_err(not_found)?).into_string());
        };
        let (raw, submission) = futures::join!(asked, self.vmray.submission(wanted.submission));
        let raw = raw.map_err(not_found)?;
        let submission = match submission {
            Ok(submission) => Some(submission),
            // A key may see a sample and not the submission of somebody else.
            Err(vmray::Error::Forbidden) => None,
            Err(error) => return Err(Error::from(error).about(|| format!("the submission {}", wanted.submission))),
        };
        let reply: IocsReply = serde_json::from_str(raw.get())
            .map_err(|error| Error::Vmray(vmray::Error::Unreadable { what: "the IOCs", reason: error.to_string() }))?;
        let custom_resp = self.indicators(sample, &wanted, submission.as_ref(), &reply);
        json(&Both { api_resp: &raw, custom_resp })
    }

    fn indicators(
        &self,
        sample: u64,
        wanted: &Wanted,
        submission: Option<&Submission>,
        reply: &IocsReply,
    ) -> Vec<Indicator> {
        let now = self.clock.now();
        let facts = SubmissionFacts {
            id: wanted.submission.0,
            finish_time: submission.and_then(|submission| submission.finish_time).unwrap_or(now).min(now),
            severity: Severity::Malicious,
        };
        let reading =
            Reading { sample_id: sample, submissions: std::slice::from_ref(&facts), iocs: &reply.iocs, tactics: &[] };
        let rules = Rules { verdicts: wanted.verdicts, ..self.rules.as_ref().clone() };
        let mapped = indicators::map(&reading, &rules);
        mapped.findings.iter().filter_map(|finding| self.indicator(finding, wanted, now)).collect()
    }

    /// Writes an indicator, unless its time is over.
    fn indicator(&self, finding: &Finding, wanted: &Wanted, now: Timestamp) -> Option<Indicator> {
        let kind = finding.observable.kind();
        let valid_until = match &wanted.expiry {
            Some(expiry) => expiry.valid_until(kind, now),
            None => self.style.expiry.valid_until(kind, finding.support.last_seen),
        };
        if valid_until <= now {
            return None;
        }
        let parts = indicators::Parts {
            observable: &finding.observable,
            name: &name_of(finding),
            created: finding.support.first_seen,
            modified: now,
            valid_until,
            supports: std::slice::from_ref(&finding.support),
            incidents: &[],
        };
        let mut indicator = compose(&parts, &self.style);
        indicator.labels.extend(wanted.incident.iter().map(|incident| format!("incident_id: {incident}")));
        Some(indicator)
    }
}

impl Wanted {
    /// Reads what indicators are wanted for; none without a submission and verdicts.
    fn read(parameters: &Parameters) -> Result<Option<Self>, Error> {
        let submission = parameters.number("submission_id")?;
        let words = parameters.list("sample_verdict", &[',', '&'])?;
        let incident = parameters.text("incident_id")?.map(|text| text.trim().to_owned()).filter(|id| !id.is_empty());
        let days = parameters.number("valid_until")?;
        let expiry = days.map(|days| u16::try_from(days).map_err(|_| too_long()).and_then(expiry)).transpose()?;
        let mut verdicts = VerdictFilter { malicious: false, suspicious: false };
        for word in &words {
            match Verdict::from(word.as_str()) {
                Verdict::Malicious => verdicts.malicious = true,
                Verdict::Suspicious => verdicts.suspicious = true,
                // Real verdicts, of which no indicator is made.
                Verdict::Clean | Verdict::NotAvailable => {}
                Verdict::Other(word) => {
                    let reason = format!("holds {word:?}; expected malicious or suspicious");
                    return Err(Error::bad("sample_verdict", reason));
                }
            }
        }
        if incident.as_ref().is_some_and(|id| id.chars().count() > MAX_INCIDENT_CHARS || id.contains(char::is_control))
        {
            return Err(Error::bad(
                "incident_id",
                format!("is not one line of at most {MAX_INCIDENT_CHARS} characters"),
            ));
        }
        let Some(submission) = submission.filter(|_| !words.is_empty()) else { return Ok(None) };
        Ok(Some(Self { submission: SubmissionId(submission), verdicts, incident, expiry }))
    }
}

fn expiry(days: u16) -> Result<Expiry, Error> {
    Expiry::days(days).map_err(|_| too_long())
}

fn too_long() -> Error {
    Error::bad("valid_until", "is not a number of days from 1 to 3650")
}
