"""Everything that the README and the book say to type, typed; and what `--json` prints, held against its schema.

The pages on Azure have a check of their own, `verify/azure/guide.py`.
"""

import copy
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import jsonschema

import report
from stand_in import BINARY, ROOT, Simulate, clean_environment

PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs/src").glob("*.md") if not path.name.startswith("azure"))]
#: Blocks that another check runs, or that nothing here can run, by their first line.
ELSEWHERE = {
    "cargo test --workspace": ".ci/run",
    "rustup target add x86_64-unknown-linux-musl": ".ci/run",
    "cargo xtask package --into mine": ".ci/rebuild",
    "azure/compose --package target/package/vmray-sentinel-0.1.0-functions-*.zip --into release": "verify/azure",
    "podman load --input target/package/vmray-sentinel-*-image.tar": "verify/package/image.py, by runc",
    "cargo build --release --bin vmray-sentinel": "verify/crash/run.py is run by verify/run",
    "cargo install cargo-fuzz": ".ci/fuzz",
    "cargo install --locked --path crates/vmray-sentinel": "nothing: it is a second release build; .ci/run makes one",
    "sudo apt install ./vmray-sentinel_0.1.0_amd64.deb": "verify/package/debian.py, by dpkg in an empty root",
    "cargo binstall --manifest-path crates/vmray-sentinel/Cargo.toml vmray-sentinel": "nothing: there is no release; xtask tests the address",
    "sha256sum --check --ignore-missing SHA256SUMS": "verify/package",
    "VMRAY_SENTINEL_PACKAGE=$(echo target/package/*.zip) verify/run": "verify/run",
}
#: Commands that go on until they are told to stop, and what they print when they are there.
GOES_ON = {"demo": "Status page: ", "simulate": "# what was uploaded: "}
SECONDS = 120
#: A sample of the generated world that has something to send.
FORBIDDEN = 1004


def blocks():
    """Every fenced block that is for a shell: page, text."""
    for page in PAGES:
        for indent, text in re.findall(r"^( *)```(?:console|sh)\n(.*?)^ *```", page.read_text(), re.M | re.S):
            yield page.name, re.sub(rf"^{indent}", "", text, flags=re.M).strip()


class World:
    """A home with the files that the examples name, a feed that ran, and a server, all against the simulators."""

    def __enter__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="vmray-sentinel-book-"))
        bin = self.home / "bin"
        bin.mkdir()
        (bin / "vmray-sentinel").symlink_to(BINARY)
        (self.home / "invoice.exe").write_bytes(b"MZ" + os.urandom(64))
        shutil.make_archive(str(self.home / "invoice"), "zip", bin, ".")
        (self.home / "summary_v2.json").write_text((ROOT / "verify/data/summary_v2.report.json").read_text())
        (self.home / "reports").mkdir()
        shutil.copy(self.home / "summary_v2.json", self.home / "reports")
        faults = self.home / "faults.json"
        faults.write_text(json.dumps([{"service": "vmray", "path": f"/sample/{FORBIDDEN}/iocs", "fault": {"status": 403}},
                                      {"service": "upload", "when": {"first": 6}, "fault": {"status": 400}}]))
        self.simulate = Simulate("--samples", 12, "--faults", faults)
        self.simulate.__enter__()
        made = json.loads(self.run("vmray-sentinel config api-key book --scope submit --json").stdout)
        self.environment = self.simulate.settings | {"KEY": made["key"]}
        self.run("vmray-sentinel feed --once")
        keys = self.environment | {"ApiKeys": made["entry"], "Polling": "0 0 1 1 *"}
        self.log = (self.home / "serve.log").open("w+")
        self.serve = subprocess.Popen([BINARY, "serve", "--json", "--listen", "127.0.0.1:0"], env=self.variables(keys), cwd=self.home,
                                      stdout=subprocess.PIPE, stderr=self.log, text=True)
        printed = ""
        while not printed.endswith("}\n"):
            printed += self.serve.stdout.readline()
        self.served = json.loads(printed)
        return self

    def __exit__(self, *_):
        for process in (self.serve,):
            process.terminate()
            process.wait(timeout=SECONDS)
        self.simulate.__exit__()
        self.log.close()
        shutil.rmtree(self.home)

    def variables(self, environment):
        path = f"{self.home / 'bin'}:{os.environ['PATH']}"
        return clean_environment() | environment | {"PATH": path, "HOME": str(self.home), "TMPDIR": str(self.home)}

    def run(self, script):
        """Runs what a shell is given. A request that is refused is a failure, as it is for a reader."""
        script = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }\n' + script
        return subprocess.run(["bash", "-euc", script], env=self.variables(getattr(self, "environment", {})), cwd=self.home,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)

    def watch(self, line, sign):
        """Starts a command that goes on, waits for its sign and stops it; returns what went wrong."""
        process = subprocess.Popen(["bash", "-euc", f"exec {line}"], env=self.variables({}), cwd=self.home,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        stop = time.monotonic() + SECONDS
        for printed in process.stdout:
            if sign in printed or time.monotonic() > stop:
                break
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        code = process.wait(timeout=SECONDS)
        return None if code == 0 and sign in printed else f"exit {code} without '{sign}'"


def every_example_works():
    """Every example of README and book works as printed, or is known to be run elsewhere"""
    met = set()
    with World() as world:
        here = world.served["url"].rstrip("/")
        for page, text in blocks():
            first = text.splitlines()[0]
            # Those need a tenant; the guide's are parsed by its own check.
            if first.startswith("az "):
                continue
            if first in ELSEWHERE:
                met.add(first)
                continue
            script = text.replace("cargo run --release --bin vmray-sentinel --", "vmray-sentinel").replace("http://127.0.0.1:8080", here)
            if "/api/" in script and "$KEY" not in script:
                # Without keys only this machine is served; the server here has one.
                script = re.sub(r"\bcurl ", 'curl -H "X-Functions-Key: $KEY" ', script)
            word = re.fullmatch(r"vmray-sentinel (\w+)[^\n]*", script)
            if word and word[1] in GOES_ON:
                listen = "" if word[1] == "simulate" else " --listen 127.0.0.1:0"
                wrong = world.watch(script + listen, GOES_ON[word[1]])
                if wrong:
                    yield f"{page}: {first}: {wrong}"
                continue
            done = world.run(script)
            allowed = {0, 4} if "feed --once" in script or "status" in script else {0}
            if done.returncode not in allowed:
                yield f"{page}: {first}: exit {done.returncode}: {(done.stdout + done.stderr).strip()[-300:]}"
    for first in sorted(set(ELSEWHERE) - met):
        yield f"no page has the block that begins with: {first}"


def every_command_named_exists():
    """Every command named in a sentence exists, with its flags"""
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        for named in re.findall(r"`vmray-sentinel ([^`]+)`", text):
            words = [word for word in named.split() if re.fullmatch(r"[a-z][a-z-]*", word)]
            while words and subprocess.run([BINARY, *words, "--help"], capture_output=True).returncode != 0:
                words.pop()
            help = subprocess.run([BINARY, *words, "--help"], capture_output=True, text=True).stdout
            missing = [flag for flag in re.findall(r"--[a-z][a-z-]*", named) if flag not in help]
            if not words or missing:
                yield f"{page.name}: vmray-sentinel {named}"


def commands_are_all_in_the_table():
    """Every command and flag is in the table of commands, and the table names no other"""
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/src/commands.md").read_text().split("## Exit codes")[0], re.M)
    table = " ".join(rows)
    top = subprocess.run([BINARY, "--help"], capture_output=True, text=True).stdout
    globals_ = set(re.findall(r"--[a-z][a-z-]*", top))
    for command in re.findall(r"^  ([a-z]+)  ", top.split("Commands:")[1].split("Options:")[0], re.M):
        if command == "help":
            continue
        help = subprocess.run([BINARY, command, "--help"], capture_output=True, text=True).stdout
        inner = re.findall(r"^  ([a-z-]+)  ", help.split("Commands:")[1].split("Options:")[0], re.M) if "Commands:" in help else [""]
        for sub in inner:
            if sub == "help":
                continue
            name = f"{command} {sub}".strip()
            if not re.search(rf"`{command}\b[^|]*\b{sub}", table):
                yield f"{name} is not in the table"
            flags = subprocess.run([BINARY, *name.split(), "--help"], capture_output=True, text=True).stdout
            for flag in sorted(set(re.findall(r"^ +(?:-\w, )?(--[a-z][a-z-]*)", flags, re.M)) - globals_):
                if flag not in table:
                    yield f"{name} {flag} is not in the table"
    whole = top + "".join(subprocess.run([BINARY, *words.split(), "--help"], capture_output=True, text=True).stdout
                          for words in ("demo", "feed", "serve", "convert", "quarantine replay", "status", "simulate", "config api-key"))
    for flag in sorted(set(re.findall(r"--[a-z][a-z-]*", table))):
        if flag not in whole:
            yield f"the table names {flag}, which no command has"


def strict(schema):
    """The schema without room for fields that it does not name."""
    if isinstance(schema, dict):
        closed = {name: strict(value) for name, value in schema.items()}
        if "properties" in closed:
            closed.setdefault("additionalProperties", False)
        return closed
    return [strict(item) for item in schema] if isinstance(schema, list) else schema


def json_objects_are_as_described():
    """Every object of --json is what its schema says, and the schema names every field of it"""
    whole = json.loads((ROOT / "docs/src/json-output.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(whole)
    closed = strict(copy.deepcopy(whole))
    met = set()

    def held(name, value):
        met.add(name)
        validator = jsonschema.Draft202012Validator({**closed, "$ref": f"#/$defs/{name}"})
        for error in validator.iter_errors(value):
            yield f"{name}: {error.json_path}: {error.message[:200]}"

    with World() as world:
        def ask(arguments):
            return json.loads(world.run(f"vmray-sentinel {arguments} --json || true").stdout)

        yield from held("serve", world.served)
        yield from held("simulate", {"environment": world.simulate.settings, "objects": "", "stats": ""})
        listed = ask("quarantine list")
        if not listed["quarantine"] or not listed["open_samples"]:
            yield "the world has nothing refused or nothing open"
            return
        record, sample = listed["quarantine"][0]["id"], listed["open_samples"][0]["sample_id"]
        for name, arguments in {
            "failure": "feed --once --set Tlp=purple",
            "quarantine list": "quarantine list",
            "feed --once": "feed --once --dry-run",
            "demo --once": "demo --once --samples 5",
            "status": "status",
            "status --check": "status --check",
            "status --runs": "status --runs 3",
            "doctor": "doctor",
            "state rotate-link-key": "state rotate-link-key",
            "config show": "config show --set Tpl=1",
            "config api-key": "config api-key a",
            "config reference": "config reference",
            "completions": "completions bash",
        }.items():
            yield from held(name, ask(arguments))
        yield from held("quarantine show", ask(f"quarantine show {record}"))
        yield from held("quarantine show", ask(f"quarantine show {sample}"))
        yield from held("quarantine replay", ask(f"quarantine replay {record} {sample}"))
        yield from held("quarantine list", ask("quarantine list"))
        exported = world.run("vmray-sentinel state export --json").stdout
        lines, end = exported.rsplit("{", 1)
        for line in lines.splitlines():
            yield from held("state export", json.loads(line))
        yield from held("state export", json.loads("{" + end))
        jsonschema.Draft202012Validator.check_schema(ask("config schema"))
    shared = {"counts", "run", "run_record", "refused", "open_sample", "state", "setting", "problem",
              "concurrency_limit"}
    for name in sorted(set(whole["$defs"]) - met - shared):
        yield f"nothing was held against {name}"


report.run([every_example_works, every_command_named_exists, commands_are_all_in_the_table, json_objects_are_as_described])
