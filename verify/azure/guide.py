"""The guide to Azure: its commands parse and name what exists, in an order that works, its buttons lead where release.json says.

    verify/azure/guide.py PYTHON        the Python of an environment with azure-cli, which parses each `az` command (az.py)

So it does with the commands that a deployment prints, and with those in the program's hints.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import urllib.parse

import report
from expansion import AZURE, NEEDED, PLANS, ROOT, compose, expand, template

#: In the order of reading: what a page uses is set there, or on a page before it.
PAGES = {name: (ROOT / "docs" / "src" / name).read_text() for name in ("azure.md", "azure-running.md", "azure-operations.md")}
TEXT = "\n".join(PAGES.values())
PARAMETERS = {name: body for plan in PLANS for name, body in template(plan)["parameters"].items()}
OUTPUTS = {name for plan in PLANS for name in template(plan)["outputs"]}
#: Commands that the Azure CLI has in an extension, which the package index does not have, by how they begin.
EXTENSIONS = {"monitor data-collection": "monitor-control-service"}
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
    """Every command is one of az, or one that the program takes, or one of a few others with known options"""
    for line, words, _ in commands():
        options = {word for word in words if word.startswith("-")}
        if words[0] == "az":
            yield from of_az(words)
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


def printed():
    """The commands of the output RoleCommands."""
    for plan in PLANS:
        yield from expand(template(plan), NEEDED).outputs["RoleCommands"]


def hinted():
    """The commands in the program's hints, with the file that they stand in; in braces stands what is filled in."""
    for path in sorted(ROOT.glob("crates/*/src/**/*.rs")):
        # Tests hold beginnings of them.
        source = re.sub(r"\\\n\s*", "", path.read_text().split("#[cfg(test)]\nmod tests")[0])
        for found in re.findall(r"`(az [^`]+)`|\$\((az [^()]*(?:\([^()]*\)[^()]*)*)\)", source):
            words = "".join(found).replace('\\"', '"').replace("{assignee}", "--assignee ID")
            # A name alone ("`az monitor data-collection` needs ...") is no command.
            if " -" in words:
                yield words, source


def every_az_command_is_one_of_the_azure_cli():
    """The Azure CLI parses every command of the guide, of the outputs and of the program's hints; those of an extension are named as such"""
    asked = {}
    for place, command, around, whole in (
        *(("the guide", shlex.join(words), TEXT, True) for _, words, _ in commands() if words[0] == "az"),
        *(("the output RoleCommands", command, "", True) for command in printed()),
        *(("a hint", command, around, False) for command, around in hinted()),
    ):
        for words in with_those_inside(command):
            asked.setdefault(tuple(words[1:]), (place, around, whole))
    if not sys.argv[1:]:
        print("SKIPPED: az commands against the Azure CLI: no Python with azure-cli is given")
        return
    script = pathlib.Path(__file__).parent / "az.py"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run([sys.argv[1], script], input=json.dumps(list(asked)), env=environment, capture_output=True, text=True, check=True)
    skipped = set()
    for (words, (place, around, whole)), problem in zip(asked.items(), json.loads(run.stdout)):
        extension = next((name for begin, name in EXTENSIONS.items() if " ".join(words).startswith(begin)), None)
        if problem is None or (not whole and "required" in problem):
            continue
        if extension and re.search(rf"extension\s+`?{extension}", around):
            skipped.add(extension)
        else:
            yield f"{place}: az {' '.join(words)}: {problem}" + (f" (needs the extension {extension}, which is not said)" if extension else "")
    for extension in sorted(skipped):
        print(f"SKIPPED: az commands of the extension {extension}: no package index has it; that they need it is said")
    print(f"      {len(asked)} commands parsed")


def with_those_inside(command):
    """The words of a command, and those of the commands whose output it takes: $(az ...)."""
    inside = re.findall(r"\$\((az [^()]*(?:\([^()]*\)[^()]*)*)\)", command)
    for name in inside:
        yield shlex.split(name)
        command = command.replace(f"$({name})", "OUTPUT")
    yield shlex.split(command)


def of_az(words):
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


report.run([every_command_parses, every_az_command_is_one_of_the_azure_cli, packages_have_the_version, variables_are_set_before_they_are_used, everything_that_must_be_given_is_given, what_is_named_exists, roles_are_those_of_the_templates, buttons_lead_to_the_release])
