"""Microsoft's own Python library (PyPI `azure-identity`) against the Entra of `vmray-sentinel simulate`.

It must get tokens that the upload stand-in takes, and be told what Entra tells it when something is wrong.
"""

import datetime
import json
import os
import pathlib
import tempfile
import urllib.error
import urllib.request

import stand_in
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential
from tls_front import TlsFront, certificates

SCOPE = "https://management.azure.com/.default"
# What the stand-in for App Service wants to see; its tests have it too.
IDENTITY_HEADER = "44444444AAAA4BBB8CCC000000000004"
IDENTITY = {"IDENTITY_ENDPOINT", "IDENTITY_HEADER"}


def indicator(number):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--00000000-0000-4000-8000-{number:012}",
        "created": now, "modified": now, "valid_from": now, "pattern": "[domain-name:value = 'evil.example']",
        "pattern_type": "stix", "name": "a test", "indicator_types": ["malicious-activity"],
    }  # fmt: skip


def upload(stack, token, number):
    """Uploads an object with a token; the status of the answer."""
    url = (
        f"{stack.settings['SentinelTiEndpoint']}/workspaces/{stack.settings['AzureWorkspaceID']}"
        "/threat-intelligence-stix-objects:upload?api-version=2024-02-01-preview"
    )
    body = json.dumps({"sourcesystem": "azure-identity", "stixobjects": [indicator(number)]}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def refused(what, credential, scope, *words):
    """What is wrong with a refusal that must have these words in it."""
    try:
        credential.get_token(scope)
    except ClientAuthenticationError as error:
        text = str(error)
        return [f"{what}: no {word!r} in {text[:300]}" for word in words if word not in text]
    return [f"{what}: a token was given"]


def with_secret(stack, authority, verify):
    """Yields what does not work with a client secret."""
    tenant, app = stack.settings["AzureTenantID"], stack.settings["AzureClientID"]

    def credential(tenant=tenant, app=app, secret=stack.settings["AzureClientSecret"]):
        return ClientSecretCredential(
            tenant, app, secret, authority=authority, disable_instance_discovery=True, connection_verify=str(verify)
        )

    good = credential()
    token = good.get_token(SCOPE)
    if (status := upload(stack, token.token, 1)) != 200:
        yield f"the upload answers a token of a client secret with {status}"
    if good.get_token(SCOPE).token != token.token:
        yield "the library did not keep a token that still lives"
    graph = good.get_token("https://graph.microsoft.com/.default")
    if (status := upload(stack, graph.token, 2)) != 401:
        yield f"the upload answers a token for Graph with {status}"
    if (status := upload(stack, token.token[:-3], 3)) != 401:
        yield f"the upload answers a broken token with {status}"
    nobody = "99999999-aaaa-4bbb-8ccc-000000000009"
    yield from refused("wrong secret", credential(secret="wrong"), SCOPE, "AADSTS7000215", "Invalid client secret")
    yield from refused("unknown app", credential(app=nobody), SCOPE, "AADSTS700016")
    yield from refused("unknown resource", good, "https://nowhere.example/.default", "AADSTS500011")


def managed(stack):
    """Yields what does not work with a managed identity, as App Service and Functions offer it."""
    os.environ["IDENTITY_ENDPOINT"] = stack.settings["AZURE_AUTHORITY_HOST"] + "/msi/token"
    os.environ["IDENTITY_HEADER"] = IDENTITY_HEADER
    token = ManagedIdentityCredential().get_token(SCOPE)
    if (status := upload(stack, token.token, 4)) != 200:
        yield f"the upload answers a token of a managed identity with {status}"
    os.environ["IDENTITY_HEADER"] = "wrong"
    yield from refused("wrong header", ManagedIdentityCredential(), SCOPE, "X-IDENTITY-HEADER")
    for name in IDENTITY:
        os.environ.pop(name)


def main():
    with stand_in.Simulate("--samples", 0) as stack, tempfile.TemporaryDirectory() as folder:
        authority, server = certificates(pathlib.Path(folder))
        with TlsFront(stack.settings["AZURE_AUTHORITY_HOST"], server) as front:
            problems = list(with_secret(stack, front.url, authority))
        problems += managed(stack)
        held = sorted(element["id"][-1] for element in stack.look("objects"))
        if held != ["1", "4"]:
            problems.append(f"the upload holds {held}")
    stand_in.conclude("azure-identity: client secret over TLS, managed identity, refusals", problems)


main()
