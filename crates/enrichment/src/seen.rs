//! What VMRay saw, as one list.

use vmray::{Entry, IocCommon, Iocs, Verdict, readable};

use crate::report::IocReport;

/// Returns the IOCs of a sample, worst first. Artifacts that VMRay does not call IOCs are left out.
pub(crate) fn seen(iocs: &Iocs, sample_id: u64) -> Vec<IocReport> {
    let mut list = List { sample_id, entries: Vec::new() };
    list.add("domain", &iocs.domains, |ioc| (&ioc.common, ioc.domain.as_deref(), None));
    list.add("ip", &iocs.ips, |ioc| (&ioc.common, ioc.ip_address.as_deref(), None));
    list.add("url", &iocs.urls, |ioc| (&ioc.common, ioc.url.as_deref(), None));
    list.add("email", &iocs.email_addresses, |ioc| {
        // A recipient is a victim.
        let value = ioc.email_address.as_deref().filter(|_| ioc.sender == Some(true));
        (&ioc.common, value, None)
    });
    list.add("registry", &iocs.registry, |ioc| (&ioc.common, ioc.reg_key_name.as_deref(), None));
    list.add("mutex", &iocs.mutexes, |ioc| (&ioc.common, ioc.mutex_name.as_deref(), None));
    list.add("process", &iocs.processes, |ioc| (&ioc.common, ioc.cmd_line.as_deref(), None));
    for ioc in readable(&iocs.files) {
        for hashes in readable(&ioc.hashes) {
            let best = [&hashes.sha256_hash, &hashes.sha1_hash, &hashes.md5_hash].into_iter().flatten().next();
            list.push("file", &ioc.common, best.map(String::as_str), ioc.filename.as_deref());
        }
    }
    list.entries.sort_by(|(a, one), (b, other)| {
        b.cmp(a).then_with(|| (&one.kind, &one.value, &one.name).cmp(&(&other.kind, &other.value, &other.name)))
    });
    list.entries.dedup();
    list.entries.into_iter().map(|(_, ioc)| ioc).collect()
}

struct List {
    sample_id: u64,
    entries: Vec<(u8, IocReport)>,
}

impl List {
    fn add<'a, T>(
        &mut self,
        kind: &str,
        list: &'a [Entry<T>],
        parts: impl Fn(&'a T) -> (&'a IocCommon, Option<&'a str>, Option<&'a str>),
    ) {
        for ioc in readable(list) {
            let (common, value, name) = parts(ioc);
            self.push(kind, common, value, name);
        }
    }

    fn push(&mut self, kind: &str, common: &IocCommon, value: Option<&str>, name: Option<&str>) {
        let Some(value) = value.map(str::trim).filter(|value| !value.is_empty() && common.ioc != Some(false)) else {
            return;
        };
        let weight = match common.verdict {
            Some(Verdict::Malicious) => 3,
            Some(Verdict::Suspicious) => 2,
            Some(Verdict::Clean) => 0,
            Some(Verdict::NotAvailable | Verdict::Other(_)) | None => 1,
        };
        let ioc = IocReport {
            kind: kind.to_owned(),
            value: value.to_owned(),
            name: name.map(str::to_owned),
            verdict: common.verdict.clone(),
            sample_id: self.sample_id,
        };
        self.entries.push((weight, ioc));
    }
}
