//! Samples and submissions from a seed.

use std::collections::BTreeMap;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::invent::{self, Recipe};
use super::{Access, IocSource, RelationKind, Sample, Submission, Verdict, World, WorldOptions};

const FIRST_SAMPLE: u64 = 1001;
/// Far from the ids of samples, so that no client takes one for the other and goes on.
const FIRST_SUBMISSION: u64 = 5_000_001;

/// Makes a world. Ids ascend with the time of creation, as a database's do.
pub(super) fn generate(options: &WorldOptions) -> World {
    let mut draw = Rng::with_seed(options.seed);
    let mut odd = Odd { draw: Rng::with_seed(options.seed ^ 0x006f_6464), options };
    let mut world = World { recipe: Recipe::of(options), ..World::default() };
    let mut submissions = Vec::new();
    let span = options.end.duration_since(options.start).as_secs().max(0);
    let samples = u64::try_from(options.samples).unwrap_or(u64::MAX);
    let mut children = Vec::new();
    for n in 0..samples {
        let share =
            i64::try_from(u128::from(n) * u128::from(span.unsigned_abs()) / u128::from(samples)).unwrap_or(span);
        let created = later(options.start, share);
        let mut sample = sample(&mut draw, FIRST_SAMPLE + n, created);
        let verdict = verdict(&mut draw, options);
        submissions.push(submission(&mut draw, options, &sample, created, verdict));
        if let Some(submission) = submissions.last_mut()
            && let Some(child) = odd.sample(&mut sample, submission, &world.recipe)
        {
            children.push((submissions.len() - 1, child));
        }
        if draw.f64() < options.resubmission_rate {
            let again = later(created, draw.i64(60..=(span - share).max(61)));
            let verdict = if draw.f64() < 0.1 { self::verdict(&mut draw, options) } else { verdict };
            submissions.push(submission(&mut draw, options, &sample, again, verdict));
        }
        world.samples.insert(sample.id, sample);
    }
    let middle = later(options.start, span / 2);
    for submission in submissions.iter_mut().filter(|made| made.created <= middle).rev().take(options.burst) {
        submission.finished_at = Some(later(middle, 60));
        submission.tells_finish_time = true;
    }
    for (sample, (parent, mut child)) in (FIRST_SAMPLE + samples..).zip(children) {
        child.sample.id = sample;
        child.submission.sample_id = sample;
        if let Some(parent) = submissions.get(parent) {
            world.relate(parent.sample_id, sample, RelationKind::DroppedFile);
        }
        world.samples.insert(sample, child.sample);
        // The place of its parent, until that has an id.
        child.submission.parent = u64::try_from(parent).ok();
        submissions.push(child.submission);
    }
    number(&mut world, submissions, FIRST_SUBMISSION.max(FIRST_SAMPLE + samples * 2));
    world
}

/// Gives submissions their ids, in the order of their creation.
fn number(world: &mut World, submissions: Vec<Submission>, first: u64) {
    let mut placed: Vec<(u64, Submission)> = (0..).zip(submissions).collect();
    placed.sort_by_key(|(_, submission)| (submission.created, submission.sample_id));
    let ids: BTreeMap<u64, u64> = placed.iter().zip(first..).map(|((place, _), id)| (*place, id)).collect();
    for ((_, mut submission), id) in placed.into_iter().zip(first..) {
        submission.id = id;
        submission.parent = submission.parent.and_then(|place| ids.get(&place).copied());
        world.add_submission(submission);
    }
}

fn later(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(time)
}

fn verdict(draw: &mut Rng, options: &WorldOptions) -> Option<Verdict> {
    let place = draw.f64();
    if place < options.malicious_rate {
        return Some(Verdict::Malicious);
    }
    if place < options.malicious_rate + options.suspicious_rate {
        return Some(Verdict::Suspicious);
    }
    match draw.u8(0..20) {
        0 => None,
        1 => Some(Verdict::NotAvailable),
        _ => Some(Verdict::Clean),
    }
}

fn sample(draw: &mut Rng, id: u64, created: Timestamp) -> Sample {
    let seed = draw.u64(..);
    let mut sample = if draw.u8(0..10) < 3 {
        Sample::url(id, created, &invent::url(&mut Rng::with_seed(seed)))
    } else {
        Sample::file(id, created, &invent::file_name(&mut Rng::with_seed(seed)))
    };
    sample.hashes = super::Hashes::invented(seed);
    sample.threat_names = invent::threat_names(draw);
    sample.classifications = invent::classifications(draw);
    sample.iocs = IocSource::Seeded(seed);
    sample
}

fn submission(
    draw: &mut Rng,
    options: &WorldOptions,
    sample: &Sample,
    created: Timestamp,
    verdict: Option<Verdict>,
) -> Submission {
    let late_by = i64::try_from(options.late_by.as_secs()).unwrap_or(i64::MAX);
    let mut duration = draw.i64(60..600);
    if draw.f64() < options.late_rate {
        duration += draw.i64(0..=late_by);
    }
    let mut submission = Submission::unfinished(0, sample.id, created);
    submission.finished_at = (draw.f64() >= options.unfinished_rate).then(|| later(created, duration));
    submission.tells_finish_time = draw.f64() >= options.no_finish_time_rate;
    submission.verdict = verdict;
    submission.has_errors = draw.u8(0..50) == 0;
    invent::pick(draw, &["api", "webif", "ir_mailbox"]).clone_into(&mut submission.kind);
    if draw.u8(0..5) == 0 {
        submission.tags = vec![invent::pick(draw, &["phishing", "incident", "hunt"]).to_owned()];
    }
    submission
}

/// What a server does with a share of its samples. It draws for itself, so that a world without it is otherwise the same.
struct Odd<'a> {
    draw: Rng,
    options: &'a WorldOptions,
}

/// A sample that was found in another.
struct Child {
    sample: Sample,
    submission: Submission,
}

impl Odd<'_> {
    /// Makes a sample and its first submission odd; returns what was found in it.
    fn sample(&mut self, sample: &mut Sample, submission: &mut Submission, recipe: &Recipe) -> Option<Child> {
        let options = self.options;
        sample.access = self.access();
        sample.tells_names = self.draw.f64() >= options.null_names_rate;
        submission.tells_errors = self.draw.f64() >= options.null_errors_rate;
        if self.draw.f64() < options.reason_rate {
            submission.verdict_reason = Some(invent::REASON.to_owned());
        }
        if let IocSource::Seeded(seed) = sample.iocs
            && sample.url.is_none()
            && recipe.is_email(seed)
        {
            "E-Mail".clone_into(&mut sample.kind);
            sample.container = Some("email".to_owned());
            sample.filename = format!("{}.eml", sample.filename);
        }
        let ended = submission.finished_at.filter(|_| self.draw.f64() < options.late_child_rate)?;
        let created = later(submission.created, 30);
        let child = self::sample(&mut self.draw, 0, created);
        let mut made = Submission::unfinished(0, 0, created);
        made.finished_at = Some(later(ended, self.draw.i64(60..3600)));
        made.verdict = submission.verdict;
        Some(Child { sample: child, submission: made })
    }

    /// The rates add up: at most one of them meets a sample.
    fn access(&mut self) -> Access {
        let options = self.options;
        let mut place = self.draw.f64();
        let rates = [
            (options.forbidden_rate, Access::Forbidden),
            (options.missing_rate, Access::Missing),
            (options.waiting_rate, Access::Waiting),
            (options.locked_rate, Access::Locked),
            (options.unreadable_rate, Access::Unreadable),
        ];
        for (rate, access) in rates {
            if place < rate {
                return access;
            }
            place -= rate;
        }
        Access::Open
    }
}
