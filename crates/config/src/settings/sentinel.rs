//! Sentinel: workspace, identity, addresses and pace.

use crate::setting::{Fallback, Form, Group, Setting, setting};

pub(crate) static AZURE_TENANT_ID: Setting = Setting {
    aliases: &["AZURE_TENANT_ID"],
    doc: "Tenant of the app registration. Not needed with a managed identity.",
    obtain: "Azure portal, Microsoft Entra ID > Overview > Tenant ID",
    ..setting("AzureTenantID", Group::Sentinel, Form::Text, Fallback::Absent, "11111111-2222-3333-4444-555555555555")
};

pub(crate) static AZURE_CLIENT_ID: Setting = Setting {
    aliases: &["AZURE_CLIENT_ID"],
    doc: "Application (client) ID of the app registration, or client ID of a user-assigned managed identity. Without it \
          the system-assigned identity is used.",
    obtain: "Azure portal, Microsoft Entra ID > App registrations > your app > Application (client) ID",
    ..setting("AzureClientID", Group::Sentinel, Form::Text, Fallback::Absent, "11111111-2222-3333-4444-555555555555")
};

pub(crate) static AZURE_CLIENT_SECRET: Setting = Setting {
    doc: "Client secret of the app registration. Without it workload identity is used where its token file is set, else \
          the managed identity.",
    obtain: "Azure portal, Microsoft Entra ID > App registrations > your app > Certificates & secrets: the Value, not the Secret ID",
    ..setting(
        "AzureClientSecret",
        Group::Sentinel,
        Form::Secret,
        Fallback::Absent,
        "<value from Certificates & secrets>",
    )
};

pub(crate) static AZURE_CLIENT_SECRET_EXPIRES: Setting = Setting {
    doc: "When the client secret ends: a day, which counts from its start in UTC, or an RFC 3339 time. It is written to the \
          rows of the health tables, so that an alert can warn in time, and has no other effect.",
    obtain: "Azure portal, Microsoft Entra ID > App registrations > your app > Certificates & secrets: Expires",
    ..setting("AzureClientSecretExpires", Group::Sentinel, Form::Text, Fallback::Absent, "2027-06-30")
};

pub(crate) static AZURE_FEDERATED_TOKEN_FILE: Setting = Setting {
    doc: "Token file of workload identity; Kubernetes sets it.",
    ..setting(
        "AZURE_FEDERATED_TOKEN_FILE",
        Group::Sentinel,
        Form::Path,
        Fallback::Absent,
        "/var/run/secrets/azure/tokens/azure-identity-token",
    )
};

pub(crate) static AZURE_WORKSPACE_ID: Setting = Setting {
    doc: "Workspace that receives the indicators.",
    obtain: "Azure portal, Log Analytics workspaces > your workspace > Overview > Workspace ID",
    ..setting(
        "AzureWorkspaceID",
        Group::Sentinel,
        Form::Text,
        Fallback::Required,
        "11111111-2222-3333-4444-555555555555",
    )
};

pub(crate) static AZURE_CLOUD: Setting = Setting {
    doc: "The cloud the workspace is in.",
    ..setting(
        "AzureCloud",
        Group::Sentinel,
        Form::Choice(&["public", "usgov", "china"]),
        Fallback::Text("public"),
        "usgov",
    )
};

pub(crate) static AZURE_AUTHORITY_HOST: Setting = Setting {
    doc: "Overrides where tokens come from.",
    ..setting(
        "AZURE_AUTHORITY_HOST",
        Group::Sentinel,
        Form::Url,
        Fallback::Computed("by AzureCloud"),
        "https://login.microsoftonline.com",
    )
};

pub(crate) static SENTINEL_TI_ENDPOINT: Setting = Setting {
    doc: "Overrides where indicators are uploaded to.",
    ..setting(
        "SentinelTiEndpoint",
        Group::Sentinel,
        Form::Url,
        Fallback::Computed("by AzureCloud"),
        "https://api.ti.sentinel.azure.com",
    )
};

pub(crate) static ARM_ENDPOINT: Setting = Setting {
    doc: "Overrides where Azure Resource Manager is.",
    ..setting(
        "AzureResourceManagerEndpoint",
        Group::Sentinel,
        Form::Url,
        Fallback::Computed("by AzureCloud"),
        "https://management.azure.com",
    )
};

pub(crate) static GRAPH_ENDPOINT: Setting = Setting {
    doc: "Overrides where Microsoft Graph is.",
    ..setting(
        "GraphEndpoint",
        Group::Sentinel,
        Form::Url,
        Fallback::Computed("by AzureCloud"),
        "https://graph.microsoft.com",
    )
};

pub(crate) static UPLOADS_PER_MINUTE: Setting = Setting {
    doc: "Upload requests in any minute. Sentinel allows 100; more than that is accepted with a warning.",
    ..setting("UploadsPerMinute", Group::Sentinel, Form::Integer { min: 1, max: 100_000 }, Fallback::Text("95"), "95")
};

pub(crate) static UPLOADS_IN_FLIGHT: Setting = Setting {
    doc: "Upload requests at the same time, at the most; fewer where Sentinel is slow or refuses.",
    ..setting("UploadsInFlight", Group::Sentinel, Form::Integer { min: 1, max: 100 }, Fallback::Text("40"), "40")
};
