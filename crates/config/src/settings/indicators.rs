//! What the indicators are like.

use crate::setting::{Fallback, Form, Group, Setting, setting};

pub(crate) static INDICATOR_EXPIRATION: Setting = Setting {
    doc: "Days an indicator lives, counted from when VMRay last saw it; one number, or by type.",
    ..setting(
        "IndicatorExpirationInDays",
        Group::Indicators,
        Form::DaysByType,
        Fallback::Text("30"),
        "ip=14,url=30,domain=30,file=180",
    )
};

pub(crate) static IOC_TYPES: Setting = Setting {
    doc: "Which types are sent: domain, ip, url, file, and on request email, registry, mutex, process.",
    ..setting(
        "IocTypes",
        Group::Indicators,
        Form::List,
        Fallback::Text("domain,ip,url,file"),
        "domain,ip,url,file,mutex",
    )
};

pub(crate) static TLP: Setting = Setting {
    doc: "Traffic Light Protocol marking of every indicator.",
    ..setting(
        "Tlp",
        Group::Indicators,
        Form::Choice(&["clear", "green", "amber", "red"]),
        Fallback::Text("amber"),
        "green",
    )
};

pub(crate) static ALLOW_LIST: Setting = Setting {
    doc: "Values that are never sent. `builtin` is a small reviewed list of noise; a path names a file that adds to it, with \
          one entry a line: a domain with all below it, `=host` for one host, an address or block, a hash, or the start of a \
          URL; a file that ends in `.csv` is a watchlist export. `none` turns the built-in list off, also beside files.",
    ..setting(
        "AllowList",
        Group::Indicators,
        Form::List,
        Fallback::Text("builtin"),
        "builtin,/etc/vmray-sentinel/allow.txt",
    )
};
