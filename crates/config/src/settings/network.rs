//! Proxy and certificates.

use crate::setting::{Fallback, Form, Group, Setting, setting};

pub(crate) static HTTPS_PROXY: Setting = Setting {
    doc: "Proxy for every outgoing request. It may contain user and password.",
    ..setting("HttpsProxy", Group::Network, Form::SecretUrl, Fallback::Absent, "http://proxy.example:3128")
};

pub(crate) static NO_PROXY: Setting = Setting {
    doc: "Hosts that bypass the proxy: names with their subdomains, addresses, address blocks.",
    ..setting("NoProxy", Group::Network, Form::List, Fallback::Absent, "localhost,127.0.0.1,.internal.example")
};

pub(crate) static CA_FILE: Setting = Setting {
    doc: "File with certificates to trust besides the built-in ones, for a proxy that inspects TLS.",
    ..setting("CaFile", Group::Network, Form::Path, Fallback::Absent, "/etc/ssl/certs/company-root.pem")
};

pub(crate) static CA_PEM: Setting = Setting {
    doc: "The same as text, for places that have no files.",
    ..setting("CaPem", Group::Network, Form::Text, Fallback::Absent, "-----BEGIN CERTIFICATE-----...")
};
