//! Whole runs in which one field of Entra's or of Sentinel's answers is another: missing, null, of another type, or an
//! unknown word.
//!
//! Such an answer ends the run at most. What it left is sent by the next run that is answered as usual, and what
//! Sentinel refused is in quarantine, unless the odd answer itself says that nothing was refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use feed::RunOptions;
use jiff::SignedDuration;
use simulators::{
    Ioc, IocKind, Odd, Rewrite, Rewriting, Sample, Site, Stack, StackOptions, Submission, UploadOptions, Verdict, World,
};

use crate::world::{Setting, at};

const NOW: &str = "2026-02-01T12:00:00Z";
const FINISHED: &str = "2026-01-20T10:00:00Z";
/// A value that Sentinel refuses, whatever it is sent with.
const REFUSED: &str = "refused.example.net";

/// Returns a world, and what stands before Entra and before the upload.
fn setting() -> (Setting, [Arc<Rewriting>; 2]) {
    let mut world = World::new();
    for (id, name) in [(1, "evil.example.net"), (2, REFUSED), (3, "worse.example.net")] {
        let iocs = vec![Ioc::new(IocKind::Domain, name, Verdict::Malicious)];
        world.add_sample(Sample::file(id, at(FINISHED), "sample.exe").with_iocs(iocs));
        world.add_submission(Submission::finished(id + 1000, id, at(FINISHED), Some(Verdict::Malicious)));
    }
    let upload = UploadOptions { refused_texts: vec![REFUSED.to_owned()], ..UploadOptions::default() };
    let mut setting = Setting::new(world, StackOptions { upload, ..StackOptions::default() }, at(NOW));
    let before_entra = Arc::new(Rewriting::of(setting.stack.entra.clone()));
    let before_upload = Arc::new(Rewriting::of(setting.stack.upload.clone()));
    setting.before.push((Stack::LOGIN_HOST, before_entra.clone()));
    setting.before.push((Stack::TI_HOST, before_upload.clone()));
    (setting, [before_entra, before_upload])
}

/// Says whether Sentinel itself says by this that nothing was refused, so that nobody can tell.
fn says_nothing_refused(site: &Site, odd: Odd) -> bool {
    match odd {
        Odd::Null => site.field == "errors",
        Odd::Missing => site.field == "errors/[]",
        _ => false,
    }
}

/// Returns the case and what it broke.
fn check(service: usize, site: &Site, odd: Odd) -> Option<String> {
    let (setting, services) = setting();
    services[service].rewrite(Some(Rewrite { site: site.clone(), nth: 0, odd }));
    let odd_run = setting.run(&RunOptions::default());
    services[service].rewrite(None);
    setting.clock.pass(SignedDuration::from_mins(30));
    let broke = |what: String| Some(format!("{site} {odd:?}, whose run gave {odd_run:?}: {what}"));
    if let Err(error) = setting.run(&RunOptions::default()) {
        return broke(format!("ends the run that comes after it: {error}"));
    }
    let (sent, known) = (setting.indicators(), setting.known());
    let expected: BTreeSet<String> = setting.expected().into_keys().collect();
    assert_eq!(expected.len(), 3, "{expected:?}");
    let missing: Vec<&String> = expected.iter().filter(|id| !sent.contains_key(*id)).collect();
    if missing.len() != 1 {
        return broke(format!("Sentinel lacks {missing:?}, and refused one"));
    }
    if !known.outbox.is_empty() {
        return broke(format!("{:?} still wait", known.outbox));
    }
    let is_held = known.quarantine.contains(missing[0]);
    (!is_held && !says_nothing_refused(site, odd)).then(|| format!("{site} {odd:?}: {missing:?} is in no quarantine"))
}

#[test]
fn no_odd_answer_of_entra_or_sentinel_loses_a_verdict() {
    let (setting, services) = setting();
    setting.run(&RunOptions::default()).unwrap();
    let fields: Vec<String> = services.iter().flat_map(|service| service.sites()).map(|site| site.field).collect();
    for field in ["access_token", "expires_in", "errors", "errors/[]", "errors/[]/recordIndex"] {
        assert!(fields.iter().any(|known| known == field), "no answer had {field}: {fields:?}");
    }
    let mut broken = Vec::new();
    for (service, before) in services.iter().enumerate() {
        for site in before.sites() {
            broken.extend(Odd::ALL.into_iter().filter_map(|odd| check(service, &site, odd)));
        }
    }
    assert!(broken.is_empty(), "{} cases:\n{}", broken.len(), broken.join("\n"));
}
