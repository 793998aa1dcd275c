//! The addresses and scopes of Microsoft's clouds.
//!
//! A token of one cloud is worth nothing in another, so the profile fixes address and scope together. Every
//! field can be replaced (`Cloud { ti_endpoint, ..Cloud::public() }`): a private endpoint or a stand-in changes
//! where a request goes, but not for whom its token is made out.

use std::fmt;
use std::str::FromStr;

use outbound::ServiceUrl;

/// Which of Microsoft's clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CloudName {
    /// Azure for everybody.
    #[default]
    Public,
    /// Azure Government (USA).
    UsGov,
    /// Azure in China (21Vianet).
    China,
}

impl CloudName {
    /// Returns the name as the setting `AzureCloud` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::UsGov => "usgov",
            Self::China => "china",
        }
    }
}

impl fmt::Display for CloudName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no cloud.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cloud; expected public, usgov or china")]
pub struct UnknownCloud(String);

impl FromStr for CloudName {
    type Err = UnknownCloud;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "public" => Ok(Self::Public),
            "usgov" => Ok(Self::UsGov),
            "china" => Ok(Self::China),
            _ => Err(UnknownCloud(text.trim().to_owned())),
        }
    }
}

/// Where a cloud's services are and which scope a token for each must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// Whose profile this was before anything was replaced.
    pub name: CloudName,
    /// Entra (`AZURE_AUTHORITY_HOST`).
    pub authority: ServiceUrl,
    /// Threat-intelligence upload (`SentinelTiEndpoint`).
    pub ti_endpoint: ServiceUrl,
    /// Azure Resource Manager (`AzureResourceManagerEndpoint`).
    pub arm_endpoint: ServiceUrl,
    /// Microsoft Graph (`GraphEndpoint`).
    pub graph_endpoint: ServiceUrl,
    /// Scope of threat-intelligence upload and Resource Manager.
    pub management_scope: String,
    /// Scope of Microsoft Graph.
    pub graph_scope: String,
    /// Scope of the Logs Ingestion API.
    pub ingestion_scope: String,
    /// What follows `https://ACCOUNT.blob.` in the address of a storage account.
    pub storage_suffix: String,
}

impl Cloud {
    /// Scope of blob storage, the same in every cloud.
    pub const STORAGE_SCOPE: &str = "https://storage.azure.com/.default";

    /// Returns the profile of the cloud that a setting names (`public`, `usgov`, `china`).
    pub fn named(name: &str) -> Result<Self, UnknownCloud> {
        name.parse().map(Self::of)
    }

    /// Returns the profile of the public cloud.
    pub fn public() -> Self {
        Self::of(CloudName::Public)
    }

    /// Returns the profile of a cloud.
    pub fn of(name: CloudName) -> Self {
        let hosts = match name {
            CloudName::Public => Hosts {
                authority: "login.microsoftonline.com",
                ti: "api.ti.sentinel.azure.com",
                arm: "management.azure.com",
                graph: "graph.microsoft.com",
                monitor: "monitor.azure.com",
                storage: "core.windows.net",
            },
            CloudName::UsGov => Hosts {
                authority: "login.microsoftonline.us",
                ti: "api.ti.sentinel.azure.us",
                arm: "management.usgovcloudapi.net",
                graph: "graph.microsoft.us",
                monitor: "monitor.azure.us",
                storage: "core.usgovcloudapi.net",
            },
            CloudName::China => Hosts {
                authority: "login.partner.microsoftonline.cn",
                ti: "api.ti.sentinel.azure.cn",
                arm: "management.chinacloudapi.cn",
                graph: "microsoftgraph.chinacloudapi.cn",
                monitor: "monitor.azure.cn",
                storage: "core.chinacloudapi.cn",
            },
        };
        Self {
            name,
            authority: https(hosts.authority),
            ti_endpoint: https(hosts.ti),
            arm_endpoint: https(hosts.arm),
            graph_endpoint: https(hosts.graph),
            management_scope: scope(hosts.arm),
            graph_scope: scope(hosts.graph),
            ingestion_scope: scope(hosts.monitor),
            storage_suffix: hosts.storage.to_owned(),
        }
    }
}

struct Hosts {
    authority: &'static str,
    ti: &'static str,
    arm: &'static str,
    graph: &'static str,
    monitor: &'static str,
    storage: &'static str,
}

fn scope(host: &str) -> String {
    format!("https://{host}/.default")
}

#[expect(clippy::expect_used, reason = "only the constants above come here, and a test parses every one of them")]
fn https(host: &str) -> ServiceUrl {
    host.parse().expect("a host name is an address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_as_the_reference_lists_it() {
        let shown: Vec<String> = [CloudName::Public, CloudName::UsGov, CloudName::China]
            .into_iter()
            .map(|name| {
                let cloud = Cloud::named(name.as_str()).unwrap();
                format!(
                    "{name}: {} {} {} {} {} {} {}",
                    cloud.authority,
                    cloud.ti_endpoint,
                    cloud.arm_endpoint,
                    cloud.graph_endpoint,
                    cloud.management_scope,
                    cloud.ingestion_scope,
                    cloud.storage_suffix
                )
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @"
        public: https://login.microsoftonline.com https://api.ti.sentinel.azure.com https://management.azure.com https://graph.microsoft.com https://management.azure.com/.default https://monitor.azure.com/.default core.windows.net
        usgov: https://login.microsoftonline.us https://api.ti.sentinel.azure.us https://management.usgovcloudapi.net https://graph.microsoft.us https://management.usgovcloudapi.net/.default https://monitor.azure.us/.default core.usgovcloudapi.net
        china: https://login.partner.microsoftonline.cn https://api.ti.sentinel.azure.cn https://management.chinacloudapi.cn https://microsoftgraph.chinacloudapi.cn https://management.chinacloudapi.cn/.default https://monitor.azure.cn/.default core.chinacloudapi.cn
        ");
    }

    #[test]
    fn a_replaced_address_keeps_the_scope() {
        let arm_endpoint: ServiceUrl = "http://127.0.0.1:9".parse().unwrap();
        let cloud = Cloud { arm_endpoint, ..Cloud::public() };
        assert_eq!(cloud.management_scope, "https://management.azure.com/.default");
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = Cloud::named("germany").unwrap_err();
        assert_eq!(error.to_string(), "`germany` is not a cloud; expected public, usgov or china");
        assert_eq!(Cloud::named(" USGov ").unwrap().name, CloudName::UsGov);
    }
}
