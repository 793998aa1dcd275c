//! VMRay: server, key and what is read.

use crate::setting::{Fallback, Form, Group, Setting, setting};

pub(crate) static VMRAY_BASE_URL: Setting = Setting {
    doc: "Address of the VMRay server. Only https, except to this machine.",
    obtain: "the address you open VMRay at, for example https://us.cloud.vmray.com or https://eu.cloud.vmray.com",
    ..setting("VmrayBaseURL", Group::Vmray, Form::Url, Fallback::Required, "https://us.cloud.vmray.com")
};

pub(crate) static VMRAY_API_KEY: Setting = Setting {
    doc: "API key of a VMRay user who may read submissions.",
    obtain: "VMRay, Settings > Analysis > API Keys > Create API key (a key shows its text only once)",
    ..setting("VmrayAPIKey", Group::Vmray, Form::Secret, Fallback::Required, "<64 characters from VMRay>")
};

pub(crate) static VMRAY_SAMPLE_VERDICT: Setting = Setting {
    doc: "Which verdicts are sent: an IOC is sent when its own verdict and that of its submission are among them.",
    ..setting(
        "VmraySampleVerdict",
        Group::Vmray,
        Form::Choice(&["Malicious", "Suspicious", "Malicious & Suspicious"]),
        Fallback::Text("Malicious"),
        "Malicious & Suspicious",
    )
};

pub(crate) static VMRAY_INITIAL_FETCH_DATE: Setting = Setting {
    doc: "How many days back the first run reads. Later runs continue where the last one stopped.",
    ..setting("VmrayInitialFetchDate", Group::Vmray, Form::Days, Fallback::Text("90"), "90")
};

pub(crate) static VMRAY_CONCURRENCY: Setting = Setting {
    doc: "Requests to VMRay at the same time, at the most. A server that is slow or refuses is asked for fewer.",
    ..setting("VmrayConcurrency", Group::Vmray, Form::Integer { min: 1, max: 256 }, Fallback::Text("64"), "64")
};
