//! The log.

use crate::config::setting::{Fallback, Form, Group, Setting, setting};

pub(crate) static LOG_FILTER: Setting = Setting {
    doc: "What is logged to stderr: a level, and levels by part. A command that runs once on a terminal logs only \
          warnings unless this is set.",
    ..setting("LogFilter", Group::Logs, Form::Text, Fallback::Text("info,slatedb=warn"), "debug,slatedb=warn")
};

pub(crate) static LOG_FORMAT: Setting = Setting {
    doc: "How it is logged: text for people, or json with one object a line.",
    ..setting("LogFormat", Group::Logs, Form::Choice(&["text", "json"]), Fallback::Text("text"), "json")
};
