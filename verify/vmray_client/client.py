"""VMRay's own Python client (PyPI `vmray-rest-api`) against `vmray-sentinel simulate`.

The stand-in is what our tests believe VMRay to be; this is the one program of VMRay's that can be asked about it.
"""

import io
import time
import urllib.parse
import zipfile

import stand_in
from vmray.integration_kit import VMRaySubmissionKit
from vmray.rest_api import VMRayRESTAPI, VMRayRESTAPIError

LISTS = {
    "domains", "email_addresses", "emails", "filenames", "files", "ips", "mutexes", "processes", "registry", "urls",
}  # fmt: skip


class NamedBytes(io.BytesIO):
    """A file that was never on disk, with a name that is no ASCII."""

    name = "/somewhere/Rechnung für Jörg.docm"


def refused(call, status):
    """Why a call was not refused with this status; nothing when it was."""
    try:
        call()
    except VMRayRESTAPIError as error:
        return [] if error.status_code == status else [f"expected {status}, got {error.status_code}: {error}"]
    return [f"expected {status}, got a success"]


def check(client, kit, server):
    """Yields what does not work, one sentence each."""
    info = client.call("GET", "/rest/system_info")
    if not info.get("version"):
        yield f"system_info has no version: {info}"

    # More submissions than one page, so the client has to follow continuation_id.
    page = info["api_items_per_request"]
    submissions = client.call("GET", "/rest/submission", params={"_order": "asc"})
    ids = [submission["submission_id"] for submission in submissions]
    print(f"  {len(ids)} submissions listed, pages of {page}")
    if len(ids) <= page:
        yield f"{len(ids)} submissions fit one page of {page}: continuation was not tried"
    if ids != sorted(set(ids)):
        yield "submissions are not distinct in ascending order"

    finished = [s for s in submissions if s["submission_finished"] and s["submission_finish_time"]]
    times = sorted(s["submission_finish_time"] for s in finished)
    window = f"{times[0]}~{times[len(times) // 2]}"
    some = client.call("GET", "/rest/submission", params={"submission_finish_time": window, "_order": "asc"})
    late = [s for s in some if not times[0] <= s["submission_finish_time"] <= times[len(times) // 2]]
    if not some or late:
        yield f"the window {window} gave {len(some)} submissions, {len(late)} of them outside"

    malicious = next(s for s in finished if s["submission_verdict"] == "malicious")
    one = client.call("GET", f"/rest/submission/{malicious['submission_id']}")
    if one != malicious:
        yield f"submission {malicious['submission_id']} reads differently alone and in the list"

    sample = malicious["submission_sample_id"]
    reply = client.call("GET", f"/rest/sample/{sample}/iocs")
    if set(reply["iocs"]) != LISTS or reply["status"] != "finished":
        yield f"iocs of sample {sample}: status {reply['status']}, lists {sorted(reply['iocs'])}"
    if not any(reply["iocs"].values()):
        yield f"malicious sample {sample} has no ioc"

    described = client.call("GET", f"/rest/sample/{sample}")
    for kind, field in (("md5", "sample_md5hash"), ("sha1", "sample_sha1hash"), ("sha256", "sample_sha256hash")):
        found = client.call("GET", f"/rest/sample/{kind}/{described[field]}")
        if [s["sample_id"] for s in found] != [sample]:
            yield f"{kind} of sample {sample} finds {found}"
    if client.call("GET", "/rest/sample/md5/" + "0" * 32) != []:
        yield "an unknown hash finds something"

    sent = client.call("POST", "/rest/sample/submit", params={"sample_url": "https://example.com/a?b='c'", "shareable": False})
    number = sent["submissions"][0]["submission_id"]
    if client.call("GET", f"/rest/submission/{number}")["submission_id"] != number:
        yield f"the submission {number} just made cannot be read"
    sent = client.call("POST", "/rest/sample/submit", params={"sample_file": NamedBytes(b"not malware, only a test")})
    name = sent["submissions"][0]["submission_filename"]
    if name != "Rechnung für Jörg.docm":
        yield f"the name of a submitted file came back as {name!r}"

    yield from refused(lambda: VMRayRESTAPI(server, "not the key").call("GET", "/rest/system_info"), 401)
    yield from refused(lambda: client.call("GET", "/rest/sample/999999999"), 404)
    yield from refused(lambda: client.call("DELETE", "/rest/system_info"), 405)
    yield from refused(lambda: client.call("POST", "/rest/sample/submit", params={"comment": "nothing to analyse"}), 400)

    # The kit that VMRay's newer connectors use: pages by _last_id and reads each submission and sample.
    results = list(kit.iter_submissions(ids[0], limit=5))
    if not results or any(result.submission_id == ids[0] for result in results):
        yield "iter_submissions gave nothing, or the submission it should come after"
    hit = kit.deserialize(malicious["submission_id"])
    if hit.verdict is None or not isinstance(hit.get_vtis(), list) or set(hit.get_artifacts()) != LISTS:
        yield f"the kit cannot read submission {malicious['submission_id']}"


def archive(members):
    """A ZIP with these members, deflated."""
    content = NamedBytes()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in members.items():
            packed.writestr(name, text)
    content.seek(0)
    content.name = "members.zip"
    return content


def ended(client, number):
    """Waits as VMRay's connectors do; returns the submission and the numbers of jobs that were seen."""
    jobs = []
    for _ in range(200):
        submission = client.call("GET", f"/rest/submission/{number}")
        if submission["submission_finished"]:
            return submission, jobs
        jobs.append(len(client.call("GET", f"/rest/job/submission/{number}")))
        time.sleep(0.1)
    raise SystemExit(f"submission {number} does not end")


def life(client, stack):
    """Lives what is submitted to its end; yields what goes otherwise than VMRay's clients expect."""
    def options(**changed):
        stack.control("vmray?" + urllib.parse.urlencode(changed))

    def submit(**parameters):
        return client.call("POST", "/rest/sample/submit", params=parameters)

    options(analysis_time_ms=1200, settling_time_ms=400, submit_verdict="malicious", analysis_caching="legacy")
    for what in ({"sample_url": "https://life.example/"}, {"sample_file": NamedBytes(b"a file that lives")}):
        sent = submit(tags="one,two", submission_metadata='{"case": 7}', **what)
        number, sample = sent["submissions"][0]["submission_id"], sent["samples"][0]["sample_id"]
        waiting = client.call("GET", f"/rest/sample/{sample}/iocs")["status"]
        submission, jobs = ended(client, number)
        if waiting != "waiting" or not jobs or max(jobs) < 1 or jobs != sorted(jobs, reverse=True):
            yield f"{what}: findings {waiting} at first, jobs {jobs}"
        if client.call("GET", f"/rest/job/submission/{number}"):
            yield f"{what}: a finished submission has jobs"
        if submission["submission_verdict"] != "malicious" or not submission["submission_finish_time"]:
            yield f"{what}: ended as {submission['submission_verdict']} at {submission['submission_finish_time']}"
        if submission["submission_tags"] != ["one", "two"] or submission["submission_submission_metadata"] != '{"case": 7}':
            yield f"{what}: tags and metadata came back as {submission['submission_tags']}"
        for _ in range(50):
            reports = [client.call("GET", f"/rest/sample/{sample}/{what}") for what in ("iocs", "vtis", "mitre_attack")]
            if all(report["status"] == "finished" for report in reports):
                break
            time.sleep(0.1)
        else:
            yield f"{what}: findings never finish"
        if client.call("GET", f"/rest/sample/{sample}")["sample_verdict"] != "malicious":
            yield f"sample {sample} has another verdict than its submission"

    again = submit(sample_url="https://life.example/")
    words = [error["error_msg"] for error in again["errors"]]
    if words != ["Submission not stored because no jobs were created"] or again["submissions"] or not again["samples"]:
        yield f"something known, without caching, gave {words}"
    options(analysis_caching="enabled")
    cached = submit(sample_url="https://life.example/")["submissions"][0]
    if not cached["submission_used_cache"] or not cached["submission_finished"]:
        yield "something known, with caching, was not answered at once"

    packed = submit(sample_file=archive({"a.exe": "MZ a", "in/b.exe": "MZ b"}), archive_action="separate_samples")
    names = sorted(sample["submission_filename"] for sample in packed["samples"])
    if names != ["a.exe", "in/b.exe"] or len(packed["submissions"]) != 2:
        yield f"an archive's members came as {names}"
    whole = submit(sample_file=archive({"c.exe": "MZ c", "d.exe": "MZ d"}))
    parent, _ = ended(client, whole["submissions"][0]["submission_id"])
    children = client.call("GET", "/rest/submission", params={"submission_parent_submission_id": parent["submission_id"]})
    shown = client.call("GET", f"/rest/sample/{parent['submission_sample_id']}")
    if len(children) != 2 or len(shown["sample_child_sample_ids"]) != 2:
        yield f"an archive has {len(children)} child submissions and {len(shown['sample_child_sample_ids'])} child samples"

    quota = client.call("GET", "/rest/api_key/quota")
    options(quota_used=quota["quota_limit"])
    over = submit(sample_url="https://over.example/")
    if over["submissions"] or "Quota" not in over["errors"][0]["error_msg"]:
        yield f"over quota: {over['errors']}"
    options(quota_refusal="whole_request")
    yield from refused(lambda: submit(sample_url="https://over.example/"), 400)
    taken = [one for one in stack.look("submits") if one["value"] == "https://life.example/" and one["submission_id"]]
    if len(taken) != 2:
        yield f"https://life.example/ was taken {len(taken)} times instead of twice"


def main():
    # The kit ends at the first sample that it may not see; what it then does is its own affair.
    with stand_in.Simulate("--odd", 0) as stack:
        server, key = stack.settings["VmrayBaseURL"], stack.settings["VmrayAPIKey"]
        client = VMRayRESTAPI(server, key)
        problems = [*check(client, VMRaySubmissionKit(server, key), server), *life(client, stack)]
    stand_in.conclude("client 6.0.0", problems)


main()
