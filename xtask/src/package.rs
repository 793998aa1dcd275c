//! Everything that is released, in one folder.
//!
//! | file | holds |
//! |---|---|
//! | `vmray-sentinel` | the program, static, for Linux on x86-64 |
//! | `vmray-sentinel-<version>-functions-<sha256>.zip` | what Azure Functions takes; the templates name it by version and hash |
//! | `vmray-sentinel-<version>-image.tar` | the container image, as an OCI archive |
//! | `vmray-sentinel_<version>_amd64.deb` | the package for Debian |
//! | `vmray-sentinel.service` | a unit for systemd |
//! | `vmray-sentinel-<version>.cdx.json` | the bill of materials (CycloneDX) |
//! | `THIRD-PARTY-LICENSES.txt`, `RUST-LICENSES.html` | the terms of what is in the program |
//! | `SHA256SUMS` | for `sha256sum --check` |

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::archive::Archive;
use crate::deb::{self, Debian};
use crate::toolchain::Rustc;
use crate::{binary, image, licences, linked, printed, runtime, sbom};

/// Writes it all to `into`, whose files of an earlier time are removed, and says what was written.
pub(crate) fn write(root: &Path, into: &Path, told: &mut impl Write) -> anyhow::Result<()> {
    let rustc = Rustc::of(root)?;
    let workspace = linked::workspace(root)?;
    let crates = linked::crates(root, &workspace)?;
    let runtimes = runtime::of(root, &rustc)?;
    let version = own_version(&crates)?;
    let built = binary::build(root, &workspace, &rustc)?;
    let program = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;

    let bill = serde_json::to_string_pretty(&sbom::document(&crates, &runtimes, &sha256(&program)))? + "\n";
    let terms = licences::text(root, &crates, &runtimes)?;
    let terms_of_rust = runtime::terms_of_std(&rustc)?;
    let mut files = vec![
        (format!("vmray-sentinel-{version}.cdx.json"), bill.into_bytes()),
        ("THIRD-PARTY-LICENSES.txt".to_owned(), terms.into_bytes()),
        ("RUST-LICENSES.html".to_owned(), terms_of_rust),
    ];

    let mut archive = functions(root)?;
    archive.program(binary::NAME, program.clone());
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        let content = fs::read(root.join(name)).with_context(|| format!("reading {name}"))?;
        files.push((name.to_owned(), content));
    }
    for (name, content) in &files {
        archive.file(name, content.clone());
    }
    let zip = archive.zip()?;
    let terms: Vec<_> = files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    let image = image::archive(&version, &program, &terms)?;
    let unit = fs::read(root.join("deploy/vmray-sentinel.service")).context("reading the unit for systemd")?;
    let scratch = workspace.target_directory.as_std_path().join("package-man");
    let debian = debian(root, &built, &scratch, &version, &files)?;
    files.push((format!("vmray-sentinel-{version}-functions-{}.zip", sha256(&zip)), zip));
    files.push((format!("vmray-sentinel-{version}-image.tar"), image));
    files.push((format!("vmray-sentinel_{version}_amd64.deb"), debian));
    files.push(("vmray-sentinel.service".to_owned(), unit));
    files.push((binary::NAME.to_owned(), program));

    if into.exists() {
        remove_earlier(into)?;
    }
    fs::create_dir_all(into).with_context(|| format!("making {}", into.display()))?;
    let mut sums = String::new();
    for (name, content) in &files {
        let path = into.join(name);
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
        writeln!(sums, "{}  {name}", sha256(content))?;
        writeln!(told, "{:>10} bytes  {}", content.len(), path.display())?;
    }
    fs::write(into.join("SHA256SUMS"), sums).context("writing SHA256SUMS")?;
    make_executable(&into.join(binary::NAME))
}

fn own_version(crates: &[linked::Crate<'_>]) -> anyhow::Result<String> {
    let own = crates.iter().find(|linked| linked.package.name == binary::NAME);
    Ok(own.context("the program is not in the workspace")?.package.version.to_string())
}

/// The package for Debian: the program, its unit, manual pages, completions, and the terms of its parts.
fn debian(
    root: &Path,
    program: &Path,
    scratch: &Path,
    version: &str,
    terms: &[(String, Vec<u8>)],
) -> anyhow::Result<Vec<u8>> {
    let text = |name: &str| fs::read_to_string(root.join(name)).with_context(|| format!("reading {name}"));
    let filled = |name: &str| anyhow::Ok(text(&format!("deploy/debian/{name}"))?.replace("{version}", version));
    let mut debian = Debian::default();
    debian.program("usr/bin/vmray-sentinel", fs::read(program).context("reading the program")?);
    let unit = deb::unit(&text("deploy/vmray-sentinel.service")?)?;
    debian.file("usr/lib/systemd/system/vmray-sentinel.service", unit.into_bytes());
    if scratch.exists() {
        fs::remove_dir_all(scratch).with_context(|| format!("removing {}", scratch.display()))?;
    }
    printed::add(&mut debian, program, scratch)?;

    let documents = "usr/share/doc/vmray-sentinel";
    let copyright = filled("copyright")?.replace("{mit}", &deb::paragraph(&text("LICENSE-MIT")?));
    debian.file(format!("{documents}/copyright"), copyright.into_bytes());
    debian.file(format!("{documents}/README.Debian"), filled("README.Debian")?.into_bytes());
    debian.compressed(&format!("{documents}/changelog"), filled("changelog")?.as_bytes())?;
    debian.compressed(&format!("{documents}/CHANGELOG.md"), text("CHANGELOG.md")?.as_bytes())?;
    // Whose the program itself is stands in `copyright`.
    for (name, content) in terms.iter().filter(|(name, _)| !name.starts_with("LICENSE-")) {
        debian.compressed(&format!("{documents}/{name}"), content)?;
    }
    debian.file("usr/share/lintian/overrides/vmray-sentinel", filled("lintian-overrides")?.into_bytes());
    debian.package(&text("deploy/debian/control")?, version)
}

/// `host.json` and the folders of the functions, as they are in the repository.
fn functions(root: &Path) -> anyhow::Result<Archive> {
    let folder = root.join("azure/functions");
    let mut archive = Archive::default();
    archive.file("host.json", fs::read(folder.join("host.json")).context("reading host.json")?);
    for entry in fs::read_dir(&folder).context("reading the functions")? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let name = format!("{}/function.json", entry.file_name().to_string_lossy());
            let content = fs::read(folder.join(&name)).with_context(|| format!("reading {name}"))?;
            archive.file(name, content);
        }
    }
    Ok(archive)
}

/// Removes what an earlier build wrote: two packages side by side would leave open which one is meant.
fn remove_earlier(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kinds = [".zip", ".tar", ".cdx.json", ".deb"];
        let begins = ["vmray-sentinel-", "vmray-sentinel_"].iter().any(|begin| name.starts_with(begin));
        let is_ours = begins && kinds.iter().any(|kind| name.ends_with(kind));
        if is_ours {
            fs::remove_file(entry.path()).with_context(|| format!("removing {name}"))?;
        }
    }
    Ok(())
}

fn make_executable(path: &Path) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("making {} executable", path.display()))?;
    }
    Ok(())
}

/// Returns the digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_package_is_removed_and_what_is_not_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let earlier = [
            "vmray-sentinel-0.0.1-functions-00.zip",
            "vmray-sentinel-0.0.1-image.tar",
            "vmray-sentinel_0.0.1_amd64.deb",
        ];
        for name in earlier.into_iter().chain(["notes.zip"]) {
            fs::write(folder.path().join(name), "").unwrap();
        }
        remove_earlier(folder.path()).unwrap();
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.zip"]);
    }

    #[test]
    fn cargo_binstall_fetches_the_program_where_releases_are_published() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let release: serde_json::Value =
            serde_json::from_slice(&fs::read(root.join("azure/release.json")).unwrap()).unwrap();
        let expected = format!("{}v{{ version }}/{}", release["published_at"].as_str().unwrap(), binary::NAME);
        let workspace = linked::workspace(root).unwrap();
        let own = workspace.packages.iter().find(|package| package.name == binary::NAME).unwrap();
        let overrides = own.metadata["binstall"]["overrides"].as_object().unwrap();
        assert!(overrides.contains_key(binary::TARGET), "{overrides:?}");
        for (target, fetched) in overrides {
            assert_eq!(
                (&fetched["pkg-url"], &fetched["pkg-fmt"]),
                (&expected.as_str().into(), &"bin".into()),
                "{target}"
            );
        }
        // Without a default nothing is fetched for a machine that the program does not run on.
        assert!(own.metadata["binstall"].get("pkg-url").is_none());
    }

    #[test]
    fn the_package_holds_host_json_and_a_folder_for_each_function() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let zip = functions(root).unwrap().zip().unwrap();
        assert_eq!(zip, functions(root).unwrap().zip().unwrap());
        let zip = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
        let names: Vec<_> = zip.file_names().map(Result::unwrap).collect();
        assert!(names.iter().any(|name| name == "host.json"), "{names:?}");
        assert!(names.iter().any(|name| name == "VMRay/function.json"), "{names:?}");
    }
}
