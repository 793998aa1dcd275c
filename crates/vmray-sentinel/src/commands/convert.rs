//! `convert FILE...`: VMRay reports from disk as one STIX bundle.
//!
//! The mapping is the feed's. What a file does not say is left out: the submission, the link to the report, and with
//! a reply of `/iocs` also the sample and the time, for which the file's own time stands in. The same files give the
//! same bundle.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use indicators::{Finding, Mapped, Parts, Reading, Severity, Style, SubmissionFacts, Support};
use jiff::Timestamp;
use stix::{Bundle, Object, Observable, StixId};
use vmray::{Entry, MitreAttack, Report};

use crate::app::App;
use crate::cli::Convert;
use crate::config::IndicatorConfig;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{output, words};

pub(crate) fn run(app: &App, args: &Convert) -> Result<Exit, Failure> {
    let config = IndicatorConfig::load(&app.settings)?;
    let mut collected = Collected::default();
    let mut exit = Exit::Done;
    for path in &args.files {
        match read(path, args.seen) {
            Ok((report, seen)) => collected.add(report, seen, &config),
            Err(error) => {
                app.complain(&Failure::from(error));
                exit = Exit::Failed;
            }
        }
    }
    output::json(&collected.bundle(&config))?;
    app.say(&collected.summary(&config));
    Ok(exit)
}

fn read(path: &Path, seen: Option<Timestamp>) -> anyhow::Result<(Report, Timestamp)> {
    let what = || format!("reading {}", path.display());
    let bytes = fs::read(path).with_context(what)?;
    let report = Report::parse(&bytes).with_context(what)?;
    let seen = match seen.or(report.created) {
        Some(seen) => seen,
        None => fs::metadata(path)
            .and_then(|about| about.modified())
            .map_err(anyhow::Error::from)
            .and_then(|time| Ok(Timestamp::try_from(time)?))
            .with_context(what)?,
    };
    // STIX times have milliseconds.
    let seen = Timestamp::from_millisecond(seen.as_millisecond()).with_context(what)?;
    Ok((report, seen))
}

/// What all files say, by indicator.
#[derive(Debug, Default)]
struct Collected {
    values: BTreeMap<StixId, Value>,
    receipts: BTreeMap<String, usize>,
    filtered_out: usize,
    reports: usize,
}

#[derive(Debug)]
struct Value {
    observable: Observable,
    name: String,
    supports: Vec<Support>,
}

impl Collected {
    fn add(&mut self, report: Report, seen: Timestamp, config: &IndicatorConfig) {
        self.reports += 1;
        let attack = MitreAttack {
            techniques: report.techniques.into_iter().map(Entry::Read).collect(),
            ..MitreAttack::default()
        };
        // A report that does not say the verdict of its sample leaves the decision to those of its IOCs.
        let severity = match &report.verdict {
            None => Severity::Malicious,
            Some(verdict) if config.rules.verdicts.wants(&report.verdict) => {
                Severity::of(verdict).unwrap_or(Severity::Malicious)
            }
            Some(_) => {
                self.filtered_out += count(&report.iocs);
                return;
            }
        };
        let submissions = [SubmissionFacts { id: 0, finish_time: seen, severity }];
        let reading = Reading {
            sample_id: report.sample_id.map_or(0, |id| id.0),
            submissions: &submissions,
            iocs: &report.iocs,
            tactics: &indicators::tactics(&attack),
        };
        let Mapped { findings, receipts, filtered_out } = indicators::map(&reading, &config.rules);
        self.filtered_out += filtered_out;
        for receipt in receipts {
            *self.receipts.entry(receipt.reason.to_string()).or_default() += 1;
        }
        for finding in findings {
            let name = indicators::name_of(&finding);
            let Finding { id, observable, support } = finding;
            let value = self.values.entry(id).or_insert_with(|| Value { observable, name, supports: Vec::new() });
            value.supports.push(support);
        }
    }

    fn bundle(&mut self, config: &IndicatorConfig) -> Bundle {
        let identity = indicators::identity();
        let style = Style { vmray_base: None, tlp: config.tlp, expiry: config.expiry, created_by: identity.id };
        let mut objects = vec![Object::Identity(identity)];
        for value in self.values.values_mut() {
            // Newest first, and the same order whatever the order of the files.
            value.supports.sort_by_key(|support| (support.last_seen, support.sample_id));
            value.supports.reverse();
            let seen = value.supports.iter().flat_map(|support| [support.first_seen, support.last_seen]);
            let (Some(first), Some(last)) = (seen.clone().min(), seen.max()) else { continue };
            let parts = Parts {
                observable: &value.observable,
                name: &value.name,
                created: first,
                modified: last,
                valid_until: config.expiry.valid_until(value.observable.kind(), last),
                supports: &value.supports,
            };
            objects.push(Object::Indicator(Box::new(indicators::compose(&parts, &style))));
        }
        Bundle::new(objects)
    }

    fn summary(&self, config: &IndicatorConfig) -> String {
        let mut lines = vec![format!(
            "{} from {}",
            words::count(self.values.len(), "indicator"),
            words::count(self.reports, "report")
        )];
        if self.filtered_out > 0 {
            lines.push(format!(
                "{} left out by VmraySampleVerdict={}",
                words::count(self.filtered_out, "entry"),
                config.rules.verdicts
            ));
        }
        lines.extend(
            self.receipts.iter().map(|(reason, amount)| format!("{} left out: {reason}", words::number(*amount))),
        );
        lines.join("\n") + "\n"
    }
}

fn count(iocs: &vmray::Iocs) -> usize {
    iocs.domains.len() + iocs.ips.len() + iocs.urls.len() + iocs.files.len()
}
