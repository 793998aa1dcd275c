//! What VMRay's stand-in knows, changed while it runs.

use jiff::Timestamp;
use serde_json::{Value, json};
use simulators::{Access, Ioc, IocKind, Sample, Submission, Verdict, VmraySimulator, World};

type Pairs<'a> = &'a [(String, String)];

/// Adds a sample with a submission that has just finished: `url` or `name`, `verdict`, and an `ioc=KIND:VALUE` for each
/// finding.
pub(super) fn add_sample(vmray: &VmraySimulator, pairs: Pairs<'_>, now: Timestamp) -> Result<Value, String> {
    let text = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let verdict = text("verdict").map_or(Ok(Some(Verdict::Malicious)), verdict)?;
    let mut iocs = Vec::new();
    for (name, value) in pairs {
        match name.as_str() {
            "url" | "name" | "verdict" => {}
            "ioc" => iocs.push(finding(value, verdict)?),
            _ => return Err(format!("{name} is none of url, name, verdict, ioc")),
        }
    }
    vmray.edit(|world| {
        let id = world.next_id();
        let sample = match (text("url"), text("name")) {
            (Some(url), None) => Sample::url(id, now, url),
            (None, Some(name)) => Sample::file(id, now, name),
            _ => return Err("one of url and name is needed".to_owned()),
        };
        world.add_sample(sample.with_iocs(iocs));
        let submission = world.next_id();
        world.add_submission(Submission::finished(submission, id, now, verdict));
        Ok(json!({ "sample": id, "submission": submission }))
    })
}

/// Changes a sample: `access`, `tells_names`.
pub(super) fn change_sample(vmray: &VmraySimulator, id: &str, pairs: Pairs<'_>) -> Result<Value, String> {
    let id: u64 = id.parse().map_err(|_| format!("{id} is no sample id"))?;
    vmray.edit(|world| {
        let sample = world.sample_mut(id).ok_or_else(|| format!("there is no sample {id}"))?;
        for (name, value) in pairs {
            match name.as_str() {
                "access" => {
                    let known = Access::WORDS.iter().find(|(word, _)| word == value);
                    sample.access = known.map(|(_, access)| *access).ok_or_else(|| format!("{value} is no access"))?;
                }
                "tells_names" => sample.tells_names = flag(value)?,
                _ => return Err(format!("{name} is none of access, tells_names")),
            }
        }
        Ok(json!({}))
    })
}

/// Changes a submission: `verdict`, `verdict_reason`, `has_errors`, `tells_errors`, `tells_finish_time`, `finished_at`,
/// `tags`.
pub(super) fn change_submission(vmray: &VmraySimulator, id: &str, pairs: Pairs<'_>) -> Result<Value, String> {
    let id = number(id)?;
    vmray.edit(|world: &mut World| {
        let made = world.submission_mut(id).ok_or_else(|| format!("there is no submission {id}"))?;
        for (name, value) in pairs {
            match name.as_str() {
                "verdict" => made.verdict = verdict(value)?,
                "verdict_reason" => made.verdict_reason = Some(value.clone()).filter(|reason| !reason.is_empty()),
                "has_errors" => made.has_errors = flag(value)?,
                "tells_errors" => made.tells_errors = flag(value)?,
                "tells_finish_time" => made.tells_finish_time = flag(value)?,
                "finished_at" => {
                    made.finished_at = Some(value.parse().map_err(|_| format!("{value} is no time"))?);
                }
                "tags" => made.tags = value.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
                _ => return Err(format!("{name} cannot be changed")),
            }
        }
        Ok(json!({}))
    })
}

/// Removes a submission; its sample goes with the last of them.
pub(super) fn remove_submission(vmray: &VmraySimulator, id: &str) -> Result<Value, String> {
    let id = number(id)?;
    Ok(json!({ "was_there": vmray.edit(|world| world.remove_submission(id)) }))
}

pub(super) fn number(id: &str) -> Result<u64, String> {
    id.parse().map_err(|_| format!("{id} is no submission id"))
}

pub(super) fn verdict(word: &str) -> Result<Option<Verdict>, String> {
    match word {
        "null" => Ok(None),
        word => Verdict::from_word(word).map(Some).ok_or_else(|| format!("{word} is no verdict")),
    }
}

fn flag(value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| format!("{value} is neither true nor false"))
}

/// `domain:a.example`
fn finding(text: &str, verdict: Option<Verdict>) -> Result<Ioc, String> {
    let (kind, value) = text.split_once(':').ok_or_else(|| format!("{text} is no KIND:VALUE"))?;
    let kind = IocKind::from_word(kind).filter(|kind| *kind != IocKind::File);
    let kind = kind.ok_or_else(|| format!("{text} starts with no known kind of value"))?;
    Ok(Ioc { verdict, ..Ioc::new(kind, value, Verdict::Malicious) })
}
