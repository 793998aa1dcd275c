//! What the enrichment may do.

use crate::setting::{Fallback, Form, Group, Setting, setting};

pub(crate) static REUSE_HOURS: Setting = Setting {
    doc: "How old a verdict may be, in hours, that POST /api/enrich answers without an analysis: any malicious one, a clean or \
          suspicious URL, a clean or suspicious file. 0 never; a verdict that VMRay could not form is never reused.",
    ..setting(
        "ReuseHours",
        Group::Enrichment,
        Form::Text,
        Fallback::Text("malicious=168,url=24,file=720"),
        "malicious=24,url=8,file=720",
    )
};

pub(crate) static RESUBMIT: Setting = Setting {
    doc: "Whether something is analysed again although VMRay knows its verdict, which costs quota each time. A request to \
          /api/enrich can ask for it, too.",
    ..setting("Resubmit", Group::Enrichment, Form::Choice(&["false", "true"]), Fallback::Text("false"), "true")
};

pub(crate) static QUOTA_RESERVE: Setting = Setting {
    doc: "Percent of VMRay's quota that /api/enrich leaves alone.",
    ..setting("QuotaReserve", Group::Enrichment, Form::Integer { min: 0, max: 100 }, Fallback::Text("10"), "25")
};

pub(crate) static MAX_SUBMISSIONS_PER_INCIDENT: Setting = Setting {
    doc: "Submissions that /api/enrich makes for one incident, over all requests.",
    ..setting(
        "MaxSubmissionsPerIncident",
        Group::Enrichment,
        Form::Integer { min: 0, max: 100_000 },
        Fallback::Text("20"),
        "50",
    )
};

pub(crate) static PRIVACY_GATES: Setting = Setting {
    doc: "What /api/enrich keeps from VMRay: `internal` hosts, what the `allow-list` names, `one-time` links and those that \
          carry a secret; and `shareable` keeps hashes from VirusTotal. `all`, `none`, or a list. Credentials in a URL are \
          always taken out. `internal` holds for UplaodURL, too.",
    ..setting("PrivacyGates", Group::Enrichment, Form::List, Fallback::Text("all"), "internal,one-time")
};

pub(crate) static INTERNAL_HOSTS: Setting = Setting {
    doc: "Hosts of your own that the gate `internal` keeps from VMRay: names with all below them, addresses, networks.",
    ..setting("InternalHosts", Group::Enrichment, Form::List, Fallback::Absent, "corp.example.com,203.0.113.0/24")
};
