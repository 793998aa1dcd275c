//! `functions`: under the Azure Functions host.

use config::LogConfig;
use tracing::warn;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{hosting, signals, telemetry};

/// Ends with [`Exit::Restart`] when told to stop: the host does not start a handler again that ended with 0, so a
/// stray signal would leave the app without one.
pub(crate) async fn run(app: &App) -> Result<Exit, Failure> {
    let listener = hosting::listen(app.settings.environment()).await?;
    let (config, problems) = match LogConfig::load(&app.settings) {
        Ok(config) => (config, None),
        Err(problems) => (LogConfig::default(), Some(problems)),
    };
    telemetry::start_under_functions(&config);
    for problem in app.settings.misspelt() {
        warn!("{problem}");
    }
    let stop = signals::stop_token(app);
    hosting::serve(app.clone(), problems, listener, stop).await?;
    Ok(Exit::Restart)
}
