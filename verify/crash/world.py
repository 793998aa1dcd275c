"""One world, and what must be there when a feed has gone through it, whatever happened on the way."""

import contextlib
import datetime
import json
import re
import subprocess
import tempfile
import time

import stand_in

# With refused or unreadable things in the world, a run that did everything says so with 4.
DONE = (0, 4)
FEED = ["feed", "--once"]
# Fields that say when something was done and how often it was tried, and not what.
WHEN = {
    "indicator": {"modified", "accepted_at"},
    "sample": {"read_at"},
    "open_sample": {"since", "last_attempt", "attempts", "not_found_since"},
    "quarantine": {"first_attempt", "last_attempt", "attempts", "refused"},
    "receipt": {"at"},
}
PORT = re.compile(r"http://127\.0\.0\.1:\d+")
# The runs differ, and the cursor is told apart below.
NOT_COMPARED = {"run", "about"}


class World:
    """A generated world that is the same in every stand-in that serves it."""

    def __init__(self, seed, samples):
        self.seed, self.samples = seed, samples
        self.ends = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.expected = None

    @contextlib.contextmanager
    def served(self, *arguments):
        """A stand-in that serves it, and a fresh state folder."""
        world = ["--seed", self.seed, "--samples", self.samples, "--ends", self.ends]
        with tempfile.TemporaryDirectory(prefix="crash-") as folder, stand_in.Simulate(*world, *arguments) as stack:
            yield Place(stack, f"{folder}/state", self.ends)

    def measure(self):
        """Runs it undisturbed; keeps what is there then, and returns how long the run took."""
        with self.served() as place:
            began = time.monotonic()
            self.code = place.feed()
            took = time.monotonic() - began
            self.expected, self.rows = place.picture()
            self.objects = sum(kind == "object" for kind, _ in self.expected)
        return took

    def problems(self, place, lives):
        """Runs to the end on a disturbed place; what is other than in the undisturbed world then."""
        code = place.feed(codes=None)
        if code != self.code:
            return [f"the run after it ended with {code}, not with {self.code}:\n{place.words()}"]
        found, rows = place.picture()
        problems = difference(self.expected, found)
        # A life can end with the answers of all its uploads lost, and no more than that is sent again. A version that
        # another took the place of before it was sent is a row less.
        if not self.objects <= rows <= self.rows * (1 + lives):
            problems.append(f"{rows} rows after {lives} lives, {self.rows} undisturbed")
        place.feed(codes=(self.code,))
        if (again := place.rows()) != rows:
            problems.append(f"a run with nothing new added {again - rows} rows")
        return problems


class Place:
    """A stand-in and the state folder of the feed that talks to it."""

    def __init__(self, stack, state, world_ends):
        self.stack, self.state, self.world_ends = stack, state, world_ends
        self.log = tempfile.TemporaryFile("w+")
        self.environment = stand_in.clean_environment() | stack.settings | {
            "StateUrl": f"file://{state}",
            "VmraySampleVerdict": "Malicious & Suspicious",
        }

    def start(self, *arguments):
        """A feed that is on its way."""
        return subprocess.Popen(
            [stand_in.BINARY, *FEED, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.log,
        )

    def feed(self, codes=DONE):
        """A feed from beginning to end; its exit code."""
        code = self.start().wait(timeout=stand_in.SECONDS)
        if codes is not None and code not in codes:
            raise SystemExit(f"an undisturbed feed ended with {code}\n{self.words()}")
        return code

    def words(self):
        """The last words of the feeds here."""
        self.log.seek(0)
        return self.log.read()[-2000:]

    def rows(self):
        return self.stack.look("stats")["rows"]

    def picture(self):
        """What Sentinel holds and what the ledger knows, without times of doing; and the number of rows."""
        objects = {}
        for element in self.stack.look("objects"):
            element.pop("modified")
            # The stand-in takes another port each time, and links to reports name it.
            objects[("object", element["id"])] = json.loads(PORT.sub("http://vmray", json.dumps(element)))
        exported = stand_in.run("state", "export", "--state-url", self.state, environment=self.environment)
        known = {}
        for line in exported.splitlines():
            entry = json.loads(line)
            kind, record = entry["kind"], entry["record"]
            if kind == "about" and entry["key"] == "cursor":
                known[("cursor", "")] = {"is past the end of the world": record["until"][:19] >= self.world_ends[:19]}
            if kind not in NOT_COMPARED:
                fields = record if isinstance(record, dict) else {"value": record}
                known[(kind, entry["key"])] = {k: v for k, v in fields.items() if k not in WHEN.get(kind, ())}
        return objects | known, self.rows()


def difference(expected, found):
    """What is missing, too much or other, one sentence each."""
    problems = [f"{kind} {key} is missing" for kind, key in sorted(expected.keys() - found.keys())]
    problems += [f"{kind} {key} is too much" for kind, key in sorted(found.keys() - expected.keys())]
    for name in sorted(expected.keys() & found.keys()):
        before, after = expected[name], found[name]
        if before != after:
            fields = [field for field in before.keys() | after.keys() if before.get(field) != after.get(field)]
            shown = "; ".join(f"{field}: {before.get(field)!r} became {after.get(field)!r}" for field in sorted(fields))
            problems.append(f"{' '.join(name)}: {shown}")
    return problems
