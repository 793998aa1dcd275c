"""Six thousand random patterns: the upload stand-in must take those that the validator of OASIS takes, and no others.

Half of them come from the grammar, half are such patterns with something changed. The seed is printed; another one, or
another number, can be given: `patterns.py SEED COUNT`.
"""

import concurrent.futures
import json
import multiprocessing
import random
import re
import sys
import urllib.parse
import urllib.request
import uuid

import stand_in
import stix2patterns.validator

# Objects in one request, one of which is always valid: when all are refused, the stand-in does not say why.
PORTION = 99

TIMES = ["2026-01-01T00:00:00Z", "2026-12-31T23:59:60Z", "2026-02-31T12:00:00.123456789Z"]
BAD_TIMES = ["2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00,5Z",
             "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-1-1T00:00:00Z", "2026-01-01T00:00:00.Z"]  # fmt: skip
WORDS = ["AND", "OR", "NOT", "FOLLOWEDBY", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET", "EXISTS", "LAST", "IN", "START",
         "STOP", "SECONDS", "true", "false", "WITHIN", "REPEATS", "TIMES"]  # fmt: skip
PIECES = [*WORDS, "and", "True", "[", "]", "(", ")", "=", "==", "!=", "<>", "<", ">=", ":", ".", ",", "'", "''", "\\", "*", "-",
          "+", "^", "/", "0", "7", "007", "1st", "-1", "+2", "1.5", ".5", "1.", "1e5", "h'ff'", "h'f'", "h'fg'", "b'AAAA'",
          "b'AA=='", "b'AAA'", "b''", "t'x'", "/* c */", "/*", "// c\n", " ", "\n", "\t", "\u00a0", "\u200b", "\x1c", "\"a\"",
          "ä", "a-b", "x_1", *(f"t'{time}'" for time in TIMES + BAD_TIMES)]  # fmt: skip


class Patterns:
    """Draws from the grammar."""

    def __init__(self, seed):
        self.draw = random.Random(seed)

    def one_of(self, *choices):
        return self.draw.choice(choices)

    def chance(self, share):
        return self.draw.random() < share

    def space(self):
        return self.one_of(" ", " ", " ", "  ", "\t", "\n", " /* note */ ", "\u00a0")

    def name(self):
        return self.one_of("value", "name", "x_1", "_a", "b2", "andy", "h", "t", "b", "Not")

    def text(self):
        pieces = ["a", "7", " ", "\\'", "\\\\", "ä", "\n", "[", "]", "/*", "//", "AND", "%", "\U0001f480"]
        return "'" + "".join(self.draw.choices(pieces, k=self.draw.randrange(6))) + "'"

    def hexadecimal(self, digits):
        return "".join(self.draw.choices("0123456789abcdefABCDEF", k=digits))

    def base64(self):
        tail = self.one_of("", "AAA=", "Zg==", "AAAA", "Zm9v", "a+/=")
        return "".join(self.draw.choices("ABab01+/", k=4 * self.draw.randrange(3))) + (tail or "AAAA")

    def integer(self, signs=("", "", "+", "-")):
        return self.one_of(*signs) + self.one_of("0", "1", "42", "65536")

    def floating(self, signs=("", "", "+", "-")):
        return self.one_of(*signs) + self.one_of("0.0", ".5", "12.25", "007.1")

    def orderable(self):
        return self.one_of(
            self.text, self.text, self.integer, self.floating,
            lambda: f"h'{self.hexadecimal(2 * self.draw.randrange(4))}'",
            lambda: f"b'{self.base64()}'",
            lambda: f"t'{self.draw.choice(TIMES)}'",
        )()  # fmt: skip

    def primitive(self):
        return self.one_of("true", "false") if self.chance(0.1) else self.orderable()

    def path(self):
        kind = self.one_of("url", "x-thing", "file", "ipv4-addr", "AND-x", "_x-", "h")
        steps = [self.name() if self.chance(0.8) else self.text()]
        while self.chance(0.3):
            steps.append(self.one_of("." + self.name(), "." + self.text(), f"[{self.draw.randrange(9)}]", "[*]"))
        return f"{kind}:{''.join(steps)}"

    def hash_test(self):
        algorithm, digits = self.one_of(("MD5", 32), ("'SHA-1'", 40), ("'SHA-256'", 64), ("sha256", 64), ("'SHA3-512'", 128))
        digits += self.one_of(0, 0, 0, 0, -1, 2)
        return f"file:hashes.{algorithm}{self.space()}{self.one_of('=', '!=')}{self.space()}'{self.hexadecimal(digits)}'"

    def test(self, depth):
        if depth and self.chance(0.15):
            return f"({self.comparison(depth - 1)})"
        if self.chance(0.05):
            return f"EXISTS {self.path()}"
        if self.chance(0.1):
            return self.hash_test()
        negated = " NOT" if self.chance(0.1) else ""
        start = f"{self.path()}{negated}{self.space()}"
        if self.chance(0.1):
            items = ",".join(self.primitive() for _ in range(self.draw.randrange(4)))
            return f"{start}IN{self.space()}({items})"
        if self.chance(0.15):
            return f"{start}{self.one_of('LIKE', 'MATCHES', 'ISSUBSET', 'ISSUPERSET')}{self.space()}{self.text()}"
        if self.chance(0.3):
            return f"{start}{self.one_of('<', '>', '<=', '>=')}{self.space()}{self.orderable()}"
        return f"{start}{self.one_of('=', '==', '!=', '<>')}{self.space()}{self.primitive()}"

    def comparison(self, depth):
        parts = [self.test(depth)]
        while self.chance(0.25):
            parts.append(f"{self.space()}{self.one_of('AND', 'OR')}{self.space()}{self.test(depth)}")
        return "".join(parts)

    def qualifier(self):
        positive = ("", "+")
        return self.one_of(
            lambda: f"WITHIN {self.one_of(self.integer, self.floating)(positive)} SECONDS",
            lambda: f"REPEATS {self.integer(positive)} TIMES",
            lambda: f"START t'{self.draw.choice(TIMES)}' STOP t'{self.draw.choice(TIMES)}'",
        )()

    def observation(self, depth):
        inner = f"({self.observations(depth - 1)})" if depth and self.chance(0.2) else f"[{self.comparison(2)}]"
        while self.chance(0.15):
            inner += self.space() + self.qualifier()
        return inner

    def observations(self, depth=2):
        parts = [self.observation(depth)]
        while self.chance(0.2):
            parts.append(f" {self.one_of('FOLLOWEDBY', 'AND', 'OR')} {self.observation(depth)}")
        return "".join(parts)

    def changed(self, pattern):
        """The pattern with one or two things put in, taken out or doubled."""
        for _ in range(self.draw.randrange(1, 3)):
            tokens = re.findall(r"[\w-]+|'(?:[^'\\]|\\.)*'|\s+|.", pattern, flags=re.S)
            at = self.draw.randrange(len(tokens))
            match self.draw.randrange(4):
                case 0:
                    tokens[at] = self.draw.choice(PIECES)
                case 1:
                    tokens.insert(at, self.draw.choice(PIECES))
                case 2:
                    del tokens[at]
                case 3:
                    tokens.insert(at, tokens[at])
            pattern = "".join(tokens) or "["
        return pattern

    def asked(self, count):
        """So many different patterns."""
        patterns = {}
        while len(patterns) < count:
            pattern = self.observations()
            pattern = self.changed(pattern) if self.chance(0.5) else pattern
            if not outside(pattern):
                patterns[pattern] = None
        return list(patterns)


def outside(pattern):
    """Where the validator is no judge of the grammar: its first check does not know comments, and the one for hashes takes
    a set or a regular expression for a hash."""
    other = re.search(r"hashes.*(IN|LIKE|MATCHES|ISSUBSET|ISSUPERSET)", pattern, flags=re.S)
    return not pattern.strip() or pattern.lstrip("( \t\n\u00a0").startswith("/") or other


def judged(pattern):
    """Whether OASIS takes a pattern; nothing where its program ends with an error of its own."""
    try:
        return not stix2patterns.validator.run_validator(pattern, stix_version="2.1")
    except (AttributeError, TypeError):
        return None


def token(settings):
    form = {
        "grant_type": "client_credentials",
        "client_id": settings["AzureClientID"],
        "client_secret": settings["AzureClientSecret"],
        "scope": "https://management.azure.com/.default",
    }
    url = f"{settings['AZURE_AUTHORITY_HOST'].rstrip('/')}/{settings['AzureTenantID']}/oauth2/v2.0/token"
    with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode()) as answer:
        return json.load(answer)["access_token"]


def indicator(pattern):
    time = "2026-01-01T00:00:00.000Z"
    return {"type": "indicator", "spec_version": "2.1", "id": f"indicator--{uuid.uuid4()}", "created": time, "modified": time,
            "valid_from": time, "pattern_type": "stix", "pattern": pattern}  # fmt: skip


def taken(settings, patterns):
    """Whether the stand-in takes each pattern, in order."""
    path = f"/workspaces/{settings['AzureWorkspaceID']}/threat-intelligence-stix-objects:upload?api-version=2024-02-01-preview"
    headers = {"Authorization": f"Bearer {token(settings)}", "Content-Type": "application/json"}
    verdicts = []
    for start in range(0, len(patterns), PORTION):
        portion = patterns[start : start + PORTION]
        objects = [indicator(pattern) for pattern in [*portion, "[url:value = 'x']"]]
        body = json.dumps({"sourcesystem": "verify", "stixobjects": objects}).encode()
        request = urllib.request.Request(settings["SentinelTiEndpoint"].rstrip("/") + path, body, headers)
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
        refused = {error["recordIndex"] for error in json.loads(text)["errors"]} if text else set()
        verdicts += [index not in refused for index in range(len(portion))]
    return verdicts


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 2026
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 6000
    patterns = Patterns(seed).asked(count)
    with stand_in.Simulate("--samples", 1) as stack:
        ours = taken(stack.settings, patterns)
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        theirs = list(pool.map(judged, patterns, chunksize=100))
    print(f"  seed {seed}: {count} patterns, {theirs.count(True)} valid, {theirs.count(False)} not, {theirs.count(None)} not judged")
    problems = [
        f"OASIS {'takes' if judge else 'refuses'}, the stand-in does not: {pattern!r}"
        for pattern, our, judge in zip(patterns, ours, theirs)
        if judge is not None and our != judge
    ]
    if theirs.count(None) > count // 50:
        problems.append(f"{theirs.count(None)} patterns were not judged")
    if min(theirs.count(True), theirs.count(False)) < count // 10:
        problems.append("the patterns are all of one kind")
    stand_in.conclude("patterns", problems)


main()
