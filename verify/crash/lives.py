"""The ways in which a life ends early. Each function is one job: it returns what it saw and what was wrong.

A job makes its own stand-in and its own state folder, so that jobs can run side by side.
"""

import collections
import errno
import json
import pathlib
import random
import signal
import subprocess
import tempfile
import time

import relay
import stand_in
import tracer
from world import DONE, FEED

# What a feed may end with when its disk or its network fails: done all the same, failed, stopped early.
HONEST = (*DONE, 1, 3)
# What it says of a full disk.
FULL = "no space left where the state is kept"
MINUTE = 60
# Slow enough that something can be done to it meanwhile.
SLOW = {"VmrayConcurrency": "1"}
SLOW_FAULTS = [{"service": "vmray", "path": "/iocs", "fault": {"delay_ms": 150}}]

Seen = collections.namedtuple("Seen", "what counts problems")


def killed_at_random(world, took, seed, planned):
    """Several lives on one state folder, each killed with SIGKILL at a random moment, then one to the end."""
    chance = random.Random(seed)
    moments, counts = [], collections.Counter(chains=1)
    with world.served() as place:
        for _ in range(planned):
            moment = chance.random()
            feed = place.start()
            try:
                feed.wait(timeout=moment * took)
                counts["ended before the kill"] += 1
                break
            except subprocess.TimeoutExpired:
                feed.kill()
            if feed.wait() == -signal.SIGKILL:
                counts["kills"] += 1
                counts[f"tenth {int(moment * 10)}"] += 1
                moments.append(f"{moment * took * 1000:.0f} ms")
        problems = world.problems(place, planned)
    return Seen(f"chain {seed}, killed after {', '.join(moments)}", counts, problems)


def calls_of_a_run(world):
    """The calls of one whole run that touch its state folder or a socket, in order."""
    with world.served() as place:
        calls = []
        tracer.trace([stand_in.BINARY, *FEED], place.environment, place.state, calls.append)
    return calls


def killed_at_call(world, index):
    """One life killed when it is about to make its call number `index`, then one to the end."""
    with world.served() as place:
        code, name = until_call(place, index, lambda: "kill")
        problems = world.problems(place, 1)
    if name is None:
        # Runs are not of the same length to the call; the last numbers may be past the end.
        return Seen(f"call {index}", collections.Counter({"ended before the call": 1}), problems)
    if code != -signal.SIGKILL:
        problems.append(f"it was to be killed and ended with {code}")
    return Seen(f"call {index} ({name})", collections.Counter({name: 1}), problems)


def until_call(place, index, act, only="", stderr=subprocess.DEVNULL):
    """Runs a feed and acts at its call number `index` of those that begin with `only`; its exit code and the call."""
    count, met = 0, None

    def at(name):
        nonlocal count, met
        if not name.startswith(only):
            return None
        count += 1
        if count == index:
            met = name
        return act() if count == index else None

    code = tracer.trace([stand_in.BINARY, *FEED], place.environment, place.state, at, stderr)
    return code, met


def failing_call(world, index, code, lasting):
    """One life whose call on the state number `index` fails, and with `lasting` every one after it."""
    name = errno.errorcode[code]
    with world.served() as place:
        count = 0

        def act(call):
            nonlocal count
            if not call.startswith("state "):
                return None
            count += 1
            return code if count == index or (lasting and count > index) else None

        ended = tracer.trace([stand_in.BINARY, *FEED], place.environment, place.state, act, place.log)
        words = place.words()
        problems = [] if ended in HONEST else [f"{name} made it end with {ended}:\n{words}"]
        if lasting and code == errno.ENOSPC and ended not in DONE and FULL not in words:
            problems.append(f"it does not say that the disk is full:\n{words}")
        problems += world.problems(place, 1)
    what = f"{name} {'from' if lasting else 'at'} call {index} on"
    return Seen(what, collections.Counter({f"{name}, ended with {ended}": 1}), problems)


def full_disk(world):
    """A state folder on a file system that is really full, and then is not."""
    with world.served() as place:
        disk = pathlib.Path(place.state)
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "crash", disk], capture_output=True, text=True)
        if mounted.returncode:
            return Seen("full disk", collections.Counter({f"SKIPPED: full disk: {mounted.stderr.strip()}": 1}), [])
        try:
            ended = place.feed(codes=None)
            words = place.words()
            problems = [] if ended in (1, 3) and FULL in words else [f"a full disk ended with {ended}:\n{words}"]
            subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
            problems += world.problems(place, 1)
        finally:
            subprocess.run(["umount", disk], check=True)
    return Seen("full disk", collections.Counter({f"full disk, ended with {ended}": 1}), problems)


def told_to_stop(world, took, seed):
    """SIGTERM at a random moment: what is on its way is settled, and the next run does the rest."""
    moment = random.Random(seed).random() * took
    with world.served() as place:
        feed = place.start()
        time.sleep(moment)
        feed.terminate()
        ended = feed.wait(timeout=stand_in.SECONDS)
        # Before the program has come to listen for it, a signal ends it as the system does; nothing was begun then.
        problems = [] if ended in (*DONE, 3, -signal.SIGTERM) else [f"SIGTERM ended it with {ended}:\n{place.words()}"]
        problems += world.problems(place, 1)
    return Seen(f"SIGTERM after {moment * 1000:.0f} ms", collections.Counter({f"SIGTERM, ended with {ended}": 1}), problems)


def slowed(world):
    """A stand-in so slow that a feed can be met on its way."""
    faults = tempfile.NamedTemporaryFile("w", suffix=".json")
    json.dump(SLOW_FAULTS, faults)
    faults.flush()
    return faults, world.served("--faults", faults.name)


def minute_without_network(world, how):
    """A minute in which nobody answers: connections are refused and reset, or taken and left without an answer."""
    faults, served = slowed(world)
    with faults, served as place, relay.Relay() as network:
        before = dict(place.environment)
        place.environment |= SLOW | network.before(place.stack.settings)
        feed = place.start()
        time.sleep(1)
        began = time.monotonic()
        network.cut(how)
        time.sleep(MINUTE)
        network.mend()
        ended = feed.wait(timeout=stand_in.SECONDS)
        took = time.monotonic() - began
        problems = [] if ended in HONEST else [f"it ended with {ended}:\n{place.words()}"]
        place.environment = before
        problems += world.problems(place, 1)
    what = f"a minute in which the network is {how}"
    return Seen(what, collections.Counter({f"{what}: ended with {ended} {took:.0f} s after it went": 1}), problems)


def two_at_once(world):
    """A second and a third feed on the state folder of one that is at work."""
    faults, served = slowed(world)
    problems = []
    with faults, served as place:
        before = dict(place.environment)
        place.environment |= SLOW
        feed = place.start()
        wait_for(pathlib.Path(place.state) / "v1" / "default" / "writer.lock")
        others = [place.start() for _ in range(2)]
        codes = [other.wait(timeout=stand_in.SECONDS) for other in others]
        if feed.poll() is not None:
            problems.append("the first feed was over before the others could meet it")
        if codes != [3, 3] or "another" not in place.words():
            problems.append(f"the others ended with {codes}:\n{place.words()}")
        ended = feed.wait(timeout=stand_in.SECONDS)
        if ended not in DONE:
            problems.append(f"the first ended with {ended}:\n{place.words()}")
        place.environment = before
        problems += world.problems(place, 0)
    return Seen("three feeds on one folder", collections.Counter({f"others ended with {codes}, the first with {ended}": 1}), problems)


def wait_for(path):
    end = time.monotonic() + stand_in.SECONDS
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.005)
    # The lock is taken right behind the file's making.
    time.sleep(0.2)
