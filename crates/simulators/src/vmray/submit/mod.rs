//! `POST /sample/submit`: what is taken, what it costs, and the life that begins.
//!
//! A refusal of one file stands in `errors[]` of a 200. Everything that a submission will go through is written down
//! when it is made: when its jobs start and end, which children appear when, how it ends. The clock does the rest.

mod known;
mod make;
mod multipart;
mod parameters;
mod reply;

use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use outbound::Request;
use serde_json::Value;
use sha1::Sha1;
use sha2::Sha256;

use self::known::Service;
use self::make::Maker;
pub(super) use self::parameters::is_tag;
use self::parameters::{Parameters, Target};
use self::reply::Reply;
use super::State;
use super::container::{self, Content, Opened};
use super::log::Taken;
use super::options::{ArchiveAction, QuotaRefusal};
use super::refusal::Refusal;
use crate::world::Hashes;

/// The newer words of a used-up quota.
pub(super) const OVER_QUOTA: &str = "The submission would exceed the Prepaid Report Quota";
/// The words for something that caching leaves without work.
const NO_JOBS: &str = "Submission not stored because no jobs were created";

/// One thing to be analysed.
#[derive(Debug)]
struct Item {
    /// Its name in the reply: that of the file, its path in the archive, or the URL.
    name: String,
    url: Option<String>,
    hashes: Hashes,
    size: u64,
    inside: Opened,
}

impl Item {
    fn file(state: &State, name: String, content: &[u8], parameters: &Parameters) -> Self {
        let hashes = hashes_of(content);
        let described = hashes.sha256.as_deref().and_then(|sha256| state.world.inside(sha256));
        let inside = container::open(&name, content, described, parameters.passwords());
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        Self { name, url: None, hashes, size, inside }
    }

    fn url(state: &State, url: &str) -> Self {
        let url = state.options.url_form.of(url);
        let size = u64::try_from(url.len()).unwrap_or(u64::MAX);
        Self { name: url.clone(), hashes: hashes_of(url.as_bytes()), url: Some(url), size, inside: Opened::Plain }
    }

    fn of(state: &State, name: String, content: Content, parameters: &Parameters) -> Self {
        match content {
            Content::File(content) => Self::file(state, name, &content, parameters),
            Content::Url(url) => Self::url(state, &url),
        }
    }

    /// Returns what tests count by: the URL or the SHA-256.
    fn value(&self) -> String {
        self.url.clone().or_else(|| self.hashes.sha256.clone()).unwrap_or_default()
    }
}

/// Takes a submit; returns `data` of the reply.
pub(super) fn submit(
    state: &mut State,
    request: &Request,
    query: Vec<(String, String)>,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let parameters = Parameters::read(request, query, &state.options)?;
    let mut reply = Reply::default();
    for item in items(state, &parameters, &mut reply) {
        take(state, item, &parameters, &mut reply, now)?;
    }
    Ok(reply.data(state, now))
}

/// Returns what is to be analysed: a file or URL, or each member of an archive.
fn items(state: &State, parameters: &Parameters, reply: &mut Reply) -> Vec<Item> {
    let (name, content): (&String, &Bytes) = match &parameters.target {
        Target::Url(url) => return vec![Item::url(state, url)],
        Target::File { name, content } => (name, content),
    };
    let whole = Item::file(state, name.clone(), content, parameters);
    if parameters.archive_action(&state.options) != ArchiveAction::SeparateSamples
        || whole.inside.kind() != Some("archive")
    {
        return vec![whole];
    }
    match whole.inside {
        Opened::Locked { .. } => reply.refuse(name, "The archive is protected and none of the passwords opens it"),
        Opened::Container { members, .. } if members.is_empty() => reply.refuse(name, "The archive holds no files"),
        Opened::Container { members, .. } => {
            return members
                .into_iter()
                .map(|member| Item::of(state, member.name, member.content, parameters))
                .collect();
        }
        Opened::Plain | Opened::Document => {}
    }
    Vec::new()
}

/// Takes one thing, or says in the reply why not. Refuses the whole request where the server does so.
fn take(
    state: &mut State,
    item: Item,
    parameters: &Parameters,
    reply: &mut Reply,
    now: Timestamp,
) -> Result<(), Refusal> {
    let known = known::sample_of(&state.world, item.url.as_deref(), &item.hashes);
    let caching = parameters.caching(&state.options);
    let mut service = known::service(&state.world, known, caching, &state.options, now);
    if parameters.number("max_jobs") == Some(0) && matches!(service, Service::Jobs) {
        service = Service::NoJobs;
    }
    let mut taken = Taken {
        at: now,
        value: item.value(),
        filename: item.name.clone(),
        sample_id: known,
        submission_id: None,
        refused: None,
        parameters: parameters.pairs().to_vec(),
    };
    let costs = match service {
        Service::NoJobs => false,
        Service::Cache { .. } => state.options.cached_costs_quota,
        Service::Jobs => true,
    };
    let (limit, used) = state.options.quota;
    let outcome = if costs && used >= limit {
        match state.options.quota_refusal {
            QuotaRefusal::WholeRequest => {
                taken.refused = Some(OVER_QUOTA.to_owned());
                state.taken.push(taken);
                return Err(Refusal::new(400, OVER_QUOTA));
            }
            QuotaRefusal::InErrors => Err(OVER_QUOTA.to_owned()),
            QuotaRefusal::Denied => {
                let (sample, submission) = Maker::new(state, parameters, now).reputation_only(&item, known);
                taken.sample_id = Some(sample);
                reply.made(&item.name, sample, Some(submission));
                Err(denied(limit, used, now))
            }
        }
    } else {
        match service {
            Service::NoJobs => Err(NO_JOBS.to_owned()),
            Service::Jobs => Ok(Maker::new(state, parameters, now).analysed(item, known)),
            Service::Cache { analyses, maker } => {
                Ok(Maker::new(state, parameters, now).answered(&item, analyses, &maker))
            }
        }
    };
    match outcome {
        Ok((sample, submission)) => {
            taken.sample_id = Some(sample);
            taken.submission_id = Some(submission);
            reply.made(&taken.filename, sample, Some(submission));
        }
        Err(why) => {
            if let Some(sample) = known {
                reply.made(&taken.filename, sample, None);
            }
            reply.refuse(&taken.filename, &why);
            taken.refused = Some(why);
        }
    }
    state.taken.push(taken);
    Ok(())
}

/// The older words of a used-up quota.
fn denied(limit: u64, used: u64, now: Timestamp) -> String {
    format!(
        "Denied: The vmray quota for account 1 (Simulated (Account)) is exceeded. ({used:02}/{limit:03} used, 1 \
         requested at {} (UTC+0) by analyst@soc.example)",
        now.strftime("%Y-%m-%d %H:%M")
    )
}

/// Hashes a content where it lies.
fn hashes_of(content: &[u8]) -> Hashes {
    let hex = |bytes: &[u8]| Some(crate::world::hex(bytes));
    Hashes { md5: hex(&Md5::digest(content)), sha1: hex(&Sha1::digest(content)), sha256: hex(&Sha256::digest(content)) }
}
