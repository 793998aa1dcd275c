"""What the OASIS tools say of STIX objects.

Two programs are asked, because each lets through what the other refuses: stix2-validator checks objects and their
patterns against the schemas, stix2-patterns parses each pattern with its own grammar.
"""

import json

import stix2patterns.validator
import stix2validator

# 103: ids that are not UUIDv4 (ours are UUIDv5, so that a value always has the same id).
# 303: name and description, which the standard only recommends.
# 302: a URL of an external reference without a hash of what it shows (a report page changes).
NOT_ASKED = "103,302,303"


def problems(bundle):
    """The objections to a bundle, one sentence each; empty when it is valid."""
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
            for error in stix2patterns.validator.run_validator(element["pattern"], stix_version="2.1"):
                found.append(f"{element['id']}: pattern {element['pattern']!r}: {error}")
    return found


def count(bundle):
    """Objects of a bundle by type, as text."""
    types = {}
    for element in bundle.get("objects", []):
        types[element["type"]] = types.get(element["type"], 0) + 1
    return ", ".join(f"{number} {kind}" for kind, number in sorted(types.items())) or "no objects"
