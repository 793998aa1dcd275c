//! Where the health tables are written.

use crate::setting::{Fallback, Form, Group, Setting, setting};

pub(crate) static LOGS_INGESTION_ENDPOINT: Setting = Setting {
    doc: "Where a row for each run of the feed is written, for the tables VMRayFeedRuns_CL and VMRayFeedEvents_CL: the \
          address for logs ingestion of the data collection rule, or of a data collection endpoint. Only together with \
          LogsIngestionRule; without both no rows are written.",
    obtain: "`az resource show --resource-group GROUP --name RULE --resource-type Microsoft.Insights/dataCollectionRules --query properties.endpoints.logsIngestion`",
    ..setting(
        "LogsIngestionEndpoint",
        Group::Health,
        Form::Url,
        Fallback::Absent,
        "https://vmray-feed-a1b2-westeurope.logs.z1.ingest.monitor.azure.com",
    )
};

pub(crate) static LOGS_INGESTION_RULE: Setting = Setting {
    doc: "Immutable id of the data collection rule that takes the rows. The identity that writes them needs the role \
          Monitoring Metrics Publisher on it.",
    obtain: "`az resource show --resource-group GROUP --name RULE --resource-type Microsoft.Insights/dataCollectionRules --query properties.immutableId`",
    ..setting("LogsIngestionRule", Group::Health, Form::Text, Fallback::Absent, "dcr-0123456789abcdef0123456789abcdef")
};

pub(crate) static LOGS_INGESTION_CLIENT_ID: Setting = Setting {
    doc: "Client ID of a user-assigned managed identity that writes the rows. Without it the identity that uploads to \
          Sentinel does, which cannot where the rule is in another tenant than the workspace.",
    obtain: "Azure portal, Managed Identities > your identity > Overview > Client ID",
    ..setting(
        "LogsIngestionClientID",
        Group::Health,
        Form::Text,
        Fallback::Absent,
        "11111111-2222-3333-4444-555555555555",
    )
};
