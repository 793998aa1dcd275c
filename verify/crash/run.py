"""Kills the real process, fills its disk, cuts its network: afterwards everything must be as if nothing had been.

    verify/run                       the short form, with everything else of verify/
    verify/crash/run.py --long       every call of a run, more kills, more failing calls
    verify/crash/run.py --seed N     the same random moments again (as shares of the length of a run)

The short form kills at 200 random moments, and at every call of a small run that touches the state folder or a socket.
"""

import argparse
import collections
import concurrent.futures
import errno
import multiprocessing
import random
import time

import lives
import stand_in
import tracer
from world import World

# Lives side by side.
LANES = 2
# Kills planned for one state folder before a life is let through.
IN_A_ROW = 5
# Of a group of jobs, the calls that fail in the short form.
FAILING_CALLS = 12


def spread(numbers, count):
    """`count` of the numbers, evenly spread, or all if there are fewer."""
    if len(numbers) <= count:
        return list(numbers)
    return [numbers[round(i * (len(numbers) - 1) / (count - 1))] for i in range(count)]


class Report:
    """What was seen, group by group."""

    def __init__(self):
        self.problems = []

    def group(self, name, seen):
        began, counts, lives_seen = time.monotonic(), collections.Counter(), 0
        for one in seen:
            lives_seen += 1
            counts += one.counts
            self.problems += [f"{one.what}: {problem}" for problem in one.problems]
        for skipped in [key for key in counts if key.startswith("SKIPPED: ")]:
            print(skipped)
            del counts[skipped]
        shown = ", ".join(f"{number} x {what}" for what, number in sorted(counts.items(), key=str))
        print(f"  {name}: {shown} ({time.monotonic() - began:.0f} s)", flush=True)
        return counts


def kills(pool, world, took, wanted, seed):
    """Chains of kills until there were enough of them."""
    chance, killed = random.Random(seed), 0
    while killed < wanted:
        chains = -(-(wanted - killed) // IN_A_ROW)
        jobs = [
            pool.submit(lives.killed_at_random, world, took, chance.getrandbits(32), IN_A_ROW) for _ in range(chains)
        ]
        for job in concurrent.futures.as_completed(jobs):
            seen = job.result()
            killed += seen.counts["kills"]
            yield seen


def results(jobs):
    return (job.result() for job in concurrent.futures.as_completed(jobs))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    options = parser.parse_args()
    print(f"  seed {options.seed} (to repeat: --seed {options.seed})")
    chance, report = random.Random(options.seed), Report()
    # A larger world for the kills, so that there is much to be lost; a small one where every call is a life of its own.
    large, small = World(3, 150 if options.long else 60), World(7, 20)
    took = large.measure()
    brief = small.measure()
    print(f"  undisturbed: {large.rows} objects in {took:.2f} s, {small.rows} objects in {brief:.2f} s", flush=True)

    fork = multiprocessing.get_context("fork")
    with (
        concurrent.futures.ProcessPoolExecutor(LANES, fork) as pool,
        concurrent.futures.ProcessPoolExecutor(2, fork) as waiting,
    ):
        minutes = [waiting.submit(lives.minute_without_network, small, how) for how in ("refused", "silent")]
        report.group("SIGKILL at random moments", kills(pool, large, took, 2000 if options.long else 200, chance.random()))
        stops = [pool.submit(lives.told_to_stop, large, took, chance.random()) for _ in range(100 if options.long else 10)]
        report.group("SIGTERM at random moments", results(stops))
        report.group("one state folder, three feeds", results([pool.submit(lives.two_at_once, small)]))
        report.group("a full file system", results([pool.submit(lives.full_disk, small)]))
        if why := tracer.why_not():
            print(f"SKIPPED: kills and errors at single calls: {why}")
        else:
            at_calls(pool, small, options.long, report)
        report.group("network", results(minutes))
    stand_in.conclude("everything as if nothing had been", report.problems)


def at_calls(pool, world, long, report):
    calls = lives.calls_of_a_run(world)
    by_name = ", ".join(f"{number} {name}" for name, number in sorted(collections.Counter(calls).items()))
    print(f"  one run makes {len(calls)} calls on its state folder or a socket: {by_name}")
    jobs = [pool.submit(lives.killed_at_call, world, 1 + index) for index in range(len(calls))]
    report.group("SIGKILL before each of these calls", results(jobs))
    state_calls = [1 + index for index in range(sum(name.startswith("state ") for name in calls))]
    for code in (errno.ENOSPC, errno.EIO):
        for lasting in (False, True):
            tried = state_calls if long else spread(state_calls, FAILING_CALLS)
            jobs = [pool.submit(lives.failing_call, world, index, code, lasting) for index in tried]
            what = f"{errno.errorcode[code]} {'from then on' if lasting else 'once'}"
            name = f"{what} at {len(tried)} of {len(state_calls)} calls on the state"
            report.group(name, results(jobs))


main()
