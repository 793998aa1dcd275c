"""Microsoft's .NET in an environment of its own, and calls of it through driver.py."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import uuid

HERE = pathlib.Path(__file__).parent
PACKAGES = HERE / "requirements.txt"


#: What there is of a call that threw.
NOTHING = {"status": 0, "invocation": "failed", "headers": {}, "body": "", "asked": "", "lost": []}


class CannotInstall(Exception):
    """The .NET classes cannot be had here."""


def install(cache):
    """Returns the environment's folder, from the cache where it is there already."""
    key = hashlib.sha256(sys.version.encode() + PACKAGES.read_bytes()).hexdigest()[:16]
    folder = pathlib.Path(cache).absolute() / f"functions-host-{key}"
    if (folder / "complete").exists():
        return folder
    for old in folder.parent.glob("functions-host-*"):
        shutil.rmtree(old)
    commands = [[sys.executable, "-m", "venv", folder],
                [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r", PACKAGES]]
    for command in commands:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            words = (done.stderr or done.stdout).strip().splitlines()
            raise CannotInstall(f"the packages of {PACKAGES.name} cannot be installed: {words[-1] if words else 'no reason given'}")
    (folder / "complete").touch()
    return folder


class Host:
    """The Functions host's side of the wire, until the block ends."""

    def __init__(self, folder, timeout):
        self.folder, self.timeout = folder, timeout
        self.waiting, self.number, self.lock = {}, 0, threading.Lock()

    def __enter__(self):
        [runtime] = self.folder.glob("lib/python*/site-packages/dotnetcore2/bin")
        [libraries] = self.folder.glob("lib/python*/site-packages/data_factory_testing_framework/_pythonnet/bin")
        self.process = subprocess.Popen(
            [self.folder / "bin" / "python", HERE / "driver.py", libraries, str(self.timeout)],
            # Without its pipes for debuggers, which stay behind in /tmp.
            env={"DOTNET_ROOT": str(runtime), "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "COMPlus_EnableDiagnostics": "0",
                 "PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self.read, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def read(self):
        for line in self.process.stdout:
            found = json.loads(line)
            with self.lock:
                future = self.waiting.pop(found["number"])
            future.set_result(found)
        with self.lock:
            for future in self.waiting.values():
                future.set_exception(SystemExit("the .NET process has ended"))

    def begin(self, call, **arguments):
        """Begins a call; its outcome is a future."""
        future = concurrent.futures.Future()
        with self.lock:
            self.number += 1
            self.waiting[self.number] = future
            print(json.dumps({"number": self.number, "call": call, "arguments": arguments}), file=self.process.stdin, flush=True)
        return future

    def ask(self, call, **arguments):
        """Returns the outcome of a call; a call that threw is an outcome without a status."""
        return self.outcome(self.begin(call, **arguments))

    def outcome(self, future):
        found = future.result(timeout=120)
        return found.get("result") or NOTHING | {"fault": found["fault"]}


def new_id():
    return str(uuid.uuid4())
