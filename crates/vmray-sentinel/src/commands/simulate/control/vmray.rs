//! What was submitted to VMRay's stand-in, and how it goes on.

use http::Method;
use serde_json::{Value, json};
use simulators::{Ending, Taken, Verdict, VmraySimulator};

/// Answers a path; `None` when there is no such path.
pub(super) fn answer(
    vmray: &VmraySimulator,
    method: &Method,
    path: &str,
    query: &str,
) -> Option<Result<Value, String>> {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let parts: Vec<&str> = path.split('/').collect();
    match (method, parts.as_slice()) {
        (&Method::GET, ["submits"]) => Some(Ok(vmray.submits().iter().map(shown).collect())),
        (&Method::GET, ["calls"]) => Some(Ok(json!(vmray.calls()))),
        (&Method::POST, ["vmray"]) => Some(set(vmray, &pairs)),
        (&Method::POST, ["submissions", id, action]) => Some(change(vmray, id, action, &pairs)),
        _ => None,
    }
}

fn shown(taken: &Taken) -> Value {
    let parameters: serde_json::Map<_, _> =
        taken.parameters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "at": taken.at.to_string(),
        "value": taken.value,
        "filename": taken.filename,
        "sample_id": taken.sample_id,
        "submission_id": taken.submission_id,
        "refused": taken.refused,
        "parameters": parameters,
    })
}

/// Sets options: all of them, or none when one is wrong.
fn set(vmray: &VmraySimulator, pairs: &[(String, String)]) -> Result<Value, String> {
    let mut outcome = Ok(json!({}));
    vmray.edit_options(|options| {
        let mut changed = options.clone();
        match pairs.iter().try_for_each(|(name, value)| changed.set(name, value)) {
            Ok(()) => *options = changed,
            Err(error) => outcome = Err(error.to_string()),
        }
    });
    outcome
}

fn change(vmray: &VmraySimulator, id: &str, action: &str, pairs: &[(String, String)]) -> Result<Value, String> {
    let id: u64 = id.parse().map_err(|_| format!("{id} is no submission id"))?;
    let verdict = pairs.iter().find(|(name, _)| name == "verdict").map(|(_, value)| value.as_str());
    let ending = match verdict {
        None => None,
        Some("null") => Some(Ending::Success(None)),
        Some(word) => {
            Some(Ending::Success(Some(Verdict::from_word(word).ok_or_else(|| format!("{word} is no verdict"))?)))
        }
    };
    let changed = match action {
        "finish" => vmray.finish_now(id, ending.as_ref()),
        "fail" => vmray.fail(id),
        "hold" => vmray.hold(id),
        _ => return Err(format!("{action} is none of finish, fail, hold")),
    };
    Ok(json!({ "was_running": changed }))
}
