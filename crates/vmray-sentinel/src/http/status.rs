//! `/api/status`: what the feed has done and what is open.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use super::Api;
use super::problem::Problem;

/// Returns the newest reading of the ledger.
pub(super) async fn status(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let view = api.recent.view().await.map_err(|error| Problem::state(&error))?;
    Ok(Json(&*view).into_response())
}
