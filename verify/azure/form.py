"""The form that the portal shows (createUiDefinition.json), by the rules of the test kit for it and by its schema."""

import json
import re

import jsonschema
from bicep_cost import armexpr
from referencing import Registry
from referencing.jsonschema import DRAFT4

from expansion import AZURE, FIXTURES, PLANS, compose, template

HOST = "https://schema.management.azure.com/schemas/"


def elements(form):
    for element in form["parameters"]["basics"]:
        yield f"basics('{element['name']}')", element
    for step in form["parameters"]["steps"]:
        for element in step["elements"]:
            yield f"steps('{step['name']}').{element['name']}", element


def output(form, name, chosen):
    """What an output of the form is when its controls have the values of `chosen`."""
    text = re.sub(r"(?:basics\('(\w+)'\)|steps\('\w+'\)\.(\w+))",
                  lambda read: "'" + chosen[read.group(1) or read.group(2)].replace("'", "''") + "'", form["parameters"]["outputs"][name])
    return armexpr.evaluate_string(text, None)


def findings():
    for plan in PLANS:
        released = {name: json.loads(text) for name, text in compose().composed(plan, "cd" * 32).items()}
        for name, form, parameters in (
            (plan, json.loads((AZURE / plan / "createUiDefinition.json").read_text()), template(plan)["parameters"]),
            (f"{plan} of a release", released["createUiDefinition.json"], released["azuredeploy.json"]["parameters"]),
        ):
            outputs, known = form["parameters"]["outputs"], dict(elements(form))
            for problem in (*of_outputs(parameters, outputs, known), *of_elements(known), *of_roles(form), *of_alert(form), *of_schema(form)):
                yield f"{name}: {problem}"


def of_outputs(parameters, outputs, known):
    """Controls-In-Outputs-Must-Exist, Outputs-Must-Be-Present-In-Template-Parameters, Parameters-Without-Default-Must-Exist, Allowed-Values"""
    if "Location" not in outputs:
        yield "the location is not handed over"
    for name, value in outputs.items():
        if name not in parameters:
            yield f"output {name} is no parameter"
            continue
        read = re.findall(r"(?:basics\('\w+'\)|steps\('\w+'\)\.\w+)", value)
        for control in read:
            if control not in known:
                yield f"output {name} reads {control}, which is not there"
                continue
            # What it gives for each choice is looked at by itself.
            if name in ("DeployApp", "AlertEmail"):
                continue
            element, parameter = known[control], parameters[name]
            offered = {choice["value"] for choice in element.get("constraints", {}).get("allowedValues", [])}
            if not offered <= set(parameter.get("allowedValues", offered)):
                yield f"{control} offers {sorted(map(str, offered))}, which {name} does not allow"
            if (element["type"] == "Microsoft.Common.PasswordBox") != (parameter["type"] == "securestring"):
                yield f"{control} is no password box, or {name} is not secure"
            if element["type"] == "Microsoft.Common.CheckBox" and parameter["type"] != "bool":
                yield f"{control} is a check box, {name} is {parameter['type']}"
            if "visible" in element and "coalesce(" not in value:
                yield f"{control} may be hidden, and {name} then has no value"
            fallback = re.search(r"^\[coalesce\(.*, '?([^']*?)'?\)\]$", value)
            default = parameter.get("defaultValue")
            if fallback and fallback.group(1) != (str(default).lower() if isinstance(default, bool) else str(default)):
                yield f"{name} falls back to {fallback.group(1)}, the template to {default}"
    for name, body in parameters.items():
        if "defaultValue" not in body and name not in outputs:
            yield f"the form does not ask for {name}"
    for control in known:
        if not any(control in value for value in outputs.values()):
            yield f"{control} is asked for and not used"


def of_roles(form):
    """Each choice of roles gives its pair: all at once, all but roles and app, and then the app without roles."""
    wanted = {"Assign": (True, True), "First": (False, False), "Second": (False, True)}
    roles = dict(elements(form))["steps('security').roles"]
    offered = [choice["value"] for choice in roles["constraints"]["allowedValues"]]
    given = {choice: tuple(output(form, name, {"roles": choice}) for name in ("AssignRoles", "DeployApp")) for choice in offered}
    if given != wanted or roles["defaultValue"] != roles["constraints"]["allowedValues"][0]["label"] or offered[0] != "Assign":
        yield f"the choices of roles give {given}"


def of_alert(form):
    """The form asks who hears of a feed that stands still, and takes no mail address for an answer only when nobody is chosen."""
    known = dict(elements(form))
    alert, mail = known.get("steps('security').alert", {}), known.get("steps('security').alertEmail", {})
    offered = [choice["value"] for choice in alert.get("constraints", {}).get("allowedValues", [])]
    if offered != ["Mail", "Nobody"] or alert["defaultValue"] != "A mail address" or not mail.get("constraints", {}).get("required"):
        yield f"asks {alert.get('label')} with the choices {offered}, and the address may be left out"
        return
    if re.fullmatch(mail["constraints"]["regex"], ""):
        yield "takes an empty mail address"
    given = [output(form, "AlertEmail", {"alert": choice, "alertEmail": "soc@example.com"}) for choice in offered]
    if given != ["soc@example.com", ""]:
        yield f"the choices of the alert give {given}"


def of_elements(known):
    """Tooltips-Should-Be-Present, Textboxes-Are-Well-Formed, Validations-Must-Have-Message, PasswordBoxes-Must-Have-Min-Length"""
    for control, element in known.items():
        constraints = element.get("constraints", {})
        if not element.get("toolTip") or not element.get("label"):
            yield f"{control} has no tool tip or no label"
        if element["type"].endswith(("TextBox", "PasswordBox")):
            if "regex" not in constraints or not constraints.get("validationMessage"):
                yield f"{control} is not checked, or does not say how"
            default = element.get("defaultValue")
            if default is not None and not re.fullmatch(constraints["regex"], default):
                yield f"{control} does not take its own default {default}"
        if element["type"].endswith("PasswordBox") and (element.get("defaultValue") or "{16," not in constraints["regex"]):
            yield f"{control} has a default or no least length"
        if constraints.get("allowedValues") and element.get("defaultValue") not in [choice["label"] for choice in constraints["allowedValues"]]:
            yield f"{control} has a default that is not offered"


def of_schema(form):
    """CreateUIDefinition-Should-Have-Schema, by the recorded schema where it is there; the schema is older than some elements."""
    folder = FIXTURES / "schemas" / "arm" / "0.1.2-preview"
    if not folder.is_dir():
        print("SKIPPED: schema of createUiDefinition: ../shared/fixtures is not beside this checkout")
        return
    files = [(f"{HOST}0.1.2-preview/{path.name}", DRAFT4.create_resource(json.loads(path.read_text()))) for path in folder.glob("*.json")]
    validator = jsonschema.Draft4Validator(
        json.loads((folder / "CreateUIDefinition.MultiVm.json").read_text()), registry=Registry().with_resources(files).crawl())
    for error in validator.iter_errors(form):
        if list(error.absolute_path)[:2] not in (["parameters", "basics"], ["parameters", "steps"]):
            yield f"{'/'.join(map(str, error.absolute_path))}: {error.message[:150]}"
