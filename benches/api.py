#!/usr/bin/env python3
"""Measures the HTTP side of the binary: benches/api.py BINARY.

* memory of `serve` when it has nothing to do, after its first run of the feed;
* what a look-up costs more through `serve` than at VMRay's stand-in itself, at 500 requests a second over loopback;
* the most memory that `serve` takes while a file of 95 MB comes in and goes out, as a stream, a form and base64 in JSON. Above
  the limit it fails.

The stand-in for VMRay runs beside it on the same machine. Figures move with what else the machine does.
"""

import base64
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BINARY = os.path.abspath(sys.argv[1])
RATE = 500
SECONDS = 10
FILE_BYTES = 96 * 1000 * 1000
# The host of Azure Functions hands on 100 MiB at most, so in base64 a file is a quarter smaller.
BASE64_FILE_BYTES = 75 * 1000 * 1000
PEAK_LIMIT_MB = 64


def start(arguments, environment):
    """Starts a command that prints one JSON object and goes on; returns it with the object."""
    process = subprocess.Popen(
        [BINARY, *arguments, "--json"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith("}"):
            return process, json.loads(text)
    raise SystemExit(f"{arguments} ended early:\n{text}")


def memory(process, what):
    """Returns VmRSS or VmHWM in MB."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) * 1024 / 1e6


class Connection:
    """One connection that is kept."""

    def __init__(self, url, header):
        host, port = re.match(r"http://([^:/]+):(\d+)", url).groups()
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head = f"Host: {host}:{port}\r\n{header}"
        self.pending = b""

    def answer(self):
        while b"\r\n\r\n" not in self.pending:
            piece = self.socket.recv(65536)
            assert piece, "the connection ended"
            self.pending += piece
        head, _, rest = self.pending.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head, re.I)[1])
        while len(rest) < length:
            rest += self.socket.recv(65536)
        self.pending = rest[length:]
        return int(head.split()[1]), rest[:length]

    def post(self, path, kind, parts):
        length = sum(map(len, parts))
        head = f"POST {path} HTTP/1.1\r\n{self.head}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        self.socket.sendall(head.encode())
        for part in parts:
            self.socket.sendall(part)
        return self.answer()

    def get(self, path):
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n{self.head}\r\n".encode())
        return self.answer()


def timed(ask, seconds):
    """Asks at the rate for so long, and returns milliseconds, sorted."""
    times = []
    begin = time.perf_counter()
    for number in range(RATE * seconds):
        wait = begin + number / RATE - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        asked = time.perf_counter()
        status, _ = ask()
        times.append((time.perf_counter() - asked) * 1000)
        assert status == 200, status
    took = time.perf_counter() - begin
    return sorted(times), len(times) / took


def quantile(times, share):
    return times[min(len(times) - 1, int(len(times) * share))]


def proxying(vmray, serve):
    sample = json.loads(vmray.get("/rest/sample?_limit=1")[1])["data"][0]["sample_id"]
    direct, through, rates = [], [], []
    # In turns, so that what else the machine does meets both.
    for _ in range(SECONDS):
        direct += timed(lambda: vmray.get(f"/rest/sample/{sample}"), 1)[0]
        times, rate = timed(lambda: serve.get(f"/api/GetVMRaySample?sample_id={sample}"), 1)
        through += times
        rates.append(rate)
    direct.sort()
    through.sort()
    print(f"look-ups at {statistics.mean(rates):.0f} a second:")
    for name, share in (("median", 0.5), ("p99", 0.99)):
        there, here = quantile(direct, share), quantile(through, share)
        print(f"  {name} {there:.2f} ms at the stand-in, {here:.2f} ms through serve: {here - there:.2f} ms more")


def newest(vmray):
    return json.loads(vmray.get("/rest/submission?_order=desc&_limit=1")[1])["data"][0]["submission_id"]


def uploads(serve, api, vmray):
    """Sends a file in each form, every time another one, and returns the highest peak."""
    boundary = "----b0undary"
    disposition = 'Content-Disposition: form-data; name="file"; filename="large.bin"'
    form_head = f"--{boundary}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
    form_tail = f"\r\n--{boundary}--\r\n".encode()
    file = lambda first, size: bytes([first]) + os.urandom(1 << 20) * (size >> 20)
    forms = {
        "stream": ("application/octet-stream", "?name=large.bin", lambda: [file(1, FILE_BYTES)]),
        "form": (f"multipart/form-data; boundary={boundary}", "", lambda: [form_head, file(2, FILE_BYTES), form_tail]),
        "JSON": ("application/json", "", lambda: [
            b'{"items":[{"name":"large.bin","file":"', base64.b64encode(file(3, BASE64_FILE_BYTES)), b'"}]}',
        ]),
    }
    peaks = []
    for name, (kind, query, parts) in forms.items():
        before = newest(vmray)
        pathlib.Path(f"/proc/{serve.pid}/clear_refs").write_text("5")
        body = parts()
        status, answer = api.post(f"/api/enrich{query}", kind, body)
        assert status == 202, (status, answer[:300])
        assert newest(vmray) > before, f"the {name} was not submitted"
        peaks.append(memory(serve, "VmHWM"))
        print(f"{sum(map(len, body)) / 1e6:.0f} MB as {name}: {peaks[-1]:.1f} MB resident at the most")
    return max(peaks)


def main():
    with tempfile.TemporaryDirectory() as state:
        plain = {"HOME": state, "PATH": os.environ["PATH"]}
        # What is measured is a look-up of something that VMRay shows.
        simulate, told = start(["simulate", "--odd", "0", "--samples", "200"], plain)
        settings = told["environment"]
        environment = plain | settings | {"StateUrl": f"file://{state}/state", "Polling": "0 0 1 1 *", "LogFilter": "warn"}
        serve, told = start(["serve", "--listen", "127.0.0.1:0"], environment)
        try:
            api = Connection(told["url"], "")
            while not json.loads(api.get("/api/status")[1])["runs"]:
                time.sleep(0.2)
            time.sleep(3)
            print(f"idle after a first run of 200 samples: {memory(serve, 'VmRSS'):.1f} MB resident")
            vmray = Connection(settings["VmrayBaseURL"], f"Authorization: api_key {settings['VmrayAPIKey']}\r\n")
            proxying(vmray, api)
            print(f"after that: {memory(serve, 'VmRSS'):.1f} MB resident")
            peak = uploads(serve, Connection(told["url"], ""), vmray)
            assert peak < PEAK_LIMIT_MB, f"{peak:.1f} MB for a file, {PEAK_LIMIT_MB} MB are promised"
        finally:
            for process in (serve, simulate):
                process.terminate()
                process.wait()


main()
