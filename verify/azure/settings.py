"""The app settings that the templates write against those that the program knows, and the other way round."""

import json
import os
import re
import subprocess

import report
from expansion import AZURE, PLANS, expand, scenarios, template

PROGRAM = os.environ["VMRAY_SENTINEL_BIN"]
KNOWN = set(json.loads(subprocess.run([PROGRAM, "config", "schema"], capture_output=True, text=True, check=True).stdout)["properties"])
#: Settings of the Functions host and of App Service.
HOST = re.compile(r"AzureWebJobsStorage__(blobServiceUri|queueServiceUri|tableServiceUri|credential|clientId)|AzureWebJobs\.\w+\.Disabled|AzureWebJobsDisableHomepage"
                  r"|APPLICATIONINSIGHTS_(CONNECTION|AUTHENTICATION)_STRING|FUNCTIONS_(EXTENSION_VERSION|WORKER_RUNTIME)"
                  r"|WEBSITE_(RUN_FROM_PACKAGE|ENABLE_SYNC_UPDATE_SITE|CONTENTAZUREFILECONNECTIONSTRING|CONTENTSHARE|SKIP_CONTENTSHARE_VALIDATION)")
#: Settings that no parameter is for. All of them can be given with MoreSettings.
LEFT_TO_MORE_SETTINGS = re.compile(
    r"VmrayConcurrency|UploadsPerMinute|UploadsInFlight|IocTypes|Tlp|AllowList|Retract\w+|RecheckDays|AttackObjects"
    r"|ReuseHours|QuotaReserve|MaxSubmissionsPerIncident|PrivacyGates|InternalHosts|EnrichDeadline"
    r"|HttpsProxy|NoProxy|CaFile|CaPem|LogFilter|LogFormat|Api[A-Z]\w+|PublicUrl"
    r"|AZURE_AUTHORITY_HOST|SentinelTiEndpoint|AzureResourceManagerEndpoint|GraphEndpoint|AZURE_FEDERATED_TOKEN_FILE|account|route|incidents|mail|AzureWebJobsStorage\w*"
)
WRITTEN = {name for plan in PLANS for _, parameters, cloud in scenarios()
           for name in expand(template(plan), {**parameters, "MoreSettings": {}}, cloud).settings()}


def every_setting_written_is_known():
    """Every app setting that the templates write is one of the program's or of the host's"""
    for name in sorted(WRITTEN - KNOWN):
        if not HOST.fullmatch(name):
            yield name


def every_setting_known_is_written_or_left():
    """Every setting of the program is written by the templates, or left to MoreSettings on purpose"""
    for name in sorted(KNOWN - WRITTEN):
        if not LEFT_TO_MORE_SETTINGS.fullmatch(name):
            yield name


def health_rows_need_a_program_that_writes_them():
    """The tables for health are made by default only when the program fills them"""
    for plan in PLANS:
        default = template(plan)["parameters"]["HealthTables"]["defaultValue"]
        if default and "LogsIngestionRule" not in KNOWN:
            yield f"{plan}: the rule would tell of a stalled feed for ever"


def values_are_taken():
    """The program takes the values that the templates write"""
    for plan in PLANS:
        for label, parameters, cloud in list(scenarios())[::17]:
            settings = expand(template(plan), parameters, cloud).settings()
            environment = {name: value for name, value in settings.items() if name in KNOWN and not value.startswith("@Microsoft.KeyVault(")}
            environment |= {"VmrayAPIKey": "k" * 64, "PATH": os.environ["PATH"], "HOME": "/nonexistent"}
            if "AzureClientSecretExpires" in settings or "AzureTenantID" in settings:
                environment["AzureClientSecret"] = "s" * 40
            run = subprocess.run([PROGRAM, "config", "show"], env=environment, capture_output=True, text=True, check=False)
            if run.returncode != 0:
                yield f"{plan}, {label}: {run.stderr.strip()[:300]}"


def no_setting_of_the_host_is_taken_for_a_misspelt_one():
    """The program warns of none of the app settings that the templates write"""
    environment = {name: "x" for name in WRITTEN} | {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LogFilter": "", "LogFormat": ""}
    run = subprocess.run([PROGRAM, "completions", "bash"], env=environment, capture_output=True, text=True, check=False)
    yield from (line for line in run.stderr.splitlines() if "no setting has that name" in line)
    if run.returncode != 0:
        yield run.stderr.strip()[:300]


def package_has_the_functions():
    """The functions that the templates switch are those of the package"""
    folders = {path.parent.name for path in (AZURE / "functions").glob("*/function.json")}
    switched = {name.split(".")[1] for name in WRITTEN if name.endswith(".Disabled")}
    for name in sorted(folders - switched):
        yield f"{name} is in the package, and no template switches it"
    for name in sorted(switched - folders):
        yield f"a template switches {name}, which is not in the package"


report.run([every_setting_written_is_known, every_setting_known_is_written_or_left, health_rows_need_a_program_that_writes_them,
            values_are_taken, no_setting_of_the_host_is_taken_for_a_misspelt_one, package_has_the_functions])
