"""The unit for systemd: judged by systemd itself, its filter of system calls held against those that the program makes."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import stand_in

#: systemd's measure goes from 0 (tight) to 10.
MOST_EXPOSED = 1.5
SECONDS = 60


def checks(folder):
    """Returns the checks that can be made here."""
    text = (folder / "vmray-sentinel.service").read_text()

    def systemd_takes_it():
        """systemd has nothing to say against the unit"""
        with tempfile.TemporaryDirectory() as scratch:
            path = pathlib.Path(scratch) / "vmray-sentinel.service"
            # Where it will be installed there is nothing here.
            path.write_text(text.replace("/usr/local/bin/vmray-sentinel", str(folder / "vmray-sentinel")))
            run = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, check=False)
        about_us = [line for line in (run.stdout + run.stderr).splitlines() if "vmray-sentinel" in line]
        if run.returncode or about_us:
            yield from about_us or [run.stderr.strip()[:500]]

    def systemd_calls_it_tight():
        """systemd's own measure calls the unit tight"""
        run = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", folder / "vmray-sentinel.service"], capture_output=True, text=True, check=False)
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", run.stdout)
        if not found or float(found[1]) > MOST_EXPOSED:
            yield found[0] if found else run.stderr.strip()[:500]

    def the_filter_lets_every_call_through():
        """Every system call of a server that feeds, answers and stops is one that the unit lets through"""
        allowed = allowed_calls(re.findall(r"^SystemCallFilter=(.*)$", text, re.M))
        trace = trace_of_a_server(folder / "vmray-sentinel")
        used = set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", trace, re.M))
        if len(used) < 30:
            yield f"only {sorted(used)} were seen"
        for name in sorted(used - allowed):
            yield name
        families = set(re.search(r"^RestrictAddressFamilies=(.*)$", text, re.M)[1].split())
        for family in sorted(set(re.findall(r"\bsocket\((AF_\w+)", trace)) - families):
            yield f"a socket of {family}"
        # MemoryDenyWriteExecute: memory is never both, nor made executable later.
        for call in re.findall(r"\bmprotect\([^)]*PROT_EXEC[^)]*\)|\bmmap\([^)]*PROT_WRITE[^)]*PROT_EXEC[^)]*\)", trace):
            yield call

    missing = [name for name in ("systemd-analyze", "strace") if not shutil.which(name)]
    if missing:
        print(f"SKIPPED: unit for systemd: {', '.join(missing)} not installed")
        return []
    return [systemd_takes_it, systemd_calls_it_tight, the_filter_lets_every_call_through]


def allowed_calls(filters):
    """The calls that the lines leave, in their order, from systemd's own lists."""
    allowed = set()
    for line in filters:
        names = set()
        for word in line.lstrip("~").split():
            names |= calls_of(word)
        allowed = allowed - names if line.startswith("~") else allowed | names
    # Always permitted, whatever is taken away.
    return allowed | calls_of("@default")


def calls_of(word):
    if not word.startswith("@"):
        return {word}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", word], capture_output=True, text=True, check=True).stdout
    names = [line.strip() for line in listed.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(calls_of(name) for name in names))


def trace_of_a_server(program):
    """What strace says of one `serve` with its feed, a question and SIGTERM."""
    with tempfile.TemporaryDirectory() as scratch, stand_in.Simulate("--samples", 20) as simulate:
        trace = pathlib.Path(scratch) / "trace"
        environment = simulate.settings | {"StateUrl": f"file://{scratch}/state", "HOME": scratch, "Polling": "* * * * * *"}
        server = subprocess.Popen(["strace", "-f", "-qq", "-o", trace, program, "serve", "--listen", "127.0.0.1:0"], env=environment,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
        try:
            address = None
            for line in server.stdout:
                found = re.search(r"http://(127\.0\.0\.1:\d+)", line)
                address = address or (found and found[1])
                if address and "run ended" in line:
                    break
            body = json.dumps({"items": [{"url": "http://suspicious.example/"}]}).encode()
            subprocess.run(["curl", "-fsS", "--max-time", str(SECONDS), "-H", "Content-Type: application/json", "-d", body, f"http://{address}/api/enrich"], check=True, capture_output=True)
            # Its only child is the program.
            child = int(pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()[0])
            os.kill(child, signal.SIGTERM)
            server.stdout.read()
            server.wait(timeout=SECONDS)
        finally:
            if server.poll() is None:
                server.kill()
        return trace.read_text(errors="replace")
