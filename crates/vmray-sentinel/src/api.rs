//! The API as this process serves it: built from the settings.

use std::sync::Arc;
use std::time::Duration;

use enrichment::functions::{Functions, Resubmit};
use indicators::Style;
use ledger::{StateUrl, Storage};
use outbound::{Clock, RetryPolicy, Transport};

use crate::config::{IndicatorConfig, Problems, Reader, Settings, VmrayConfig, state_url, transport};
use crate::connect;
use crate::http::{Api, Metrics, Recent};

/// Callers wait: one call to VMRay with its repeats ends sooner than the feed's.
const PATIENCE: RetryPolicy = RetryPolicy {
    base: Duration::from_millis(250),
    cap: Duration::from_secs(5),
    total: Duration::from_secs(40),
    attempt: Duration::from_secs(30),
};

/// Everything that the API needs, read and valid.
#[derive(Debug, Clone)]
pub(crate) struct ApiConfig {
    pub(crate) vmray: VmrayConfig,
    pub(crate) indicators: IndicatorConfig,
    pub(crate) transport: Arc<dyn Transport>,
    /// Where the state is.
    pub(crate) state_url: StateUrl,
}

impl ApiConfig {
    /// Reads the settings, or says everything that is wrong with them.
    pub(crate) fn load(settings: &Settings) -> Result<Self, Problems> {
        let mut reader = Reader::new(settings);
        let vmray = VmrayConfig::read(&mut reader);
        let indicators = IndicatorConfig::read(&mut reader);
        let state_url = state_url(&mut reader);
        let transport = transport(&mut reader).map(|transport| Arc::new(transport) as Arc<dyn Transport>);
        let whole =
            (|| Some(Self { vmray: vmray?, indicators: indicators?, transport: transport?, state_url: state_url? }))();
        reader.finish(whole)
    }

    /// Builds the API on a state that is open already.
    pub(crate) fn build(self, storage: Storage, clock: &Arc<dyn Clock>) -> Api {
        let Self { vmray, indicators, transport, state_url: _ } = self;
        let style = Style {
            vmray_base: Some(vmray.base.to_string()),
            tlp: indicators.tlp,
            expiry: indicators.expiry,
            created_by: indicators::identity().id,
        };
        let functions = Functions {
            vmray: connect::vmray(&vmray, &transport, PATIENCE, clock),
            rules: Arc::new(indicators.rules),
            style: Arc::new(style),
            resubmit: Resubmit::Never,
            clock: Arc::clone(clock),
        };
        Api { functions, recent: Arc::new(Recent::new(storage)), metrics: Arc::new(Metrics::new()) }
    }
}
