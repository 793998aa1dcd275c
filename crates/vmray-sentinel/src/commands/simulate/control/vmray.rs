//! What was submitted to VMRay's stand-in, and how it goes on.

use http::Method;
use serde_json::{Value, json};
use simulators::{Ending, Taken, VmraySimulator};

use super::world;

/// Answers a path; `None` when there is no such path.
pub(super) fn answer(
    vmray: &VmraySimulator,
    method: &Method,
    parts: &[&str],
    pairs: &[(String, String)],
) -> Option<Result<Value, String>> {
    match (method, parts) {
        (&Method::GET, ["submits"]) => Some(Ok(vmray.submits().iter().map(shown).collect())),
        (&Method::GET, ["calls"]) => Some(Ok(json!(vmray.calls()))),
        (&Method::POST, ["submissions", id, action]) => Some(change(vmray, id, action, pairs)),
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

fn change(vmray: &VmraySimulator, id: &str, action: &str, pairs: &[(String, String)]) -> Result<Value, String> {
    let id = world::number(id)?;
    let word = pairs.iter().find(|(name, _)| name == "verdict").map(|(_, value)| value.as_str());
    let ending = word.map(world::verdict).transpose()?.map(Ending::Success);
    let changed = match action {
        "finish" => vmray.finish_now(id, ending.as_ref()),
        "fail" => vmray.fail(id),
        "hold" => vmray.hold(id),
        _ => return Err(format!("{action} is none of finish, fail, hold")),
    };
    Ok(json!({ "was_running": changed }))
}
