"""The package for Debian: read by dpkg-deb, judged by lintian, its completions asked of bash, its manual pages read by man."""

import hashlib
import pathlib
import re
import shutil
import subprocess
import tempfile


def checks(package, program):
    """Returns the checks that can be made here."""
    text = lambda *command, **options: subprocess.run(command, capture_output=True, text=True, check=False, **options)  # noqa: E731

    def dpkg_reads_it():
        """dpkg-deb reads the package: its fields, its files with their modes, the program that is also released alone"""
        fields = text("dpkg-deb", "--field", package).stdout
        version = package.name.split("_")[1]
        for line in ("Package: vmray-sentinel", f"Version: {version}", "Architecture: amd64"):
            if line not in fields.splitlines():
                yield f"no field {line}"
        if re.search(r"^(Pre-)?Depends:", fields, re.M):
            yield "a static program depends on something"
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            run = text("dpkg-deb", "--raw-extract", package, root)
            if run.returncode:
                yield run.stderr.strip()[:500]
                return
            if sorted(path.name for path in (root / "DEBIAN").iterdir()) != ["control", "md5sums"]:
                yield "something runs when it is installed"
            sums = dict(reversed(line.split("  ", 1)) for line in (root / "DEBIAN" / "md5sums").read_text().splitlines())
            files = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file() and "DEBIAN" not in path.parts}
            if {name: hashlib.md5(path.read_bytes()).hexdigest() for name, path in files.items()} != sums:
                yield "md5sums are not those of the files"
            for name, path in files.items():
                mode = 0o755 if name == "usr/bin/vmray-sentinel" else 0o644
                if path.stat().st_mode & 0o7777 != mode:
                    yield f"{name} has the mode {path.stat().st_mode & 0o7777:o}"
            if files["usr/bin/vmray-sentinel"].read_bytes() != program.read_bytes():
                yield "another program than the one beside it"
            unit = (root / "usr/lib/systemd/system/vmray-sentinel.service").read_text()
            if "ExecStart=/usr/bin/vmray-sentinel serve\n" not in unit:
                yield "the unit starts another program"
            yield from bash_completes(root / "usr/share/bash-completion/completions/vmray-sentinel")
            yield from man_reads(root / "usr/share/man")

    def bash_completes(script):
        """What bash offers after some words."""
        for words, wanted in ((["feed", "--set", "Indi"], "IndicatorExpirationInDays="), (["feed", "--dry"], "--dry-run"), (["quara"], "quarantine")):
            line = ["vmray-sentinel", *words]
            asked = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "$(complete -p vmray-sentinel | sed -E "s/.*-F ([^ ]+).*/\\1/")" '
                     'vmray-sentinel "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"; echo "${COMPREPLY[@]}"')
            offered = text("bash", "--norc", "-c", asked, "bash", script, *line)
            if offered.stdout.split() != [wanted]:
                yield f"bash offers {offered.stdout.split()[:5]} after {' '.join(line)} {offered.stderr.strip()[:200]}"

    def man_reads(folder):
        if shutil.which("man") is None:
            print("SKIPPED: manual pages read by man: it is not installed")
            return
        pages = sorted(folder.rglob("*.gz"))
        for page in pages:
            run = text("man", "--warnings", "--local-file", page, env={"PATH": "/usr/bin:/bin", "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
            if run.returncode or run.stderr.strip() or len(run.stdout) < 200:
                yield f"{page.name}: {run.stderr.strip()[:200] or 'no page'}"
        if not any(page.name == "vmray-sentinel-settings.5.gz" for page in pages) or len(pages) < 12:
            yield f"only {len(pages)} manual pages"

    def dpkg_installs_it():
        """dpkg installs the package into an empty root, finds its files as they should be, and removes every one of them"""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name in ("updates", "info"):
                (root / "var/lib/dpkg" / name).mkdir(parents=True)
            (root / "var/lib/dpkg/status").touch()
            for action in (["--install", package], ["--verify", "vmray-sentinel"], ["--remove", "vmray-sentinel"]):
                run = text("dpkg", f"--root={root}", "--force-not-root", "--force-script-chrootless", *action)
                if run.returncode or (action[0] == "--verify" and run.stdout.strip()):
                    yield f"{action[0]}: {(run.stdout + run.stderr).strip()[:500]}"
            if any(path.name.startswith("vmray-sentinel") for path in (root / "usr").rglob("*")):
                yield "something is left"

    def lintian_has_nothing_to_say():
        """lintian finds no error and no warning"""
        run = text("lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", package)
        if run.returncode:
            yield from (run.stdout + run.stderr).splitlines()

    if shutil.which("dpkg-deb") is None:
        print("SKIPPED: package for Debian: dpkg-deb is not installed")
        return []
    if shutil.which("lintian") is None:
        print("SKIPPED: package for Debian judged by lintian: it is not installed")
        return [dpkg_reads_it, dpkg_installs_it]
    return [dpkg_reads_it, dpkg_installs_it, lintian_has_nothing_to_say]
