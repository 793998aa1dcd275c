//! What happens to something that was analysed before.

use jiff::{SignedDuration, Timestamp};

use crate::vmray::options::{AnalysisCaching, VmrayOptions};
use crate::world::{Access, Hashes, Submission, World};

/// How a submit is served.
#[derive(Debug)]
pub(super) enum Service {
    /// With jobs of its own.
    Jobs,
    /// By what is known: the analyses, and the submission that made or makes them.
    Cache { analyses: Vec<u64>, maker: Box<Submission> },
    /// Not at all.
    NoJobs,
}

/// Returns the sample of a URL or a file.
pub(super) fn sample_of(world: &World, url: Option<&str>, hashes: &Hashes) -> Option<u64> {
    let same = |sample: &&crate::world::Sample| match url {
        Some(url) => sample.url.as_deref() == Some(url),
        None => sample.url.is_none() && sample.hashes.sha256 == hashes.sha256,
    };
    world.samples().find(|sample| sample.access != Access::Missing && same(sample)).map(|sample| sample.id)
}

/// Decides how a submit is served.
pub(super) fn service(
    world: &World,
    sample: Option<u64>,
    caching: AnalysisCaching,
    options: &VmrayOptions,
    now: Timestamp,
) -> Service {
    let Some(sample) = sample else { return Service::Jobs };
    let makers = || world.submissions_of(sample).rev().filter(|made| !made.used_cache && made.created <= now);
    // A submission whose analyses failed answers nothing.
    let answered = makers().find(|made| made.is_finished(now) && !(made.has_errors && made.verdict.is_none()));
    let running = makers().find(|made| !made.is_finished(now));
    let Some(maker) = answered.or(running) else { return Service::Jobs };
    let young = || {
        let age = SignedDuration::try_from(options.smart_cache_age).unwrap_or(SignedDuration::MAX);
        maker.finished_at.is_none_or(|end| now.duration_since(end) < age)
    };
    match caching {
        AnalysisCaching::Disabled => Service::Jobs,
        AnalysisCaching::Legacy => Service::NoJobs,
        AnalysisCaching::Smart if !young() => Service::Jobs,
        AnalysisCaching::Enabled | AnalysisCaching::Smart => {
            Service::Cache { analyses: maker.analysis_ids(), maker: Box::new(maker.clone()) }
        }
    }
}
