"""The guide to Azure: its commands parse and name what exists, in an order that works, its buttons lead where release.json says."""

import json
import os
import re
import shlex
import subprocess
import urllib.parse

import report
from expansion import AZURE, PLANS, ROOT, compose, template

#: In the order of reading: what a page uses is set there, or on a page before it.
PAGES = {name: (ROOT / "docs" / "src" / name).read_text() for name in ("azure.md", "azure-running.md", "azure-operations.md")}
TEXT = "\n".join(PAGES.values())
PARAMETERS = {name: body for plan in PLANS for name, body in template(plan)["parameters"].items()}
OUTPUTS = {name for plan in PLANS for name in template(plan)["outputs"]}
SHOWN = {"--query", "--output"}
NAMED = {"--resource-group", "--name"}
#: Commands of the Azure CLI that the guide uses, with their options as azure-cli 2.91.0 has them.
AZ = {
    "monitor log-analytics workspace show": {"--resource-group", "--workspace-name", *SHOWN},
    "monitor log-analytics workspace table delete": {*NAMED, "--workspace-name"},
    "functionapp list-flexconsumption-locations": {"--output"},
    "functionapp deployment source config-zip": {*NAMED, "--src"},
    "functionapp keys list": {*NAMED, *SHOWN},
    "functionapp show": {*NAMED, *SHOWN},
    "functionapp stop": NAMED,
    "functionapp start": NAMED,
    "functionapp restart": NAMED,
    "group create": {"--name", "--location"},
    "group delete": {"--name"},
    "deployment group create": {"--resource-group", "--template-file", "--parameters"},
    "deployment group show": {*NAMED, *SHOWN},
    "provider register": {"--namespace", "--wait"},
    "role assignment delete": {"--assignee", "--scope"},
    "keyvault secret set": {"--vault-name", "--name", "--file"},
    "keyvault recover": {"--name"},
    "storage account keys list": {"--resource-group", "--account-name", *SHOWN},
    "storage file download": {"--account-name", "--account-key", "--share-name", "--path", "--dest"},
    "network list-service-tags": {"--location", *SHOWN},
    "ad app create": {"--display-name", "--sign-in-audience", "--requested-access-token-version", *SHOWN},
    "ad app update": {"--id", "--identifier-uris"},
    "ad sp create": {"--id"},
    "rest": {"--method", "--url"},
}
#: Other programs, with their options.
PROGRAMS = {"sha256sum": set(), "cut": {"-c1-64"}, "ls": set(), "cat": set(), "rm": set(), "printf": set(), "curl": {"-H", "--json"}}
VMRAY = {"/rest/system_info"}


def commands():
    """Yields (line, words of each command, variables that are set before it), in the order of reading."""
    known = set()
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.S):
        for line in filter(None, map(str.strip, block.splitlines())):
            kept = re.fullmatch(r"([A-Z][A-Z0-9_]*)=\$\((.*)\)", line)
            asked = re.fullmatch(r"read -rs ([A-Z][A-Z0-9_]*)", line)
            words = [] if asked else shlex.split(kept.group(2) if kept else line)
            while words:
                end = words.index("|") if "|" in words else len(words)
                yield line, words[:end], set(known)
                words = words[end + 1:]
            if kept or asked:
                known.add((kept or asked).group(1))


def every_command_parses():
    """Every command is one of az that is known, or one that the program takes, or one of a few others with known options"""
    for line, words, _ in commands():
        options = {word for word in words if word.startswith("-")}
        if words[0] == "az":
            yield from of_az(words, options)
        elif words[0] == "vmray-sentinel":
            run = subprocess.run([os.environ["VMRAY_SENTINEL_BIN"], *words[1:], "--help"], capture_output=True, text=True, check=False)
            unknown = [word for word in words[2:] if word.startswith("--") and word not in run.stdout]
            if run.returncode != 0 or unknown:
                yield f"{' '.join(words)}: {unknown or run.stderr}"
        elif words[0] not in PROGRAMS or not options <= PROGRAMS[words[0]]:
            yield line
        elif words[0] == "curl":
            yield from of_curl(words)
    for line in every_line():
        if line.count("'") % 2 or line.count('"') % 2:
            yield f"quotes: {line}"


def every_line():
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.S):
        yield from filter(None, map(str.strip, block.splitlines()))


def of_az(words, options):
    name = " ".join(words[1:next((i for i, word in enumerate(words) if word.startswith("-")), len(words))])
    if name not in AZ or not options <= AZ[name]:
        yield f"az {name} {sorted(options - AZ.get(name, set()))}"
    for word in words:
        given = re.match(r"([A-Za-z]\w*)=", word)
        if given and given.group(1) not in PARAMETERS:
            yield f"{given.group(1)} is no parameter"
        if word.startswith("azure/") and not (ROOT / word).is_file():
            yield f"{word} is no file"
        read = re.match(r"properties\.outputs\.(\w+)\.value$", word)
        if word.startswith("properties.") and (not read or read.group(1) not in OUTPUTS):
            yield f"{word} is no output"


def of_curl(words):
    """The path is one of VMRay's, or of a function of the package; what is sent is JSON."""
    routes = {json.loads(path.read_text())["bindings"][0].get("route", path.parent.name) for path in (AZURE / "functions").glob("*/function.json")}
    address = words[-1]
    path = re.sub(r"^(\$ADDRESS|https://[a-z.]+)", "", address)
    if path not in (VMRAY if address.startswith("https://") else {f"/api/{route}" for route in routes}):
        yield f"curl {address}"
    if "--json" in words:
        json.loads(words[words.index("--json") + 1])


def packages_have_the_version():
    """Every package that is named has the version of this checkout"""
    for version in set(re.findall(r"vmray-sentinel-([0-9.]+)-functions", TEXT)) - {compose().version()}:
        yield version


def variables_are_set_before_they_are_used():
    """Every shell variable is set by a command that stands before its use"""
    for line, words, known in commands():
        for name in sorted(set(re.findall(r"\$(\w+)", " ".join(words))) - known):
            yield f"{name} in {line}"


def everything_that_must_be_given_is_given():
    """The command that deploys, with its parameter file, gives every parameter without a default; the file gives no other value than the default"""
    deploy = next(words for _, words, _ in commands() if words[1:4] == ["deployment", "group", "create"])
    plan = next(plan for plan in PLANS if f"azure/{plan}/azuredeploy.json" in deploy)
    parameters = template(plan)["parameters"]
    told = {word.split("=")[0] for word in deploy if re.match(r"[A-Za-z]\w*=", word)}
    file = json.loads((AZURE / plan / "azuredeploy.parameters.json").read_text())["parameters"]
    yield from (f"{name} is not given" for name, body in parameters.items() if "defaultValue" not in body and name not in told)
    for name, body in file.items():
        if body["value"] != parameters[name].get("defaultValue", body["value"]):
            yield f"the parameter file gives {name} {body['value']}"


def what_is_named_exists():
    """Every NAME=value is a parameter with a value that it takes, and every output named exists"""
    for name, value in re.findall(r"\b([A-Z]\w+)=(\w+)", re.sub(r"```.*?```", "", TEXT, flags=re.S)):
        body = PARAMETERS.get(name)
        if body is None or (body.get("allowedValues") and value not in body["allowedValues"]):
            yield f"{name}={value}"
    for name in re.findall(r"outputs? `(\w+)`", TEXT):
        if name not in OUTPUTS:
            yield f"output {name}"


def roles_are_those_of_the_templates():
    """Every role that the templates give is in the table, and no other is said to be the app's"""
    told = set(re.findall(r"^\| the app \| ([^|]+?) \|", TEXT, re.M))
    variables = template("flex")["variables"]
    given = {role["role"] for role in (*variables["alwaysRoles"], variables["sentinelRole"], variables["logsRole"])}
    yield from sorted(told ^ given)


def buttons_lead_to_the_release():
    """Every button is well formed and leads to the template and the form of its plan at the one address of release.json"""
    release = compose().release()
    base = f"{release['published_at']}v{release['version']}"
    wanted = {f"https://portal.azure.{cloud}/#create/Microsoft.Template/uri/{urllib.parse.quote(f'{base}/{plan}/azuredeploy.json', safe='')}"
              f"/createUIDefinitionUri/{urllib.parse.quote(f'{base}/{plan}/createUiDefinition.json', safe='')}"
              for plan in PLANS for cloud in ("com", "us")}
    found = set(re.findall(r"\((https://portal\.azure\.[^)]+)\)", TEXT))
    yield from sorted(wanted ^ found)


report.run([every_command_parses, packages_have_the_version, variables_are_set_before_they_are_used, everything_that_must_be_given_is_given, what_is_named_exists, roles_are_those_of_the_templates, buttons_lead_to_the_release])
