//! From one sample's IOCs to findings and receipts.

use std::collections::BTreeSet;

use jiff::Timestamp;
use stix::{Kind, Observable, Pattern, Property, ValueError};
use vmray::{Entry, IocCommon, Iocs, Verdict};

use crate::excerpt::excerpt;
use crate::finding::{Finding, MAX_NAME_CHARS, MAX_TEXT_CHARS, Support};
use crate::noise::NoiseList;
use crate::receipt::{Receipt, ReceiptReason};
use crate::screening::objection;
use crate::texts::Texts;
use crate::verdict_filter::{Severity, VerdictFilter};

mod files;

/// What is sent.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Verdicts that are wanted.
    pub verdicts: VerdictFilter,
    /// Kinds that are wanted; others are not even counted.
    pub ioc_types: BTreeSet<Kind>,
    /// Values that are never sent.
    pub noise: NoiseList,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            verdicts: VerdictFilter::default(),
            ioc_types: Kind::USUAL.into_iter().collect(),
            noise: NoiseList::default(),
        }
    }
}

/// A submission whose verdict is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubmissionFacts {
    /// Its number; 0 if a report from disk does not say it.
    pub id: u64,
    /// When its analyses ended.
    pub finish_time: Timestamp,
    /// Its verdict.
    pub severity: Severity,
}

/// What VMRay says about one sample.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The sample; 0 if a report from disk does not say it.
    pub sample_id: u64,
    /// Its submissions whose verdict is wanted. Without any there is nothing to send, and nothing is mapped.
    pub submissions: &'a [SubmissionFacts],
    /// Its IOCs.
    pub iocs: &'a Iocs,
    /// Its ATT&CK tactics, see [`crate::tactics`].
    pub tactics: &'a [String],
}

/// What becomes of a sample's IOCs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapped {
    /// Values to send, each once, by id.
    pub findings: Vec<Finding>,
    /// Values not sent, and why, each pair once, sorted.
    pub receipts: Vec<Receipt>,
    /// Entries whose verdict is not wanted (clean, or suspicious where only malicious is).
    pub filtered_out: usize,
}

/// Maps what VMRay says about one sample.
pub fn map(reading: &Reading<'_>, rules: &Rules) -> Mapped {
    let Some(mut mapping) = Mapping::begin(reading, rules) else { return Mapped::default() };
    let iocs = reading.iocs;
    for kind in &rules.ioc_types {
        match kind {
            Kind::Domain => mapping.values(
                Kind::Domain,
                &iocs.domains,
                |entry| (&entry.common, entry.domain.as_deref()),
                Observable::domain,
            ),
            Kind::Ip => mapping.values(
                Kind::Ip,
                &iocs.ips,
                |entry| (&entry.common, entry.ip_address.as_deref()),
                // Nothing in Sentinel matches a pattern with a port in it.
                |text| Observable::ip(text).map(|(observable, _port)| observable),
            ),
            Kind::Url => mapping.urls(),
            Kind::File => mapping.files(),
            Kind::EmailAddress => mapping.email_addresses(),
            Kind::RegistryKey => mapping.values(
                Kind::RegistryKey,
                &iocs.registry,
                |entry| (&entry.common, entry.reg_key_name.as_deref()),
                Observable::registry_key,
            ),
            Kind::Mutex => mapping.values(
                Kind::Mutex,
                &iocs.mutexes,
                |entry| (&entry.common, entry.mutex_name.as_deref()),
                Observable::mutex,
            ),
            Kind::CommandLine => mapping.processes(),
        }
    }
    mapping.finish()
}

/// What an entry says beside its value.
#[derive(Clone)]
struct Evidence<'a> {
    severity: Severity,
    analysis_ids: &'a [u64],
    threat_names: Texts,
    classifications: Texts,
    categories: Texts,
    file_name: Option<&'a str>,
}

impl<'a> Evidence<'a> {
    fn of(common: &'a IocCommon, severity: Severity) -> Self {
        Self {
            severity,
            analysis_ids: &common.analysis_ids,
            threat_names: Texts::default(),
            classifications: Texts::default(),
            categories: Texts::default(),
            file_name: None,
        }
    }
}

/// What an entry's own verdict makes of it.
enum Judgement {
    Wanted(Severity),
    FilteredOut,
    Held(ReceiptReason),
}

struct Mapping<'a> {
    reading: &'a Reading<'a>,
    rules: &'a Rules,
    submission_id: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    tactics: Texts,
    mapped: Mapped,
    /// The pattern being checked; kept for its memory.
    pattern: String,
}

impl<'a> Mapping<'a> {
    fn begin(reading: &'a Reading<'a>, rules: &'a Rules) -> Option<Self> {
        let times = || reading.submissions.iter().map(|submission| submission.finish_time);
        Some(Self {
            reading,
            rules,
            submission_id: reading.submissions.iter().map(|submission| submission.id).max()?,
            first_seen: times().min()?,
            last_seen: times().max()?,
            tactics: Texts::of(reading.tactics),
            mapped: Mapped::default(),
            pattern: String::new(),
        })
    }

    fn finish(self) -> Mapped {
        let Mapped { mut findings, mut receipts, filtered_out } = self.mapped;
        findings.sort_unstable_by_key(|finding| finding.id);
        findings.dedup_by(|again, first| {
            let same = again.id == first.id;
            if same {
                first.support.absorb(&mut again.support);
            }
            same
        });
        for finding in &mut findings {
            finding.support.settle();
        }
        receipts.sort_unstable();
        receipts.dedup();
        Mapped { findings, receipts, filtered_out }
    }

    /// Maps a list whose entries have one value and nothing else to tell.
    fn values<T>(
        &mut self,
        kind: Kind,
        list: &'a [Entry<T>],
        parts: impl Fn(&'a T) -> (&'a IocCommon, Option<&'a str>),
        read: impl Fn(&str) -> Result<Observable, ValueError>,
    ) {
        self.entries(kind, list, |mapping, entry| {
            let (common, value) = parts(entry);
            mapping.value(kind, common, value, &read, |evidence| evidence);
        });
    }

    fn urls(&mut self) {
        self.entries(Kind::Url, &self.reading.iocs.urls, |mapping, entry| {
            mapping.value(Kind::Url, &entry.common, entry.url.as_deref(), Observable::url, |evidence| Evidence {
                categories: Texts::of(&entry.categories),
                ..evidence
            });
        });
    }

    fn processes(&mut self) {
        self.entries(Kind::CommandLine, &self.reading.iocs.processes, |mapping, entry| {
            let value = entry.cmd_line.as_deref();
            mapping.value(Kind::CommandLine, &entry.common, value, Observable::command_line, |evidence| Evidence {
                threat_names: Texts::of(&entry.threat_names),
                classifications: Texts::of(&entry.classifications),
                ..evidence
            });
        });
    }

    /// Maps senders. A recipient is a victim, so nothing of it is kept, not even a receipt.
    fn email_addresses(&mut self) {
        let kind = Kind::EmailAddress;
        self.entries(kind, &self.reading.iocs.email_addresses, |mapping, entry| {
            if entry.sender == Some(true) {
                let value = entry.email_address.as_deref();
                mapping.value(kind, &entry.common, value, Observable::email_address, |evidence| evidence);
            }
        });
        self.entries(kind, &self.reading.iocs.emails, |mapping, entry| {
            let value = entry.sender.as_deref().map(bare_address);
            mapping.value(kind, &entry.common, value, Observable::email_address, |evidence| evidence);
        });
    }

    /// Calls `each` for every entry that can be read; the others get receipts.
    fn entries<T>(&mut self, kind: Kind, list: &'a [Entry<T>], each: impl Fn(&mut Self, &'a T)) {
        for entry in list {
            match entry {
                Entry::Read(entry) => each(self, entry),
                Entry::Unreadable { raw, reason } => self.unreadable(kind, raw, reason),
            }
        }
    }

    fn value(
        &mut self,
        kind: Kind,
        common: &'a IocCommon,
        value: Option<&str>,
        read: impl Fn(&str) -> Result<Observable, ValueError>,
        complete: impl FnOnce(Evidence<'a>) -> Evidence<'a>,
    ) {
        let severity = match self.judge(common) {
            Judgement::Wanted(severity) => severity,
            Judgement::FilteredOut => {
                self.mapped.filtered_out += 1;
                return;
            }
            Judgement::Held(reason) => return self.receipt(kind, value.unwrap_or_default(), reason),
        };
        let Some(text) = filled(value) else {
            return self.receipt(kind, value.unwrap_or_default(), ReceiptReason::NullValue);
        };
        match read(text) {
            Err(error) => self.receipt(kind, text, error.into()),
            Ok(observable) => match objection(&observable, &self.rules.noise) {
                Some(reason) => self.receipt(kind, text, reason),
                None => self.found(text, observable, complete(Evidence::of(common, severity))),
            },
        }
    }

    fn judge(&self, common: &IocCommon) -> Judgement {
        let Some(verdict) = &common.verdict else { return Judgement::Held(ReceiptReason::NullVerdict) };
        match verdict {
            Verdict::NotAvailable => Judgement::Held(ReceiptReason::VerdictNotAvailable),
            Verdict::Other(text) => {
                Judgement::Held(ReceiptReason::UnknownVerdict { verdict: excerpt(text, MAX_TEXT_CHARS) })
            }
            Verdict::Malicious | Verdict::Suspicious | Verdict::Clean => match Severity::of(verdict) {
                Some(severity) if self.rules.verdicts.wants_severity(severity) => {
                    if common.ioc == Some(false) {
                        Judgement::Held(ReceiptReason::NotAnIoc)
                    } else {
                        Judgement::Wanted(severity)
                    }
                }
                _ => Judgement::FilteredOut,
            },
        }
    }

    /// Notes a finding, once its pattern has been written and read back.
    fn found(&mut self, text: &str, observable: Observable, evidence: Evidence<'_>) {
        let value = observable.value();
        let property = Property::of(&observable);
        self.pattern.clear();
        Pattern::write(&mut self.pattern, property, &value);
        if !Pattern::means(&self.pattern, property, &value) {
            return self.receipt(observable.kind(), text, ReceiptReason::PatternMismatch);
        }
        let id = observable.kind().id_of(&value);
        drop(value);
        let support = Support {
            sample_id: self.reading.sample_id,
            submission_id: self.submission_id,
            severity: evidence.severity,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            analysis_ids: evidence.analysis_ids.to_vec(),
            threat_names: evidence.threat_names,
            classifications: evidence.classifications,
            categories: evidence.categories,
            file_name: evidence.file_name.map(|name| excerpt(name, MAX_NAME_CHARS)),
            tactics: self.tactics.clone(),
            incidents: Vec::new(),
        };
        self.mapped.findings.push(Finding { id, observable, support });
    }

    fn unreadable(&mut self, kind: Kind, raw: &serde_json::Value, reason: &str) {
        let why = excerpt(reason, MAX_NAME_CHARS);
        self.receipt(kind, &raw.to_string(), ReceiptReason::Unreadable { why });
    }

    fn receipt(&mut self, kind: Kind, value: &str, reason: ReceiptReason) {
        self.mapped.receipts.push(Receipt::new(kind, value, reason, self.reading.sample_id));
    }
}

/// Returns a value unless it is missing or one of the placeholders on record.
fn filled(value: Option<&str>) -> Option<&str> {
    value.filter(|text| !matches!(text.trim(), "" | "-"))
}

/// Returns the address of `Name <address>`.
fn bare_address(sender: &str) -> &str {
    let inner = sender.trim_end().strip_suffix('>').and_then(|text| text.rsplit_once('<'));
    inner.map_or(sender, |(_, address)| address)
}
