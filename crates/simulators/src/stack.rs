//! All services together, in process or on sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use outbound::{Clock, InProcess};

use crate::entra::{EntraOptions, EntraSimulator};
use crate::faults::{FaultRule, Faults};
use crate::logs::{LogsOptions, LogsSimulator};
use crate::sockets::{self, ListenError, Listening};
use crate::upload::{UploadOptions, UploadSimulator};
use crate::vmray::{VmrayOptions, VmraySimulator};
use crate::world::World;

/// Options of all services.
#[derive(Debug, Clone, Default)]
pub struct StackOptions {
    /// Seed of faults and latencies.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Vec<FaultRule>,
    /// VMRay.
    pub vmray: VmrayOptions,
    /// Entra.
    pub entra: EntraOptions,
    /// The upload.
    pub upload: UploadOptions,
    /// Logs ingestion.
    pub logs: LogsOptions,
}

/// VMRay, Entra, the upload and logs ingestion on one clock with one plan of faults.
#[derive(Debug, Clone)]
pub struct Stack {
    /// VMRay.
    pub vmray: Arc<VmraySimulator>,
    /// Entra.
    pub entra: Arc<EntraSimulator>,
    /// The upload.
    pub upload: Arc<UploadSimulator>,
    /// Logs ingestion.
    pub logs: Arc<LogsSimulator>,
    faults: Arc<Faults>,
    identity: Arc<Identity>,
}

#[derive(Debug)]
struct Identity {
    api_key: String,
    tenant: String,
    client_id: String,
    client_secret: String,
    workspace: String,
    rule: String,
}

impl Stack {
    /// Host of VMRay in process.
    pub const VMRAY_HOST: &str = "vmray.test";
    /// Host of Entra in process.
    pub const LOGIN_HOST: &str = "login.test";
    /// Host of a virtual machine's managed identity, the same in process as in Azure.
    pub const METADATA_HOST: &str = "169.254.169.254";
    /// Host of the upload in process.
    pub const TI_HOST: &str = "ti.test";
    /// Host of logs ingestion in process.
    pub const LOGS_HOST: &str = "logs.test";

    /// Returns the services around a world.
    pub fn new(world: World, options: StackOptions, clock: Arc<dyn Clock>) -> Self {
        let StackOptions { seed, faults, vmray, entra, upload, logs } = options;
        let faults = Arc::new(Faults::new(seed, faults));
        let app = entra.apps.first();
        let identity = Identity {
            api_key: vmray.api_key.clone(),
            tenant: entra.tenant.clone(),
            client_id: app.map(|app| app.client_id.clone()).unwrap_or_default(),
            client_secret: app
                .and_then(|app| app.secrets.first())
                .map(|secret| secret.value.clone())
                .unwrap_or_default(),
            workspace: upload.workspaces.first().cloned().unwrap_or_default(),
            rule: logs.rules.keys().next().cloned().unwrap_or_default(),
        };
        Self {
            vmray: Arc::new(VmraySimulator::new(world, vmray, clock.clone(), faults.clone(), seed ^ 1)),
            entra: Arc::new(EntraSimulator::new(entra, clock.clone(), faults.clone(), seed ^ 2)),
            upload: Arc::new(UploadSimulator::new(upload, clock.clone(), faults.clone(), seed ^ 3)),
            logs: Arc::new(LogsSimulator::new(logs, clock, faults.clone(), seed ^ 4)),
            faults,
            identity: Arc::new(identity),
        }
    }

    /// Returns the plan of faults, which can be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Returns a network on which the services are `vmray.test`, `login.test`, `ti.test` and `logs.test`, and
    /// `169.254.169.254` is that of a virtual machine.
    pub fn in_process(&self) -> InProcess {
        InProcess::new()
            .with_host(Self::VMRAY_HOST, self.vmray.clone())
            .with_host(Self::LOGIN_HOST, self.entra.clone())
            .with_host(Self::TI_HOST, self.upload.clone())
            .with_host(Self::LOGS_HOST, self.logs.clone())
            .with_host(Self::METADATA_HOST, self.entra.clone())
    }

    /// Returns the settings that point a feed at the services in process.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let at = |host: &str| format!("https://{host}");
        self.settings_at(&at(Self::VMRAY_HOST), &at(Self::LOGIN_HOST), &at(Self::TI_HOST), &at(Self::LOGS_HOST))
    }

    /// Serves each service on a port of its own: the given one for VMRay and the three after it, or with port 0
    /// whatever is free.
    pub async fn listen(&self, address: SocketAddr) -> Result<StackListening, ListenError> {
        let next = |by: u16| {
            let port = if address.port() == 0 { 0 } else { address.port().saturating_add(by) };
            SocketAddr::new(address.ip(), port)
        };
        let vmray = sockets::listen(self.vmray.clone(), next(0)).await?;
        let entra = sockets::listen(self.entra.clone(), next(1)).await?;
        let upload = sockets::listen(self.upload.clone(), next(2)).await?;
        let logs = sockets::listen(self.logs.clone(), next(3)).await?;
        Ok(StackListening { stack: self.clone(), vmray, entra, upload, logs })
    }

    fn settings_at(&self, vmray: &str, login: &str, ti: &str, logs: &str) -> Vec<(&'static str, String)> {
        vec![
            ("VmrayBaseURL", vmray.to_owned()),
            ("VmrayAPIKey", self.identity.api_key.clone()),
            ("AzureTenantID", self.identity.tenant.clone()),
            ("AzureClientID", self.identity.client_id.clone()),
            ("AzureClientSecret", self.identity.client_secret.clone()),
            ("AzureWorkspaceID", self.identity.workspace.clone()),
            ("AZURE_AUTHORITY_HOST", login.to_owned()),
            ("SentinelTiEndpoint", ti.to_owned()),
            ("LogsIngestionEndpoint", logs.to_owned()),
            ("LogsIngestionRule", self.identity.rule.clone()),
        ]
    }
}

/// A stack that is being served.
#[derive(Debug)]
pub struct StackListening {
    stack: Stack,
    /// VMRay's socket.
    pub vmray: Listening,
    /// Entra's socket.
    pub entra: Listening,
    /// The upload's socket.
    pub upload: Listening,
    /// The socket of logs ingestion.
    pub logs: Listening,
}

impl StackListening {
    /// Returns the settings that point a feed at the sockets.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let [vmray, login, ti, logs] = [&self.vmray, &self.entra, &self.upload, &self.logs].map(Listening::base_url);
        self.stack.settings_at(&vmray, &login, &ti, &logs)
    }

    /// Ends all connections and waits for it.
    pub async fn stop(self) {
        futures::join!(self.vmray.stop(), self.entra.stop(), self.upload.stop(), self.logs.stop());
    }
}
