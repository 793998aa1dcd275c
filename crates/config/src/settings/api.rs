//! Who may call the API, and where.

use crate::setting::{Fallback, Form, Group, Setting, setting};

pub(crate) static API_KEYS: Setting = Setting {
    doc: "Who may call the API and see the pages: entries NAME:SCOPE:HASH, the scope being read or submit, the hash that of \
          the key. Several keys are valid at once, so a key is replaced by adding its successor first. Without keys only this \
          machine is served. The Functions host has keys of its own; there this setting is not read.",
    obtain: "`vmray-sentinel config api-key NAME --scope submit` makes a key and prints its entry",
    ..setting("ApiKeys", Group::Api, Form::List, Fallback::Absent, "soc:read:<64 digits>,playbook:submit:<64 digits>")
};

pub(crate) static PUBLIC_URL: Setting = Setting {
    aliases: &["WEBSITE_HOSTNAME"],
    doc: "Where callers reach the API from outside, for the links to answers that are not there yet. Azure sets \
          WEBSITE_HOSTNAME by itself. Without it such links start with /api and are relative to what was asked.",
    ..setting("PublicUrl", Group::Api, Form::Url, Fallback::Absent, "https://vmray.soc.example")
};
