//! The HTTP side: the API, and the pages of `serve` and `demo`.
//!
//! | path | answer | served by |
//! |---|---|---|
//! | `/api/<Name>` | the nine functions of the original, GET and POST | all |
//! | `/api/enrich`, `/api/enrich/{job}` | a URL, a hash, a file or a whole incident's; see [`enrich`] | all |
//! | `/api/status` | what the feed has done and what is open, as JSON | all |
//! | `/` | status page; needs no script, loads nothing from elsewhere, refreshes itself when asked to | `serve`, `demo` |
//! | `/docs`, `/openapi.json`, `/openapi-3.0.json` | the API for people and for tools | `serve`, `demo` |
//! | `/healthz` | 200 while the process lives, whatever else is open | `serve`, `demo` |
//! | `/readyz` | 200 while the state can be read, nobody asked to stop and no service asked the feed for a wait of a minute or more; else 503 with the reason | `serve`, `demo` |
//! | `/metrics` | counters for Prometheus | `serve`, `demo` |
//!
//! No answer may be read by a page of another origin: there is no CORS.

mod access;
mod body;
mod callers_page;
mod enrich;
mod enrich_body;
mod enrich_fields;
mod enrich_items;
mod functions;
mod metrics;
mod no_request;
mod observe;
mod openapi;
mod operations;
mod pages;
mod paths;
mod places;
mod problem;
mod recent;
mod server;
mod status;
#[cfg(test)]
mod tests;
mod writes;
mod wrong_json;

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Router, middleware};
use config::ApiKeys;
use enrichment::functions::{Function, Functions};
use enrichment::{Enrichment, SpoolRoom, Swept};
use outbound::ServiceUrl;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

pub(crate) use metrics::Metrics;
pub(crate) use pages::Pages;
pub(crate) use recent::Recent;
pub(crate) use server::Server;

/// What the API answers with.
#[derive(Debug)]
pub(crate) struct Api {
    /// The nine functions.
    pub(crate) functions: Functions,
    /// `/api/enrich`.
    pub(crate) enrichment: Enrichment,
    /// Where files go on their way.
    pub(crate) room: SpoolRoom,
    /// Where others reach us, if we know it.
    pub(crate) public_url: Option<ServiceUrl>,
    /// What is being done for callers, who may be gone.
    pub(crate) tasks: TaskTracker,
    /// What the ledger holds.
    pub(crate) recent: Arc<Recent>,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
}

impl Api {
    /// Brings on what was asked for and nobody asks about any more, until told to stop.
    pub(crate) async fn sweep(&self, stop: &CancellationToken) -> Result<Swept, enrichment::Error> {
        Box::pin(self.enrichment.sweep(stop)).await
    }

    /// Does something in a task of its own, so that it ends also if the caller goes away.
    async fn in_task<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, problem::Problem> {
        self.tasks.spawn(work.in_current_span()).await.map_err(|_| problem::Problem::internal())
    }
}

/// Returns the routes below `/api`, for a server that has asked for a key already.
pub(crate) fn api(api: Arc<Api>) -> Router {
    let metrics = Arc::clone(&api.metrics);
    observed(with_fallbacks(routes(api)), metrics)
}

/// Returns everything that `serve` answers.
pub(crate) fn site(api: Arc<Api>, pages: Pages, keys: ApiKeys) -> Router {
    let metrics = Arc::clone(&api.metrics);
    let guard = access::Guard::new(keys, api.public_url.as_ref());
    let guard = middleware::from_fn_with_state(Arc::new(guard), access::guard);
    let public_url = api.public_url.clone();
    let all = routes(api).merge(pages::routes(pages, Arc::clone(&metrics), public_url));
    observed(with_fallbacks(all).layer(guard), metrics)
}

fn routes(api: Arc<Api>) -> Router {
    let others = Router::new()
        .route("/api/enrich", post(enrich::enrich))
        .route("/api/enrich/{job}", get(enrich::job))
        .route("/api/status", get(status::status));
    // A route for each, and none with a placeholder for their names: what a path is given to is what it is judged by.
    let all = Function::ALL.into_iter();
    all.fold(others, |router, function| router.route(&operations::path_of(function), functions::route(function)))
        .with_state(api)
}

/// Says so where nothing is.
fn with_fallbacks(router: Router) -> Router {
    router
        .fallback(|| async { problem::Problem::no_route() })
        .method_not_allowed_fallback(|| async { problem::Problem::no_method() })
}

/// Adds what stands around every route.
fn observed(router: Router, metrics: Arc<Metrics>) -> Router {
    paths::in_usual_spelling(router.layer(middleware::from_fn_with_state(metrics, observe::observe)))
}
