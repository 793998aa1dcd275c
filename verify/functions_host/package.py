"""The package as Azure unpacks it, and its program as the host starts it."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import zipfile

from dotnet import new_id

#: Handlers that ended without being told to.
ENDED = []
#: What each handler wrote: stdout and stderr.
WORDS = []


class Package:
    """The unpacked zip: what the host reads of it."""

    def __init__(self, root):
        self.root = root
        self.host = json.loads((root / "host.json").read_text())
        self.functions = {path.parent.name: json.loads(path.read_text()) for path in sorted(root.glob("*/function.json"))}

    def triggers(self, kind):
        """The functions with this trigger: name and trigger."""
        for name, function in self.functions.items():
            for binding in function["bindings"]:
                if binding["type"].lower() == kind.lower():
                    yield name, binding

    def http(self):
        """The functions that callers reach: name, address as the host makes it, methods, level of the key."""
        prefix = self.host.get("extensions", {}).get("http", {}).get("routePrefix", "api")
        for name, trigger in self.triggers("httpTrigger"):
            yield name, f"/{prefix}/{trigger.get('route') or name}", [one.upper() for one in trigger["methods"]], trigger["authLevel"].lower()

    def command(self):
        """Program, arguments and working directory (HttpWorkerDescription, HttpWorkerOptionsSetup)."""
        description = self.host["customHandler"]["description"]
        program = self.root / description["defaultExecutablePath"]
        return program, description.get("arguments") or [], self.root / (description.get("workingDirectory") or "")

    def timeout(self):
        """Seconds that the host's client waits: the limit of an invocation and a minute."""
        hours, minutes, seconds = map(int, self.host["functionTimeout"].split(":"))
        return (hours * 60 + minutes) * 60 + seconds + 60


def modes(archive):
    """The entries of the zip with their modes; of an entry that no Unix made, there is none."""
    with zipfile.ZipFile(archive) as entries:
        return {one.filename: (one.external_attr >> 16) & 0o7777 if one.create_system == 3 else None for one in entries.infolist()}


@contextlib.contextmanager
def unpacked(archive):
    """The package in a folder that cannot be written, as Azure mounts it; else says that it can be."""
    with tempfile.TemporaryDirectory(prefix="functions-") as folder:
        root = pathlib.Path(folder) / "wwwroot"
        with zipfile.ZipFile(archive) as entries:
            entries.extractall(root)
        for name, mode in modes(archive).items():
            (root / name).chmod((mode or 0o644) | (0o700 if (root / name).is_dir() else 0))
        mount = [["mount", "--bind", root, root], ["mount", "-o", "remount,bind,ro", root]]
        mounted = os.geteuid() == 0 and all(subprocess.run(one, capture_output=True).returncode == 0 for one in mount)
        if not mounted:
            for path in [*root.rglob("*"), root]:
                path.chmod(path.stat().st_mode & ~0o222)
        if os.access(root, os.W_OK):
            print("SKIPPED: functions host: the package's folder cannot be made read-only here; it is used as it is")
        try:
            yield Package(root)
        finally:
            if mounted:
                # A check that broke off may have left a process there.
                subprocess.run(["umount", "--lazy", root], check=True)
            for path in [root, *root.rglob("*")]:
                path.chmod(0o700)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Handler:
    """The program under the host (HttpWorkerProcess), which ends it with SIGKILL."""

    def __init__(self, package, settings):
        self.package, self.settings = package, settings

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        home = pathlib.Path(self.folder.name)
        self.port = free_port()
        worker = new_id()
        program, arguments, directory = self.package.command()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "FUNCTIONS_EXTENSION_VERSION": "~4",
            "FUNCTIONS_WORKER_RUNTIME": "custom",
            "WEBSITE_HOSTNAME": "app.azurewebsites.net",
        }
        environment |= self.settings | {
            "FUNCTIONS_HTTPWORKER_PORT": str(self.port),
            "FUNCTIONS_CUSTOMHANDLER_PORT": str(self.port),
            "FUNCTIONS_HTTPWORKER_ID": worker,
            "FUNCTIONS_CUSTOMHANDLER_WORKER_ID": worker,
            "FUNCTIONS_APP_ROOT_PATH": str(self.package.root),
        }
        self.out, self.error = home / "stdout", home / "stderr"
        with self.out.open("w") as out, self.error.open("w") as error:
            self.process = subprocess.Popen([program, *arguments], cwd=directory, env=environment,
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=error)  # fmt: skip
        return self

    def words(self):
        """What it has written so far: stdout and stderr."""
        return self.out.read_text(), self.error.read_text()

    def kill(self):
        """Ends it as the host does; says so where it had ended by itself."""
        if self.process.poll() is not None and self.process.returncode != -9:
            ENDED.append(f"exit {self.process.returncode}: {self.error.read_text()[-500:]}")
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_):
        self.kill()
        WORDS.append(self.words())
        self.folder.cleanup()


def names_in(text):
    """The app settings that a binding names: `%Name%`."""
    return re.findall(r"%(\w+)%", text)
