//! Who made a claim, and whether that process has died.
//!
//! A claim expires after two minutes, because a process on another machine cannot be asked. One on this machine can:
//! what it claimed is free at once when it is gone. A process is told from a later one with its number by the time of
//! its start, and from one of another container or machine by the namespace and the boot; where any of these differ or
//! cannot be read, nothing is known and the two minutes hold.

use std::fs;
use std::path::Path;

/// Returns what names this process in a claim.
pub(crate) fn this_process() -> String {
    let claim = uuid::Uuid::new_v4();
    match Process::read(Path::new("/proc/self")) {
        Some(process) => format!("{} {} {} {claim}", process.place, process.number, process.started),
        None => claim.to_string(),
    }
}

/// Says whether the process that a claim names is known to be gone.
pub(crate) fn has_died(owner: &str) -> bool {
    let Some(ours) = Process::read(Path::new("/proc/self")) else { return false };
    let mut words = owner.split(' ');
    let (Some(place), Some(number), Some(started)) = (words.next(), words.next(), words.next()) else { return false };
    if place != ours.place || number.parse::<u32>().is_err() {
        return false;
    }
    match fs::read_to_string(Path::new("/proc").join(number).join("stat")) {
        Ok(stat) => Stat::parse(&stat).is_some_and(|stat| stat.is_over || stat.started != started),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// A process, as Linux tells.
struct Process {
    /// Boot, namespace of process numbers, and user: `hidepid` shows nobody the processes of others.
    place: String,
    number: String,
    started: String,
}

impl Process {
    fn read(folder: &Path) -> Option<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let namespace = fs::read_link(folder.join("ns/pid")).ok()?;
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        let number = stat.split(' ').next()?.to_owned();
        let started = Stat::parse(&stat)?.started.to_owned();
        let place = format!("{}/{}/{}", boot.trim(), namespace.display(), user_of(folder)?);
        Some(Self { place: place.replace(' ', "_"), number, started })
    }
}

#[cfg(unix)]
fn user_of(folder: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(folder).ok().map(|folder| folder.uid())
}

#[cfg(not(unix))]
fn user_of(_folder: &Path) -> Option<u32> {
    None
}

/// What is read of `/proc/<number>/stat` (proc(5)).
struct Stat<'a> {
    /// It has ended and its parent has not asked for it yet.
    is_over: bool,
    /// Field 22, in ticks since the boot.
    started: &'a str,
}

impl<'a> Stat<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        // The second field is the name in brackets, which may hold blanks and brackets.
        let (_, fields) = text.rsplit_once(") ")?;
        let mut fields = fields.split_ascii_whitespace();
        let is_over = matches!(fields.next()?, "Z" | "X" | "x");
        Some(Self { is_over, started: fields.nth(18)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_not_died() {
        assert!(!has_died(&this_process()));
    }

    #[test]
    fn what_is_not_known_has_not_died() {
        for owner in ["", "6f0ddc0e-55a9-4f0e-9f5a-2b8d0f4a1f10", "elsewhere 1 5 x", "a b c d", "/ ../.. 5 x"] {
            assert!(!has_died(owner), "{owner}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_was_killed_or_whose_number_is_anothers_has_died() {
        let ours = Process::read(Path::new("/proc/self")).unwrap();
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let theirs = Process::read(&Path::new("/proc").join(child.id().to_string())).unwrap();
        let owner = |started: &str| format!("{} {} {started} x", theirs.place, theirs.number);
        assert_eq!(theirs.place, ours.place);
        assert!(!has_died(&owner(&theirs.started)));
        assert!(has_died(&owner("1")), "another process has its number");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(has_died(&owner(&theirs.started)));
    }

    #[test]
    fn a_name_with_brackets_does_not_mislead() {
        let stat = Stat::parse("7 (a) Z 1) S 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4242 1 2 3").unwrap();
        assert_eq!((stat.is_over, stat.started), (false, "4242"));
    }
}
