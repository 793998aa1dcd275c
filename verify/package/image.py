"""The container image: read by skopeo, unpacked by umoci, run by runc with a root that nothing can write."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import urllib.request

import stand_in

USER = 65532
SECONDS = 60


def checks(archive, version):
    """Returns the checks that can be made here."""

    def the_image_is_read():
        """skopeo reads the image: its platform, its user and what it starts"""
        run = subprocess.run(["skopeo", "inspect", "--config", f"oci-archive:{archive}"], capture_output=True, text=True, check=False)
        if run.returncode:
            yield run.stderr.strip()[:500]
            return
        image = json.loads(run.stdout)
        expected = {"architecture": "amd64", "os": "linux"}
        if {name: image[name] for name in expected} != expected:
            yield f"{image['architecture']} {image['os']}"
        if (image["config"]["User"], image["config"]["Entrypoint"]) != (f"{USER}:{USER}", ["/vmray-sentinel"]):
            yield str(image["config"])
        if image["config"]["Labels"]["org.opencontainers.image.version"] != version:
            yield "another version"

    def the_image_runs():
        """runc runs the image as a user of no rights on a root that is read-only: a feed, its state, the server"""
        with tempfile.TemporaryDirectory() as folder, stand_in.Simulate("--samples", 20) as simulate:
            container = Container(archive, pathlib.Path(folder))
            yield from container.findings(simulate.settings)

    def docker_reads_it_too():
        """The image is also what Docker's own store loads, under the same name"""
        run = subprocess.run(["skopeo", "inspect", "--config", f"docker-archive:{archive}:localhost/vmray-sentinel:{version}"], capture_output=True, text=True, check=False)
        if run.returncode:
            yield run.stderr.strip()[:500]
        elif json.loads(run.stdout)["config"]["User"] != f"{USER}:{USER}":
            yield "another user"

    missing = [name for name in ("skopeo", "umoci", "runc") if not shutil.which(name)]
    if missing:
        print(f"SKIPPED: container image: {', '.join(missing)} not installed")
        return []
    if os.geteuid() != 0:
        print("SKIPPED: container image run by runc: it needs root")
        return [the_image_is_read, docker_reads_it_too]
    return [the_image_is_read, docker_reads_it_too, the_image_runs]


class Container:
    """A bundle made from the image, as an engine makes it, but for what needs more than this machine may give."""

    def __init__(self, archive, folder):
        layout, self.bundle, self.state = folder / "layout", folder / "bundle", folder / "state"
        layout.mkdir()
        subprocess.run(["tar", "-xf", archive, "-C", layout], check=True)
        name = json.loads((layout / "index.json").read_text())["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
        subprocess.run(["umoci", "unpack", "--image", f"{layout}:{name}", self.bundle], check=True, capture_output=True)
        self.config = json.loads((self.bundle / "config.json").read_text())
        self.state.mkdir()
        os.chown(self.state, USER, USER)

    def command(self, name, arguments, settings):
        """The command that runs the program in a container of its own, in this machine's network."""
        config = json.loads(json.dumps(self.config))
        config["process"].update(terminal=False, args=["/vmray-sentinel", *arguments], noNewPrivileges=True)
        config["process"]["capabilities"] = {}
        config["process"]["env"] += [f"{key}={value}" for key, value in settings.items()]
        config["root"]["readonly"] = True
        keep = [mount for mount in config["mounts"] if mount["destination"] in ("/proc", "/dev")]
        config["mounts"] = [
            *keep,
            {"destination": "/state", "type": "bind", "source": str(self.state), "options": ["bind", "rw"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},
        ]
        config["linux"] = {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]}
        (self.bundle / "config.json").write_text(json.dumps(config))
        return ["runc", "run", "--bundle", self.bundle, f"vmray-{os.getpid()}-{name}"]

    def run(self, name, *arguments, settings=()):
        return subprocess.run(self.command(name, arguments, dict(settings)), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False)

    def findings(self, settings):
        told = self.run("version", "--version")
        if told.returncode:
            yield f"--version: {told.returncode} {told.stderr[-500:]}"
            return
        root = self.bundle / "rootfs"
        owned = [str(path.relative_to(root)) for path in root.rglob("*") if path.lstat().st_uid == USER]
        if owned != ["state"]:
            yield f"the user owns {owned}"
        fed = self.run("feed", "feed", "--once", settings=settings)
        if fed.returncode not in (0, 4):
            yield f"feed: {fed.returncode} {fed.stderr[-500:]}"
        if not any(path.is_file() and path.stat().st_uid == USER for path in self.state.rglob("*")):
            yield "the state is not in /state"
        again = self.run("again", "status", settings=settings)
        if again.returncode:
            yield f"status: {again.returncode} {again.stderr[-500:]}"
        yield from self.served(settings)

    def served(self, settings):
        """What the image does when nobody names a command: `serve`, until SIGTERM."""
        server = subprocess.Popen(self.command("serve", [*self.config["process"]["args"][1:], "--listen", "127.0.0.1:0"], settings),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
        try:
            address = next((line.split("http://", 1)[1].split("/")[0].strip() for line in server.stdout if "http://127.0.0.1:" in line), None)
            if address is None:
                yield "serve did not say where it listens"
                return
            if urllib.request.urlopen(f"http://{address}/healthz", timeout=SECONDS).status != 200:
                yield "serve does not answer"
            # The container's first process gets the signal, as from an engine.
            subprocess.run(["runc", "kill", f"vmray-{os.getpid()}-serve", "TERM"], check=True)
            server.stdout.read()
            if server.wait(timeout=SECONDS) != 0:
                yield f"serve ended with {server.returncode} after SIGTERM"
        finally:
            if server.poll() is None:
                server.send_signal(signal.SIGKILL)
                subprocess.run(["runc", "delete", "--force", f"vmray-{os.getpid()}-serve"], check=False, capture_output=True)
