//! Findings from a seed: plain ones, shared ones, and everything that breaks naive clients.
//!
//! Names are long random labels and addresses come from blocks that nobody routes but that no list of reserved
//! blocks holds, so that they pass a feed's noise rules without naming anybody.

use fastrand::Rng;

use super::{Hashes, Ioc, IocKind, Verdict, WorldOptions};

/// First octets of networks that are assigned but not announced.
const QUIET_NETWORKS: [u8; 8] = [11, 21, 22, 26, 28, 29, 30, 33];

/// A reason for a verdict; the words are ours.
pub(super) const REASON: &str = "The verdict rests on a reputation <look-up> alone.";

/// The rates by which findings are made.
#[derive(Debug, Clone, Default)]
pub(super) struct Recipe {
    seed: u64,
    per_sample: usize,
    shared_rate: f64,
    shared: u64,
    null_verdict_rate: f64,
    null_value_rate: f64,
    odd_rate: f64,
    huge_list_rate: f64,
    long_url_rate: f64,
    email_rate: f64,
    no_verdict_field_rate: f64,
    reason_rate: f64,
}

impl Recipe {
    pub(super) fn of(options: &WorldOptions) -> Self {
        Self {
            seed: options.seed,
            per_sample: options.iocs_per_sample,
            shared_rate: options.shared_ioc_rate,
            shared: options.shared_iocs.max(1),
            null_verdict_rate: options.null_verdict_rate,
            null_value_rate: options.null_value_rate,
            odd_rate: options.odd_rate,
            huge_list_rate: options.huge_list_rate,
            long_url_rate: options.long_url_rate,
            email_rate: options.email_rate,
            no_verdict_field_rate: options.no_verdict_field_rate,
            reason_rate: options.reason_rate,
        }
    }

    /// Returns the findings of a sample with this seed and verdict.
    pub(super) fn invent(&self, seed: u64, sample: Option<Verdict>) -> Vec<Ioc> {
        let mut draw = Rng::with_seed(seed);
        let spread = self.per_sample / 2;
        let count = self.per_sample - spread + draw.usize(0..=2 * spread);
        let mut iocs: Vec<Ioc> = (0..count).map(|_| self.one(&mut draw, sample)).collect();
        if draw.f64() < self.huge_list_rate {
            iocs.extend((0..400).map(|_| Ioc::new(IocKind::Url, &url(&mut draw), Verdict::Malicious)));
            let mut crowded = Ioc::file(r"c:\dropped\crowd.exe", Hashes::invented(draw.u64(..)), Verdict::Malicious);
            crowded.file_names = Some((0..398).map(|_| file_name(&mut draw)).collect());
            crowded.vtis = 210;
            iocs.push(crowded);
        }
        if draw.f64() < self.long_url_rate {
            let long = format!("{}?q={}", url(&mut draw), "a".repeat(100_000));
            iocs.push(Ioc::new(IocKind::Url, &long, Verdict::Malicious));
        }
        if self.is_email(seed) {
            iocs.extend(mail(&mut draw, sample));
        }
        // A draw of its own: the values are the same with and without.
        let mut odd = Rng::with_seed(seed ^ 0x006f_6464);
        for ioc in &mut iocs {
            ioc.tells_verdict = odd.f64() >= self.no_verdict_field_rate;
            if odd.f64() < self.reason_rate {
                ioc.verdict_reason = Some(REASON.to_owned());
            }
        }
        iocs
    }

    /// Says whether the sample with this seed is an e-mail.
    pub(super) fn is_email(&self, seed: u64) -> bool {
        Rng::with_seed(seed ^ 0x6d61_696c).f64() < self.email_rate
    }

    fn one(&self, draw: &mut Rng, sample: Option<Verdict>) -> Ioc {
        let mut ioc = if draw.f64() < self.shared_rate {
            plain(&mut Rng::with_seed(self.seed ^ (0x7368_6172_6564 + draw.u64(0..self.shared))))
        } else {
            plain(draw)
        };
        ioc.verdict = Some(verdict(draw, sample));
        if draw.f64() < self.odd_rate {
            make_odd(draw, &mut ioc);
        }
        if draw.f64() < self.null_verdict_rate {
            ioc.verdict = None;
        }
        if draw.f64() < self.null_value_rate {
            ioc.value = None;
            ioc.hashes.iter_mut().for_each(|hashes| *hashes = Hashes::default());
        }
        ioc
    }
}

/// Returns a mail and its sender.
fn mail(draw: &mut Rng, sample: Option<Verdict>) -> [Ioc; 2] {
    let subject = pick(draw, &["Re: invoice \u{202e}fdp.exe", "", "<b>Your parcel</b> 'waits'", "Überweisung"]);
    let sender = format!("{}@{}", word(draw, 9), domain(draw));
    [(IocKind::Email, subject), (IocKind::EmailAddress, sender.as_str())]
        .map(|(kind, value)| Ioc::new(kind, value, verdict(draw, sample)))
}

fn verdict(draw: &mut Rng, sample: Option<Verdict>) -> Verdict {
    match (sample, draw.u8(0..10)) {
        (Some(Verdict::Malicious), 0..6) => Verdict::Malicious,
        (Some(Verdict::Malicious), 6..8) | (Some(Verdict::Suspicious), 0..7) => Verdict::Suspicious,
        _ => Verdict::Clean,
    }
}

/// Returns a finding with an ordinary value.
fn plain(draw: &mut Rng) -> Ioc {
    let of = |kind, value: String| Ioc::new(kind, &value, Verdict::Clean);
    match draw.u8(0..100) {
        0..25 => of(IocKind::Domain, domain(draw)),
        25..45 => of(IocKind::Ip, ip(draw)),
        45..68 => {
            let mut ioc = of(IocKind::Url, url(draw));
            ioc.categories = vec!["Contacted".to_owned()];
            ioc
        }
        68..88 => {
            let name = format!(r"c:\users\public\{}", file_name(draw));
            let mut ioc = Ioc::file(&name, Hashes::invented(draw.u64(..)), Verdict::Clean);
            ioc.threat_names = threat_names(draw);
            ioc.classifications = classifications(draw);
            ioc.vtis = draw.usize(0..5);
            ioc
        }
        88..91 => of(IocKind::Mutex, format!("Global\\{}", word(draw, 12))),
        91..94 => of(IocKind::Registry, format!(r"HKEY_CURRENT_USER\Software\{}", word(draw, 10))),
        94..97 => of(IocKind::Process, format!(r#""C:\Windows\System32\cmd.exe" /c start {}"#, file_name(draw))),
        97..99 => of(IocKind::EmailAddress, format!("{}@{}", word(draw, 8), domain(draw))),
        _ => of(IocKind::Filename, file_name(draw)),
    }
}

/// Turns an ordinary finding into one of those that break naive clients.
fn make_odd(draw: &mut Rng, ioc: &mut Ioc) {
    let rare = draw.u8(0..8);
    if rare == 0 {
        ioc.ioc = if draw.bool() { Some(false) } else { None };
        return;
    }
    let host = domain(draw);
    let value = match ioc.kind {
        IocKind::Domain => match rare {
            1 => format!("bücher-{host}"),
            2 => host.to_uppercase(),
            3 => format!("it's.{host}"),
            4 => "localhost".to_owned(),
            5 => "com".to_owned(),
            _ => format!("{host}."),
        },
        IocKind::Ip => match rare {
            1 | 2 => format!("2a0e:{:x}:{:x}::{:x}", draw.u16(1..), draw.u16(1..), draw.u16(1..)),
            3 => format!("{}:{}", ip(draw), draw.u16(1..)),
            4 => "192.168.0.1".to_owned(),
            5 => "127.0.0.1".to_owned(),
            6 => format!("{}.1", ip(draw)),
            _ => format!("[2a0e::{:x}]:443", draw.u16(1..)),
        },
        IocKind::Url => match rare {
            1 => format!("http://{host}/a'b?q='or'1'='1"),
            2 => format!(r"http://{host}/a\b\"),
            3 => format!("https://{host}?test=<b>ö</b>"),
            4 => format!("HTTP://User:Pass@{}/X?Y#Z", host.to_uppercase()),
            5 => format!("http://{}:8080/x", ip(draw)),
            6 => format!("//{host}/no-scheme"),
            _ => format!("http://[2a0e::{:x}]/\u{1f480} \"x\"", draw.u16(1..)),
        },
        IocKind::File => {
            match rare {
                1 | 2 => {
                    ioc.value = None;
                    ioc.file_names = Some(Vec::new());
                    ioc.categories = vec!["Memory Dump".to_owned()];
                }
                3 => ioc.hashes = vec![Hashes::of_nothing()],
                4 => ioc.hashes.iter_mut().for_each(|hashes| hashes.md5 = Some("d41d8".to_owned())),
                5 => ioc.hashes.push(Hashes::invented(draw.u64(..))),
                6 => ioc.hashes.iter_mut().for_each(|hashes| hashes.sha1 = None),
                _ => ioc.value = Some(r"c:\$$$\it's a «ö» <b>file</b>.exe".to_owned()),
            }
            return;
        }
        IocKind::Mutex => pick(draw, &["", "-", "Mutex_Nö_0 (<b>Test</b>)", r"it's\a\mutex"]).to_owned(),
        IocKind::EmailAddress => format!("Alice \"Al\" <alice@{host}>"),
        _ => format!("{}'\\\"ö", ioc.value.as_deref().unwrap_or_default()),
    };
    ioc.value = Some(value);
}

pub(super) fn domain(draw: &mut Rng) -> String {
    let suffix = pick(draw, &["com", "net", "org", "top", "co.uk"]);
    format!("{}.{suffix}", word(draw, 14))
}

fn ip(draw: &mut Rng) -> String {
    let first = draw.choice(QUIET_NETWORKS).unwrap_or(11);
    format!("{first}.{}.{}.{}", draw.u8(..), draw.u8(..), draw.u8(1..255))
}

pub(super) fn url(draw: &mut Rng) -> String {
    let scheme = if draw.bool() { "http" } else { "https" };
    format!("{scheme}://{}/{}/{}.php?id={}", domain(draw), word(draw, 4), word(draw, 6), draw.u16(..))
}

pub(super) fn file_name(draw: &mut Rng) -> String {
    let suffix = pick(draw, &["exe", "dll", "docx", "pdf", "js", "zip"]);
    format!("{}.{suffix}", word(draw, 9))
}

pub(super) fn threat_names(draw: &mut Rng) -> Vec<String> {
    let names = ["Mal/Generic-S", "Gen:Variant.Ulise.379246", "EICAR-Test-File (not a virus)", "Trojan.GenericKD"];
    (0..draw.usize(0..3)).map(|_| pick(draw, &names).to_owned()).collect()
}

pub(super) fn classifications(draw: &mut Rng) -> Vec<String> {
    let names = ["Spyware", "Ransomware", "Downloader", "Phishing"];
    (0..draw.usize(0..2)).map(|_| pick(draw, &names).to_owned()).collect()
}

pub(super) fn pick(draw: &mut Rng, from: &[&'static str]) -> &'static str {
    draw.choice(from).copied().unwrap_or_default()
}

fn word(draw: &mut Rng, letters: usize) -> String {
    (0..letters).map(|_| draw.lowercase()).collect()
}
