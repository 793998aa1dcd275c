"""What `cargo xtask package` wrote, looked at with software that nobody here wrote.

    VMRAY_SENTINEL_PACKAGE=.../vmray-sentinel-<version>-functions-<sha256>.zip verify/package/check.py

The image is run by runc, the unit is judged by systemd; where they are not installed that is said.
"""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "verify" / "azure"), str(ROOT / "verify" / "package")]

if not os.environ.get("VMRAY_SENTINEL_PACKAGE"):
    print("SKIPPED: package: VMRAY_SENTINEL_PACKAGE does not name the zip of cargo xtask package")
    sys.exit(0)

import debian  # noqa: E402
import expansion  # noqa: E402
import image  # noqa: E402
import report  # noqa: E402
import unit  # noqa: E402

ZIP = pathlib.Path(os.environ["VMRAY_SENTINEL_PACKAGE"]).resolve()
FOLDER = ZIP.parent
VERSION = expansion.compose().version()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def the_checksums_are_those_of_the_files():
    """sha256sum agrees with SHA256SUMS, which names every file"""
    run = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=FOLDER, capture_output=True, text=True, check=False)
    if run.returncode:
        yield (run.stdout + run.stderr).strip()
    named = {line.split("  ", 1)[1] for line in (FOLDER / "SHA256SUMS").read_text().splitlines()}
    for path in FOLDER.iterdir():
        if path.name not in named | {"SHA256SUMS"}:
            yield f"{path.name} has no checksum"


def the_zip_is_named_by_version_and_hash():
    """The zip's name holds the version and its own SHA-256"""
    expected = f"vmray-sentinel-{VERSION}-functions-{sha256(ZIP)}.zip"
    if ZIP.name != expected:
        yield f"{ZIP.name}, expected {expected}"


def the_zip_is_what_the_host_takes():
    """The zip is made by Unix, with one program that may be run, fixed times and sorted names"""
    with zipfile.ZipFile(ZIP) as archive:
        if archive.testzip():
            yield f"{archive.testzip()} is damaged"
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if names != sorted(names):
            yield "the names are not sorted"
        for entry in entries:
            mode = 0o100777 if entry.filename == "vmray-sentinel" else 0o100666
            if (entry.create_system, entry.external_attr >> 16) != (3, mode):
                yield f"{entry.filename}: made by {entry.create_system}, mode {entry.external_attr >> 16:o}"
            if entry.date_time != (1980, 1, 1, 0, 0, 0):
                yield f"{entry.filename}: {entry.date_time}"
            if entry.filename.startswith("/") or ".." in entry.filename:
                yield f"{entry.filename} leads out of the folder"
        host = json.loads(archive.read("host.json"))
        program = host["customHandler"]["description"]["defaultExecutablePath"]
        if program not in names:
            yield f"host.json starts {program}, which is not there"
        if archive.read("vmray-sentinel") != (FOLDER / "vmray-sentinel").read_bytes():
            yield "the program in the zip is not the one beside it"
        functions = {name.split("/")[0] for name in names if name.endswith("/function.json")}
        folders = {path.parent.name for path in (ROOT / "azure" / "functions").glob("*/function.json")}
        for name in sorted(functions ^ folders):
            yield f"{name} is not both in the repository and in the zip"
        for name in ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY-LICENSES.txt", "RUST-LICENSES.html", f"vmray-sentinel-{VERSION}.cdx.json"):
            if name not in names:
                yield f"{name} is missing"


def the_bill_of_materials_is_valid():
    """The bill of materials is a CycloneDX document by the specification's own schema, and names the program's hash"""
    text = (FOLDER / f"vmray-sentinel-{VERSION}.cdx.json").read_text()
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error:
        yield str(error)[:500]
        return
    bill = json.loads(text)
    program = bill["metadata"]["component"]
    if program["hashes"] != [{"alg": "SHA-256", "content": sha256(FOLDER / "vmray-sentinel")}]:
        yield "the hash of the program is another one"
    terms = (FOLDER / "THIRD-PARTY-LICENSES.txt").read_text()
    for component in bill["components"]:
        title = f"{component['name']} {component['version']}"
        if not component.get("licenses"):
            yield f"{title} has no licence"
        # Ours are under the licence of the whole.
        if component.get("hashes") and f"\n{title}: " not in terms:
            yield f"{title} is not among the licences"
    known = {component["bom-ref"] for component in bill["components"]} | {program["bom-ref"]}
    reached, more = set(), [program["bom-ref"]]
    uses = {entry["ref"]: entry["dependsOn"] for entry in bill["dependencies"]}
    while more:
        name = more.pop()
        if name not in reached:
            reached.add(name)
            more.extend(uses[name])
    for name in sorted(known - reached):
        yield f"nothing in the program uses {name}"


def nothing_tells_where_it_was_built():
    """The program names no folder of the machine that built it"""
    program = (FOLDER / "vmray-sentinel").read_bytes()
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    for folder in {str(ROOT), str(pathlib.Path.home()), sysroot, *(os.environ.get(name, "") for name in ("CARGO_HOME", "CARGO_TARGET_DIR", "RUSTUP_HOME"))}:
        if len(folder) > 1 and folder.encode() + b"/" in program:
            yield folder


def the_templates_take_it():
    """Templates made for this zip install it, from an address that holds its hash"""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, ROOT / "azure" / "compose", "--package", ZIP, "--into", folder], check=True)
        for plan in expansion.PLANS:
            template = json.loads((pathlib.Path(folder) / plan / "azuredeploy.json").read_text())
            if template["parameters"]["PackageSha256"]["defaultValue"] != sha256(ZIP):
                yield f"{plan}: the default hash is another one"
            _, parameters, cloud = next(iter(expansion.scenarios()))
            parameters = {name: value for name, value in parameters.items() if not name.startswith("Package")}
            made = expansion.expand(template, parameters, cloud)
            address = made.of_type("Microsoft.Web/sites/extensions")[0].body["properties"]["packageUri"]
            if made.outputs["PackageName"] != ZIP.name or not re.fullmatch(rf"https://[^ ]+/v{re.escape(VERSION)}/{re.escape(ZIP.name)}", str(address)):
                yield f"{plan}: {address}"


report.run([the_checksums_are_those_of_the_files, the_zip_is_named_by_version_and_hash, the_zip_is_what_the_host_takes,
            the_bill_of_materials_is_valid, nothing_tells_where_it_was_built, the_templates_take_it,
            *debian.checks(FOLDER / f"vmray-sentinel_{VERSION}_amd64.deb", FOLDER / "vmray-sentinel"),
            *image.checks(FOLDER / f"vmray-sentinel-{VERSION}-image.tar", VERSION), *unit.checks(FOLDER)])
