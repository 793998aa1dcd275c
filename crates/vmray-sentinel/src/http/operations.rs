//! The table of what the API answers. Router tests, `/openapi.json` and `/docs` all read it here.

use config::Scope;
use enrichment::functions::Function;
pub(super) use enrichment::functions::{Form, Parameter};

/// One path with one method.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) summary: &'static str,
    pub(super) answer: &'static str,
    pub(super) scope: Option<Scope>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
}

/// What an operation is, where that decides what can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Asks VMRay.
    LookUp,
    /// Submits to VMRay.
    Submit,
    /// Answers about things, or begins to.
    Enrich,
    /// Says how far that is, to whoever has the link.
    Job,
    /// Reads our own state.
    Status,
}

/// A status that can be answered, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) when: &'static str,
}

impl Operation {
    /// Returns the statuses besides 200.
    pub(super) fn refusals(&self) -> Vec<Status> {
        let status = |code, when| Status { code, when };
        let mut list = vec![status(431, "Headers or address are too large")];
        match self.scope {
            Some(_) => list.push(status(401, "No key that is known came with the request")),
            None => list.push(status(403, "The link is not valid, or has expired")),
        }
        if self.scope == Some(Scope::Submit) {
            list.push(status(403, "The key may read, not submit; or a page of another site asked for it"));
        }
        list.push(status(503, "Too many connections are open"));
        if self.kind != Kind::Status {
            list.extend([
                status(400, "A parameter is missing or cannot be read; the answer names it"),
                status(404, "It is not known"),
                status(409, "VMRay refused it, or a quota is used up"),
                status(429, "VMRay asks to wait; see Retry-After"),
                status(502, "VMRay failed or cannot be reached, or its answer to a submit was lost"),
                status(504, "VMRay gave no answer in time"),
            ]);
        }
        if !matches!(self.kind, Kind::Status | Kind::Job) {
            list.push(status(408, "The body came too slowly"));
            list.push(status(413, "The body or the file is too large"));
        }
        if matches!(self.kind, Kind::Submit | Kind::Enrich) {
            list.push(status(507, "The file cannot be kept while it is sent"));
        }
        if matches!(self.kind, Kind::Status | Kind::Enrich | Kind::Job) {
            list.retain(|status| status.code != 503);
            list.push(status(503, "The state cannot be used, or too many connections are open"));
        }
        list.sort_by_key(|status| status.code);
        list
    }

    /// Says whether the answer may come later.
    pub(super) fn may_take_time(&self) -> bool {
        matches!(self.kind, Kind::Enrich | Kind::Job)
    }
}

impl Method {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
        }
    }
}

/// Returns all of them, in the order of the docs.
pub(super) fn all() -> Vec<Operation> {
    let enrich = Operation {
        id: "enrich".to_owned(),
        method: Method::Post,
        path: "/api/enrich".to_owned(),
        summary: "What VMRay says about URLs, hashes and files; what it does not know is analysed, once",
        answer: "The report, if all is known; else 202 with the report so far, and the link to ask again in Location",
        scope: Some(Scope::Submit),
        parameters: Vec::new(),
        kind: Kind::Enrich,
    };
    let job = Operation {
        id: "enrich_job".to_owned(),
        method: Method::Get,
        path: "/api/enrich/{job}".to_owned(),
        summary: "How far an answer is; the link that POST /api/enrich gave, which works for a week without a key",
        answer: "The report; 202 while something is running",
        scope: None,
        parameters: Vec::new(),
        kind: Kind::Job,
    };
    let mut all = vec![
        enrich,
        job,
        Operation {
            id: "status".to_owned(),
            method: Method::Get,
            path: "/api/status".to_owned(),
            summary: "What the feed has done and what is open",
            answer: "Counts, open records and the newest runs",
            scope: Some(Scope::Read),
            parameters: Vec::new(),
            kind: Kind::Status,
        },
    ];
    for function in Function::ALL {
        for method in [Method::Get, Method::Post] {
            all.push(of_function(function, method));
        }
    }
    all
}

fn of_function(function: Function, method: Method) -> Operation {
    Operation {
        id: format!("{}_{}", function.name(), method.as_str()),
        method,
        path: path_of(function),
        summary: function.summary(),
        answer: function.answer(),
        scope: Some(if function.submits() { Scope::Submit } else { Scope::Read }),
        parameters: function.parameters(),
        kind: if function.submits() { Kind::Submit } else { Kind::LookUp },
    }
}

/// Returns the path of a function.
pub(super) fn path_of(function: Function) -> String {
    format!("/api/{}", function.name())
}

/// Says in words what a form accepts.
pub(super) fn in_words(form: Form) -> &'static str {
    match form {
        Form::Number => "whole number from 1, or its digits",
        Form::Text => "text",
        Form::Hash => "32, 40 or 64 hexadecimal digits",
        Form::Flag => "true or false, or the word",
        Form::List => "list, or text with commas",
        Form::Verdicts => "malicious, suspicious; as a list or in one text",
        Form::Base64 => "base64",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    /// The functions that have a timer, not a caller.
    const TIMERS: [&str; 2] = ["VMRay", "VMRayJobs"];

    #[test]
    fn each_operation_is_a_function_of_the_package_with_its_method_route_and_level_and_no_function_is_more() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../azure/functions");
        let mut packed = BTreeSet::new();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if !entry.file_type().unwrap().is_dir() || TIMERS.contains(&name.as_str()) {
                continue;
            }
            let function: Value =
                serde_json::from_str(&fs::read_to_string(entry.path().join("function.json")).unwrap()).unwrap();
            let trigger = &function["bindings"][0];
            let route = trigger["route"].as_str().unwrap_or(&name);
            for method in trigger["methods"].as_array().unwrap() {
                let level = trigger["authLevel"].as_str().unwrap();
                packed.insert(format!("{} /api/{route} {level}", method.as_str().unwrap()));
            }
        }
        let served: BTreeSet<_> = all()
            .iter()
            .map(|operation| {
                let level = if operation.scope.is_some() { "function" } else { "anonymous" };
                format!("{} {} {level}", operation.method.as_str(), operation.path)
            })
            .collect();
        assert_eq!(packed, served);
    }
}
