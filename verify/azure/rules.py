"""The rules of Microsoft's template test kit (arm-ttk), as far as they can be said without PowerShell: one function a rule.

Each has the name of the test it stands for. Those that are about virtual machines, extensions, artifacts or credentials for
them find nothing to look at here and are left out. They look at the templates that are checked in, and at those of a release.
"""

import datetime
import json
import re

import report
from expansion import AZURE, PLANS, compose, template

#: What is looked at, by name: as it is checked in, and as a release publishes it, with the hash of its package.
EVERY = {
    **{plan: template(plan) for plan in PLANS},
    **{f"{plan} of a release": json.loads(compose().composed(plan, "cd" * 32)["azuredeploy.json"]) for plan in PLANS},
}

#: Newest stable version that was known when the template was written, where that is older than two years.
NEWEST = {
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Insights/actionGroups": "2023-01-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.Insights/dataCollectionRules": "2023-03-11",
    "Microsoft.Insights/diagnosticSettings": "2021-05-01-preview",
    "Microsoft.Insights/scheduledQueryRules": "2023-12-01",
    "Microsoft.KeyVault/vaults": "2024-11-01",
    "Microsoft.Network": "2024-05-01",
    "Microsoft.Network/privateDnsZones": "2024-06-01",
    "Microsoft.Resources/deployments": "2024-11-01",
    "Microsoft.Web/serverfarms": "2024-11-01",
    "Microsoft.Web/sites": "2024-11-01",
}
WRITTEN = datetime.date(2026, 11, 24)
SECRET_WORDS = re.compile(r"(listKeys|listSecrets|list[A-Z]\w*)\s*\(|securestring", re.I)


def walk(value, path=()):
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, (*path, index))


def templates():
    """Every template and every template in it: (name, content without the inner ones, outer values given to it)."""
    for name, content in EVERY.items():
        yield from inner(name, content, {})


def inner(name, content, given):
    own = json.loads(json.dumps(content))
    for resource in own["resources"]:
        if resource["type"] == "Microsoft.Resources/deployments":
            resource["properties"].pop("template")
    yield name, own, given
    for resource in content["resources"]:
        if resource["type"] == "Microsoft.Resources/deployments":
            properties = resource["properties"]
            yield from inner(f"{name}, {resource['name']}", properties["template"], properties["parameters"])


def resources():
    for name, content, _ in templates():
        for resource in content["resources"]:
            yield name, resource
            for child in resource.get("resources", []):
                yield name, {**child, "type": f"{resource['type']}/{child['type']}"}


def expressions(value):
    for path, item in walk(value):
        if isinstance(item, str) and item.startswith("[") and not item.startswith("[["):
            yield path, item
        if path and isinstance(path[-1], str) and path[-1].startswith("["):
            yield path, path[-1]


def used(kind, content):
    found = set()
    for _, text in expressions({key: value for key, value in content.items() if key != "metadata"}):
        found |= {name.lower() for name in re.findall(rf"\b{kind}\('([^']+)'\)", text)}
    return found


def declared_variables(content):
    names = dict(content.get("variables", {}))
    for loop in names.pop("copy", []):
        names[loop["name"]] = loop["input"]
    return names


def parameters_must_be_referenced():
    """Parameters-Must-Be-Referenced, and none is referenced that is not there"""
    for name, content, _ in templates():
        declared = {parameter.lower() for parameter in content.get("parameters", {})}
        for parameter in sorted(declared ^ used("parameters", content)):
            yield f"{name}: parameter {parameter}"


def variables_must_be_referenced():
    """Variables-Must-Be-Referenced, and none is referenced that is not there"""
    for name, content, _ in templates():
        declared = {variable.lower() for variable in declared_variables(content)}
        for variable in sorted(declared ^ used("variables", content)):
            yield f"{name}: variable {variable}"


def parameter_types_should_be_consistent():
    """Parameter-Types-Should-Be-Consistent: inner templates are given exactly what they declare"""
    for name, content, given in templates():
        if given and set(given) != set(content["parameters"]):
            yield f"{name}: given {sorted(set(given) ^ set(content['parameters']))}"


def api_versions_should_be_recent():
    """apiVersions-Should-Be-Recent: at most two years old, or the newest that is known; no preview beside a stable one"""
    for name, resource in resources():
        version, kind = resource["apiVersion"], resource["type"]
        age = (WRITTEN - datetime.date.fromisoformat(version[:10])).days
        known = next((NEWEST[key] for key in (kind, "/".join(kind.split("/")[:2]), kind.split("/")[0]) if key in NEWEST), None)
        if version != known and (age > 730 or "preview" in version):
            yield f"{name}: {kind} {version}"


def api_versions_should_be_recent_in_reference_functions():
    """apiVersions-Should-Be-Recent-In-Reference-Functions: reference() and list functions use versions that resources use"""
    versions = {resource["apiVersion"] for _, resource in resources()}
    for plan, content in EVERY.items():
        for _, text in expressions(content):
            for version in re.findall(r"'(\d{4}-\d\d-\d\d(?:-preview)?)'", text):
                if version not in versions:
                    yield f"{plan}: {version} in {text[:80]}"


def references_carry_an_api_version():
    """reference() names an apiVersion: without one it fails where the deployment that it names is not made (a condition)"""
    for plan, content in EVERY.items():
        for _, text in expressions(content):
            for start in re.finditer(r"\breference\(", text):
                given = arguments(text[start.end():])
                if len(given) < 2 or not re.fullmatch(r"'\d{4}-\d\d-\d\d(-preview)?'", given[1]):
                    yield f"{plan}: reference({', '.join(given)})"


def arguments(text):
    """What stands between commas up to the bracket that closes a call, with what is in brackets or quotes left whole."""
    found, depth, quoted = [""], 0, False
    for character in text:
        if character == "'":
            quoted = not quoted
        if not quoted:
            if depth == 0 and character == ")":
                break
            if depth == 0 and character == ",":
                found.append("")
                continue
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        found[-1] += character
    return [argument.strip() for argument in found]


def location_should_not_be_hardcoded():
    """Location-Should-Not-Be-Hardcoded, and Resources-Should-Have-Location"""
    worldwide = {"Microsoft.Insights/actionGroups": "Global", "Microsoft.Network/privateDnsZones": "global",
                 "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "global"}
    for name, resource in resources():
        location = resource.get("location")
        if location is not None and location != worldwide.get(resource["type"]) and not location.lower().startswith("[parameters('location')"):
            yield f"{name}: {resource['type']} is in {location}"
        if location is None and "tags" in resource:
            yield f"{name}: {resource['type']} has no location"
    for name, content, given in templates():
        default = content.get("parameters", {}).get("Location", {}).get("defaultValue")
        if not given and default != "[resourceGroup().location]":
            yield f"{name}: default of Location is {default}"
    for plan, content in EVERY.items():
        if json.dumps(content).count("resourceGroup().location") != 1:
            yield f"{plan}: resourceGroup().location is used outside the parameter"


def secure_parameters():
    """Secure-String-Parameters-Cannot-Have-Default, Password-params-must-be-secure, Secure-Params-In-Nested-Deployments"""
    for name, content, _ in templates():
        for parameter, body in content.get("parameters", {}).items():
            secure = body["type"].lower().startswith("secure")
            if secure and body.get("defaultValue", "") != "":
                yield f"{name}: {parameter} has a default"
            if re.search(r"(secret|password|key|connection)$", parameter, re.I) and not secure:
                yield f"{name}: {parameter} is not secure"
        for resource in content["resources"]:
            if resource["type"] == "Microsoft.Resources/deployments":
                if resource["properties"]["expressionEvaluationOptions"] != {"scope": "inner"}:
                    yield f"{name}: {resource['name']} is not evaluated in its own scope"


def secrets_reach_secure_parameters_only():
    """Secure-Params-In-Nested-Deployments: a secure value is handed to a secure parameter and to nothing else"""
    for plan, content in EVERY.items():
        secure = [name for name, body in content["parameters"].items() if body["type"].lower().startswith("secure")]
        for path, text in expressions(content):
            if not any(f"parameters('{name}')" in text for name in secure) and "listKeys(" not in text:
                continue
            without = text
            for name in secure:
                without = without.replace(f"empty(parameters('{name}'))", "true")
            if not any(f"parameters('{name}')" in without for name in secure) and "listKeys(" not in without:
                continue
            resource = content["resources"][path[1]] if path[0] == "resources" else None
            target = path[-2] if path[-1] == "value" else None
            declared = (resource or {}).get("properties", {}).get("template", {}).get("parameters", {}).get(target, {})
            if declared.get("type") != "securestring":
                yield f"{plan}: {'/'.join(map(str, path))}"


def outputs_must_not_contain_secrets():
    """Outputs-Must-Not-Contain-Secrets"""
    for name, content, _ in templates():
        secure = [parameter for parameter, body in content.get("parameters", {}).items() if body["type"].lower().startswith("secure")]
        for output, body in content.get("outputs", {}).items():
            text = json.dumps(body)
            if SECRET_WORDS.search(text) or any(f"parameters('{parameter}')" in text for parameter in secure) or "secret" in output.lower():
                yield f"{name}: {output}"


def ids_should_be_derived():
    """IDs-Should-Be-Derived-From-ResourceIDs: no id is written or put together by hand"""
    for plan, content in EVERY.items():
        for path, item in walk(content):
            if isinstance(item, str) and re.search(r"/subscriptions/|/providers/Microsoft", item):
                yield f"{plan}: {'/'.join(map(str, path))}: {item[:80]}"


def resource_ids_should_not_contain():
    """ResourceIds-should-not-contain: resourceId() is given names, not the result of functions that belong outside"""
    for plan, content in EVERY.items():
        for _, text in expressions(content):
            if re.search(r"resourceId\([^)]*(subscription\(\)|resourceGroup\(\)|tenant\(\))", text):
                yield f"{plan}: {text[:100]}"


def no_blanks():
    """Template-Should-Not-Contain-Blanks: no empty object, array or text but where it is a default or an identity"""
    for plan, content in EVERY.items():
        for path, item in walk(content):
            if item in ({}, [], "", None) and path[-1] != "defaultValue" and "userAssignedIdentities" not in path:
                yield f"{plan}: {'/'.join(map(str, path))}"


def depends_on_best_practices():
    """DependsOn-Best-Practices: no concat, no condition in a dependency"""
    for name, resource in resources():
        for dependency in resource.get("dependsOn", []):
            if re.match(r"\[(concat|if)\(", dependency):
                yield f"{name}: {resource['type']}: {dependency}"


def uris_should_be_properly_constructed():
    """URIs-Should-Be-Properly-Constructed: uri() is given a base and a path, and no address has two schemes"""
    for plan, content in EVERY.items():
        for _, text in expressions(content):
            if re.search(r"\buri\(\s*(concat|format)", text) or text.count("https://") > 1:
                yield f"{plan}: {text[:100]}"


def min_and_max_are_numbers():
    """Min-And-Max-Value-Are-Numbers"""
    for name, content, _ in templates():
        for parameter, body in content.get("parameters", {}).items():
            for bound in ("minValue", "maxValue", "minLength", "maxLength"):
                if not isinstance(body.get(bound, 0), int):
                    yield f"{name}: {parameter}"


def no_debug_and_no_providers():
    """Deployment-Resources-Must-Not-Be-Debug, providers_apiVersions-Is-Not-Permitted, Dynamic-Variable-References-Should-Not-Use-Concat"""
    for plan, content in EVERY.items():
        text = json.dumps(content)
        for word in ("debugSetting", "providers(", "variables(concat", "parameters(concat"):
            if word in text:
                yield f"{plan}: {word}"


def schema_is_correct():
    """DeploymentTemplate-Schema-Is-Correct, DeploymentParameters-Should-Have-Schema, -ContentVersion, -Parameters and -Value"""
    for plan, content in EVERY.items():
        values = json.loads((AZURE / plan.split()[0] / "azuredeploy.parameters.json").read_text())
        if not content["$schema"].endswith("/2019-04-01/deploymentTemplate.json#"):
            yield f"{plan}: {content['$schema']}"
        if not values["$schema"].endswith("/2019-04-01/deploymentParameters.json#") or not values["contentVersion"]:
            yield f"{plan}: parameters {values['$schema']}"
        for name, body in values["parameters"].items():
            if name not in content["parameters"] or set(body) != {"value"}:
                yield f"{plan}: parameters file: {name}"
            if content["parameters"].get(name, {}).get("type", "").startswith("secure"):
                yield f"{plan}: parameters file has the secret {name}"
        for name, body in content["parameters"].items():
            if not body.get("metadata", {}).get("description"):
                yield f"{plan}: {name} is not described"


def limits():
    """Within Azure's limits: 256 parameters, 256 variables, 800 resources, 64 outputs, 4 MB, 24,576 characters an expression"""
    for name, content, _ in templates():
        if len(content.get("parameters", {})) > 256 or len(content.get("variables", {})) > 256 or len(content.get("outputs", {})) > 64:
            yield name
        for _, text in expressions(content):
            if len(text) > 24576:
                yield f"{name}: an expression of {len(text)} characters"


def ui():
    """The form of the portal, as read by createUiDefinition's own tests"""
    import form

    yield from form.findings()


report.run([
    parameters_must_be_referenced, variables_must_be_referenced, parameter_types_should_be_consistent, api_versions_should_be_recent,
    api_versions_should_be_recent_in_reference_functions, references_carry_an_api_version, location_should_not_be_hardcoded, secure_parameters,
    secrets_reach_secure_parameters_only, outputs_must_not_contain_secrets, ids_should_be_derived, resource_ids_should_not_contain,
    no_blanks, depends_on_best_practices, uris_should_be_properly_constructed, min_and_max_are_numbers, no_debug_and_no_providers,
    schema_is_correct, limits, ui,
])
