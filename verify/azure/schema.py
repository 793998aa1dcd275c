"""Validates what a template makes against the ARM schemas, and Sentinel's types against their definitions.

The schema of each resource is found by its type and apiVersion. What the recorded subset does not hold is counted, not passed.
"""

import collections
import json

import jsonschema
from referencing import Registry
from referencing.jsonschema import DRAFT4

HOST = "https://schema.management.azure.com/schemas/"
#: Where the schema knows less than the service: type, what the finding says, and why it is none.
BEHIND = (
    ("Microsoft.Insights/dataCollectionRules", "'Direct' is not one of", "the service takes kind Direct, as its documents show"),
    ("Microsoft.Insights/dataCollectionRules", "'Custom-VMRayFeed", "the list of streams in the schema is only that of Microsoft's own"),
    ("Microsoft.OperationalInsights/workspaces/tables", "'datetime' is not one of", "the service compares without regard to case"),
    ("Microsoft.ManagedIdentity/userAssignedIdentities", "'properties' is a required property", "all of its properties are read-only"),
    ("Microsoft.Web/sites/extensions", "", "onedeploy and zipdeploy are not in the schema, which knows MSDeploy alone"),
)
#: Types of which no schema is recorded.
UNRECORDED = {
    "microsoft.network", "microsoft.insights/scheduledqueryrules", "microsoft.insights/actiongroups", "microsoft.insights/diagnosticsettings",
}


def pruned(value):
    """Drops what is null, which ARM takes as not given."""
    if isinstance(value, dict):
        return {key: pruned(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [pruned(item) for item in value]
    return value


class Validator:
    def __init__(self, folder):
        self.folder = folder
        self.definitions = {}
        self.seen = {}
        self.validated = collections.Counter()
        self.unrecorded = collections.Counter()
        self.behind = collections.Counter()
        files = []
        for path in sorted((folder / "arm").rglob("*.json")):
            content = json.loads(path.read_text())
            files.append((HOST + str(path.relative_to(folder / "arm")), DRAFT4.create_resource(content)))
            for group in ("resourceDefinitions", "extension_resourceDefinitions", "unknown_resourceDefinitions"):
                for name, definition in content.get(group, {}).items():
                    kinds = definition.get("properties", {}).get("type", {}).get("enum", [])
                    for kind in kinds:
                        uri = f"{HOST}{path.parent.name}/{path.name}#/{group}/{name}"
                        self.definitions.setdefault((kind.lower(), path.parent.name), []).append(uri)
        # Crawled once: a registry that loads as it goes crawls anew with each look.
        self.registry = Registry().with_resources(files).crawl()
        types = folder / "bicep-types" / "microsoft.securityinsights" / "2025-09-01" / "types.json"
        self.sentinel = json.loads(types.read_text())

    def problems(self, resource):
        """Yields what is wrong with a resource; one that was seen before is not looked at again."""
        key = json.dumps(resource.body, sort_keys=True, default=str)
        if key not in self.seen:
            self.seen[key] = list(self.look(resource))
        yield from self.seen[key]

    def look(self, resource):
        kind, version = resource.type, resource.body["apiVersion"]
        if kind.endswith("/providers/alertRules"):
            self.validated[kind] += 1
            yield from self.sentinel_problems(resource.body["properties"], "ScheduledAlertRuleProperties")
            return
        uris = self.definitions.get((kind.lower(), version))
        if uris is None:
            if not any(kind.lower().startswith(known) for known in UNRECORDED):
                yield f"no schema for {kind} in version {version}"
            self.unrecorded[kind] += 1
            return
        body = pruned({key: value for key, value in resource.body.items() if key not in ("id", "scope")})
        self.validated[kind] += 1
        # Some types have a definition for each name; patterns for names are of the whole path or of its last part.
        names = (body["name"], body["name"].rsplit("/", 1)[-1])
        readings = [self.errors(uri, {**body, "name": name}) for uri in uris for name in dict.fromkeys(names)]
        for problem in min(readings, key=len):
            explained = next((words for known, words, _ in BEHIND if known == kind and words in problem), None)
            if explained is None:
                yield problem
            else:
                self.behind[f"{kind} {explained}".strip()] += 1

    def errors(self, uri, body):
        validator = jsonschema.Draft4Validator({"$ref": uri}, registry=self.registry)
        deepest = [max(self.leaves(error), key=lambda leaf: len(leaf.absolute_path)) for error in validator.iter_errors(body)]
        return [f"{'/'.join(map(str, leaf.absolute_path)) or 'the resource'}: {leaf.message[:200]}" for leaf in deepest]

    def leaves(self, error):
        if not error.context:
            yield error
        for inner in error.context or []:
            yield from self.leaves(inner)

    def sentinel_problems(self, value, name):
        """Names and needs of the properties of one of Sentinel's types."""
        known = next(item for item in self.sentinel if item.get("name") == name)["properties"]
        for key in value:
            if key not in known:
                yield f"{name} has no {key}"
        for key, definition in known.items():
            if definition["flags"] & 1 and key not in value:
                yield f"{name} needs {key}"
            target = self.sentinel[int(definition["type"]["$ref"].removeprefix("#/"))]
            if key in value and target.get("$type") == "ObjectType" and target.get("properties") and isinstance(value[key], dict):
                yield from self.sentinel_problems(value[key], target["name"])

    def summary(self):
        return (f"{sum(self.validated.values())} resources of {len(self.validated)} types validated; without a recorded schema: "
                f"{', '.join(sorted(self.unrecorded))}; schema behind the service: {'; '.join(sorted(self.behind))}")
