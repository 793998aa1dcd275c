"""What the OASIS tools say of STIX objects.

Three programs are asked, because each lets through what another refuses: stix2-validator checks objects and their
patterns against the schemas, stix2-patterns parses each pattern with its own grammar, stix2 makes objects of the pattern
and prints them again.
"""

import collections
import concurrent.futures
import json
import multiprocessing

import stix2.pattern_visitor
import stix2patterns.validator
import stix2validator

# 103: ids that are not UUIDv4 (ours are UUIDv5, so that a value always has the same id).
# 303: name and description, which the standard only recommends.
# 302: a URL of an external reference without a hash of what it shows (a report page changes).
NOT_ASKED = "103,302,303"


# Objects that one process looks at before it takes the next ones.
PORTION = 250


def problems(bundle):
    """The objections to a bundle, one sentence each; empty when it is valid."""
    objects = bundle.get("objects", [])
    portions = [bundle | {"objects": objects[i : i + PORTION]} for i in range(0, len(objects), PORTION)] or [bundle]
    ids = collections.Counter(element["id"] for element in objects)
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        found = [problem for part in pool.map(problems_of_portion, portions) for problem in part]
    return found + [f"{one}: {times} times in one bundle" for one, times in ids.items() if times > 1]


def problems_of_portion(bundle):
    options = stix2validator.ValidationOptions(version="2.1", disabled=NOT_ASKED, strict=True)
    found = []
    result = stix2validator.validate_string(json.dumps(bundle), options)
    for part in result.object_results if hasattr(result, "object_results") else [result]:
        for error in part.errors or []:
            found.append(f"{getattr(part, 'object_id', bundle.get('id'))}: {error}")
    if not result.is_valid and not found:
        found.append("not valid, and the validator does not say why")
    for element in bundle.get("objects", []):
        if element["type"] == "indicator":
            found += [f"{element['id']}: pattern {element['pattern']!r}: {error}" for error in of_pattern(element["pattern"])]
    return found


def of_pattern(pattern):
    """The objections of two parsers to a pattern."""
    yield from stix2patterns.validator.run_validator(pattern, stix_version="2.1")
    try:
        printed = str(stix2.pattern_visitor.create_pattern_object(pattern, version="2.1"))
    except Exception as error:  # noqa: BLE001 - whatever it raises, it is an objection
        yield f"stix2 cannot read it: {error}"
        return
    if literal(printed) != literal(pattern):
        yield f"stix2 reads it as {printed!r}"


def literal(pattern):
    """What is compared with; the two programs put blanks and quotes of the path differently."""
    return pattern.split("= '", 1)[-1]


def count(bundle):
    """Objects of a bundle by type, as text."""
    types = {}
    for element in bundle.get("objects", []):
        types[element["type"]] = types.get(element["type"], 0) + 1
    return ", ".join(f"{number} {kind}" for kind, number in sorted(types.items())) or "no objects"
