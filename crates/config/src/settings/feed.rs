//! When the feed runs.

use crate::setting::{Fallback, Form, Group, Setting, setting};

pub(crate) static POLLING: Setting = Setting {
    doc: "When the feed runs: cron with five fields, or six with seconds first, in UTC.",
    ..setting("Polling", Group::Feed, Form::Cron, Fallback::Text("*/10 * * * *"), "*/10 * * * *")
};
