"""checkov on the templates: fewer evaluated failures than the original's, and every one that is left explained.

checkov prints fewer failures than it evaluates: it drops those whose name it cannot map back to a line. So they are counted in
its log, once for the templates as they are written, and once for what they make with and without a virtual network.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from expansion import FIXTURES, NEEDED, PLANS, expand, template

EXPLAINED = json.loads((pathlib.Path(__file__).parent / "checkov_findings.json").read_text())


def flat(plan, network):
    """What a plan makes, as a template of plain values.

    Without authsettingsV2 and appsettings: checkov takes every config of a site for `web` or the first version of the sign-in, and
    misses in it what only those have (CKV_AZURE_13, 63, 65, 66, 80, 88). What they write is checked in templates.py.
    """
    made = expand(template(plan), {**NEEDED, "Parts": "Both", "Network": network})
    resources = [{key: value for key, value in resource.body.items() if key not in ("id", "scope")} for resource in made.resources
                 if not resource.name.endswith(("/authsettingsV2", "/appsettings"))]
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0", "resources": resources,
    }


def as_written(content):
    """A template without the app settings that are a resource of their own, for the same reason."""
    if isinstance(content, dict):
        return {key: as_written(value) for key, value in content.items()}
    if isinstance(content, list):
        return [as_written(value) for value in content if not (isinstance(value, dict) and value.get("type") == "Microsoft.Web/sites/config")]
    return content


def evaluated(checkov, path):
    """The checks that failed, with how many times each did."""
    run = subprocess.run(
        [checkov, "-f", path, "--framework", "arm", "--compact", "--quiet", "--skip-download", "-o", "json"],
        env={**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, "LOG_LEVEL": "DEBUG"}, capture_output=True, text=True, check=False,
    )
    reply = json.loads(run.stdout)
    reply = reply[0] if isinstance(reply, list) else reply
    assert reply["summary"]["parsing_errors"] == 0 and reply["summary"]["passed"] > 10, reply["summary"]
    failed, check = {}, None
    for line in run.stderr.splitlines():
        asked = re.search(r"should_run_check (CKV\w+): True", line)
        check = asked.group(1) if asked else check
        if "Result: {'result': <CheckResult.FAILED" in line:
            failed[check] = failed.get(check, 0) + 1
    # What it prints it has evaluated, so the log was read right.
    assert {item["check_id"] for item in reply["results"]["failed_checks"]} <= set(failed)
    return failed


def baseline():
    path = FIXTURES / "schemas" / "checkov" / "baseline_original_vmray.json"
    if not path.exists():
        print("SKIPPED: comparison with the original's checkov findings: ../shared/fixtures is not beside this checkout")
        return {}
    templates = json.loads(path.read_text())["templates"]
    return {
        "flex": templates["VMRayThreatIntelligence_FlexConsumptionPlan"]["evaluated_failed_total"],
        "premium": templates["VMRayThreatIntelligence_PremiumPlan"]["evaluated_failed_total"],
    }


def main(checkov):
    original, wrong, seen = baseline(), [], set()
    with tempfile.TemporaryDirectory() as folder:
        for plan in PLANS:
            paths = {"as written": pathlib.Path(folder) / f"{plan}.json"}
            paths["as written"].write_text(json.dumps(as_written(template(plan)), indent=1))
            for network in ("Public", "NewVnet"):
                paths[network] = pathlib.Path(folder) / f"{plan}-{network}.json"
                paths[network].write_text(json.dumps(flat(plan, network), indent=1))
            for name, path in paths.items():
                failed = evaluated(checkov, str(path))
                seen |= set(failed)
                total = sum(failed.values())
                print(f"   {plan}, {name}: {total} evaluated failures; the original's template: {original.get(plan, 'not known here')}")
                if plan in original and total >= original[plan]:
                    wrong.append(f"{plan}, {name}: {total} is not fewer")
                wrong.extend(f"{plan}, {name}: {check} is not explained" for check in sorted(set(failed) - set(EXPLAINED)))
    wrong.extend(f"{check} is explained, but no longer found" for check in sorted(set(EXPLAINED) - seen))
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main(sys.argv[1])
