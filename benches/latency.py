#!/usr/bin/env python3
"""Times a first run of 300 submissions against services that take their time: benches/latency.py BINARY [RUNS].

`simulate` answers for VMRay, Entra and Sentinel with a fixed latency and without a throttle; one `feed --once` reads all of
it, with the settings' defaults but for the pace of the uploads, and so without health tables. Printed is the time from the start of the process to its
end, beside what the latencies alone need when everything that can be asked at the same time is.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

BINARY = os.path.abspath(sys.argv[1])
RUNS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
SUBMISSIONS = 300
REQUESTS, START = 64, 16


def rounds(requests, bound):
    """Round trips that so many requests take, with a limit that doubles from its start to its bound."""
    trips, limit = 0, min(START, bound)
    while requests > 0:
        trips += 1
        requests -= limit
        limit = min(2 * limit, bound)
    return trips


def measure(vmray_ms, sentinel_ms):
    """Runs the feed once over a new world; returns the seconds it took, what it needs at least, and its summary."""
    switches = {
        "vmray.latency_ms": vmray_ms, "vmray.throttle": "none", "entra.latency_ms": vmray_ms,
        "upload.latency_ms": sentinel_ms, "upload.throttle": "none",
    }
    arguments = [part for name, value in switches.items() for part in ("--switch", f"{name}={value}")]
    with tempfile.TemporaryDirectory() as home:
        simulator = subprocess.Popen(
            [BINARY, "simulate", "--samples", str(SUBMISSIONS), "--json", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        try:
            text = ""
            for line in simulator.stdout:
                text += line
                if line.startswith("}"):
                    break
            settings = json.loads(text)["environment"]
            # The health tables are off by default; `simulate` points at its own.
            for name in [name for name in settings if name.startswith("LogsIngestion")]:
                del settings[name]
            environment = {"HOME": home, "StateUrl": f"{home}/state", "UploadsPerMinute": "100000", **settings}
            begin = time.perf_counter()
            feed = subprocess.run(
                [BINARY, "feed", "--once", "--json"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, check=False,
            )
            took = time.perf_counter() - begin
            assert feed.stdout, feed.stderr
            with urllib.request.urlopen(settings["SentinelTiEndpoint"].rstrip("/") + "/__simulator/calls") as answer:
                calls = json.load(answer)
        finally:
            simulator.terminate()
            simulator.wait()
    run = json.loads(feed.stdout)["run"]
    reads = sum(count for call, count in calls.items() if "/iocs" in call or "/mitre_attack" in call)
    needed = (vmray_ms * (1 + rounds(reads, REQUESTS)) + sentinel_ms) / 1000
    return took, needed, run


for vmray_ms, sentinel_ms in [(20, 100), (100, 500)]:
    measured = [measure(vmray_ms, sentinel_ms) for _ in range(RUNS)]
    times = [took for took, _, _ in measured]
    run = measured[-1][2]
    print(
        f"VMRay {vmray_ms} ms, Sentinel {sentinel_ms} ms: {statistics.median(times):.2f} s (median of {RUNS}; "
        f"{min(times):.2f} to {max(times):.2f}), latencies alone {measured[-1][1]:.2f} s; {run['counts']['accepted']} accepted, "
        f"{run['counts']['uploads']} uploads, limits {run['concurrency']}"
    )
