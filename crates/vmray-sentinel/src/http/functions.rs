//! `/api/<Name>`: the nine functions.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use enrichment::functions::{Function, Parameters};

use super::Api;
use super::body::files::{self, Json};
use super::body::{PLAIN_BYTES, whole};
use super::problem::Problem;

/// Calls a function.
pub(super) async fn call(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let function = Function::by_name(&name).ok_or_else(Problem::no_route)?;
    let query = request.uri().query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().filter(|(name, _)| name != "code").collect();
    let parameters = if function == Function::VMRayUploadSample {
        let Json { skeleton, files } = files::json(request.into_body(), &api.room).await?;
        Parameters::read(query, &skeleton)?.with_files(files.into_iter().collect::<Result<_, _>>()?)
    } else {
        Parameters::read(query, &whole(request.into_body(), PLAIN_BYTES).await?)?
    };
    let answer = if function.submits() {
        let functions = api.functions.clone();
        api.in_task(async move { functions.call(function, &parameters).await }).await??
    } else {
        api.functions.call(function, &parameters).await?
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
}
