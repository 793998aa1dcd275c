//! `POST /sample/submit`: the simple life of something submitted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use md5::{Digest as _, Md5};
use outbound::Request;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::Sha256;

use super::options::UnknownParameter;
use super::refusal::Refusal;
use super::{State, multipart, render};
use crate::answer;
use crate::world::{Access, Hashes, Ioc, IocKind, Sample, Submission, Verdict};

const PARAMETERS: [&str; 36] = [
    "ai_based_phishing_detection",
    "analysis_caching",
    "analyzer_mode",
    "archive_action",
    "archive_password",
    "child_relations",
    "cmd_line",
    "comment",
    "compound_sample",
    "disk_image_action",
    "document_password",
    "enable_reputation",
    "enable_triage",
    "enable_whois",
    "entry_point",
    "jobrule_entries",
    "known_benign",
    "known_malicious",
    "live_interaction",
    "max_dynamic_analyses_per_sample",
    "max_jobs",
    "max_recursive_samples",
    "reanalyze",
    "retention_period",
    "sample_filename_b64enc",
    "sample_type",
    "sample_url",
    "shareable",
    "submission_metadata",
    "system_time",
    "tags",
    "triage_error_handling",
    "user_config",
    "webhook_notification",
    "ml_based_phishing_detection",
    "reputation_mode",
];

/// What is submitted.
struct Submitted {
    filename: String,
    content: Vec<u8>,
    url: Option<String>,
    parameters: Vec<(String, String)>,
}

/// Takes a submission; returns `data` of the reply.
pub(super) fn submit(
    state: &mut State,
    request: &Request,
    query: Vec<(String, String)>,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let submitted = read(state, request, query)?;
    let hashes = hashes_of(&submitted.content);
    let known = state.world.samples().find(|sample| match &submitted.url {
        Some(url) => sample.url.as_ref() == Some(url),
        None => sample.url.is_none() && sample.hashes.sha256 == hashes.sha256,
    });
    let known = known.filter(|sample| sample.access != Access::Missing).map(|sample| sample.id);
    let refused = |why: &str| json!({"error_msg": why, "submission_filename": submitted.filename});
    let (limit, used) = state.options.quota;
    if used >= limit {
        let error = refused("The submission would exceed the Prepaid Report Quota");
        return Ok(reply(state, &submitted, &[error], known, None, now));
    }
    if known.is_some() && !state.options.analyses_known_again {
        let error = refused("Submission not stored because no jobs were created");
        return Ok(reply(state, &submitted, &[error], known, None, now));
    }
    state.options.quota.1 += 1;
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let verdict = state.options.submit_verdict.unwrap_or_else(|| Some(drawn_verdict(&hashes)));
    let sample_id = known.unwrap_or_else(|| {
        let id = state.world.next_id();
        let mut sample = match &submitted.url {
            Some(url) => Sample::url(id, second, url),
            None => Sample::file(id, second, &submitted.filename),
        };
        sample.filesize = u64::try_from(submitted.content.len()).unwrap_or(u64::MAX);
        sample.hashes = hashes.clone();
        let own = match &submitted.url {
            Some(url) => Ioc::new(IocKind::Url, url, verdict.unwrap_or(Verdict::Clean)),
            None => Ioc::file(&submitted.filename, hashes.clone(), verdict.unwrap_or(Verdict::Clean)),
        };
        state.world.add_sample(sample.with_iocs(vec![Ioc { verdict, ..own }]));
        id
    });
    let value = |name: &str| answer::value_of(&submitted.parameters, name);
    let mut made = Submission::unfinished(state.world.next_id(), sample_id, second);
    let time = SignedDuration::try_from(state.options.analysis_time).unwrap_or(SignedDuration::MAX);
    made.finished_at = second.checked_add(time).ok();
    made.verdict = verdict;
    made.tags = value("tags").map(|tags| tags.split(',').map(str::to_owned).collect()).unwrap_or_default();
    value("submission_metadata").unwrap_or("{}").clone_into(&mut made.metadata);
    made.comment = value("comment").map(str::to_owned);
    let id = made.id;
    state.world.add_submission(made);
    Ok(reply(state, &submitted, &[], Some(sample_id), Some(id), now))
}

fn read(state: &State, request: &Request, query: Vec<(String, String)>) -> Result<Submitted, Refusal> {
    let mut parameters = query;
    let mut file = None;
    if answer::has_type(request.headers(), "multipart/form-data") {
        let malformed = || Refusal::new(400, "The multipart body is malformed");
        for part in multipart::parts(request.headers(), request.body()).ok_or_else(malformed)? {
            if part.name == "sample_file" {
                file = Some((part.filename.unwrap_or_default(), part.body.to_vec()));
            } else {
                parameters.push((part.name, String::from_utf8_lossy(part.body).into_owned()));
            }
        }
    } else if answer::has_type(request.headers(), "application/x-www-form-urlencoded") {
        parameters.extend(answer::pairs(request.body()));
    } else if !request.body().is_empty() {
        return Err(Refusal::new(400, "The content type is not supported"));
    }
    check(state, &parameters)?;
    let value = |name: &str| answer::value_of(&parameters, name);
    match (file, value("sample_url").map(str::to_owned)) {
        (Some((given, content)), None) => {
            let encoded = value("sample_filename_b64enc").filter(|_| given == "@param=sample_filename_b64enc");
            let name = match encoded {
                Some(encoded) => {
                    let bytes = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                    bytes.ok_or_else(|| Refusal::bad_parameter("sample_filename_b64enc"))?
                }
                None => given,
            };
            let forbidden = |c: char| c.is_control() || r#"\/:*?"<>|"#.contains(c);
            let name = if name.is_empty() || name.contains(forbidden) {
                format!("{:016x}", fastrand::Rng::with_seed(content.len() as u64).u64(..))
            } else {
                name
            };
            Ok(Submitted { filename: name, content, url: None, parameters })
        }
        (None, Some(url)) if !url.trim().is_empty() => {
            let content = url.clone().into_bytes();
            Ok(Submitted { filename: "sample.url".to_owned(), content, url: Some(url), parameters })
        }
        _ => Err(Refusal::new(400, "Exactly one of \"sample_file\" and \"sample_url\" is required")),
    }
}

fn check(state: &State, parameters: &[(String, String)]) -> Result<(), Refusal> {
    for (name, value) in parameters {
        let free = name.starts_with("prescript_") || name.starts_with("dll_") || name.starts_with("detonate_links_in_");
        let valid = match name.as_str() {
            "tags" => value.split(',').all(|tag| (1..=255).contains(&tag.chars().count()) && !tag.contains(' ')),
            "comment" => value.chars().count() <= 255,
            "user_config" | "jobrule_entries" | "submission_metadata" | "webhook_notification" => {
                serde_json::from_str::<Value>(value).is_ok()
            }
            "shareable" | "reanalyze" | "enable_reputation" | "enable_whois" | "compound_sample" => {
                super::filter::boolean(value).is_some()
            }
            "max_jobs" | "max_recursive_samples" => super::filter::integer(value).is_some(),
            "retention_period" => ["0", "60", "120", "180", "360"].contains(&value.as_str()),
            known if free || PARAMETERS.contains(&known) => true,
            _ if state.options.unknown_parameter == UnknownParameter::Ignore => true,
            unknown => return Err(Refusal::unknown_parameter(unknown)),
        };
        if !valid {
            return Err(Refusal::bad_parameter(name));
        }
    }
    Ok(())
}

fn reply(
    state: &State,
    submitted: &Submitted,
    errors: &[Value],
    sample: Option<u64>,
    submission: Option<u64>,
    now: Timestamp,
) -> Value {
    let made = submission.and_then(|id| state.world.submission(id));
    let sample = sample.and_then(|id| state.world.sample(id)).map(|sample| {
        let mut shown = render::sample(&state.world, sample, &state.options, now);
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("submission_filename".to_owned(), json!(submitted.filename));
        }
        shown
    });
    json!({
        "errors": errors,
        "submissions": made
            .map(|made| render::submission(&state.world, made, &state.options, now))
            .into_iter()
            .collect::<Vec<_>>(),
        "samples": sample.into_iter().collect::<Vec<_>>(),
        "jobs": made.map(render::job).into_iter().collect::<Vec<_>>(),
        "static_jobs": [],
        "reputation_jobs": [],
        "vt_jobs": [],
    })
}

fn hashes_of(content: &[u8]) -> Hashes {
    let hex = |bytes: &[u8]| Some(crate::world::hex(bytes));
    Hashes { md5: hex(&Md5::digest(content)), sha1: hex(&Sha1::digest(content)), sha256: hex(&Sha256::digest(content)) }
}

/// A verdict that depends on nothing but the content.
fn drawn_verdict(hashes: &Hashes) -> Verdict {
    match hashes.sha256.as_deref().and_then(|text| text.bytes().next()) {
        Some(b'0'..=b'7') => Verdict::Malicious,
        Some(b'8' | b'9') => Verdict::Suspicious,
        _ => Verdict::Clean,
    }
}
