"""Whole feeds over sockets: every object that the upload stand-in then holds must satisfy the OASIS tools.

Three worlds: a generated one that gives some thousand objects, hostile values among them, the made-up reports of verify/data, and recorded reports of real VMRay servers. In each a
second run must add nothing; of reports the feed must send what `convert` makes of them.
"""

import json
import tempfile
import uuid

import oasis
import stand_in

ALL = {
    "VmraySampleVerdict": "Malicious & Suspicious",
    "IocTypes": "domain,ip,url,file,email,registry,mutex,process",
    "AllowList": "none",
}
# 4: done, but quarantine holds open records, which a world with odd data may well leave behind.
DONE = (0, 4)
SAMPLES = 600
# Fewer objects than this were no large run.
MANY = 3000


# What a value may hold that a careless program trips over, and how it is recognised in a pattern.
HOSTILE = {
    "an escaped quote": lambda pattern: "\\'" in pattern,
    "an escaped backslash": lambda pattern: "\\\\" in pattern,
    "a letter that is no ASCII": lambda pattern: not pattern.isascii(),
    "an IPv6 address": lambda pattern: pattern.startswith("[ipv6-addr"),
}


def patterns(objects):
    return {element["pattern"] for element in objects if element["type"] == "indicator"}


def feed(name, *world):
    """Feeds one world twice; returns what was uploaded and what is wrong with it."""
    with stand_in.Simulate(*world) as stack, tempfile.TemporaryDirectory() as state:
        environment = stack.settings | ALL | {"StateUrl": f"file://{state}"}
        stand_in.run("feed", "--once", environment=environment, codes=DONE)
        objects, first = stack.look("objects"), stack.look("stats")
        stand_in.run("feed", "--once", environment=environment, codes=DONE)
        second = stack.look("stats")
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}
    problems = oasis.problems(bundle)
    if not patterns(objects):
        problems.append("the feed uploaded no indicator")
    if second["rows"] != first["rows"]:
        problems.append(f"a second run with nothing new added {second['rows'] - first['rows']} rows")
    print(f"  {name}: {oasis.count(bundle)}")
    return objects, [f"{name}: {problem}" for problem in problems]


def feed_reports(name, folder, reports):
    """Feeds a folder of reports; what `convert` makes of them must have been uploaded."""
    objects, problems = feed(name, "--reports", folder)
    converted = json.loads(stand_in.run("convert", *reports, environment=ALL))["objects"]
    missing = sorted(patterns(converted) - patterns(objects))
    return problems + [f"{name}: convert gives it, the feed did not send it: {pattern}" for pattern in missing]


def main():
    objects, problems = feed("generated world", "--samples", SAMPLES, "--seed", 11)
    texts = [element["pattern"] for element in objects if element["type"] == "indicator"]
    hostile = {what: sum(mark(text) for text in texts) for what, mark in HOSTILE.items()}
    print(f"  hostile values: {', '.join(f'{number} {what}' for what, number in hostile.items())}")
    problems += [f"the generated world has no value with {what}" for what, number in hostile.items() if not number]
    if len(objects) < MANY:
        problems.append(f"{len(objects)} objects are no large run")
    own = stand_in.ROOT / "verify" / "data"
    problems += feed_reports("made-up reports", own, sorted(own.glob("*.report.json")))
    recorded = stand_in.recorded_reports()
    if recorded:
        problems += feed_reports("recorded reports", stand_in.FIXTURES, recorded)
    else:
        print("SKIPPED: feed on recorded reports: no ../shared/fixtures/vmray beside the checkout")
    stand_in.conclude("everything uploaded", problems)


main()
