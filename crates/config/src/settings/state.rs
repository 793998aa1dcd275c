//! Where the state lies, and what opens it.

use crate::setting::{Fallback, Form, Group, Setting, setting};

pub(crate) static STATE_URL: Setting = Setting {
    doc: "Where the state is kept: a folder, `az://account/container/folder` in Azure Blob storage (the folder may be left \
          out; the container must exist), or `memory:` for a trial that forgets. Under Azure Functions the default is \
          the container `vmray-sentinel-state` in the app's storage account.",
    ..setting(
        "StateUrl",
        Group::State,
        Form::Text,
        Fallback::Computed("the user's state folder"),
        "file:///var/lib/vmray-sentinel",
    )
};

pub(crate) static STORAGE: Setting = Setting {
    doc: "Connection string of a storage account, with its key or a shared access signature; Azure Functions sets it. \
          Opens an `az://` place in this account; one in any other account is opened by the identity that uploads to \
          Sentinel.",
    obtain: "Azure portal, Storage accounts > your account > Security + networking > Access keys > Connection string",
    ..setting(
        "AzureWebJobsStorage",
        Group::State,
        Form::Secret,
        Fallback::Absent,
        "<connection string from Access keys>",
    )
};

pub(crate) static STORAGE_ACCOUNT_NAME: Setting = Setting {
    doc: "The storage account, when an identity opens it instead of a key. The identity needs the role Storage Blob Data \
          Contributor (or Owner) on it.",
    ..setting("AzureWebJobsStorage__accountName", Group::State, Form::Text, Fallback::Absent, "mystorageaccount")
};

pub(crate) static STORAGE_BLOB_URI: Setting = Setting {
    doc: "The same as an address, for accounts with one of their own.",
    ..setting(
        "AzureWebJobsStorage__blobServiceUri",
        Group::State,
        Form::Url,
        Fallback::Computed("by account name and AzureCloud"),
        "https://mystorageaccount.blob.core.windows.net",
    )
};

pub(crate) static STORAGE_CREDENTIAL: Setting = Setting {
    doc: "`managedidentity` opens the storage account by a managed identity (or by workload identity where its token file \
          is set). Without it the identity that uploads to Sentinel does.",
    ..setting(
        "AzureWebJobsStorage__credential",
        Group::State,
        Form::Choice(&["managedidentity"]),
        Fallback::Absent,
        "managedidentity",
    )
};

pub(crate) static STORAGE_CLIENT_ID: Setting = Setting {
    doc: "Client ID of the user-assigned identity that opens the storage account. Without it the system-assigned one does.",
    obtain: "Azure portal, Managed Identities > your identity > Overview > Client ID",
    ..setting(
        "AzureWebJobsStorage__clientId",
        Group::State,
        Form::Text,
        Fallback::Absent,
        "11111111-2222-3333-4444-555555555555",
    )
};
