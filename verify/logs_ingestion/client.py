"""Microsoft's own Python client (PyPI `azure-monitor-ingestion`) against the Logs Ingestion of `vmray-sentinel simulate`.

What that client writes must be taken and kept as it was given, in calls of a megabyte; what the service refuses must be
refused with the same statuses. And a run of our feed must leave rows beside them, in the same tables.
"""

import datetime
import pathlib
import tempfile
import uuid

import stand_in
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.monitor.ingestion import LogsIngestionClient
from tls_front import TlsFront, certificates

RUNS, EVENTS = "Custom-VMRayFeedRuns_CL", "Custom-VMRayFeedEvents_CL"
#: The client's own default is that of the public cloud; the slash twice is as the client has it.
SCOPES = ["https://monitor.azure.com//.default", "https://monitor.azure.com/.default"]


def event(number, message="a test"):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    return {"TimeGenerated": now, "RunId": str(uuid.UUID(int=number)), "Route": "official", "Kind": "dropped",
            "Reason": "expired", "Count": number, "IndicatorId": None, "Value": "ü", "SampleId": None, "Message": message}  # fmt: skip


def refused(what, status, call):
    """What is wrong with a call that must be refused with a status."""
    try:
        call()
    except HttpResponseError as error:
        return [] if error.status_code == status else [f"{what}: {error.status_code} instead of {status}: {str(error)[:200]}"]
    return [f"{what}: it was taken"]


def official(stack, folder):
    """Yields what does not work with the official client."""
    authority, server = certificates(folder)
    rule = stack.settings["LogsIngestionRule"]
    with TlsFront(stack.settings["AZURE_AUTHORITY_HOST"], server) as login, TlsFront(stack.settings["LogsIngestionEndpoint"], server) as logs:
        def client(scopes=SCOPES[:1], secret=stack.settings["AzureClientSecret"]):
            credential = ClientSecretCredential(
                stack.settings["AzureTenantID"], stack.settings["AzureClientID"], secret,
                authority=login.url, disable_instance_discovery=True, connection_verify=str(authority),
            )  # fmt: skip
            return LogsIngestionClient(logs.url, credential, credential_scopes=scopes, connection_verify=str(authority), retry_total=0)

        few = [event(number) for number in range(3)]
        for scope in SCOPES:
            client([scope]).upload(rule_id=rule, stream_name=EVENTS, logs=few)
        if (held := stack.look("logs").get(EVENTS, [])) != few + few:
            yield f"three rows, written twice, are held as {held}"
        many = [event(number, "x" * 50_000) for number in range(60)]
        client().upload(rule_id=rule, stream_name=EVENTS, logs=many)
        if (held := stack.look("logs")[EVENTS][6:]) != many:
            yield f"60 rows of 50 KB are held as {len(held)}"

        def upload(logs, rule=rule, stream=EVENTS, scopes=SCOPES[:1]):
            return lambda: client(scopes).upload(rule_id=rule, stream_name=stream, logs=logs)

        yield from refused("another audience", 401, upload(few, scopes=["https://management.azure.com/.default"]))
        yield from refused("an unknown rule", 404, upload(few, rule="dcr-" + 32 * "0"))
        yield from refused("an unknown stream", 400, upload(few, stream="Custom-Other_CL"))
        yield from refused("an unknown column", 400, upload([{**few[0], "Colour": 1}]))
        yield from refused("a wrong type", 400, upload([{**few[0], "Count": "many"}]))
        if len(stack.look("logs")[EVENTS]) != 66:
            yield "a call that was refused left rows"


def ours(stack, folder):
    """Yields what is wrong with the rows of a feed of ours."""
    stand_in.run("feed", "--once", environment={**stack.settings, "StateUrl": str(folder / "state")}, codes=(0, 4))
    runs = stack.look("logs").get(RUNS, [])
    if [(run["Good"], run["Outcome"]) for run in runs] != [(True, "done")]:
        yield f"a run left {runs}"


def main():
    with stand_in.Simulate("--samples", 5) as stack, tempfile.TemporaryDirectory() as folder:
        problems = list(official(stack, pathlib.Path(folder)))
        problems += ours(stack, pathlib.Path(folder))
    stand_in.conclude("azure-monitor-ingestion: rows, sizes, refusals", problems)


main()
