#!/usr/bin/env python3
"""Times `functions` from its start to its first answer, as the Functions host polls it, and reads its memory when idle.

benches/functions-start.py BINARY [RUNS]
"""

import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SETTINGS = {
    "VmrayBaseURL": "https://vmray.example",
    "VmrayAPIKey": "key",
    "AzureTenantID": "11111111-2222-3333-4444-555555555555",
    "AzureClientID": "11111111-2222-3333-4444-555555555555",
    "AzureClientSecret": "secret",
    "AzureWorkspaceID": "11111111-2222-3333-4444-555555555555",
}
# The host asks every 25 ms; asking more often finds the moment itself.
POLL_SECONDS = 0.0005
IDLE_SECONDS = 1


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def first_answer(port, begin):
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
                stream.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert stream.recv(64).startswith(b"HTTP/1.1 "), "any answer is ready"
                return (time.perf_counter() - begin) * 1000
        except ConnectionRefusedError:
            time.sleep(POLL_SECONDS)


def resident_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


binary = os.path.abspath(sys.argv[1])
times, memory = [], []
for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 21):
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        settings = SETTINGS | {"HOME": home, "StateUrl": f"file://{home}/state", "FUNCTIONS_CUSTOMHANDLER_PORT": str(port)}
        begin = time.perf_counter()
        handler = subprocess.Popen([binary], env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(first_answer(port, begin))
        time.sleep(IDLE_SECONDS)
        memory.append(resident_mb(handler))
        handler.kill()
        handler.wait()

print(f"first answer after {statistics.median(times):.1f} ms (median of {len(times)}; {min(times):.1f} to {max(times):.1f})")
print(f"idle: {statistics.median(memory):.1f} MiB resident (most {max(memory):.1f})")
