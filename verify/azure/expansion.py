"""Expands a template to the resources that it would make, with an engine that nobody here wrote (bicep-cost).

The engine leaves open what only a deployment tells: properties that Azure sets. They are filled in here, as Azure would, so
that every setting and every output can be read. An expression that still comes out unknown is a finding.
"""

import importlib.machinery
import importlib.util
import itertools
import json
import pathlib
from dataclasses import dataclass, field

from bicep_cost import armexpr, engine

ROOT = pathlib.Path(__file__).resolve().parents[2]
AZURE = ROOT / "azure"
FIXTURES = ROOT.parent / "shared" / "fixtures"
PLANS = ("flex", "premium")

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
OTHER_SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"
CLIENT_ID = "33333333-3333-3333-3333-333333333333"
PRINCIPAL_ID = "44444444-4444-4444-4444-444444444444"
WORKSPACE_GUID = "55555555-5555-5555-5555-555555555555"
WORKSPACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/soc/providers/Microsoft.OperationalInsights/workspaces/soc-workspace"
FAR = f"/subscriptions/{OTHER_SUBSCRIPTION}/resourceGroups/platform/providers/"
SECRETS = {"VmrayAPIKey": "the-vmray-api-key-itself", "AzureClientSecret": "the-client-secret-itself"}
PACKAGE_URI = "https://packages.example/own-copy.zip?sig=the-signature-itself"
CONTENT_KEY = "the-key-of-the-content-share"

#: What differs between the clouds, in the words of environment().
CLOUDS = {
    "public": {"storage": "core.windows.net", "vault": ".vault.azure.net", "login": "https://login.microsoftonline.com/"},
    "usgov": {"storage": "core.usgovcloudapi.net", "vault": ".vault.usgovcloudapi.net", "login": "https://login.microsoftonline.us/"},
    "china": {"storage": "core.chinacloudapi.cn", "vault": ".vault.azure.cn", "login": "https://login.chinacloudapi.cn/"},
}


def compose():
    """Loads azure/compose, which is a script without an ending."""
    loader = importlib.machinery.SourceFileLoader("compose", str(AZURE / "compose"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("compose", loader))
    loader.exec_module(module)
    return module


def template(plan):
    return json.loads((AZURE / plan / "azuredeploy.json").read_text())


@dataclass
class Expansion:
    resources: list = field(default_factory=list)
    outputs: dict = field(default_factory=dict)
    #: What is wrong with the template itself: unknown values, dependencies on nothing.
    findings: list = field(default_factory=list)

    def of_type(self, kind):
        return [resource for resource in self.resources if resource.type.lower() == kind.lower()]

    def settings(self):
        """The app settings that the deployment leaves, by name; empty when there is no site."""
        written = self.settings_by_step()
        return written[-1] if written else {}

    def settings_by_step(self):
        """The app settings as each step writes them, which replaces those before: with the site, then as its `appsettings`."""
        steps = [{pair["name"]: pair["value"] for pair in site.body["properties"]["siteConfig"].get("appSettings", [])}
                 for site in self.of_type("Microsoft.Web/sites")]
        steps.extend(item.body["properties"] for item in self.of_type("Microsoft.Web/sites/config") if item.name.endswith("/appsettings"))
        for settings in steps:
            assert len(settings) == len({name.lower() for name in settings}), f"a setting is written twice: {sorted(settings)}"
        return steps


def runtime_value(resource_id):
    """What Azure would answer for a resource's properties."""
    name = resource_id.rsplit("/", 1)[-1]
    kind = resource_id.lower().rsplit("/providers/", 1)[-1].rsplit("/", 1)[0]
    return {
        "microsoft.managedidentity/userassignedidentities": {"clientId": CLIENT_ID, "principalId": PRINCIPAL_ID},
        "microsoft.operationalinsights/workspaces": {"customerId": WORKSPACE_GUID},
        "microsoft.insights/components": {"ConnectionString": "InstrumentationKey=0;IngestionEndpoint=https://ingest.example/"},
        "microsoft.insights/datacollectionrules": {
            "immutableId": "dcr-00000000000000000000000000000000",
            "endpoints": {"logsIngestion": "https://logs.example"},
        },
        "microsoft.network/publicipaddresses": {"ipAddress": "203.0.113.7"},
        "microsoft.web/sites": {"defaultHostName": f"{name}.sites.example"},
    }.get(kind)


def flattened(content):
    """Moves child resources beside their parents, which the engine does not look into."""
    resources = []
    for raw in content["resources"]:
        children = raw.get("resources", [])
        resources.append({key: value for key, value in raw.items() if key != "resources"})
        for child in children:
            name = f"[concat({raw['name'][1:-1]}, '/{child['name']}')]"
            resources.append({**child, "type": f"{raw['type']}/{child['type']}", "name": name})
    return {**content, "resources": resources}


class Scope(engine.TemplateScope):
    """The engine's scope, with values that Azure sets, keys that are expressions, and a look at dependencies."""

    def __init__(self, *args, **kwargs):
        kwargs["template"] = flattened(kwargs["template"])
        super().__init__(*args, **kwargs)
        self.engine.scopes.append(self)

    def reference(self, args):
        target = args[0] if args and isinstance(args[0], str) else ""
        if "/deployments/" not in target:
            values = runtime_value(target)
            if values is not None:
                full = len(args) >= 3 and str(args[2]).lower() == "full"
                return {"location": "northeurope", "properties": values} if full else values
        return super().reference(args)

    def eval_value(self, value):
        if isinstance(value, dict) and any(isinstance(key, str) and armexpr.is_expression(key) for key in value):
            value = {armexpr.evaluate_string(key, self): item for key, item in value.items()}
        return super().eval_value(value)

    def run(self):
        super().run()
        self.look_at_dependencies()

    def look_at_dependencies(self):
        """Every dependency names a resource of the same template, made or not."""
        names, loops = set(), set()
        for raw in self.template["resources"]:
            if "copy" in raw:
                loops.add(raw["copy"]["name"])
                count = self.eval_value(raw["copy"]["count"])
                frames = [(raw["copy"]["name"], index) for index in range(count)]
            else:
                frames = [None]
            for frame in frames:
                if frame:
                    self._frames.append(frame)
                name = self.eval_value(raw["name"])
                subscription = self.eval_value(raw.get("subscriptionId", self._sub))
                group = self.eval_value(raw.get("resourceGroup", self._rg))
                if frame:
                    self._frames.pop()
                if not all(isinstance(part, str) for part in (name, subscription, group)):
                    self.engine.findings.append(f"{raw['type']} {raw['name']}: its name or place is unknown")
                    continue
                names.add(self._resource_id(raw["type"], name, subscription, group).lower())
        for raw in self.template["resources"]:
            for dependency in raw.get("dependsOn", []):
                named = self.eval_value(dependency)
                if not isinstance(named, str) or (named.lower() not in names and named not in loops):
                    self.engine.findings.append(f"{raw['type']} {raw['name']} depends on {named}, which is not in its template")


def unknowns(value, path=""):
    if isinstance(value, armexpr.Unknown):
        yield f"{path}: {value.reason}"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from unknowns(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknowns(item, f"{path}[{index}]")


def install(cloud):
    """Gives the engine what it lacks: the cloud, the clock, keys, and our scope."""
    suffixes = CLOUDS[cloud]
    armexpr._FUNCTIONS["environment"] = lambda arguments, scope: {
        "suffixes": {"storage": suffixes["storage"], "keyvaultDns": suffixes["vault"]},
        "authentication": {"loginEndpoint": suffixes["login"]},
    }
    armexpr._FUNCTIONS["utcnow"] = lambda arguments, scope: "2026-11-24T09:00:00Z"
    armexpr._FUNCTIONS["listkeys"] = lambda arguments, scope: {"keys": [{"value": CONTENT_KEY}]}
    engine.TemplateScope = Scope


def expand(content, parameters, cloud="public"):
    """Returns what `content` would make with `parameters`."""
    install(cloud)
    run = engine.Engine(engine.DeploymentSettings(subscription_id=SUBSCRIPTION, resource_group="vmray", location="westeurope"))
    run.scopes, run.findings = [], []
    run.expand(content, parameters)
    root = run.scopes[0]
    result = Expansion(resources=run.resources, findings=list(dict.fromkeys(run.findings)))
    result.outputs = {name: output["value"] for name, output in root.evaluate_outputs().items()}
    for resource in run.resources:
        result.findings.extend(f"{resource.type} {resource.name}{where}" for where in unknowns(resource.body))
    result.findings.extend(f"output{where}" for where in unknowns(result.outputs))
    result.findings.extend(f"engine: {diagnostic.message}" for diagnostic in run.diagnostics)
    return result


NEEDED = {
    "VmrayBaseURL": "https://eu.cloud.vmray.com",
    "VmrayAPIKey": SECRETS["VmrayAPIKey"],
    "AppInsightsWorkspaceResourceID": WORKSPACE,
    "PackageSha256": "ab" * 32,
    "PackageUri": PACKAGE_URI,
}
CHOICES = {
    "Parts": [{"Parts": parts} for parts in ("Feed", "Enrichment", "Both")],
    "Network": [
        {},
        {"Network": "NewVnet", "NatGateway": True},
        {
            "Network": "ExistingVnet",
            "IntegrationSubnetID": FAR + "Microsoft.Network/virtualNetworks/hub/subnets/functions",
            "EndpointSubnetID": FAR + "Microsoft.Network/virtualNetworks/hub/subnets/endpoints",
            "CreateDnsZones": False,
        },
    ],
    "What there is": [
        {},
        {
            "IdentityResourceID": FAR + "Microsoft.ManagedIdentity/userAssignedIdentities/soc",
            "StorageAccountResourceID": FAR + "Microsoft.Storage/storageAccounts/socstate",
            "KeyVaultResourceID": FAR + "Microsoft.KeyVault/vaults/soc-vault",
            "SentinelWorkspaceResourceID": FAR + "Microsoft.OperationalInsights/workspaces/sentinel",
        },
    ],
    "Upload": [{}, {"AzureClientID": CLIENT_ID, "AzureTenantID": CLIENT_ID, "AzureClientSecret": SECRETS["AzureClientSecret"],
                    "AzureClientSecretExpires": "2027-06-30"}],
    "Cloud": [{"cloud": cloud} for cloud in CLOUDS],
}
ALONE = [
    {"AssignRoles": False, "DeployApp": False, "AlertEmail": "soc@example.com", "Parts": "Both"},
    {"AssignRoles": False},
    {"Parts": "Both", "ApiClientID": CLIENT_ID, "ApiAllowedClientIDs": [PRINCIPAL_ID], "ApiAllowedIpRanges": ["203.0.113.0/24"]},
    {"AzureClientID": CLIENT_ID, "AzureClientSecret": SECRETS["AzureClientSecret"]},
    {"Parts": "Enrichment", "ApiClientID": CLIENT_ID},
    {"AlertEmail": "soc@example.com"},
    {"AlertActionGroupID": FAR + "Microsoft.Insights/actionGroups/soc", "Parts": "Both"},
    {"Diagnostics": "None", "HealthTables": False},
    {"Diagnostics": "All", "ZoneRedundant": True, "storageAccountType": "Standard_GZRS", "Tags": {"owner": "soc"}},
    {"MoreSettings": {"HttpsProxy": "http://proxy.example:3128", "Polling": "0 */20 * * * *"}},
    {"VmrayAPIKey": ""},
    {"VmrayAPIKey": "", "AzureClientID": CLIENT_ID},
    {"VmrayAPIKey": "", "AzureClientID": CLIENT_ID, "AzureClientSecret": SECRETS["AzureClientSecret"]},
    {"VmrayAPIKey": "", "KeyVaultResourceID": FAR + "Microsoft.KeyVault/vaults/soc-vault"},
    {"PackageUri": "", "FunctionName": "f" * 20, "FunctionAppName": "e" * 20},
    *({"TimeInterval": f"Every {interval}"} for interval in ("5 min", "10 min", "60 min", "6 hours", "12 hours", "24 hours")),
]


def scenarios():
    """Yields (label, parameters, cloud): every combination of the choices, then what is looked at alone."""
    for picked in itertools.product(*CHOICES.values()):
        merged = {key: value for choice in picked for key, value in choice.items()}
        cloud = merged.pop("cloud")
        yield f"{merged} in {cloud}", {**NEEDED, **merged}, cloud
    for extra in ALONE:
        yield str(extra), {**NEEDED, **extra}, "public"
