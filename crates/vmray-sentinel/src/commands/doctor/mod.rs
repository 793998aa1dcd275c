//! `doctor`: is everything in place, and if not, what exactly is to be done?
//!
//! It changes nothing, neither here nor there: VMRay and Entra are only asked, the upload API gets a list without
//! objects, the data collection rule one without rows, and the state folder is looked at.

mod health;
mod local;
mod remote;
mod report;
mod state_check;

use std::sync::Arc;

use config::{self, HealthConfig, IndicatorConfig, Reader, SentinelConfig, StateConfig, VmrayConfig};
use outbound::{RetryPolicy, Transport};

use self::report::{Check, Report};
use crate::app::App;
use crate::connect::Clients;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(app: &App) -> Result<Exit, Failure> {
    let report = Report::new(examine(app).await);
    if app.json {
        output::json(&report)?;
    } else {
        output::text(&report.text(app.width, app.out))?;
    }
    Ok(if report.failed() == 0 { Exit::Done } else { Exit::Failed })
}

async fn examine(app: &App) -> Vec<Check> {
    let mut reader = Reader::new(&app.settings);
    let vmray = VmrayConfig::read(&mut reader);
    let sentinel = SentinelConfig::read(&mut reader);
    let transport = config::transport(&mut reader);
    let state = StateConfig::read(&mut reader);
    IndicatorConfig::read(&mut reader);
    config::initial_fetch(&mut reader);
    config::schedule(&mut reader);
    let health = HealthConfig::read(&mut reader).flatten();

    let mut checks = local::settings(&app.settings, &reader.into_problems(), sentinel.as_ref());
    let transport = transport.map(|transport| Arc::new(transport) as Arc<dyn Transport>);
    checks.push(match (&state, &transport) {
        (Some(state), Some(transport)) => state_check::state(state, transport, &app.clock).await,
        (None, _) => Check::skipped("state", "StateUrl"),
        (_, None) => Check::skipped("state", "the network settings"),
    });
    let clients = transport
        .map(|transport| Clients::new(&transport, &app.clock).with_token_policy(RetryPolicy::once(remote::PATIENCE)));
    let clients = clients.as_ref();
    let (vmray, workspace, health) = tokio::join!(
        remote::vmray(vmray.as_ref(), app.settings.vmray_address(), clients),
        remote::sentinel(sentinel.as_ref(), clients),
        health::tables(health.as_ref(), sentinel.as_ref(), clients),
    );
    checks.extend(vmray);
    checks.extend(workspace);
    checks.extend(health);
    report::once(checks, remote::TOKEN)
}
