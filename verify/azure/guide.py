"""The guide to Azure: its commands parse and name what exists, its buttons lead where release.json says."""

import os
import re
import shlex
import subprocess
import urllib.parse

import report
from expansion import PLANS, ROOT, compose, template

PAGES = {name: (ROOT / "docs" / "src" / name).read_text() for name in ("azure.md", "azure-operations.md")}
TEXT = "\n".join(PAGES.values())
PARAMETERS = {name: body for plan in PLANS for name, body in template(plan)["parameters"].items()}
OUTPUTS = {name for plan in PLANS for name in template(plan)["outputs"]}
#: Commands of the Azure CLI that the guide uses, with their options.
AZ = {
    "monitor log-analytics workspace show": {"--resource-group", "--workspace-name", "--query", "--output"},
    "functionapp list-flexconsumption-locations": {"--output"},
    "functionapp stop": {"--resource-group", "--name"},
    "functionapp start": {"--resource-group", "--name"},
    "group create": {"--name", "--location"},
    "deployment group create": {"--resource-group", "--template-file", "--parameters"},
}


def commands():
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.S):
        for line in block.splitlines():
            if line.strip():
                yield shlex.split(line.strip())


def every_command_parses():
    """Every command is one of az that is known, or one that the program takes"""
    for words in commands():
        if words[0] == "az":
            name = " ".join(words[1:next((i for i, word in enumerate(words) if word.startswith("--")), len(words))])
            options = {word for word in words if word.startswith("--")}
            if name not in AZ or not options <= AZ[name]:
                yield f"az {name} {sorted(options - AZ.get(name, set()))}"
            for word in words:
                given = re.match(r"([A-Za-z]\w*)=", word)
                if given and given.group(1) not in PARAMETERS:
                    yield f"{given.group(1)} is no parameter"
                if word.startswith("azure/") and not (ROOT / word).is_file():
                    yield f"{word} is no file"
        elif words[0] == "vmray-sentinel":
            run = subprocess.run([os.environ["VMRAY_SENTINEL_BIN"], *words[1:], "--help"], capture_output=True, text=True, check=False)
            unknown = [word for word in words[2:] if word.startswith("--") and word not in run.stdout]
            if run.returncode != 0 or unknown:
                yield f"{' '.join(words)}: {unknown or run.stderr}"
        elif words[0] != "sha256sum":
            yield " ".join(words)


def what_is_named_exists():
    """Every NAME=value is a parameter with a value that it takes, and every output named exists"""
    for name, value in re.findall(r"\b([A-Z]\w+)=(\w+)", re.sub(r"```.*?```", "", TEXT, flags=re.S)):
        body = PARAMETERS.get(name)
        if body is None or (body.get("allowedValues") and value not in body["allowedValues"]):
            yield f"{name}={value}"
    for name in re.findall(r"output `(\w+)`", TEXT):
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


report.run([every_command_parses, what_is_named_exists, roles_are_those_of_the_templates, buttons_lead_to_the_release])
