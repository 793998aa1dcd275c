"""Damages a file of the state, one at a time: the next run must say so, or miss nothing.

    verify/run                          with everything else of verify/
    verify/crash/damage.py --seed N     the same world and the same bits again

After runs that ended well, and after one that was killed with much written ahead, each file of the state is flipped
(one bit), cut, emptied, zeroed and deleted, each time in a copy of its own. `state export` sees every such copy; a run,
and then `doctor`, sees at least one of each file, and all of those that a state stands on.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import itertools
import json
import multiprocessing
import pathlib
import random
import shutil
import subprocess
import tempfile
import time

import stand_in
from world import DONE, Place, World, difference

LANES = 2
# Objects that were written ahead when the run is killed; less than that is not worth a kill.
AHEAD = 2
# The checksum of nothing: the mark of a new writer.
EMPTY = hashlib.sha256(b"").hexdigest()
# What a state keeps; what is on its way comes and goes.
KEPT = ("indicator", "evidence", "sample", "submission", "quarantine", "receipt")
# Of each state, how many copies a whole run goes over, at most.
RUNS = 30
WAYS = ("flip", "cut", "empty", "zero", "delete")
# What a whole state stands on; of the others only what is newest counts, or what is asked for.
BASIS = ("checksums", "wal", "manifest", "compactions")
# The way out, as the program prints it.
WAY_OUT = ("vmray-sentinel state export > known.jsonl", "vmray-sentinel feed --once --since 2026-01-31")


def killed_with_much_ahead(place):
    """A run that is killed when the state has promised to keep what was written ahead."""
    checksums = pathlib.Path(place.state, "v1/default/checksums")
    for _ in range(20):
        feed = place.start()
        while feed.poll() is None:
            listed = checksums.read_text().splitlines() if checksums.exists() else []
            if sum("  wal/" in line and not line.startswith(EMPTY) for line in listed) >= AHEAD:
                feed.kill()
                feed.wait()
                return
        shutil.rmtree(place.state)
    raise SystemExit(f"no run wrote {AHEAD} files ahead\n{place.words()}")


def damaged(path, way, chance):
    """Damages a file; whether it is another one now."""
    content = path.read_bytes()
    if way == "delete":
        path.unlink()
        return True
    if way == "flip" and content:
        left = bytearray(content)
        left[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    else:
        left = {"flip": b"", "cut": content[: len(content) * 3 // 4], "empty": b"", "zero": bytes(len(content))}[way]
    path.write_bytes(left)
    return bytes(left) != content


def command(place, *arguments):
    done = subprocess.run(
        [stand_in.BINARY, *arguments],
        env=place.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=stand_in.SECONDS,
    )
    return done.returncode, done.stdout, done.stderr


def told(code, words, name):
    """Whether a command called damage by its name, and which file."""
    return code == 1 and "damaged" in words and (name in words or "checksums" in words)


def known(place):
    code, out, words = command(place, "state", "export")
    keys = {(entry["kind"], entry["key"]) for entry in map(json.loads, out.splitlines())}
    return code, keys, words


def one(settings, ends, state, whole, name, way, seed, with_a_run):
    """One damage to a copy of a state: what was seen, and what is wrong with it."""
    chance, what, problems = random.Random(seed), f"{name} {way}", []
    with tempfile.TemporaryDirectory(prefix="damage-") as folder:
        copy = pathlib.Path(folder, "state")
        shutil.copytree(state, copy)
        if not damaged(copy / name, way, chance):
            return what, ["unchanged"], []
        place = Place(settings, copy, ends)
        expected = known(Place(settings, state, ends))[1]
        code, found, words = known(place)
        if code == 0 and expected - found:
            problems.append(f"state export: {len(expected - found)} of {len(expected)} records are missing in silence")
        if code != 0 and not told(code, words, name):
            problems.append(f"state export ended with {code}:\n{words}")
        seen = ["told by state export" if code else "harmless to state export"]
        if with_a_run:
            checked, words, _ = command(place, "doctor")
            if code != 0 and not (checked == 1 and "damaged" in words):
                problems.append(f"doctor does not find it, {checked}:\n{words}")
            ran, _, words = command(place, "feed", "--once")
            seen.append("told by a run" if ran == 1 else "harmless to a run")
            if ran in DONE:
                # What a run does not read is found by who reads it, and by doctor.
                after, now, words = known(place)
                if after == 0 and whole - now:
                    problems.append(f"{len(whole - now)} of {len(whole)} records are missing after a run")
                if after != 0 and not (told(after, words, name) and checked == 1):
                    problems.append(f"a run ended with {ran}, and state export after it with {after}:\n{words}")
            elif not told(ran, words, name) or not all(way in words for way in WAY_OUT):
                problems.append(f"the run ended with {ran}:\n{words}")
    return what, seen, problems


def jobs_of(state, chance):
    files = sorted(str(path.relative_to(state)) for path in pathlib.Path(state).rglob("*") if path.is_file())
    cases = list(itertools.product(files, WAYS))
    newest = {pathlib.Path(name).parent: name for name in files}
    basis = [case for case in cases if "checksums" in case[0] or case[0] in newest.values() or "/wal/" in case[0]]
    basis = [case for case in basis if any(part in case[0] for part in BASIS)]
    others = [(name, WAYS[number % len(WAYS)]) for number, name in enumerate(files)]
    # What every run reads; among the rest chance may pick only files that a newer one has superseded.
    read_always = [case for case in cases if "checksums" in case[0] or (case[0] in newest.values() and "/manifest/" in case[0])]
    runs = set(read_always) | set(chance.sample(basis, min(len(basis), RUNS * 2 // 3)))
    runs |= set(chance.sample(others, min(len(others), RUNS - len(runs))))
    return [(name, way, chance.getrandbits(32), (name, way) in runs) for name, way in cases]


def way_out(world, place, seed):
    """What the program prints when a state is damaged, done as printed, gives back everything."""
    problems = []
    newest = max(pathlib.Path(place.state, "v1/default/ledger/manifest").iterdir())
    damaged(newest, "flip", random.Random(seed))
    code, _, words = command(place, "feed", "--once")
    if code != 1 or not all(way in words for way in WAY_OUT):
        problems.append(f"the run ended with {code}:\n{words}")
    code, kept, _ = known(place)
    if code != 1 or not kept:
        problems.append(f"state export kept {len(kept)} records and ended with {code}")
    with tempfile.TemporaryDirectory(prefix="damage-") as folder:
        anew = Place(place.stack, f"{folder}/state", place.world_ends)
        code, _, words = command(anew, "feed", "--once", "--since", "2020-01-01")
        if code != world.code:
            problems.append(f"the run on the empty state ended with {code}:\n{words}")
        problems += difference(world.expected, anew.picture()[0])
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    seed = parser.parse_args().seed
    print(f"  seed {seed} (to repeat: --seed {seed})")
    chance, problems = random.Random(seed), []
    world = World(seed % 1000, 30)
    world.measure()
    whole = {name for name in world.expected if name[0] in KEPT}
    fork = multiprocessing.get_context("fork")
    for end in ("ended well", "was killed"):
        with world.served() as place, concurrent.futures.ProcessPoolExecutor(LANES, fork) as pool:
            began, seen = time.monotonic(), collections.Counter()
            if end == "was killed":
                killed_with_much_ahead(place)
            else:
                # The fourth run merges what the others left.
                for _ in range(4):
                    place.feed()
            settings = place.stack
            tried = [
                pool.submit(one, Settings(settings.settings), place.world_ends, place.state, whole, *job)
                for job in jobs_of(place.state, chance)
            ]
            for job in concurrent.futures.as_completed(tried):
                what, outcomes, wrong = job.result()
                seen.update(outcomes)
                problems += [f"{end}: {what}: {problem}" for problem in wrong]
            shown = ", ".join(f"{number} x {what}" for what, number in sorted(seen.items()))
            print(f"  a state whose last run {end}: {shown} ({time.monotonic() - began:.0f} s)", flush=True)
            if not seen["told by a run"] or not seen["told by state export"]:
                problems.append(f"{end}: no damage was told at all")
            problems += [f"the way out after a run that {end}: {problem}" for problem in way_out(world, place, seed)]
    stand_in.conclude("nothing missing in silence", problems)


class Settings:
    """What a `Place` needs of a stand-in, where the stand-in itself cannot go with a job."""

    def __init__(self, settings):
        self.settings = settings


main()
