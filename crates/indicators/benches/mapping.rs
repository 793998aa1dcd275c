//! How many indicators a second one core maps, pattern check included.
//!
//! `cargo bench -p indicators`; figures are kept in `docs/performance.md`.

#![expect(clippy::print_stdout, reason = "the figure is the result")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use indicators::{NoiseList, Reading, Rules, Severity, SubmissionFacts, map};
use jiff::Timestamp;
use stix::Kind;
use vmray::{DomainIoc, FileHashes, FileIoc, IocCommon, Iocs, IpIoc, UrlIoc, Verdict};

fn main() {
    let rules = Rules { noise: NoiseList::built_in(), ioc_types: Kind::ALL.into(), ..Rules::default() };
    let submissions = [SubmissionFacts { id: 7, finish_time: Timestamp::UNIX_EPOCH, severity: Severity::Malicious }];
    let tactics: Vec<String> = ["Defense Evasion", "Discovery", "Execution", "Persistence"].map(str::to_owned).into();
    for (name, entries, samples) in [("12 IOCs a sample", 3, 2_000), ("4,000 IOCs a sample", 1_000, 6)] {
        let worlds: Vec<Iocs> = (0..samples).map(|sample| iocs(sample, entries)).collect();
        let started = Instant::now();
        let mut found = 0;
        let mut rounds = 0;
        while started.elapsed() < Duration::from_secs(2) {
            for (sample_id, iocs) in (1..).zip(&worlds) {
                let reading = Reading { sample_id, submissions: &submissions, iocs, tactics: &tactics };
                found += black_box(map(&reading, &rules)).findings.len();
            }
            rounds += 1;
        }
        let seconds = started.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a figure to read")]
        let rate = found as f64 / seconds;
        println!("{name}: {rate:.0} indicators a second ({found} in {seconds:.2} s, {rounds} rounds)");
    }
}

/// A sample with `entries` each of domains, addresses, URLs and files; a file gives three indicators.
fn iocs(sample: u64, entries: u64) -> Iocs {
    let common = || IocCommon {
        ioc: Some(true),
        verdict: Some(Verdict::Malicious),
        analysis_ids: vec![sample, sample + 1],
        ..IocCommon::default()
    };
    let mut iocs = Iocs::default();
    for n in 0..entries {
        let n = sample * entries + n;
        iocs.domains.push(
            DomainIoc {
                domain: Some(format!("cdn{n}.Update-Check.example")),
                common: common(),
                ..DomainIoc::default()
            }
            .into(),
        );
        let address = if n.is_multiple_of(4) {
            format!("2001:db8::{:x}:{:x}", n >> 16 & 0xFFFF, n & 0xFFFF)
        } else {
            format!("45.{}.{}.{}:443", n >> 16 & 0xFF, n >> 8 & 0xFF, n & 0xFF)
        };
        iocs.ips.push(IpIoc { ip_address: Some(address), common: common(), ..IpIoc::default() }.into());
        iocs.urls.push(
            UrlIoc {
                url: Some(format!("https://www.Login-{n}.example/wp-content/it's/{n}/index.php?id={n}&next=%2Fa")),
                categories: vec!["Contacted".to_owned()],
                common: common(),
                ..UrlIoc::default()
            }
            .into(),
        );
        let hashes = FileHashes {
            md5_hash: Some(format!("{n:032x}")),
            sha1_hash: Some(format!("{n:040x}")),
            sha256_hash: Some(format!("{n:064x}")),
            ..FileHashes::default()
        };
        iocs.files.push(
            FileIoc {
                filename: Some(format!("C:\\Users\\Public\\invoice{n}.exe")),
                hashes: vec![hashes.into()],
                categories: vec!["Dropped File".to_owned()],
                threat_names: vec!["Gen:Variant.Ulise.379246".to_owned()],
                common: common(),
                ..FileIoc::default()
            }
            .into(),
        );
    }
    iocs
}
