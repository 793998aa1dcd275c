#!/usr/bin/env python3
"""Measures the memory that VMRay's answers can make a feed take: benches/large-samples.py BINARY.

Each world is served by `simulate` from replies in a folder, and read by one `feed --once`:

* one sample with 100,000 IOCs: it is staged in parts;
* 16 samples whose replies have 40 MB each, read side by side: they are read, one after the other, in parts;
* 16 samples whose replies have 60 MB each: they stay open, with their size told.

In each, twenty usual samples beside them must be staged. The most memory that the feed takes (VmHWM) is printed; above the
limit the command fails. Sentinel's pace does not let 100,000 objects through in a few minutes, so a run ends at its time
budget: what counts is what is staged, which nothing can lose any more.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

BINARY = os.path.abspath(sys.argv[1])
PEAK_LIMIT_MB = 128
NEIGHBOURS = 20
BUDGET = "240s"


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


def measure(what, fill):
    """Runs a feed over a world, checks what became of it, and returns its peak."""
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        folder = home / "replies"
        folder.mkdir()
        staged, still_open = fill(folder)
        for sample in range(500, 500 + NEIGHBOURS):
            reply(folder, sample, 10)
        simulator = subprocess.Popen(
            [BINARY, "simulate", "--reports", folder, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            text = ""
            for line in simulator.stdout:
                text += line
                if line.startswith("}"):
                    break
            environment = {"PATH": os.environ["PATH"], "StateUrl": str(home / "state"), **json.loads(text)["environment"]}
            code, output, log, peak = run_feed(home, environment)
        finally:
            simulator.terminate()
            simulator.wait()
    assert output, f"the feed ended with {code}\n{log}"
    run = json.loads(output)["run"]
    counts = run["counts"]
    print(f"{what}: peak {peak:.1f} MB (limit {PEAK_LIMIT_MB}), exit {code}, {counts['new']} staged, "
          f"{counts['accepted']} accepted, {run['samples_open']} samples open, {run['outbox_left']} wait")
    assert counts["new"] == staged + NEIGHBOURS * 10, counts
    assert run["samples_open"] == still_open, run
    return peak


def run_feed(home, environment):
    """Runs the feed; returns its exit code, its words and the most memory that it had."""
    with open(home / "out", "w+") as out, open(home / "log", "w+") as log:
        feed = subprocess.Popen(
            [BINARY, "feed", "--once", "--json", "--time-budget", BUDGET], env=environment, stdin=subprocess.DEVNULL,
            stdout=out, stderr=log,
        )
        _, status, usage = os.wait4(feed.pid, 0)
        out.seek(0)
        log.seek(0)
        return os.waitstatus_to_exitcode(status), out.read(), log.read(), usage.ru_maxrss * 1024 / 1e6


def one_of_many(folder):
    reply(folder, 1, 100_000)
    return 100_000, 0


def sixteen(count, filler, still_open):
    def fill(folder):
        for sample in range(1, 17):
            reply(folder, sample, count, filler)
        return (0, 16) if still_open else (16 * count, 0)
    return fill


peaks = [
    measure("100,000 IOCs in one sample", one_of_many),
    measure("16 replies of 40 MB", sixteen(2_000, "f" * 20_000, False)),
    measure("16 replies of 60 MB", sixteen(3_000, "f" * 20_000, True)),
]
sys.exit(max(peaks) > PEAK_LIMIT_MB and f"more than {PEAK_LIMIT_MB} MB")
