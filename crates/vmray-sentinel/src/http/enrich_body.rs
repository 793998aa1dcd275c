//! What `POST /api/enrich` is sent: JSON, a form, or a file with its name in the query.
//!
//! A refusal names the field and never repeats its value: it may be a password, of whatever type it came.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use config::duration;
use enrichment::{EnrichOptions, EnrichRequest, IncidentId, Item, ItemKind, SpoolRoom, read_tag};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::body::files::{self, Form, Json};
use super::body::{PLAIN_BYTES, rest};
use super::enrich_items::{self, file_item, read_text, unreadable};
use super::problem::Problem;
use super::wrong_json;

/// The longest wait that a caller may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// The most jobs that a caller may ask VMRay for.
pub(super) const MAX_JOBS: u32 = 1000;

/// The JSON body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    items: Vec<Value>,
    #[serde(default, deserialize_with = "scalar")]
    incident: Option<String>,
    #[serde(default)]
    upload: Option<bool>,
    #[serde(default)]
    resubmit: Option<bool>,
    #[serde(default, deserialize_with = "scalar")]
    deadline: Option<String>,
    #[serde(default)]
    send_one_time_links: Option<bool>,
    #[serde(default)]
    shareable: Option<bool>,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    max_jobs: Option<u32>,
}

/// Reads the request.
pub(super) async fn read(request: Request, room: &SpoolRoom) -> Result<EnrichRequest, Problem> {
    let (parts, body) = request.into_parts();
    let kind = kind_of(&parts.headers);
    let query = parts.uri.query().unwrap_or_default();
    let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut body = files::pieces(body);
    match kind? {
        Kind::Json => from_json(files::json(body, room).await?),
        Kind::Form(boundary) => from_fields(query, files::form(body, boundary, room).await?),
        // `curl -d` calls all that it sends a form of this kind, JSON too.
        Kind::Fields if body.peek().await? == Some(b'{') => from_json(files::json(body, room).await?),
        Kind::Fields => {
            let fields = rest(body, PLAIN_BYTES).await?;
            let fields = url::form_urlencoded::parse(&fields).into_owned().collect();
            from_fields(query, Form { fields, files: Vec::new() })
        }
        Kind::File => {
            let file = files::raw(body, room).await?;
            let name = query.iter().find(|(field, _)| field == "name").map(|(_, name)| name.clone());
            let name = name.or_else(|| parts.headers.get("x-file-name")?.to_str().ok().map(str::to_owned));
            from_fields(query, Form { fields: Vec::new(), files: vec![(name, Ok(file))] })
        }
    }
}

/// What kind of body it is.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Json,
    /// With this boundary between its parts.
    Form(String),
    /// Fields without files.
    Fields,
    File,
}

/// Tells the kind of a body. Some workflows send JSON without saying so.
fn kind_of(headers: &HeaderMap) -> Result<Kind, Problem> {
    let wrong = |reason: &str| Problem::bad_request("Content-Type", reason);
    let mut given = headers.get_all(header::CONTENT_TYPE).into_iter();
    let Some(first) = given.next() else { return Ok(Kind::Json) };
    if given.next().is_some() {
        return Err(wrong("is in the request more than once"));
    }
    let text = first.to_str().map_err(|_| wrong("cannot be read"))?;
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "" | "application/json" | "text/json" => Ok(Kind::Json),
        other if other.ends_with("+json") => Ok(Kind::Json),
        "application/x-www-form-urlencoded" => Ok(Kind::Fields),
        "multipart/form-data" => {
            let boundary = multer::parse_boundary(text).ok().filter(|boundary| !boundary.is_empty());
            boundary.map(Kind::Form).ok_or_else(|| wrong("names no boundary of the form's parts"))
        }
        _ => Ok(Kind::File),
    }
}

fn from_json(Json { skeleton, files }: Json) -> Result<EnrichRequest, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(&skeleton);
    let body: Body = serde_path_to_error::deserialize(&mut reader).map_err(|error| wrong_json::problem(&error))?;
    reader.end().map_err(|_| Problem::bad_request("body", "continues after its JSON"))?;
    let items = body.items.iter().enumerate().map(|(at, item)| enrich_items::read(at, item, &files)).collect();
    Ok(EnrichRequest {
        items,
        incident: incident(body.incident.as_deref())?,
        upload: body.upload.unwrap_or(false),
        options: EnrichOptions {
            resubmit: body.resubmit,
            deadline: body.deadline.as_deref().map(deadline).transpose()?,
            send_one_time_links: body.send_one_time_links.unwrap_or(false),
            shareable: body.shareable.unwrap_or(false),
            tags: tags(&body.tags.unwrap_or_default())?,
            max_jobs: body.max_jobs.map(max_jobs).transpose()?,
        },
    })
}

/// Reads a form, or the query of a body that is a file.
fn from_fields(query: Vec<(String, String)>, form: Form) -> Result<EnrichRequest, Problem> {
    let mut request = EnrichRequest::new(Vec::new());
    let (mut archive_password, mut document_password) = (None, None);
    for (name, value) in query.into_iter().chain(form.fields) {
        match name.as_str() {
            "url" => request.items.push(read_text(ItemKind::Url, &name, &value, Item::url)),
            "hash" => request.items.push(read_text(ItemKind::Hash, &name, &value, Item::hash)),
            "incident" => request.incident = incident(Some(&value))?,
            "upload" => request.upload = flag(&name, &value)?,
            "resubmit" => request.options.resubmit = Some(flag(&name, &value)?),
            "deadline" => request.options.deadline = Some(deadline(&value)?),
            "send_one_time_links" => request.options.send_one_time_links = flag(&name, &value)?,
            "shareable" => request.options.shareable = flag(&name, &value)?,
            "tags" if value.is_empty() => {}
            "tags" => {
                let list: Vec<String> = value.split(',').map(str::to_owned).collect();
                request.options.tags.extend(tags(&list)?);
            }
            "max_jobs" => {
                let number = value.trim().parse().map_err(|_| Problem::bad_request(&name, MAX_JOBS_FORM))?;
                request.options.max_jobs = Some(max_jobs(number)?);
            }
            "archive_password" => archive_password = Some(value),
            "document_password" => document_password = Some(value),
            // The name of the file, and a key.
            "name" | "code" => {}
            _ => return Err(Problem::bad_request(&name, "is not known here")),
        }
    }
    for (name, file) in form.files {
        request.items.push(match file {
            Ok(file) => file_item(name, file, archive_password.clone(), document_password.clone()),
            Err(problem) => unreadable(ItemKind::File, "file".to_owned(), problem.reason()),
        });
    }
    Ok(request)
}

fn incident(text: Option<&str>) -> Result<Option<IncidentId>, Problem> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|error: enrichment::IncidentIdError| Problem::bad_request("incident", error.to_string())),
    }
}

fn tags(texts: &[String]) -> Result<Vec<String>, Problem> {
    let tags = texts.iter().enumerate().map(|(at, text)| {
        read_tag(text).map_err(|error| Problem::bad_request(&format!("tags[{at}]"), error.to_string()))
    });
    tags.collect()
}

const MAX_JOBS_FORM: &str = "is not a whole number from 1 to 1000";

fn max_jobs(number: u32) -> Result<u32, Problem> {
    if (1..=MAX_JOBS).contains(&number) { Ok(number) } else { Err(Problem::bad_request("max_jobs", MAX_JOBS_FORM)) }
}

/// Reads `10m` or a number of seconds.
fn deadline(text: &str) -> Result<Duration, Problem> {
    let text = text.trim();
    let seconds = text.parse::<u64>().map(Duration::from_secs).ok();
    let wait = seconds.or_else(|| duration::parse(text).ok());
    wait.filter(|wait| *wait <= LONGEST_WAIT)
        .ok_or_else(|| Problem::bad_request("deadline", "is not a time such as 10m, of at most 24h"))
}

fn flag(name: &str, text: &str) -> Result<bool, Problem> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" | "" => Ok(false),
        _ => Err(Problem::bad_request(name, "is neither true nor false")),
    }
}

/// Reads a text or a number: incidents have both.
fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scalar {
        Text(String),
        Number(u64),
    }
    Ok(Option::<Scalar>::deserialize(deserializer)?.map(|scalar| match scalar {
        Scalar::Text(text) => text,
        Scalar::Number(number) => number.to_string(),
    }))
}
