//! What happened, for people: said while it happens, shown when a seed fails.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use simulators::Seen;

/// Lines with their instants. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    lines: Arc<Mutex<Vec<(Timestamp, String)>>>,
}

impl Trace {
    pub(crate) fn say(&self, at: Timestamp, line: String) {
        self.lines.lock().unwrap().push((at, line));
    }

    /// Returns all lines in the order of time, with the requests that the services saw among them.
    pub(crate) fn told(&self, requests: &[(&str, Vec<Seen>)]) -> String {
        let mut lines = self.lines.lock().unwrap().clone();
        for (service, seen) in requests {
            lines.extend(seen.iter().map(|one| (one.at, request(service, one))));
        }
        lines.sort_by_key(|(at, _)| *at);
        lines.iter().map(|(at, line)| format!("{at:.3} {line}")).collect::<Vec<_>>().join("\n")
    }
}

fn request(service: &str, seen: &Seen) -> String {
    let status = seen.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let mut line = format!("  {service} {} {} -> {status}", seen.method, seen.path);
    if seen.objects > 0 {
        line.push_str(&format!(", {} objects", seen.objects));
    }
    if let Some(fault) = seen.fault {
        line.push_str(&format!(", fault {fault:?}"));
    }
    if let Some(wait) = seen.told_to_wait {
        line.push_str(&format!(", told to wait {wait:?}"));
    }
    line
}
