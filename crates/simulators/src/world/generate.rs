//! Samples and submissions from a seed.

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::invent::{self, Recipe};
use super::{IocSource, Sample, Submission, Verdict, World, WorldOptions};

const FIRST_ID: u64 = 1001;

/// Makes a world. Ids ascend with the time of creation, as a database's do.
pub(super) fn generate(options: &WorldOptions) -> World {
    let mut draw = Rng::with_seed(options.seed);
    let mut world = World { recipe: Recipe::of(options), ..World::default() };
    let mut submissions = Vec::new();
    let span = options.end.duration_since(options.start).as_secs().max(0);
    let samples = u64::try_from(options.samples).unwrap_or(u64::MAX);
    for n in 0..samples {
        let share =
            i64::try_from(u128::from(n) * u128::from(span.unsigned_abs()) / u128::from(samples)).unwrap_or(span);
        let created = later(options.start, share);
        let sample = sample(&mut draw, FIRST_ID + n, created);
        let verdict = verdict(&mut draw, options);
        submissions.push(submission(&mut draw, options, &sample, created, verdict));
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
    submissions.sort_by_key(|submission| (submission.created, submission.sample_id));
    for (id, mut submission) in (FIRST_ID..).zip(submissions) {
        submission.id = id;
        world.add_submission(submission);
    }
    world
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
