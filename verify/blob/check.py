"""State in Azure Blob storage, on Azurite.

First the conformance suite of the ledger and of the objects beside it, opened by key, by signature and by token. Then the
binary as an operator runs it: what is refused and in which words, a feed whose answers get lost, a feed that is killed, a
feed that is taken over. However it went, the same objects must have been uploaded as by a feed with its state in a folder.
"""

import contextlib
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import azurite
import stand_in
from losing import Losing

STATE = f"az://{azurite.ACCOUNT}/state"
DONE = (0, 4)
DELETING = ("lists_by_prefix_in_order_and_deletes", "hundreds_of_objects_are_listed_in_order")
WRONG_KEY = "d3Jvbmcta2V5LXdyb25nLWtleS13cm9uZy1rZXk="

problems = []


def expect(what, holds, shown=""):
    print(f"  {'ok' if holds else 'WRONG'}: {what}")
    if not holds:
        problems.append(f"{what}: {shown}")


def conformance(name, settings, *leave_out):
    """Runs the suite through the settings; a folder of its own for every check."""
    skips = [word for check in leave_out for word in ("--skip", check)]
    command = ["cargo", "test", "--quiet", "-p", "vmray-sentinel", "--bin", "vmray-sentinel", "azurite::", "--",
               "--ignored", *skips]  # fmt: skip
    environment = stand_in.clean_environment() | settings | {"RUST_BACKTRACE": "0"}
    done = subprocess.run(command, cwd=stand_in.ROOT, env=environment, capture_output=True, text=True, timeout=1800)
    found = re.search(r"test result: ok\. (\d+) passed", done.stdout)
    count = int(found[1]) if found else 0
    expect(f"conformance suite by {name}: {count} passed", done.returncode == 0 and count >= 14,
           (done.stdout + done.stderr)[-6000:])  # fmt: skip


def command(arguments, settings):
    environment = stand_in.clean_environment() | settings
    return subprocess.run([stand_in.BINARY, *arguments], env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=300)  # fmt: skip


def refused(what, settings, *words):
    """`status` must fail, soon, and say these words."""
    began = time.monotonic()
    done = command(["status"], settings)
    took = time.monotonic() - began
    said = all(word in done.stderr for word in words)
    leaks = any(secret in done.stdout + done.stderr for secret in (azurite.KEY, WRONG_KEY, "sig="))
    expect(f"{what} is refused within {took:.0f} s and told", done.returncode == 1 and said and not leaks and took < 30,
           f"exit {done.returncode}\n{done.stderr[-2000:]}")  # fmt: skip


def wire(program):
    with azurite.Azurite(program) as server:
        server.make_container("state")
        by_key = {"StateUrl": STATE, "AzureWebJobsStorage": server.connection_string()}
        conformance("key", by_key)
        by_signature = by_key | {"AzureWebJobsStorage": server.by_signature()}
        # Azurite has no permission for a batch (the client deletes in batches) in an account's signature and answers 500.
        conformance("signature, what deletes left out", by_signature, *DELETING)

        refused("a wrong key", by_key | {"AzureWebJobsStorage": server.connection_string(key=WRONG_KEY)},
                "is not that of storage account", "Access keys")  # fmt: skip
        refused("an expired signature", by_key | {"AzureWebJobsStorage": server.by_signature(hours=-24)},
                "signature in AzureWebJobsStorage expired at 20", "make a new one")  # fmt: skip
        refused("a signature that may not list", by_key | {"AzureWebJobsStorage": server.by_signature(permissions="r")},
                "does not allow this", "Read, Write, Delete, List")  # fmt: skip
        refused("a missing container", by_key | {"StateUrl": f"az://{azurite.ACCOUNT}/nowhere"},
                "has no container nowhere", "az storage container create --name nowhere")  # fmt: skip

        with stand_in.Simulate() as stack, tempfile.TemporaryDirectory() as folder:
            done = command(["feed", "--once"], stack.settings | {"StateUrl": f"file://{folder}/state"})
            expect("a feed with its state in a folder", done.returncode in DONE, done.stderr[-2000:])
            truth = uploaded(stack)
        feeds(server, by_key, truth)


def uploaded(stack):
    return {element["id"]: element.get("pattern") for element in stack.look("objects")}


def feeds(server, by_key, truth):
    with stand_in.Simulate() as stack:
        settings = stack.settings | by_key | {"StateUrl": f"{STATE}/plain"}
        done = command(["doctor"], settings)
        expect("doctor writes and reads the place", done.returncode == 0 and "no run yet" in done.stdout, done.stdout)
        done = command(["feed", "--once"], settings)
        expect("feed --once", done.returncode in DONE, done.stderr[-2000:])
        expect("the same objects arrived as with a folder", uploaded(stack) == truth, f"{len(uploaded(stack))} objects")
        rows = stack.look("stats")["rows"]
        done = command(["feed", "--once"], settings)
        expect("a second run sends nothing", done.returncode in DONE and stack.look("stats")["rows"] == rows)
        done = command(["status", "--json"], settings)
        expect("status reads it", done.returncode == 0 and json.loads(done.stdout)["state"]["indicators"] > 0, done.stdout)

    with Losing(f"127.0.0.1:{server.port}", every=2) as proxy, stand_in.Simulate() as stack:
        through = server.connection_string(endpoint=f"{proxy.endpoint}/{azurite.ACCOUNT}")
        settings = stack.settings | {"StateUrl": f"{STATE}/losing", "AzureWebJobsStorage": through}
        done = command(["feed", "--once"], settings)
        expect(f"feed --once while {proxy.lost} of {proxy.creates} answers to creates are lost",
               done.returncode in DONE and proxy.lost > 3, done.stderr[-2000:])  # fmt: skip
        expect("nothing is missing", uploaded(stack) == truth, f"{len(uploaded(stack))} objects")

    with stand_in.Simulate() as stack:
        settings = stack.settings | by_key | {"StateUrl": f"{STATE}/killed"}
        for _ in range(3):
            with running(slow(settings)) as process:
                wait_for(lambda: stack.look("stats")["upload_requests"] > 0 or process.poll() is not None)
                process.send_signal(signal.SIGKILL)
        done = command(["feed", "--once"], settings)
        expect("feed --once after three that were killed", done.returncode in DONE, done.stderr[-2000:])
        expect("nothing is missing", uploaded(stack) == truth, f"{len(uploaded(stack))} objects")

    with stand_in.Simulate() as stack:
        settings = stack.settings | by_key | {"StateUrl": f"{STATE}/taken"}
        with running(slow(settings)) as first:
            wait_for(lambda: stack.look("stats")["upload_requests"] > 0 or first.poll() is not None)
            going = first.poll() is None
            second = command(["feed", "--once"], settings)
            words = first.communicate(timeout=120)[1]
        expect("a second feed takes over while the first one runs", going and second.returncode in DONE, second.stderr[-2000:])
        expect("the first one stops with 3", first.returncode == 3 and "taken this state over" in words,
               f"exit {first.returncode}: {words[-1500:]}")  # fmt: skip
        expect("nothing is missing", uploaded(stack) == truth, f"{len(uploaded(stack))} objects")
        done = command(["status"], settings)
        expect("status reads it", done.returncode == 0 and "done" in done.stdout, done.stdout)


def slow(settings):
    """A pace at which a feed of the generated world takes long enough to be met."""
    return settings | {"UploadsPerMinute": "2", "UploadsInFlight": "1"}


@contextlib.contextmanager
def running(settings):
    environment = stand_in.clean_environment() | settings
    process = subprocess.Popen([stand_in.BINARY, "feed", "--once"], env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the feed does not get going")
        time.sleep(0.05)


def tokens(program):
    with tempfile.TemporaryDirectory() as tls, azurite.Azurite(program, pathlib.Path(tls)) as server:
        server.make_container("state")
        with stand_in.Simulate() as stack:
            settings = stack.settings | {
                "StateUrl": STATE,
                "AzureWebJobsStorage__blobServiceUri": server.endpoint,
                "CaFile": str(server.root),
            }
            conformance("token", settings)
            done = command(["doctor"], settings)
            expect("doctor by token", done.returncode == 0, done.stdout)
            done = command(["feed", "--once"], settings)
            expect("feed --once by token over https", done.returncode in DONE, done.stderr[-2000:])


def main():
    try:
        program = azurite.install(azurite.cache())
    except azurite.CannotInstall as error:
        print(f"SKIPPED: state in Azure Blob storage on Azurite: {error}")
        return 0
    wire(program)
    tokens(program)
    for problem in problems:
        print(f"  {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
