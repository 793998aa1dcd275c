"""What the templates make, in every combination of plan, parts, network, existing resources, upload and cloud."""

import copy
import json
import re

import expansion
import form
import report
from expansion import CLOUDS, CONTENT_KEY, FIXTURES, PACKAGE_URI, PLANS, SECRETS, compose, expand, scenarios, template

#: Built-in roles by their ids, from Microsoft's list of built-in roles.
ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": ("Storage Blob Data Owner", "Microsoft.Storage/storageAccounts"),
    "4633458b-17de-408a-b874-0445c86b69e6": ("Key Vault Secrets User", "Microsoft.KeyVault/vaults"),
    "ab8e14d6-4a74-4a29-9ba8-549422addade": ("Microsoft Sentinel Contributor", "Microsoft.OperationalInsights/workspaces"),
    "3913510d-42f4-4e42-8a64-420c390055eb": ("Monitoring Metrics Publisher", "Microsoft.Insights/"),
}

ALL = [(plan, label, parameters, expand(template(plan), parameters, cloud), cloud)
       for plan in PLANS for label, parameters, cloud in scenarios()]


def composed_from_the_parts():
    """azure/compose gives the templates that are checked in."""
    for plan in PLANS:
        for name, text in compose().composed(plan).items():
            if (expansion.AZURE / plan / name).read_text() != text:
                yield f"{plan}/{name}: run azure/compose"


def no_tabs():
    """No tabs, no carriage returns, and no byte that is not ASCII in any file of azure/."""
    for path in sorted(expansion.AZURE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            if b"\t" in content or b"\r" in content or not content.isascii():
                yield str(path)


def everything_resolves():
    """Every expression has a value, and every dependency is in its template."""
    for plan, label, _, made, _ in ALL:
        for finding in made.findings:
            yield f"{plan}, {label}: {finding}"


def schemas():
    """What is made fits the ARM schemas."""
    if not (FIXTURES / "schemas" / "arm").is_dir():
        print("SKIPPED: ARM schemas: the recorded schemas are not beside this checkout (../shared/fixtures)")
        return
    import schema

    validator = schema.Validator(FIXTURES / "schemas")
    for plan, _, _, made, _ in ALL:
        for resource in made.resources:
            for problem in validator.problems(resource):
                yield f"{plan}: {resource.type}: {problem}"
    print(f"      {validator.summary()}")


def parts_switch_functions():
    """Each part runs its functions and no other."""
    for plan, label, parameters, made, _ in ALL:
        settings = made.settings()
        if not settings:
            continue
        running = {name.split(".")[1] for name, value in settings.items() if name.startswith("AzureWebJobs.") and value == "false"}
        every = {name.split(".")[1] for name in settings if name.startswith("AzureWebJobs.")}
        wanted = {"Feed": {"VMRay"}, "Enrichment": every - {"VMRay"}, "Both": every}[parameters.get("Parts", "Feed")]
        if running != wanted:
            yield f"{plan}, {label}: runs {sorted(running)}"
        if made.of_type("Microsoft.Web/sites")[0].body["properties"]["siteConfig"]["ipSecurityRestrictionsDefaultAction"] != (
            "Deny" if parameters.get("Parts", "Feed") != "Feed" and parameters.get("ApiAllowedIpRanges") else "Allow"
        ):
            yield f"{plan}, {label}: who may call is not what the parts need"


def roles_are_assigned():
    """Every role is given at its scope, to a service principal, before the app is made; without AssignRoles they are commands."""
    for plan, label, parameters, made, _ in ALL:
        given = {}
        for assignment in made.of_type("Microsoft.Authorization/roleAssignments"):
            properties = assignment.body["properties"]
            role_id = properties["roleDefinitionId"].rsplit("/", 1)[-1]
            scope = assignment.body["scope"]
            given[(role_id, scope)] = properties
            name, kind = ROLES[role_id]
            if kind.lower() not in scope.lower() or not properties["description"].startswith(name):
                yield f"{plan}, {label}: {name} at {scope}"
            if f"/subscriptions/{assignment.subscription_id}/resourceGroups/{assignment.resource_group}/" not in scope:
                yield f"{plan}, {label}: {name} is assigned from another resource group than {scope}"
            if (properties["principalType"], properties["principalId"]) != ("ServicePrincipal", expansion.PRINCIPAL_ID):
                yield f"{plan}, {label}: {name} goes to {properties['principalType']} {properties['principalId']}"
        feed = parameters.get("Parts", "Feed") != "Enrichment"
        wanted = {"Storage Blob Data Owner", "Key Vault Secrets User", "Monitoring Metrics Publisher"}
        if "AzureClientID" not in parameters:
            wanted.add("Microsoft Sentinel Contributor")
        logs = 1 if feed and parameters.get("HealthTables", True) else 0
        commands = made.outputs["RoleCommands"]
        if {ROLES[role][0] for role, _ in given} != (wanted if parameters.get("AssignRoles", True) else set()):
            yield f"{plan}, {label}: gives {sorted(ROLES[role][0] for role, _ in given)}"
        if len(commands) != len(wanted) + logs:
            yield f"{plan}, {label}: prints {len(commands)} commands"
        for role, scope in given:
            if not any(f'"{ROLES[role][0]}"' in command and command.endswith(scope) for command in commands):
                yield f"{plan}, {label}: no command for {ROLES[role][0]} at {scope}"


def every_read_waits():
    """The app waits for identity, roles, secrets, containers and network; nothing sleeps and no script runs."""
    for plan in PLANS:
        content = template(plan)
        app = of_app(content)
        waits = " ".join(app["dependsOn"])
        for needed in ("roles", "zoneGroups", "userAssignedIdentities", "stateContainer", "packageContainer", "secrets-"):
            if needed not in waits:
                yield f"{plan}: the app does not wait for {needed}"
        package = [item for item in app["properties"]["template"]["resources"] if item["type"].endswith("/extensions")]
        if len(package) != 1 or "[variables('site')]" not in package[0]["dependsOn"]:
            yield f"{plan}: the package does not wait for the site"
        if "deploymentScripts" in json.dumps(content):
            yield f"{plan}: a deployment script"


def of_app(content):
    """The nested deployment that makes the app."""
    return next(item for item in content["resources"] if item["name"] == "[concat('app-', variables('appName'))]")


def waited_for(content, resource):
    """The resources that ARM finishes before `resource`: those that it depends on or refers to, and those before them."""
    reached, more = [], [resource]
    while more:
        item = more.pop()
        named = {**item, "name": "", "copy": "", "properties": {**item.get("properties", {}), "template": ""}}
        for other in content["resources"]:
            # `resourceId(type, name)` holds the expression of the name; a loop is named by its copy.
            names = [other["name"].strip("[]"), *([f'"{other["copy"]["name"]}"'] if "copy" in other else [])]
            kind = f"'{other['type']}'"
            text = json.dumps(named)
            told = any(name in text for name in names if name.startswith('"')) or (kind in text and names[0] in text)
            if other is not item and other not in reached and told:
                reached.append(other)
                more.append(other)
    return reached


def health_holds_nothing_up():
    """Roles, storage, vault, network, telemetry and app wait for no table and no collection rule: only its role and its settings do."""
    for plan in PLANS:
        content = template(plan)
        health = {item["name"] for item in content["resources"] if item["name"] in ("[variables('tablesDeployment')]", "[variables('ruleName')]")}
        if len(health) != 2:
            yield f"{plan}: tables and rule are {sorted(health)}"
        waiting = [item["name"] for item in content["resources"] if health & {other["name"] for other in waited_for(content, item)}]
        if sorted(waiting) != ["[concat('reporting-', variables('appName'))]", "[concat('rule-', variables('appName'))]",
                               "[variables('logsRole').name]", "[variables('ruleName')]"]:
            yield f"{plan}: {waiting} wait for the health tables"
        # The time that the app takes is time for the tables to be known where the rule is made.
        rule = next(item for item in content["resources"] if item["name"] == "[variables('ruleName')]")
        if of_app(content) not in waited_for(content, rule):
            yield f"{plan}: the collection rule does not wait for the app"
    for plan, label, parameters, made, _ in ALL:
        steps = made.settings_by_step()
        on = parameters.get("HealthTables", True) and parameters.get("Parts", "Feed") != "Enrichment"
        reporting = {"LogsIngestionEndpoint", "LogsIngestionRule", *(["LogsIngestionClientID"] if parameters.get("AzureClientID") else [])}
        if steps and {name for name in steps[-1] if name.startswith("LogsIngestion")} != (reporting if on else set()):
            yield f"{plan}, {label}: writes {sorted(name for name in steps[-1] if name.startswith('LogsIngestion'))}"
        if steps and on and [{name: value for name, value in steps[-1].items() if name not in reporting}] != steps[-2:-1]:
            yield f"{plan}, {label}: the last step changes more than where rows go"
        if any(name.startswith("LogsIngestion") for settings in steps[:-1] for name in settings):
            yield f"{plan}, {label}: the app is made with the health tables"


def the_content_share_is_mounted_last():
    """Premium: site without the content share's reference, then all settings at once, then the package: Microsoft's order for Key Vault references."""
    content = of_app(template("premium"))["properties"]["template"]
    site, settings, package = (next((item for item in content["resources"] if item["type"] == kind), {"dependsOn": []}) for kind in (
        "Microsoft.Web/sites", "Microsoft.Web/sites/config", "Microsoft.Web/sites/extensions"))
    if "appSettings" in json.dumps(site) or "WEBSITE_CONTENT" in json.dumps(site):
        yield "the site is made with app settings"
    if "[variables('site')]" not in settings["dependsOn"] or not any("'appsettings'" in name for name in package["dependsOn"]):
        yield f"settings wait for {settings['dependsOn']}, the package for {package['dependsOn']}"
    for plan, label, _, made, _ in ALL:
        for settings in made.settings_by_step()[1 if plan == "premium" else 0:]:
            share = {name: settings.get(name, "") for name in ("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE",
                                                               "WEBSITE_SKIP_CONTENTSHARE_VALIDATION", "WEBSITE_ENABLE_SYNC_UPDATE_SITE")}
            if plan == "flex" and any(share.values()):
                yield f"{label}: Flex has {share}"
            elif plan == "premium" and (not all(share.values()) or share["WEBSITE_ENABLE_SYNC_UPDATE_SITE"] != "true"):
                yield f"{label}: {share}"


def the_host_finds_its_storage():
    """AzureWebJobsStorage has the account's name beside the addresses: hosts that start without it may fail (azure-functions-host 11787)."""
    for plan, label, _, made, _ in ALL:
        for settings in made.settings_by_step():
            account = settings.get("AzureWebJobsStorage__accountName")
            if settings and (not account or f"https://{account}.blob." not in settings["AzureWebJobsStorage__blobServiceUri"]):
                yield f"{plan}, {label}: the account is {account}"


def an_instance_answers_many_calls():
    """Flex: an instance answers 64 to 100 calls at the same time, not the four that are Azure's default for 512 MB"""
    for _, label, _, made, _ in ALL:
        for site in made.of_type("Microsoft.Web/sites"):
            scale = site.body["properties"].get("functionAppConfig", {}).get("scaleAndConcurrency")
            if scale and not 64 <= scale.get("triggers", {}).get("http", {}).get("perInstanceConcurrency", 0) <= 100:
                yield f"{label}: {scale}"


def another_vault_on_request():
    """VaultNameSalt gives a new vault another name, and changes nothing else; empty, the name is what it always was."""
    for plan in PLANS:
        before, after = (expand(template(plan), {**expansion.NEEDED, **more}) for more in ({}, {"VaultNameSalt": "again"}))
        names = [made.outputs["KeyVaultName"] for made in (before, after)]
        if names[0] == names[1] or names[0] != "vmray-" + before.outputs["AppName"].removeprefix("vmrayfeed"):
            yield f"{plan}: the vaults are {names}"
        # A role at the vault is named by its scope.
        others = [[resource.name.replace(name, "VAULT") for resource in made.resources if resource.type != "Microsoft.Authorization/roleAssignments"]
                  for made, name in zip((before, after), names)]
        if others[0] != others[1]:
            yield f"{plan}: {sorted(set(others[0]) ^ set(others[1]))} changes too"


def nothing_waits_for_the_analytics_rule():
    """The analytics rule is in a deployment of its own, after the table, and nothing waits for it or reads it."""
    for plan in PLANS:
        content = template(plan)
        rules = [item for item in content["resources"] if "alertRules" in json.dumps(item.get("properties", {}).get("template", {}))]
        kinds = [resource["type"] for item in rules for resource in item["properties"]["template"]["resources"]]
        if kinds != ["Microsoft.OperationalInsights/workspaces/providers/alertRules"] or "tablesDeployment" not in json.dumps(rules[0]["dependsOn"]):
            yield f"{plan}: the rule is made with {kinds}, after {rules[0]['dependsOn']}"
        for item in (*content["resources"], content["outputs"]):
            text = json.dumps({**item, "name": ""})
            if "'rule-'" in text or rules[0]["name"].strip("[]") in text:
                yield f"{plan}: {item.get('name', 'an output')} waits for the rule"


def without_the_app_nothing_watches_it():
    """DeployApp=false makes no alert, no action group and no analytics rule, but the data collection rule whose role is to be given."""
    for plan, label, parameters, made, _ in ALL:
        feed = parameters.get("Parts", "Feed") != "Enrichment"
        app, health = parameters.get("DeployApp", True), parameters.get("HealthTables", True)
        wanted = {
            "Microsoft.Web/sites": app,
            "Microsoft.OperationalInsights/workspaces/providers/alertRules": app and feed and health,
            "Microsoft.Insights/dataCollectionRules": feed and health,
            "Microsoft.Insights/scheduledQueryRules": app and feed and bool(parameters.get("AlertEmail") or parameters.get("AlertActionGroupID")),
            "Microsoft.Insights/actionGroups": app and feed and bool(parameters.get("AlertEmail")),
        }
        for kind, count in wanted.items():
            if len(made.of_type(kind)) != count:
                yield f"{plan}, {label}: makes {len(made.of_type(kind))} of {kind}"


def tokens_are_asked_for_with_a_client_id():
    """With the API the sign-in is written each time: on with ApiClientID, and off, not left as it was, without."""
    for plan, label, parameters, made, _ in ALL:
        client = parameters.get("ApiClientID", "")
        written = [item.body["properties"] for item in made.of_type("Microsoft.Web/sites/config") if item.name.endswith("/authsettingsV2")]
        if len(written) != bool(made.settings() and parameters.get("Parts", "Feed") != "Feed"):
            yield f"{plan}, {label}: {len(written)} times"
        for properties in written:
            provider, rule = properties["identityProviders"]["azureActiveDirectory"], properties["globalValidation"]
            said = (properties["platform"]["enabled"], provider["enabled"], rule["requireAuthentication"], rule["unauthenticatedClientAction"])
            if said != ((True, True, True, "Return401") if client else (False, False, False, "AllowAnonymous")):
                yield f"{plan}, {label}: {said}"
            named = (provider["registration"]["clientId"], provider["validation"]["allowedAudiences"])
            if named != ((client, [client, f"api://{client}"]) if client else (None, None)):
                yield f"{plan}, {label}: {named}"


def one_cloud_only():
    """What is made in one cloud names no host of another, and AzureCloud says which it is."""
    for plan, label, _, made, cloud in ALL:
        text = json.dumps([resource.body for resource in made.resources]) + json.dumps(made.outputs)
        for other, suffixes in CLOUDS.items():
            if other != cloud:
                for host in (suffixes["storage"], suffixes["vault"].lstrip("."), suffixes["login"]):
                    if host in text:
                        yield f"{plan}, {label}: {host}"
        if made.settings() and made.settings()["AzureCloud"] != cloud:
            yield f"{plan}, {label}: AzureCloud is {made.settings()['AzureCloud']}"


def no_host_is_written():
    """No template has a host name of a cloud in it."""
    hosts = r"(windows\.net|azure\.(com|us|cn|net)|usgovcloudapi|chinacloudapi|microsoftonline|azurewebsites)"
    for plan in PLANS:
        content = template(plan)
        clouds = content["variables"].pop("clouds")
        for value in strings(content):
            if re.search(hosts, value) and not value.startswith("https://schema.management.azure.com/schemas/"):
                yield f"{plan}: {value}"
        if set(clouds.values()) != set(CLOUDS):
            yield f"{plan}: knows the clouds {sorted(clouds.values())}"


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def secrets_stay_secret():
    """A secret is in a Key Vault secret and nowhere else, the package's address only where it is installed: no app setting, no output."""
    for plan, label, _, made, _ in ALL:
        for resource in made.resources:
            body = json.loads(json.dumps(resource.body))
            if resource.type == "Microsoft.KeyVault/vaults/secrets":
                body["properties"].pop("value")
            if resource.type == "Microsoft.Web/sites/extensions":
                body["properties"].pop("packageUri")
            text = json.dumps(body)
            for secret in (*SECRETS.values(), CONTENT_KEY, PACKAGE_URI):
                if secret in text:
                    yield f"{plan}, {label}: a secret is in {resource.type} {resource.name}"
        for secret in (*SECRETS.values(), CONTENT_KEY, PACKAGE_URI):
            if secret in json.dumps(made.outputs):
                yield f"{plan}, {label}: a secret is in the outputs"


def secrets_are_written_when_given():
    """A secret is written when its parameter has a value, under the name that the app reads, and is otherwise left as it is."""
    for plan, label, parameters, made, _ in ALL:
        wanted = {"VmrayAPIKey": parameters["VmrayAPIKey"], "AzureClientSecret": parameters.get("AzureClientSecret", "")}
        written = {item.name.split("/")[-1]: item.body["properties"]["value"] for item in made.of_type("Microsoft.KeyVault/vaults/secrets")}
        content = {name: written.pop(name) for name in list(written) if name.startswith("content-")}
        if len(content) != (1 if plan == "premium" else 0) or "" in content.values():
            yield f"{plan}, {label}: secrets of the content share {sorted(content)}"
        if written != {name: value for name, value in wanted.items() if value}:
            yield f"{plan}, {label}: writes {sorted(written)}"
        settings = made.settings()
        reads = {name for name in wanted if f"SecretName={name})" in settings.get(name, "")}
        if settings and reads != {"VmrayAPIKey", *(["AzureClientSecret"] if parameters.get("AzureClientID") else [])}:
            yield f"{plan}, {label}: reads {sorted(reads)}"


def hardened():
    """https only, TLS 1.2 at least, no FTP, no basic publishing, no shared key but the content share's, no public blobs."""
    for plan, label, parameters, made, _ in ALL:
        private = parameters.get("Network", "Public") != "Public"
        for account in made.of_type("Microsoft.Storage/storageAccounts"):
            properties = account.body["properties"]
            content_share = account.name.startswith("vmrayc")
            wanted = {
                "allowSharedKeyAccess": content_share, "allowBlobPublicAccess": False, "minimumTlsVersion": "TLS1_2",
                "supportsHttpsTrafficOnly": True, "publicNetworkAccess": "Disabled" if private else "Enabled",
            }
            for key, value in wanted.items():
                if properties[key] != value:
                    yield f"{plan}, {label}: storage {account.name} has {key} {properties[key]}"
            if content_share and plan != "premium":
                yield f"{plan}: a content share"
        for vault in made.of_type("Microsoft.KeyVault/vaults"):
            for key in ("enableRbacAuthorization", "enableSoftDelete", "enablePurgeProtection"):
                if vault.body["properties"][key] is not True:
                    yield f"{plan}, {label}: the vault lacks {key}"
        for component in made.of_type("Microsoft.Insights/components"):
            if component.body["properties"]["DisableLocalAuth"] is not True:
                yield f"{plan}, {label}: Application Insights takes telemetry without Entra"
        for site in made.of_type("Microsoft.Web/sites"):
            properties, config = site.body["properties"], site.body["properties"]["siteConfig"]
            if properties["httpsOnly"] is not True or config["ftpsState"] != "Disabled" or config["minTlsVersion"] < "1.2":
                yield f"{plan}, {label}: the site is open"
            if list(site.body["identity"]["userAssignedIdentities"]) != [properties["keyVaultReferenceIdentity"]]:
                yield f"{plan}, {label}: Key Vault is read with another identity"
            if bool(properties["virtualNetworkSubnetId"]) != private:
                yield f"{plan}, {label}: virtual network integration"
        allowed = [item.body["properties"]["allow"] for item in made.of_type("Microsoft.Web/sites/basicPublishingCredentialsPolicies")]
        if any(allowed) or (made.of_type("Microsoft.Web/sites") and len(allowed) != 2):
            yield f"{plan}, {label}: basic publishing is on"


def private_means_private():
    """With a virtual network every new store has its private endpoint, in a zone of its cloud when zones are made."""
    for plan, label, parameters, made, cloud in ALL:
        private = parameters.get("Network", "Public") != "Public"
        targets = {item.body["properties"]["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceId"].lower()
                   for item in made.of_type("Microsoft.Network/privateEndpoints")}
        stores = {item.id.lower() for kind in ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults") for item in made.of_type(kind)}
        if targets != (stores if private else set()):
            yield f"{plan}, {label}: endpoints for {sorted(targets)}"
        zones = [zone.name for zone in made.of_type("Microsoft.Network/privateDnsZones")]
        if private and parameters.get("CreateDnsZones", True) and len(zones) != len(targets):
            yield f"{plan}, {label}: zones {zones}"
        for zone in zones:
            if not zone.endswith((CLOUDS[cloud]["storage"], CLOUDS[cloud]["vault"].replace(".vault.", ".vaultcore.").lstrip("."))):
                yield f"{plan}, {label}: zone {zone}"


def names_fit():
    """Names are within Azure's limits, carry all 13 characters of uniqueString, and differ between the parts of one group."""
    limits = {
        "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
        "Microsoft.KeyVault/vaults": r"[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]",
        "Microsoft.Web/sites": r"[a-z0-9][a-z0-9-]{1,58}[a-z0-9]",
        "Microsoft.Web/serverfarms": r"[A-Za-z0-9-]{1,60}",
        # A rule of kind Direct has a shorter name than others: 30 characters, as one public source says.
        "Microsoft.Insights/dataCollectionRules": r"[A-Za-z0-9-]{3,30}",
        "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    }
    for plan, label, _, made, _ in ALL:
        for kind, limit in limits.items():
            for resource in made.of_type(kind):
                if not re.fullmatch(limit, resource.name) or not re.search(r"[a-z2-7]{13}$", resource.name):
                    yield f"{plan}, {label}: {kind} {resource.name}"


def package_is_installed_from_its_address():
    """The package is installed when its address is given; an output has its name, built from version and SHA-256."""
    for plan, label, parameters, made, _ in ALL:
        if made.outputs["PackageName"] != f"vmray-sentinel-{compose().version()}-functions-{parameters['PackageSha256']}.zip":
            yield f"{plan}, {label}: output {made.outputs['PackageName']}"
        installed = [package.body["properties"]["packageUri"] for package in made.of_type("Microsoft.Web/sites/extensions")]
        if installed != [parameters["PackageUri"]] * bool(parameters["PackageUri"] and made.of_type("Microsoft.Web/sites")):
            yield f"{plan}, {label}: installs {installed}"


def a_release_installs_what_it_publishes():
    """The templates of a release install their package from its published address, those that are checked in nothing."""
    for plan in PLANS:
        files = {name: json.loads(text) for name, text in compose().composed(plan, "cd" * 32).items()}
        base = f"{compose().release()['published_at']}v{compose().version()}/vmray-sentinel-{compose().version()}-functions-"
        parameters = {name: value for name, value in expansion.NEEDED.items() if not name.startswith("Package")}
        for wanted, content, given in (
            ([f"{base}{'cd' * 32}.zip"], files["azuredeploy.json"], {}),
            ([f"{base}{'ef' * 32}.zip"], files["azuredeploy.json"], {"PackageSha256": "EF" * 32}),
            ([expansion.PACKAGE_URI], files["azuredeploy.json"], {"PackageUri": expansion.PACKAGE_URI}),
            ([], files["azuredeploy.json"], {"PublishedPackageUri": ""}),
            ([], template(plan), {"PackageSha256": "ab" * 32}),
        ):
            made = expand(content, {**parameters, **given})
            installed = [package.body["properties"]["packageUri"] for package in made.of_type("Microsoft.Web/sites/extensions")]
            if installed != wanted or made.findings:
                yield f"{plan}: installs {installed} and not {wanted} {made.findings}"
        outputs = files["createUiDefinition.json"]["parameters"]["outputs"]
        if "PublishedPackageUri" in outputs or form.output(files["createUiDefinition.json"], "PackageUri", {"packageUri": ""}) != "":
            yield f"{plan}: the form installs {outputs['PackageUri']}"


def tags_everywhere():
    """Tags are on every resource that can have them."""
    without = re.compile(r"/(config|extensions|basicPublishingCredentialsPolicies|blobServices|fileServices|secrets|tables|alertRules"
                         r"|roleAssignments|diagnosticSettings|privateDnsZoneGroups)(/|$)")
    for plan, label, parameters, made, _ in ALL:
        for resource in made.resources:
            if not without.search(resource.type) and resource.body.get("tags") != parameters.get("Tags", {}):
                yield f"{plan}, {label}: {resource.type} has tags {resource.body.get('tags')}"


def original_names_are_kept():
    """Every parameter of the original templates still exists, without regard to case."""
    original = {
        "flex": "FunctionName VmrayBaseURL VmrayAPIKey VmraySampleVerdict VmrayInitialFetchDate IndicatorExpirationInDays TimeInterval "
                "AzureClientID AzureTenantID AzureWorkspaceID AzureClientSecret AppInsightsWorkspaceResourceID "
                "vmrayBaseURL vmrayAPIKey Resubmit FunctionAppName",
    }
    original["premium"] = original["flex"] + " functionAppName storageAccountType functionAppPlanSku"
    for plan in PLANS:
        known = {name.lower(): body for name, body in template(plan)["parameters"].items()}
        for name in original[plan].split():
            if name.lower() not in known:
                yield f"{plan}: {name}"
        intervals = ["Every 5 min", "Every 10 min", "Every 60 min", "Every 6 hours", "Every 12 hours", "Every 24 hours"]
        if known["timeinterval"]["allowedValues"] != intervals or known["vmraybaseurl"].get("defaultValue") is not None:
            yield f"{plan}: intervals, or a default region"


def a_broken_template_is_noticed():
    """Seven broken templates are each found out: the checks above can fail."""
    def broken(change, parameters=None):
        content = copy.deepcopy(template("flex"))
        change(content)
        return expand(content, {**expansion.NEEDED, **(parameters or {})})

    def resource(content, ending):
        return next(item for item in content["resources"] if item["type"].endswith(ending))

    sound = broken(lambda content: None)
    if sound.findings:
        yield "the sound template is not sound"
    mutants = {
        "a variable that is not there": lambda content: content["variables"].pop("planName"),
        "a parameter that is not there": lambda content: content["parameters"].pop("Location"),
        "a misspelled function": lambda content: content["variables"].update(planName="[conkat('a', 'b')]"),
        "a bracket too few": lambda content: content["variables"].update(planName="[concat('a'"[:-1] + "]"),
        "a dependency on nothing": lambda content: resource(content, "/vaults").update(dependsOn=["nothing"]),
        "a property that Azure does not give": lambda content: content["outputs"].update(
            X={"type": "string", "value": "[reference(variables('identityId'), '2024-11-30').cliendId]"}),
        "an app setting without value": lambda content: of_app(content)["properties"]["parameters"]["settings"]["value"].update(
            Polling="[variables('interval').kron]"),
    }
    for name, change in mutants.items():
        if not broken(change).findings:
            yield f"nobody noticed {name}"


report.run([
    composed_from_the_parts, no_tabs, everything_resolves, a_broken_template_is_noticed, schemas, parts_switch_functions, roles_are_assigned,
    every_read_waits, health_holds_nothing_up, the_content_share_is_mounted_last, the_host_finds_its_storage,
    an_instance_answers_many_calls, another_vault_on_request, nothing_waits_for_the_analytics_rule, without_the_app_nothing_watches_it,
    tokens_are_asked_for_with_a_client_id, one_cloud_only, no_host_is_written, secrets_stay_secret,
    secrets_are_written_when_given, hardened, private_means_private, names_fit,
    package_is_installed_from_its_address, a_release_installs_what_it_publishes, tags_everywhere, original_names_are_kept,
])
