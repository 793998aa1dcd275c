"""Runs the binary as its users would, for the checks of this folder."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

BINARY = os.environ["VMRAY_SENTINEL_BIN"]
ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT.parent / "shared" / "fixtures" / "vmray"

# What `simulate` prints to point a feed at itself; all of it, or the feed could not run.
NEEDED = {
    "VmrayBaseURL",
    "VmrayAPIKey",
    "AzureTenantID",
    "AzureClientID",
    "AzureClientSecret",
    "AzureWorkspaceID",
    "AZURE_AUTHORITY_HOST",
    "SentinelTiEndpoint",
    "LogsIngestionEndpoint",
    "LogsIngestionRule",
}
SECONDS = 300


def recorded_reports():
    """Recorded reports of real servers that hold IOCs; none where the fixtures are not beside the checkout."""
    return sorted([*FIXTURES.glob("summary_v2__*.json"), *FIXTURES.glob("sample_iocs__*.json")])


def clean_environment():
    """The environment without any setting of ours, so that a developer's own account is never asked."""
    ours = re.compile(r"^(vmray|azure|sentinel|logsingestion|stateurl|polling)", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not ours.match(name) or name == "VMRAY_SENTINEL_BIN"}


def run(*arguments, environment=None, codes=(0,)):
    """Runs one command to its end and returns its stdout; any other exit code is an error that shows stderr."""
    done = subprocess.run(
        [BINARY, *map(str, arguments)],
        env=clean_environment() | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode not in codes:
        raise SystemExit(f"vmray-sentinel {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr[-4000:]}")
    return done.stdout


class Simulate:
    """`vmray-sentinel simulate` on free ports of loopback, until the block ends."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.settings = {}

    def __enter__(self):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [BINARY, "simulate", *map(str, self.arguments)],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        for line in self.process.stdout:
            found = re.match(r"^(?:export )?(\w+)=(.*)$", line.strip())
            if found:
                self.settings[found[1]] = found[2].strip("'\"")
            if NEEDED <= self.settings.keys():
                return self
        self.process.wait(timeout=SECONDS)
        self.log.seek(0)
        missing = ", ".join(sorted(NEEDED - self.settings.keys()))
        raise SystemExit(f"simulate ended without printing {missing}\n{self.log.read()[-4000:]}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.stdout.close()
        self.log.close()

    def look(self, what):
        """What the stand-ins say of themselves: `objects`, `stats`, `submits`, ..."""
        url = self.settings["SentinelTiEndpoint"].rstrip("/") + "/__simulator/" + what
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return json.load(answer)

    def control(self, what):
        """Changes something in the stand-ins: options of VMRay's, or the life of a submission."""
        url = self.settings["SentinelTiEndpoint"].rstrip("/") + "/__simulator/" + what
        with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=SECONDS) as answer:
            return json.load(answer)


class Serve:
    """`vmray-sentinel serve` on a free port, until the block ends."""

    def __init__(self, environment):
        self.environment = environment

    def __enter__(self):
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--json"],
            env=clean_environment() | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        text = ""
        for line in self.process.stdout:
            text += line
            if line.startswith("}"):
                break
        self.url = json.loads(text)["url"].rstrip("/")
        return self

    def kill(self):
        """What a power failure does."""
        self.process.kill()
        self.process.wait(timeout=20)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.process.stdout.close()


def conclude(what, problems):
    """Prints the outcome of a check and ends the process with it."""
    for problem in problems[:40]:
        print(f"  {problem}")
    if len(problems) > 40:
        print(f"  ... and {len(problems) - 40} more")
    print(f"  {what}: {'valid' if not problems else f'{len(problems)} problems'}")
    sys.exit(1 if problems else 0)
