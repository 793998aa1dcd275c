//! What must hold, one function each, with words that say what broke and for which id.
//!
//! An invariant reads [`Evidence`] and answers with the first thing that breaks it. A new one is a function and a line in
//! [`ALL`]; what it needs to know goes into `Evidence`. Retraction will add "what was cleared is over" and make
//! `nothing_else_is_live` stricter; several routes will run all of them once for each workspace.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ledger::IndicatorState;
use serde_json::Value;
use simulators::{Fault, Row, Seen};

use crate::life::{End, Life, causes};
use crate::seed::Evidence;
use crate::truth::Due;
use crate::world::REFUSED;

/// An invariant that does not hold.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    pub(crate) invariant: &'static str,
    pub(crate) what: String,
}

type Invariant = fn(&Evidence) -> Result<(), String>;

/// All of them, in the order in which they explain best what is wrong.
const ALL: [(&str, Invariant); 17] = [
    ("every run ends within its budget and the allowance", runs_end_in_time),
    ("runs without faults end well", quiet_runs_end_well),
    ("nothing is lost", nothing_is_lost),
    ("nothing else is live", nothing_else_is_live),
    ("every value that is not sent has a receipt, and no other has", receipts_say_why),
    ("a sample that can be read is not open", what_can_be_read_is_not_open),
    ("quarantine holds what Sentinel refuses", quarantine_holds_what_is_refused),
    ("the ledger agrees with Sentinel", ledger_agrees_with_sentinel),
    ("an indicator tells of its own samples only", indicators_tell_of_their_own_samples),
    ("created never changes", created_never_changes),
    ("modified never goes back", modified_never_goes_back),
    ("nothing unchanged is sent", nothing_unchanged_is_sent),
    ("the last of the quiet runs asks and sends nothing", the_last_run_has_nothing_to_do),
    ("no request holds more than 100 objects", requests_are_small_enough),
    ("the pace is kept", the_pace_is_kept),
    ("a wait that a service asks for is kept", waits_are_kept),
    ("one living token at a time", one_token_a_lifetime),
];

/// Returns what does not hold.
pub(crate) fn hold(evidence: &Evidence) -> Vec<Broken> {
    let broken =
        |(invariant, check): &(&'static str, Invariant)| check(evidence).err().map(|what| Broken { invariant, what });
    ALL.iter().filter_map(broken).collect()
}

fn runs_end_in_time(evidence: &Evidence) -> Result<(), String> {
    match evidence.lives.iter().find(|life| matches!(life.end, End::Overran)) {
        Some(life) => Err(format!("life {} was still on after {}", life.number, life.ended.duration_since(life.began))),
        None => Ok(()),
    }
}

fn quiet_runs_end_well(evidence: &Evidence) -> Result<(), String> {
    for life in &evidence.lives[evidence.quiet_from..] {
        if !life.end.is_done() {
            let why = if let End::Finished(Err(error)) = &life.end { causes(error) } else { String::new() };
            return Err(format!("life {} ended as {}: {why}", life.number, life.end.name()));
        }
    }
    match evidence.known.outbox.first() {
        Some(id) => Err(format!("{id} and {} others wait in the outbox", evidence.known.outbox.len() - 1)),
        None => Ok(()),
    }
}

fn nothing_is_lost(evidence: &Evidence) -> Result<(), String> {
    let Evidence { truth, known, newest, .. } = evidence;
    let given_up = |sample: u64| known.receipts.iter().any(|one| one.kind == "sample" && one.sample_id == sample);
    for (id, supported) in &truth.must {
        if newest.contains_key(id) || known.quarantine.contains_key(id) {
            continue;
        }
        for sample in supported.samples.keys() {
            let told = known
                .receipts
                .iter()
                .any(|one| one.reason == "expired" && one.sample_id == *sample && one.value == supported.value);
            let open = known.open.contains(sample) || given_up(*sample);
            if !told && (truth.readable.contains(sample) || !open) {
                let readable = truth.readable.contains(sample);
                return Err(format!(
                    "{id} ({}) of sample {sample}, which {} be read, is nowhere",
                    supported.value,
                    if readable { "can" } else { "cannot" }
                ));
            }
        }
    }
    let identity = indicators::identity().id.to_string();
    if !newest.contains_key(&identity) {
        return Err(format!("our identity {identity} is not there"));
    }
    Ok(())
}

fn nothing_else_is_live(evidence: &Evidence) -> Result<(), String> {
    let identity = indicators::identity().id.to_string();
    match evidence.newest.keys().find(|id| !evidence.truth.may.contains_key(*id) && **id != identity) {
        Some(id) => Err(format!("{id} was never called malicious: {}", evidence.newest[id].text)),
        None => Ok(()),
    }
}

fn receipts_say_why(evidence: &Evidence) -> Result<(), String> {
    let Evidence { truth, known, now, plan, .. } = evidence;
    let is = |due: &Due, one: &ledger::ReceiptRecord| {
        due.sample == one.sample_id && due.kind == one.kind && due.value == one.value && due.reason == one.reason
    };
    if let Some(due) = truth.due.iter().find(|due| !known.receipts.iter().any(|one| is(due, one))) {
        return Err(format!("no receipt for {due:?}"));
    }
    let life = SignedDuration::from_hours(24 * plan.expiry_days);
    for one in &known.receipts {
        let right = match (one.kind.as_str(), one.reason.as_str()) {
            ("sample", "sample_not_found") => truth.given_up.contains(&one.sample_id),
            (_, "expired") => truth.may.values().any(|supported| {
                supported.value == one.value && supported.times.iter().any(|seen| *seen + life <= *now)
            }),
            _ => truth.possible.iter().any(|due| is(due, one)),
        };
        if !right {
            return Err(format!("a receipt that nothing explains: {one:?}"));
        }
    }
    Ok(())
}

fn what_can_be_read_is_not_open(evidence: &Evidence) -> Result<(), String> {
    match evidence.known.open.iter().find(|sample| evidence.truth.readable.contains(sample)) {
        Some(sample) => Err(format!("sample {sample} is open")),
        None => Ok(()),
    }
}

fn quarantine_holds_what_is_refused(evidence: &Evidence) -> Result<(), String> {
    for (id, record) in &evidence.known.quarantine {
        if !record.value.contains(REFUSED) {
            return Err(format!("{id} ({}) is there after its replay: {:?}", record.value, record.server));
        }
    }
    match evidence.newest.values().find(|row| row.text.contains(REFUSED)) {
        Some(row) => Err(format!("{} is live", row.id)),
        None => Ok(()),
    }
}

fn ledger_agrees_with_sentinel(evidence: &Evidence) -> Result<(), String> {
    let Evidence { known, newest, .. } = evidence;
    for (id, record) in &known.indicators {
        match (record.state, newest.get(id)) {
            (IndicatorState::Staged, _) => return Err(format!("{id} is staged for ever")),
            (IndicatorState::Quarantined, _) if known.quarantine.contains_key(id) => {}
            (IndicatorState::Quarantined, _) => return Err(format!("{id} should be in quarantine")),
            (IndicatorState::Accepted, None) => return Err(format!("{id} was never accepted")),
            (IndicatorState::Accepted, Some(row)) => {
                let said =
                    (record.created, record.modified, Some(record.valid_until), Some(u64::from(record.confidence)));
                let shown = (row.created, row.modified, row.valid_until, row.object()["confidence"].as_u64());
                if said.0 != shown.0 || said.1 != shown.1 || said.2 != shown.2 || said.3 != shown.3 {
                    return Err(format!("{id}: the ledger says {said:?}, Sentinel {shown:?}"));
                }
            }
        }
    }
    match indicators(newest.values()).find(|row| !known.indicators.contains_key(&row.id)) {
        Some(row) => Err(format!("{} is live and not known", row.id)),
        None => Ok(()),
    }
}

fn indicators_tell_of_their_own_samples(evidence: &Evidence) -> Result<(), String> {
    let Evidence { truth, newest, plan, now, .. } = evidence;
    let life = SignedDuration::from_hours(24 * plan.expiry_days);
    for row in indicators(newest.values()) {
        let Some(may) = truth.may.get(&row.id) else { continue };
        let object = row.object();
        for label in object["labels"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if let Some(sample) = label.strip_prefix("sample_id: ").and_then(|text| text.parse::<u64>().ok())
                && !may.samples.contains_key(&sample)
            {
                return Err(format!("{} ({}) names sample {sample}, which never had it", row.id, may.value));
            }
        }
        if !may.times.contains(&row.created) {
            return Err(format!("{} was created {}, when none of its submissions finished", row.id, row.created));
        }
        if !may.times.iter().any(|seen| Some(*seen + life) == row.valid_until) {
            return Err(format!("{} ends {:?}, which is no sighting and a life", row.id, row.valid_until));
        }
        let must = truth.must.get(&row.id);
        let says = |malicious: bool, sample: &u64| malicious && truth.readable.contains(sample);
        let is_malicious = must.is_some_and(|must| must.samples.iter().any(|(sample, says_so)| says(*says_so, sample)));
        let may_be = may.samples.values().any(|malicious| *malicious);
        let confidence = object["confidence"].as_u64();
        // A life that is over is not made another by what is read later.
        let lives = row.valid_until.is_none_or(|until| until > *now);
        if (lives && is_malicious && confidence != Some(100)) || (!may_be && confidence != Some(75)) {
            return Err(format!("{} has confidence {confidence:?}, malicious: {is_malicious}", row.id));
        }
    }
    Ok(())
}

fn created_never_changes(evidence: &Evidence) -> Result<(), String> {
    pairs(&evidence.rows).try_for_each(|(before, after)| {
        if before.created == after.created {
            Ok(())
        } else {
            Err(format!("{} went from {} to {}", after.id, before.created, after.created))
        }
    })
}

fn modified_never_goes_back(evidence: &Evidence) -> Result<(), String> {
    pairs(&evidence.rows).try_for_each(|(before, after)| {
        if before.modified <= after.modified {
            Ok(())
        } else {
            Err(format!("{} went from {} to {}", after.id, before.modified, after.modified))
        }
    })
}

/// An object is sent again unchanged only where we cannot know that it arrived: its answer was lost, or its process died
/// before the answer was durable, which takes a second and a flush where the store is in order.
fn nothing_unchanged_is_sent(evidence: &Evidence) -> Result<(), String> {
    const UNTIL_DURABLE: SignedDuration = SignedDuration::from_secs(3);
    for (before, after) in pairs(&evidence.rows) {
        if before.text == after.text {
            let (seen, life) = request_of(evidence, before);
            let unsettled = !life.store_was_calm
                || (!life.end.is_closed()
                    && seen.answered_at.is_some_and(|at| life.ended.duration_since(at) <= UNTIL_DURABLE));
            if !is_lost(seen) && !unsettled {
                return Err(format!(
                    "{} was accepted in life {} ({}) and sent again in life {}",
                    after.id,
                    life.number,
                    life.end.name(),
                    request_of(evidence, after).1.number
                ));
            }
        } else if same_but_for_modified(before, after) {
            return Err(format!(
                "{} differs in nothing but its modified: {} and {}",
                after.id, before.text, after.text
            ));
        }
    }
    Ok(())
}

fn the_last_run_has_nothing_to_do(evidence: &Evidence) -> Result<(), String> {
    let Some(last) = evidence.lives.last() else { return Ok(()) };
    if let Some(seen) = evidence.upload[last.upload.clone()].first() {
        return Err(format!("it sent {} objects at {}", seen.objects, seen.at));
    }
    for seen in &evidence.vmray[last.vmray.clone()] {
        let read = seen.path.strip_prefix("/rest/sample/").and_then(|rest| rest.split('/').next()?.parse().ok());
        if let Some(sample) = read
            && !evidence.known.open.contains(&sample)
        {
            return Err(format!("it read sample {sample} again"));
        }
    }
    Ok(())
}

fn requests_are_small_enough(evidence: &Evidence) -> Result<(), String> {
    match evidence.upload.iter().find(|seen| seen.objects > sentinel::MAX_OBJECTS) {
        Some(seen) => Err(format!("{} objects at {}", seen.objects, seen.at)),
        None => Ok(()),
    }
}

fn the_pace_is_kept(evidence: &Evidence) -> Result<(), String> {
    let most = evidence.plan.per_minute;
    for life in &evidence.lives {
        let mut sent: Vec<Timestamp> = evidence.upload[life.upload.clone()].iter().map(|seen| seen.at).collect();
        sent.sort();
        for window in sent.windows(most + 1) {
            if window[most].duration_since(window[0]) < SignedDuration::from_mins(1) {
                let (first, last) = (window[0], window[most]);
                return Err(format!("life {}: {} requests from {first} to {last}", life.number, most + 1));
            }
        }
    }
    Ok(())
}

fn waits_are_kept(evidence: &Evidence) -> Result<(), String> {
    for life in &evidence.lives {
        for (service, seen) in [
            ("VMRay", &evidence.vmray[life.vmray.clone()]),
            ("Entra", &evidence.entra[life.entra.clone()]),
            ("Sentinel", &evidence.upload[life.upload.clone()]),
        ] {
            let mut held: Option<(Timestamp, Timestamp)> = None;
            let mut told: Vec<(Timestamp, Duration)> =
                seen.iter().filter_map(|one| Some((one.answered_at?, one.told_to_wait?))).collect();
            told.sort();
            let mut told = told.into_iter().peekable();
            let mut sent: Vec<Timestamp> = seen.iter().map(|one| one.at).collect();
            sent.sort();
            for at in sent {
                while let Some((answered, wait)) = told.next_if(|(answered, _)| *answered < at) {
                    let until = answered + SignedDuration::try_from(wait).unwrap();
                    held = held.max(Some((until, answered)));
                }
                if let Some((until, answered)) = held
                    && at < until
                {
                    return Err(format!(
                        "life {}: {service} said at {answered} to wait until {until}, asked at {at}",
                        life.number
                    ));
                }
            }
        }
    }
    Ok(())
}

/// In one life a token is asked for only when there is none, or the one there is has little life left (five minutes, or
/// half of a short life) or was refused; and none is used beyond its life.
fn one_token_a_lifetime(evidence: &Evidence) -> Result<(), String> {
    let lifetime = evidence.token_lifetime;
    let margin = SignedDuration::from_mins(5).min(lifetime / 2);
    for life in &evidence.lives {
        let uploads = &evidence.upload[life.upload.clone()];
        for seen in uploads {
            if seen.token_expires.is_some_and(|end| end < seen.at) {
                return Err(format!(
                    "life {}: a token that ended {:?} was used at {}",
                    life.number, seen.token_expires, seen.at
                ));
            }
        }
        let refusals: Vec<Timestamp> =
            uploads.iter().filter(|seen| seen.status == Some(401)).filter_map(|seen| seen.answered_at).collect();
        let mut held: Option<Timestamp> = None;
        for seen in evidence.entra[life.entra.clone()].iter().filter(|seen| seen.path.ends_with("/token")) {
            if let Some(since) = held {
                let refused = refusals.iter().any(|at| *at >= since && *at <= seen.at);
                if !refused && seen.at < since + lifetime - margin {
                    return Err(format!(
                        "life {}: a token of {since} was there, and one was asked for at {}",
                        life.number, seen.at
                    ));
                }
            }
            if seen.status == Some(200) && !is_lost(seen) {
                // Whole seconds: a token is a little older than its answer says.
                held = seen.answered_at.map(|at| at - SignedDuration::from_secs(1));
            }
        }
    }
    Ok(())
}

/// Says whether the client cannot know what became of a request.
fn is_lost(seen: &Seen) -> bool {
    seen.status != Some(200) || matches!(seen.fault, Some(Fault::WrongJson | Fault::HtmlPage))
}

fn request_of<'a>(evidence: &'a Evidence, row: &Row) -> (&'a Seen, &'a Life) {
    let number = usize::try_from(row.request).unwrap();
    let life = evidence.lives.iter().find(|life| life.upload.contains(&number)).unwrap();
    (&evidence.upload[number], life)
}

/// Each row of an id with the row before it.
fn pairs(rows: &[Row]) -> impl Iterator<Item = (&Row, &Row)> {
    let mut latest: BTreeMap<&str, &Row> = BTreeMap::new();
    rows.iter().filter_map(move |row| latest.insert(&row.id, row).map(|before| (before, row)))
}

fn indicators<'a>(rows: impl Iterator<Item = &'a Row>) -> impl Iterator<Item = &'a Row> {
    rows.filter(|row| row.stix_type == "indicator")
}

fn same_but_for_modified(before: &Row, after: &Row) -> bool {
    let bare = |row: &Row| {
        let mut object = row.object();
        object["modified"] = Value::Null;
        object
    };
    bare(before) == bare(after)
}
