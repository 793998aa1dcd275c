//! `convert FILE...`: VMRay reports from disk as one STIX bundle.
//!
//! The mapping is the feed's. What a file does not say is left out: the submission, the link to the report, and with
//! a reply of `/iocs` also the sample and the time, for which the file's own time stands in. The same files give the
//! same bundle. When one of them cannot be read, nothing is written: half a bundle looks like a whole one.

mod input;
mod left_out;

use std::collections::BTreeMap;

use config::IndicatorConfig;
use indicators::{Finding, Parts, Reading, Rules, Severity, Style, SubmissionFacts, Support};
use jiff::Timestamp;
use stix::{Bundle, Object, Observable, StixId};
use vmray::{Entry, MitreAttack, Report};

use self::input::Input;
use self::left_out::LeftOut;
use crate::app::App;
use crate::cli::Convert;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{output, words};

pub(crate) fn run(app: &App, args: &Convert) -> Result<Exit, Failure> {
    let config = IndicatorConfig::load(&app.settings)?;
    let mut collected = Collected::default();
    let mut unreadable = 0_usize;
    for path in &args.files {
        let found = match input::gather(path) {
            Ok(found) => found,
            Err(error) => {
                app.complain(&Failure::from(error));
                unreadable += 1;
                continue;
            }
        };
        let mut read = 0;
        for input in &found {
            match (input.read(args.seen, app.clock.now()), input) {
                (Ok((report, seen)), _) => {
                    collected.add(&report, seen, &config);
                    read += 1;
                }
                // A folder of an analysis holds other JSON, too.
                (Err(error), Input::InFolder(file)) => {
                    app.say(&format!("left out {}: {}\n", file.display(), error.root_cause()));
                }
                (Err(error), _) => {
                    app.complain(&Failure::from(error));
                    unreadable += 1;
                }
            }
        }
        if read == 0 && path.is_dir() {
            let error = anyhow::anyhow!("{} holds no report", path.display());
            app.complain(&Failure::from(error).with_hint(
                "a report is a summary_v2.json of an analysis or a reply of /rest/sample/ID/iocs; its name ends in .json",
            ));
            unreadable += 1;
        }
    }
    if unreadable > 0 {
        let error = anyhow::anyhow!("nothing was written: {} could not be read", words::count(unreadable, "input"));
        return Err(Failure::from(error).with_hint("leave out what is no report, or fix it, and convert again"));
    }
    output::json(&collected.bundle(&config))?;
    app.say(&collected.summary(&config));
    Ok(Exit::Done)
}

/// What all files say, by indicator.
#[derive(Debug, Default)]
struct Collected {
    values: BTreeMap<StixId, Value>,
    left_out: LeftOut,
    reports: usize,
}

#[derive(Debug)]
struct Value {
    observable: Observable,
    name: String,
    supports: Vec<Support>,
}

impl Collected {
    fn add(&mut self, report: &Report, seen: Timestamp, config: &IndicatorConfig) {
        self.reports += 1;
        let mapped = map(report, seen, &config.rules);
        self.left_out.add(report, seen, &config.rules, &mapped);
        for finding in mapped.findings {
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
                incidents: &[],
            };
            objects.push(Object::Indicator(Box::new(indicators::compose(&parts, &style))));
        }
        Bundle::new(objects)
    }

    fn summary(&self, config: &IndicatorConfig) -> String {
        let (values, reports) = (self.values.len(), self.reports);
        let mut lines = vec![format!("{} from {}", words::count(values, "indicator"), words::count(reports, "report"))];
        lines.extend(self.left_out.lines(&config.rules, |id| self.values.contains_key(id)));
        lines.join("\n") + "\n"
    }
}

/// Maps a report as the feed would map its sample. `None` in the report's verdict leaves the decision to those of its
/// IOCs; one that is not wanted leaves out all of them.
fn map(report: &Report, seen: Timestamp, rules: &Rules) -> indicators::Mapped {
    let severity = match &report.verdict {
        None => Severity::Malicious,
        Some(verdict) if rules.verdicts.wants(&report.verdict) => Severity::of(verdict).unwrap_or(Severity::Malicious),
        Some(_) => {
            return indicators::Mapped { filtered_out: entries(&report.iocs), ..indicators::Mapped::default() };
        }
    };
    let attack = MitreAttack {
        techniques: report.techniques.iter().cloned().map(Entry::Read).collect(),
        ..MitreAttack::default()
    };
    let submissions = [SubmissionFacts { id: 0, finish_time: seen, severity }];
    let reading = Reading {
        sample_id: report.sample_id.map_or(0, |id| id.0),
        submissions: &submissions,
        iocs: &report.iocs,
        tactics: &indicators::tactics(&attack),
    };
    indicators::map(&reading, rules)
}

fn entries(iocs: &vmray::Iocs) -> usize {
    iocs.domains.len() + iocs.ips.len() + iocs.urls.len() + iocs.files.len()
}
