//! The nine functions where one part of VMRay's replies is another: each field of each endpoint missing, null, of another
//! type, or an unknown word.
//!
//! Whatever one reply looks like, each function answers with JSON or with a failure that is VMRay's, never the caller's,
//! and a call that did not get that reply answers as always.

use enrichment::functions::{Error, Function};
use serde_json::{Value, json};
use simulators::{Odd, Rewrite, Site};

use crate::functions::{Bench, KNOWN_URL, SHA256};

fn calls() -> Vec<(Function, Value)> {
    let iocs = json!({"sample_id": 12, "submission_id": 51, "sample_verdict": ["malicious", "suspicious"]});
    vec![
        (Function::GetVMRaySample, json!({"sample_id": 12})),
        (Function::GetVMRaySampleByHash, json!({"hash": SHA256})),
        (Function::GetVMRaySubmission, json!({"submission_id": 51})),
        (Function::GetAnalysisBySampleID, json!({"sample_id": 12})),
        (Function::GetVMRayVTIs, json!({"sample_id": 12})),
        (Function::GetVMRayThreatIndicator, json!({"sample_id": 12})),
        (Function::GetVMRayIOCs, iocs),
        (Function::UplaodURL, json!({"url": KNOWN_URL})),
        (Function::UplaodURL, json!({"url": "http://new.example/a"})),
        (Function::VMRayUploadSample, json!({"file": "aGVsbG8=", "name": "a.bin"})),
    ]
}

/// Returns the answers of all calls, and of each whether a reply to it was rewritten.
async fn answers(rewrite: Option<Rewrite>) -> (Vec<(bool, Result<Value, Error>)>, Vec<Site>) {
    let (bench, rewriting) = Bench::rewritten();
    rewriting.rewrite(rewrite);
    let mut answers = Vec::new();
    for (function, body) in calls() {
        let before = rewriting.touched().len();
        let answer = bench.ask(function, &body).await;
        answers.push((rewriting.touched().len() > before, answer));
    }
    (answers, rewriting.sites().into_iter().collect())
}

#[tokio::test(start_paused = true)]
async fn no_odd_field_of_a_reply_is_the_callers_fault_or_anothers_answer() {
    let (usual, sites) = answers(None).await;
    assert!(usual.iter().all(|(_, answer)| answer.is_ok()), "{usual:?}");
    assert!(sites.len() > 50, "{sites:?}");
    let (mut broken, mut rewritten) = (Vec::new(), 0);
    for (at, site) in sites.iter().enumerate() {
        // Neighbours in the order of fields are of a kind, so each kind meets many odd things.
        let odd = Odd::ALL[at * 3 % Odd::ALL.len()];
        let (odd_answers, _) = answers(Some(Rewrite { site: site.clone(), nth: 0, odd })).await;
        rewritten += usize::from(odd_answers.iter().any(|(is_rewritten, _)| *is_rewritten));
        let mut is_after = false;
        for ((function, _), ((is_rewritten, answer), (_, usual))) in calls().iter().zip(odd_answers.iter().zip(&usual))
        {
            is_after |= *is_rewritten;
            match (answer, usual) {
                (Err(Error::BadRequest { parameter, reason }), _) => {
                    broken.push(format!("{site} {odd:?}: {function:?} blames {parameter}: {reason}"));
                }
                // The same question later gets the same rewritten reply.
                (Ok(answer), Ok(usual)) if !is_after && answer != usual => {
                    broken.push(format!("{site} {odd:?}: {function:?} answers {answer}"));
                }
                (Err(error), _) if !is_after => broken.push(format!("{site} {odd:?}: {function:?}: {error}")),
                _ => {}
            }
        }
    }
    let cases = sites.len();
    assert!(broken.is_empty(), "{} of {cases} cases:\n{}", broken.len(), broken.join("\n"));
    assert!(rewritten * 10 > cases * 9, "only {rewritten} of {cases} rewrote anything");
}
