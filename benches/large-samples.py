#!/usr/bin/env python3
"""Measures the memory that VMRay's answers can make a feed take: benches/large-samples.py BINARY [--small].

Each world is served by `simulate` from replies in a folder, and read by one `feed --once`:

* one sample with 100,000 IOCs, at Sentinel's pace: it is staged in parts, far faster than it can be sent, until the time
  budget is over; what waits must not stand in memory;
* 16 samples whose replies have 40 MB each, read side by side: they are read, one after the other, in parts, and all that
  is found arrives;
* 16 samples whose replies have 60 MB each: they stay open, with their size told.

In each, twenty usual samples beside them must be staged. The feed runs under a limit of 256 MB to map, and the most memory
that it takes (VmHWM) is printed; above 128 MB the command fails. `--small` is a third of the IOCs, without a pace, and a quarter of the replies: half a minute.
"""

import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

BINARY = os.path.abspath(sys.argv[1])
SMALL = "--small" in sys.argv[2:]
PEAK_LIMIT_MB = 128
# What the process may map to write, stacks of idle threads included.
MEMORY_LIMIT_BYTES = 256 * 1024 * 1024
NEIGHBOURS = 20
BUDGET = "120s"
NO_PACE = ["--switch", "upload.throttle=none"]


def domain(sample, n, filler):
    return {
        "domain": f"d{n}.s{sample}.example.net", "ioc": True, "type": "domain_artifact", "ioc_type": "domain",
        "verdict": "malicious", "severity": "malicious", "analysis_ids": [1], "protocols": ["DNS"],
        "parent_processes": [filler] if filler else [],
    }


def reply(folder, sample, count, filler=""):
    """Writes a reply of so many domains; `filler` makes each longer."""
    domains = [domain(sample, n, filler) for n in range(count)]
    (folder / f"{sample:03}.json").write_text(json.dumps({"status": "finished", "iocs": {"domains": domains}}))


def measure(what, fill, is_paced=False):
    """Runs a feed over a world, checks what became of it, and returns its peak."""
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        folder = home / "replies"
        folder.mkdir()
        staged, still_open = fill(folder)
        for sample in range(500, 500 + NEIGHBOURS):
            reply(folder, sample, 10)
        simulator = subprocess.Popen(
            [BINARY, "simulate", "--reports", folder, "--json", *([] if is_paced else NO_PACE)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        try:
            text = ""
            for line in simulator.stdout:
                text += line
                if line.startswith("}"):
                    break
            environment = {"PATH": os.environ["PATH"], "StateUrl": str(home / "state"), **json.loads(text)["environment"]}
            if not is_paced:
                environment["UploadsPerMinute"] = "100000"
            code, output, log, peak = run_feed(home, environment)
        finally:
            simulator.terminate()
            simulator.wait()
    assert output, f"the feed ended with {code}\n{log}"
    run = json.loads(output)["run"]
    counts = run["counts"]
    print(f"{what}: peak {peak:.1f} MB (limit {PEAK_LIMIT_MB}), exit {code}, {counts['new']} staged, "
          f"{counts['accepted']} accepted, {run['samples_open']} samples open, {run['outbox_left']} wait", flush=True)
    assert counts["new"] == staged + NEIGHBOURS * 10, counts
    # Our identity is sent beside the indicators.
    assert counts["accepted"] + run["outbox_left"] == counts["new"] + 1, run
    assert is_paced or run["outbox_left"] == 0, run
    assert run["samples_open"] == still_open, run
    return peak


def run_feed(home, environment):
    """Runs the feed; returns its exit code, its words and the most memory that it had."""
    with open(home / "out", "w+") as out, open(home / "log", "w+") as log:
        feed = subprocess.Popen(
            [BINARY, "feed", "--once", "--json", "--time-budget", BUDGET], env=environment, stdin=subprocess.DEVNULL,
            stdout=out, stderr=log, preexec_fn=limit_memory,
        )
        peak = 0
        # The usage that the system tells at the end counts this interpreter's memory in, as it was when it forked.
        while feed.poll() is None:
            peak = max(peak, most_memory(feed.pid))
            time.sleep(0.02)
        out.seek(0)
        log.seek(0)
        return feed.returncode, out.read(), log.read(), peak


def limit_memory():
    """An allocation beyond this ends the process, as it does in a container with a limit."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))


def most_memory(pid):
    """Returns the most memory in MB that a process has had resident so far; 0 when it is just ending."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0


def one_of_many(count):
    def fill(folder):
        reply(folder, 1, count)
        return count, 0
    return fill


def side_by_side(samples, count, still_open):
    def fill(folder):
        for sample in range(1, samples + 1):
            reply(folder, sample, count, "f" * 20_000)
        return (0, samples) if still_open else (samples * count, 0)
    return fill


iocs, samples = (30_000, 4) if SMALL else (100_000, 16)
peaks = [
    measure(f"{iocs:,} IOCs in one sample", one_of_many(iocs), is_paced=not SMALL),
    measure(f"{samples} replies of 40 MB", side_by_side(samples, 2_000, False)),
    measure(f"{samples} replies of 60 MB", side_by_side(samples, 3_000, True)),
]
sys.exit(max(peaks) > PEAK_LIMIT_MB and f"more than {PEAK_LIMIT_MB} MB")
