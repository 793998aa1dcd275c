//! The log.

use crate::setting::{Fallback, Form, Group, Setting, setting};

pub(crate) static LOG_FILTER: Setting = Setting {
    doc: "What is logged to stderr: a level (`error`, `warn`, `info`, `debug`, `trace`), which is that of this program's own \
          parts; others, named as in `slatedb=debug`, log warnings only, and `all=debug` is everything. At `debug` each \
          call to another service is a line with service, operation, attempt, status and duration, and each decision is \
          one. A command that runs once on a terminal logs only warnings unless this is set.",
    ..setting("LogFilter", Group::Logs, Form::Text, Fallback::Text("info"), "debug")
};

pub(crate) static LOG_FORMAT: Setting = Setting {
    doc: "How it is logged: text for people, or json with one object a line.",
    ..setting("LogFormat", Group::Logs, Form::Choice(&["text", "json"]), Fallback::Text("text"), "json")
};
