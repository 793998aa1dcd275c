#!/usr/bin/env python3
"""Times from the start of the binary to its first request to VMRay: benches/cold-start.py BINARY [RUNS]."""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

binary = os.path.abspath(sys.argv[1])
runs = int(sys.argv[2]) if len(sys.argv) > 2 else 21

times = []
for _ in range(runs):
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as state:
        server.settimeout(10)
        settings = {
            "HOME": state,
            "VmrayBaseURL": f"http://127.0.0.1:{server.getsockname()[1]}",
            "VmrayAPIKey": "key",
            "AzureTenantID": "11111111-2222-3333-4444-555555555555",
            "AzureClientID": "11111111-2222-3333-4444-555555555555",
            "AzureClientSecret": "secret",
            "AzureWorkspaceID": "11111111-2222-3333-4444-555555555555",
            "StateUrl": f"file://{state}/state",
        }
        begin = time.perf_counter()
        feed = subprocess.Popen([binary, "feed", "--once"], env=settings, stderr=subprocess.DEVNULL)
        connection, _ = server.accept()
        with connection:
            assert connection.recv(4096).startswith(b"GET /rest/"), "the first request is one to VMRay"
            times.append((time.perf_counter() - begin) * 1000)
        feed.kill()
        feed.wait()

print(f"first request after {statistics.median(times):.1f} ms (median of {runs}; {min(times):.1f} to {max(times):.1f})")
