//! The API as this process serves it: built from the settings.

use std::sync::Arc;
use std::time::Duration;

use config::{
    EnrichConfig, IndicatorConfig, Problems, ROUTE, Reader, SentinelConfig, Settings, StateConfig, VmrayConfig,
    public_url, transport,
};
use enrichment::functions::{Functions, LARGEST_UPLOAD, Resubmit};
use enrichment::{Enrichment, Parts, SpoolRoom, Uploads};
use indicators::Style;
use ledger::{StateUrl, Storage};
use outbound::{Clock, RetryPolicy, ServiceUrl, Transport};
use tokio_util::task::TaskTracker;

use crate::connect::Clients;
use crate::failure::Failure;
use crate::http::{Api, Metrics, Recent};
use crate::state::{self, Changes};

/// Callers wait: one call to VMRay with its repeats ends sooner than the feed's.
const PATIENCE: RetryPolicy = RetryPolicy {
    base: Duration::from_millis(250),
    cap: Duration::from_secs(5),
    total: Duration::from_secs(40),
    attempt: Duration::from_secs(30),
};

/// The feed sends what an enrichment does not, so nobody waits for Sentinel to take it later.
const UPLOADS: RetryPolicy = RetryPolicy { total: Duration::from_secs(5), ..PATIENCE };

/// What only the API reads.
#[derive(Debug, Clone)]
pub(crate) struct ApiSettings {
    enrich: EnrichConfig,
    public_url: Option<ServiceUrl>,
}

/// Everything that the API needs, read and valid.
#[derive(Debug, Clone)]
pub(crate) struct ApiConfig {
    pub(crate) vmray: VmrayConfig,
    pub(crate) indicators: IndicatorConfig,
    /// The workspace, where there is one.
    pub(crate) sentinel: Option<SentinelConfig>,
    pub(crate) api: ApiSettings,
    pub(crate) transport: Arc<dyn Transport>,
    /// Where the state is.
    pub(crate) state: StateConfig,
}

impl ApiSettings {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let enrich = EnrichConfig::read(reader);
        let public_url = public_url(reader);
        Some(Self { enrich: enrich?, public_url: public_url? })
    }
}

impl ApiConfig {
    /// Reads the settings of an API without a workspace, or says everything that is wrong with them.
    pub(crate) fn load(settings: &Settings) -> Result<Self, Problems> {
        let mut reader = Reader::new(settings);
        let vmray = VmrayConfig::read(&mut reader);
        let indicators = IndicatorConfig::read(&mut reader);
        let api = ApiSettings::read(&mut reader);
        let state = StateConfig::read(&mut reader);
        let transport = transport(&mut reader).map(|transport| Arc::new(transport) as Arc<dyn Transport>);
        let whole = (|| {
            Some(Self {
                vmray: vmray?,
                indicators: indicators?,
                sentinel: None,
                api: api?,
                transport: transport?,
                state: state?,
            })
        })();
        reader.finish(whole)
    }

    /// Makes the clients of the process, which are given to everything that is built from these settings.
    pub(crate) fn clients(&self, clock: &Arc<dyn Clock>) -> Clients {
        Clients::new(&self.transport, clock)
    }

    /// Builds the API, and opens the state for it.
    pub(crate) fn open(self, clients: &Clients) -> Result<Api, Failure> {
        let opened = state::open(&self.state, clients.transport(), clients.clock(), Changes::Kept);
        let storage = opened.map_err(|error| state::failed(&self.state.url(), error))?;
        Ok(self.build(storage, clients))
    }

    /// Builds the API on a state that is open already.
    pub(crate) fn build(self, storage: Storage, clients: &Clients) -> Api {
        let Self { vmray, indicators, sentinel, api, state, .. } = self;
        let clock = clients.clock();
        let style = Style {
            vmray_base: Some(vmray.base.to_string()),
            tlp: indicators.tlp,
            expiry: indicators.expiry,
            created_by: indicators::identity().id,
        };
        let client = clients.vmray(&vmray, PATIENCE);
        let resubmit = if api.enrich.resubmit { Resubmit::Always } else { Resubmit::Never };
        let functions = Functions {
            vmray: client.clone(),
            rules: Arc::new(indicators.rules.clone()),
            style: Arc::new(style.clone()),
            resubmit,
            gates: Arc::new(api.enrich.gates.clone()),
            clock: Arc::clone(clock),
        };
        let uploads = match sentinel {
            // What enrichment sends the feed must know, in this process and the next; memory ends with the first.
            Some(_) if state.url() == StateUrl::Memory => Uploads::Refused {
                reason: "the state is in memory, which no feed shares: set StateUrl to a folder or a container"
                    .to_owned(),
            },
            None => Uploads::Refused {
                reason: "no workspace is configured: set AzureWorkspaceID and the identity that may write to it"
                    .to_owned(),
            },
            Some(sentinel) => Uploads::To { client: Box::new(clients.upload_of_enrichment(&sentinel, UPLOADS)) },
        };
        let settings = enrichment::Settings {
            route: ROUTE.to_owned(),
            reuse: api.enrich.reuse,
            resubmit: api.enrich.resubmit,
            quota_reserve_percent: api.enrich.quota_reserve_percent,
            max_submissions_per_incident: api.enrich.max_submissions_per_incident,
            gates: api.enrich.gates,
            ..enrichment::Settings::default()
        };
        let enrichment = Enrichment::new(Parts {
            vmray: client,
            rules: indicators.rules,
            style,
            storage: storage.clone(),
            uploads,
            settings,
            clock: Arc::clone(clock),
        });
        Api {
            functions,
            enrichment,
            room: SpoolRoom { folder: None, max_bytes: LARGEST_UPLOAD },
            public_url: api.public_url,
            tasks: TaskTracker::new(),
            recent: Arc::new(Recent::new(storage)),
            metrics: Arc::new(Metrics::new(clients.calls())),
        }
    }
}
