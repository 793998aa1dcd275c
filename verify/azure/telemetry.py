"""What an app that finds nothing new writes to Application Insights in a month: host.json, and the lines of the real handler."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import report
import stand_in
from expansion import AZURE, ROOT

HOST = json.loads((AZURE / "functions" / "host.json").read_text())
COST = (ROOT / "docs" / "src" / "azure-operations.md").read_text()
#: Assumed: what a row holds besides our text (names of app, instance and operation, ids, versions).
REQUEST_BYTES, TRACE_BYTES = 1500, 1100
#: Runs in a month of 30 days: the feed each ten minutes, the look at open enrichments each five.
RUNS = {"VMRay": 30 * 24 * 6, "VMRayJobs": 30 * 24 * 12}
SECONDS = 120


def the_host_logs_what_is_read():
    """host.json: warnings, the result of each invocation and the program's own lines; no counters, no calls of the host itself"""
    levels, insights = HOST["logging"].get("logLevel", {}), HOST["logging"]["applicationInsights"]
    wanted = {"default": "Warning", "Host.Results": "Information", "Host.Function.Console": "Information"}
    if levels != wanted:
        yield f"the levels are {levels}"
    for name in ("enableDependencyTracking", "enablePerformanceCountersCollection"):
        if insights.get(name) is not False:
            yield f"{name} is on"
    # The alert counts them.
    if "Request" not in insights["samplingSettings"]["excludedTypes"]:
        yield "results of invocations are sampled"
    if not 64 <= HOST.get("extensions", {}).get("http", {}).get("maxConcurrentRequests", 0) <= 100:
        yield "an instance takes any number of calls at the same time"


def lines_of(function, settings):
    """The bytes of the lines that the second of two invocations writes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        environment = stand_in.clean_environment() | settings | {
            "FUNCTIONS_CUSTOMHANDLER_PORT": str(port), "StateUrl": f"file://{folder}", "PublicUrl": "https://app.example",
        }
        process = subprocess.Popen([stand_in.BINARY, "functions"], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            ready = time.monotonic() + SECONDS
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=SECONDS).close()
                    break
                except urllib.error.URLError:
                    if time.monotonic() > ready or process.poll() is not None:
                        raise
                    time.sleep(0.025)
            for _ in range(2):
                begin = os.fstat(log.fileno()).st_size
                body = json.dumps({"Data": {"timer": {"IsPastDue": False}}, "Metadata": {}}).encode()
                request = urllib.request.Request(f"http://127.0.0.1:{port}/{function}", body, {"Content-Type": "application/json"})
                urllib.request.urlopen(request, timeout=SECONDS).close()
        finally:
            process.kill()
            process.wait()
        log.seek(begin)
        return [len(line) for line in log.read().splitlines() if line]


def an_idle_month_is_tens_of_megabytes():
    """An app that finds nothing new writes tens of megabytes a month, and no more than the cost page says"""
    # An idle app has nothing that waits for VMRay either.
    with stand_in.Simulate("--samples", 10, "--odd", 0) as simulate:
        lines = {function: lines_of(function, simulate.settings) for function in RUNS}
    for function, told in (("VMRay", r"The feed's telemetry is about (\d+) MB"), ("VMRayJobs", r"the API's timer adds about (\d+) MB")):
        if not lines[function] and function == "VMRay":
            yield "a run of the feed writes no line"
        month = RUNS[function] * (REQUEST_BYTES + sum(TRACE_BYTES + length for length in lines[function])) / 1e6
        print(f"      {function}: {len(lines[function])} lines of {sum(lines[function])} bytes a run, {month:.0f} MB a month")
        said = re.search(told, COST)
        if said is None or not month <= int(said.group(1)) <= min(1.5 * month, 60):
            yield f"{function}: {month:.0f} MB a month, and the cost page says {said and said.group(1)}"


def the_cost_page_reckons_right():
    """The cost page: quantity times price is what it says, the lines make the sum, and the prices have a date"""
    section = COST.split("## Cost of a month")[1].split("\n## ")[0]
    if not re.search(r"list prices.*?between \w+ \d{4} and \w+ \d{4}", section, re.S):
        yield "the prices have no date"
    for name, quantity, price, dollars in re.findall(r"^\| ([^|]+) \| ([\d.,]+) [^|]+ \| ([\d.]+) [^|]+ \| ([\d.]+)[^|]* \|$", section, re.M):
        product = float(quantity.replace(",", "")) * float(price)
        if abs(product - float(dollars)) > 0.0051:
            yield f"{name}: {product:.3f}, not {dollars}"
    first = section.split("| on top")[0]
    lines = [float(dollars) for dollars in re.findall(r"^\| [^|*]+ \| [\d.,]+ [^|]+ \| [\d.]+ [^|]+ \| ([\d.]+)", first, re.M)]
    together = float(re.search(r"\*\*together\*\*.*?\*\*([\d.]+)\*\*", first).group(1))
    if len(lines) != 6 or abs(sum(lines) - together) > 0.0051:
        yield f"{len(lines)} lines make {sum(lines):.2f}, not {together}"


report.run([the_host_logs_what_is_read, an_idle_month_is_tens_of_megabytes, the_cost_page_reckons_right])
