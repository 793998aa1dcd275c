"""Azurite, Microsoft's stand-in for Azure Storage, on free ports of loopback; its own signatures, no Azure library."""

import base64
import datetime
import hashlib
import hmac
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

VERSION = "3.37.0"
ACCOUNT = "devstoreaccount1"
# Published with the emulator; the same everywhere.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SECONDS = 120


class CannotInstall(Exception):
    """Azurite cannot be had here."""


def install(cache):
    """Returns the program, from the cache where it is there already."""
    folder = pathlib.Path(cache).absolute() / f"azurite-{VERSION}"
    program = folder / "node_modules" / ".bin" / "azurite-blob"
    if (folder / "complete").exists():
        return program
    if not shutil.which("npm"):
        raise CannotInstall("npm is not installed")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), f"azurite@{VERSION}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0 or not program.exists():
        words = (done.stderr or done.stdout).strip().splitlines()
        raise CannotInstall(f"npm cannot install azurite@{VERSION}: {words[-1] if words else 'no reason given'}")
    (folder / "complete").touch()
    return program


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def certificates(folder):
    """A root and a certificate of 127.0.0.1 made out by it: rustls takes no root as the certificate itself."""

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    root, key, request, leaf = (folder / name for name in ("root.pem", "key.pem", "request.pem", "leaf.pem"))
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
            "-subj", "/CN=verify root", "-keyout", folder / "root.key", "-out", root)  # fmt: skip
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=localhost", "-keyout", key, "-out", request)  # fmt: skip
    extensions = folder / "leaf.ext"
    extensions.write_text("basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", request, "-CA", root, "-CAkey", folder / "root.key", "-CAcreateserial",
            "-days", 2, "-extfile", extensions, "-out", leaf)  # fmt: skip
    return root, key, leaf


def signature(permissions="rwdlac", hours=1, services="b", types="sco"):
    """A shared access signature of the account, which ends in `hours` (before now, when negative)."""
    now = datetime.datetime.now(datetime.timezone.utc)
    moment = "%Y-%m-%dT%H:%M:%SZ"
    fields = {
        "sv": "2021-12-02",
        "ss": services,
        "srt": types,
        "sp": permissions,
        "st": (now - datetime.timedelta(hours=48)).strftime(moment),
        "se": (now + datetime.timedelta(hours=hours)).strftime(moment),
        "spr": "https,http",
    }
    order = [ACCOUNT, *(fields[name] for name in ("sp", "ss", "srt", "st", "se")), "", fields["spr"], fields["sv"], "", ""]
    mark = hmac.new(base64.b64decode(KEY), "\n".join(order).encode(), hashlib.sha256).digest()
    return urllib.parse.urlencode(fields | {"sig": base64.b64encode(mark).decode()})


class Azurite:
    """The Blob service, until the block ends. With `tls` (a folder) it speaks https and takes tokens."""

    def __init__(self, program, tls=None):
        self.program, self.tls = program, tls

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        scheme, more = "http", []
        if self.tls:
            self.root, key, leaf = certificates(self.tls)
            scheme, more = "https", ["--oauth", "basic", "--cert", str(leaf), "--key", str(key)]
        self.endpoint = f"{scheme}://127.0.0.1:{self.port}/{ACCOUNT}"
        self.log = open(pathlib.Path(self.folder.name) / "log", "w+")
        command = [str(self.program), "--location", self.folder.name, "--blobHost", "127.0.0.1", "--blobPort",
                   str(self.port), "--skipApiVersionCheck", "--disableTelemetry", "--silent", *more]  # fmt: skip
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.log.seek(0)
                    raise SystemExit(f"Azurite does not start: {self.log.read()[-2000:]}") from None
                time.sleep(0.1)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=SECONDS)
        self.log.close()
        self.folder.cleanup()

    def make_container(self, name):
        url = f"{self.endpoint}/{name}?restype=container&{signature()}"
        request = urllib.request.Request(url, method="PUT", data=b"", headers={"x-ms-version": "2021-12-02"})
        context = None
        if self.tls:
            import ssl

            context = ssl.create_default_context(cafile=str(self.root))
        with urllib.request.urlopen(request, timeout=SECONDS, context=context) as answer:
            if answer.status != 201:
                raise SystemExit(f"container {name}: {answer.status}")

    def connection_string(self, endpoint=None, key=KEY):
        endpoint = endpoint or self.endpoint
        return f"AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={endpoint}"

    def by_signature(self, **options):
        return f"BlobEndpoint={self.endpoint};SharedAccessSignature={signature(**options)}"


def cache():
    return os.environ.get("VERIFY_CACHE") or pathlib.Path(__file__).resolve().parent.parent / ".cache"
