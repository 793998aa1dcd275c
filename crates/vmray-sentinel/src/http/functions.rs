//! `/api/<Name>`: the nine functions.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use enrichment::functions::{Function, Parameters};

use super::Api;
use super::body::files::{self, Json};
use super::body::{PLAIN_BYTES, whole};
use super::problem::Problem;

/// Returns what a function answers to.
pub(super) fn route(function: Function) -> MethodRouter<Arc<Api>> {
    let call = move |State(api): State<Arc<Api>>, request: Request| call(api, function, request);
    let methods = get(call).post(call);
    // Tools that only check an address ask with HEAD; the original answers GET, so that may submit, but not more.
    if function.submits() {
        methods.head(|| async { ([(header::ALLOW, "GET,POST")], Problem::no_method()) })
    } else {
        methods
    }
}

async fn call(api: Arc<Api>, function: Function, request: Request) -> Result<Response, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().filter(|(name, _)| name != "code").collect();
    let parameters = if function == Function::VMRayUploadSample {
        let Json { skeleton, files } = files::json(files::pieces(request.into_body()), &api.room).await?;
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
