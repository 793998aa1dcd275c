//! `POST /api/enrich` and `GET /api/enrich/{job}`.
//!
//! A request is worked on by a task of its own: a caller that goes away, or that has its answer before the work is done,
//! does not leave a submission half done. The answer comes within the request's deadline and within the time that callers
//! wait, with what is there then. The link
//! of a job carries a signed token, so whoever has it may ask; it is absolute where the program knows its own address
//! (`PublicUrl`, or what Azure says), and never taken from the request.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use enrichment::{Answer, JobId, LinkError};
use tracing::Instrument as _;

use super::problem::Problem;
use super::{Api, enrich_body};

/// Answers what is known, and begins what is not.
pub(super) async fn enrich(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let request = enrich_body::read(request, &api.room).await?;
    let (work, reply) = api.enrichment.begin(request)?;
    api.tasks.spawn(work.in_current_span());
    respond(&api, reply.wait().await?).await
}

/// Answers how far a job is.
pub(super) async fn job(
    State(api): State<Arc<Api>>,
    job: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let Path(job) = job.map_err(|_| Problem::bad_request("job", "is not UTF-8"))?;
    let job: JobId =
        job.parse().map_err(|error: enrichment::JobIdError| Problem::bad_request("job", error.to_string()))?;
    let token = token(query.as_deref().unwrap_or_default())?;
    api.enrichment.verify(&job, &token).await.map_err(|error| match error {
        LinkError::Wrong | LinkError::Expired => Problem::link(error.to_string()),
        LinkError::State(error) => Problem::state(&error),
    })?;
    let (work, reply) = api.enrichment.begin_job(&job).await?;
    api.tasks.spawn(work.in_current_span());
    respond(&api, reply.wait().await?).await
}

/// Finds the one token of a link.
fn token(query: &str) -> Result<String, Problem> {
    let mut tokens = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "token");
    let (_, token) = tokens.next().ok_or_else(|| Problem::bad_request("token", "is missing"))?;
    match tokens.next() {
        None => Ok(token.into_owned()),
        Some(_) => Err(Problem::bad_request("token", "is in the link more than once")),
    }
}

async fn respond(api: &Api, answer: Answer) -> Result<Response, Problem> {
    match answer {
        Answer::Done(report) => Ok(Json(report).into_response()),
        Answer::Pending { job, retry_after, report_so_far } => {
            let token = api.enrichment.sign(&job).await?;
            let base = api.public_url.as_ref().map(ToString::to_string).unwrap_or_default();
            let link = format!("{}/api/enrich/{job}?token={token}", base.trim_end_matches('/'));
            let location = HeaderValue::try_from(link).map_err(|_| Problem::internal())?;
            let wait = HeaderValue::from(retry_after.as_secs().max(1));
            let headers = [(header::LOCATION, location), (header::RETRY_AFTER, wait)];
            Ok((StatusCode::ACCEPTED, headers, Json(report_so_far)).into_response())
        }
    }
}
