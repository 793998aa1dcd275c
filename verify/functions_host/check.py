"""The unpacked package under the Functions host's own .NET classes: started, asked, fed with timers and killed as the host does.

`VMRAY_SENTINEL_PACKAGE` names the zip. The host itself cannot be had here; its calls are made by driver.py.
"""

import base64
import collections
import gzip
import hashlib
import http.server
import json
import os
import pathlib
import re
import sys
import threading
import time
import urllib.parse
import urllib.request

import dotnet
import hosted
import report
import stand_in
from dotnet import new_id
from hosted import SECRETS, VMRAY_KEY, Hosted, objects, shown, stand_ins, timer, undisturbed, wait_until
from package import ENDED, WORDS, modes, names_in, unpacked

#: What the host hands on of a body, in bytes.
LARGEST = 104_857_600
#: The host's answer to a caller who is not one of the three: no such route.
NO_ROUTE = "nothing is served at this address"
LINE = re.compile(r"\S+\s+(TRACE|DEBUG|INFO|WARN|ERROR) ")
#: SIGKILL when the stand-ins have seen so many more requests since the handler was started.
KILLED_AT = [("vmray_requests", 1), ("vmray_requests", 9), ("vmray_requests", 4), ("upload_requests", 1), ("upload_requests", 2)]
SLOW = [{"service": "vmray", "path": "/iocs", "fault": {"delay_ms": 30}}, {"service": "upload", "fault": {"delay_ms": 60}}]


class Stub(http.server.BaseHTTPRequestHandler):
    """A handler that answers as no handler should: status, type and body stand in the name of the function."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        while self.rfile.readline() != b"0\r\n":
            pass
        self.rfile.readline()
        status, kind, body = urllib.parse.unquote(self.path[1:]).split("|")
        self.send_response(int(status))
        self.send_header("Content-Type", kind.replace("_", "/"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def host_tells_answers_apart():
    """The host's classes take an object in JSON, fail what is none, and hang on null: they would find a wrong answer"""
    cases = [("200|application_json|{}", "succeeded"), ("200|application_json|null", "hangs"), ("200|application_json|", "hangs"),
             ("200|application_json|Hello", "failed"), ('200|application_json|{"Logs":"x"}', "failed"), ("200|text_plain|{}", "failed"),
             ("200|application_problem+json|{}", "failed"), ("500|application_json|{}", "failed"), ("302|application_json|{}", "failed")]  # fmt: skip
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for function, expected in cases:
            answer = hosted.HOST.ask("invoke", port=server.server_port, function=function, invocation=new_id(), body=timer())
            if answer["invocation"] != expected:
                yield f"{function}: {shown(answer)}"
        server.shutdown()


def package_is_what_the_host_reads():
    """host.json, modes and function.json are what the host takes and forwards"""
    program, _, directory = hosted.PACKAGE.command()
    if not program.is_file() or not os.access(program, os.X_OK):
        yield f"{program.name} is not an executable file in the root of the package"
        return
    if not directory.is_dir():
        yield f"there is no working directory {directory.name}"
    if hosted.PACKAGE.host["version"] != "2.0" or hosted.PACKAGE.host["customHandler"].get("enableForwardingHttpRequest") is not True:
        yield "requests are not forwarded as they come"
    for name, mode in modes(ARCHIVE).items():
        if mode is None:
            yield f"{name}: made by no Unix, so it has no mode"
        elif not name.endswith("/") and (bool(mode & 0o111) != (name == program.name) or not mode & 0o004):
            yield f"{name} has mode {mode:o}"
    for name, function in hosted.PACKAGE.functions.items():
        if not re.fullmatch(r"(?!host$)[a-z][a-z0-9_-]{0,127}", name, re.IGNORECASE):
            yield f"{name} is no name of a function"
        kinds = [(one["direction"], one["type"]) for one in function["bindings"]]
        if kinds not in ([("in", "timerTrigger")], [("in", "httpTrigger"), ("out", "http")]):
            yield f"{name} is neither a timer alone nor HTTP in and HTTP out: {kinds}"
    addresses = [address.lower() for _, address, _, _ in hosted.PACKAGE.http()]
    for address in {one for one in addresses if addresses.count(one) > 1}:
        yield f"two functions at {address}"
    known = json.loads(stand_in.run("config", "schema"))["properties"]
    for name, trigger in hosted.PACKAGE.triggers("timerTrigger"):
        for setting in names_in(trigger["schedule"]):
            if setting not in known:
                yield f"{name} runs by the setting {setting}, which the program does not know"


def functions_are_those_of_the_program():
    """Every address of the program's own description is one of the package's, and the other way round"""
    with stand_ins("--samples", 3) as (_, settings), stand_in.Serve(settings) as serve:
        with urllib.request.urlopen(serve.url + "/openapi.json") as answer:
            paths = json.load(answer)["paths"]
    program = {(method.upper(), nameless(path)): operation for path, methods in paths.items() if path.startswith("/api/")
               for method, operation in methods.items()}  # fmt: skip
    package = {(method, nameless(address)): (name, level) for name, address, methods, level in hosted.PACKAGE.http() for method in methods}
    for method, address in sorted(program.keys() - package.keys()):
        yield f"{method} {address} is in no folder of the package"
    for method, address in sorted(package.keys() - program.keys()):
        yield f"{method} {address} of the package is not in the program"
    for one in program.keys() & package.keys():
        name, level = package[one]
        needs_key = program[one].get("security") != []
        if (level == "function") != needs_key or level not in ("function", "anonymous"):
            yield f"{name} has the level {level}, and the program {'asks for a key' if needs_key else 'takes its link without a key'}"


def nameless(address):
    """An address without regard to case and to what its parameters are called."""
    return re.sub(r"\{[^}]*\}", "{}", address).lower()


def ready_with_a_port_alone():
    """GET / every 25 ms is answered within 30 s, with nothing but a port and a folder that cannot be written"""
    for _ in range(3):
        with Hosted({}) as handler:
            ready = handler.readiness
            print(f"      ready after {ready['seconds'] * 1000:.0f} ms, asked {ready['asked']} times")
            if ready["seconds"] >= 30:
                yield "it took too long"
            if hosted.HOST.ask("ping", port=handler.port) != 200:
                yield "the status ping is not answered with 200"


def timers_run():
    """A timer, in chunks, runs the feed: without a status, with one, and past due"""
    ends = "2026-11-24T12:00:00Z"
    with stand_ins("--samples", 20, "--ends", ends) as (stack, settings), Hosted(settings) as handler:
        for arguments in ({"status": False}, {"status": True}, {"status": True, "past_due": True}):
            answer = handler.timer(**arguments)
            if answer["invocation"] != "succeeded" or answer["status"] != 200 or not answer["type"].startswith("application/json"):
                yield f"{arguments}: {shown(answer)}"
            elif not any(line.startswith("run ended: ") for line in answer["logs"]):
                yield f"{arguments}: the run did not run: {answer['logs']}"
        arrived, (expected, _) = objects(stack), undisturbed(20, ends)
        if arrived != expected or not arrived:
            yield f"{len(arrived)} objects arrived, {len(expected)} do with feed --once, or they differ"
        if (late := handler.words()[0].count("the timer is past due")) != 1:
            yield f"one of three timers was past due, {late} are told"


def every_timer_has_a_function():
    """Each timer of the package is a function of the program"""
    with stand_ins("--samples", 3) as (_, settings), Hosted(settings) as handler:
        for name, _ in hosted.PACKAGE.triggers("timerTrigger"):
            answer = handler.timer(function=name)
            if answer["invocation"] != "succeeded":
                yield f"{name}: {shown(answer)}"
        if handler.timer(function="NoSuchTimer")["invocation"] != "failed":
            yield "a timer that the program does not have succeeds"


def timer_while_a_run_is_on():
    """A timer while a run is on is answered at once and begins none; a caller is answered meanwhile, too"""
    faults = [{"service": "vmray", "path": "/rest/submission", "when": {"first": 1}, "fault": {"delay_ms": 2500}}]
    with stand_ins("--samples", 10, faults=faults) as (stack, settings), Hosted(settings) as handler:
        first = handler.begin_timer()
        wait_until(lambda: "run started" in handler.words()[0])
        began = time.monotonic()
        second = handler.timer()
        status = handler.forward("GET", "/api/status")
        took = time.monotonic() - began
        if first.done():
            yield "the first run was over before the second could meet it"
        if second["invocation"] != "succeeded" or "a run has been active since" not in " ".join(second["logs"]):
            yield f"the second: {shown(second)}"
        if status["status"] != 200:
            yield f"a caller: {shown(status)}"
        if took > 1.5:
            yield f"both took {took:.1f} s"
        first = hosted.HOST.outcome(first)
        if first["invocation"] != "succeeded" or stack.look("stats")["rows"] == 0:
            yield f"the first: {shown(first)}"
        if (runs := handler.words()[0].count("run started")) != 1:
            yield f"{runs} runs were begun"


def what_is_known(settings):
    """A submission of the generated world, and its sample, as VMRay's stand-in tells."""
    request = urllib.request.Request(settings["VmrayBaseURL"] + "/rest/submission?_limit=50",
                                     headers={"Authorization": f"api_key {settings['VmrayAPIKey']}"})  # fmt: skip
    with urllib.request.urlopen(request) as answer:
        return next(one for one in json.load(answer)["data"] if one["submission_sample_id"] and one["submission_sample_sha256"])


def callers_are_answered():
    """Each HTTP function is answered at its address by each of its methods, with the right answer, and no key is logged"""
    with stand_ins("--samples", 20) as (stack, settings), Hosted(settings | {"LogFilter": "all=trace"}) as handler:
        one = what_is_known(settings)
        sample = {"sample_id": one["submission_sample_id"]}
        submission = {"submission_id": one["submission_id"]}
        asked = {
            "GetVMRaySample": sample,
            "GetVMRayVTIs": sample,
            "GetVMRayThreatIndicator": sample,
            "GetAnalysisBySampleID": sample,
            "GetVMRayIOCs": sample | submission | {"sample_verdict": "malicious,suspicious"},
            "GetVMRaySubmission": submission,
            "GetVMRaySampleByHash": {"hash": one["submission_sample_sha256"]},
            "UplaodURL": {"url": "http://caller.example/a?b=c&d=ä"},
            "VMRayUploadSample": {"name": "käse.exe", "file": base64.b64encode(b"MZ and more").decode()},
            "Enrich": {"items": [{"url": "http://caller.example/job"}]},
        }
        stack.control("vmray?hold_submissions=true")
        link = handler.forward("POST", "/api/enrich", asked["Enrich"])["headers"].get("location", "")
        if not re.fullmatch(r"https://app\.azurewebsites\.net/api/enrich/[\w-]+\?token=[\w.-]+", link):
            yield f"POST /api/enrich gives the link {link!r}"
        job = urllib.parse.urlsplit(link)
        secrets = [*SECRETS, settings["VmrayAPIKey"], settings["AzureClientSecret"], *re.findall(r"token=([\w.-]+)", link)]
        for name, address, methods, _ in hosted.PACKAGE.http():
            for method in methods:
                target = f"{job.path}?{job.query}" if name == "EnrichJob" else address
                body = asked.get(name, {}) if method == "POST" else None
                if method == "GET" and asked.get(name):
                    target += "?" + urllib.parse.urlencode(asked[name])
                invocation = new_id()
                answer = handler.forward(method, target, body, invocation=invocation)
                if NO_ROUTE in answer["body"]:
                    yield f"{method} {address} leads nowhere"
                elif answer["status"] != (202 if name in ("Enrich", "EnrichJob") else 200) or "json" not in answer["headers"]["content-type"]:
                    yield f"{method} {address}: {shown(answer)}"
                elif answer["headers"].get("x-request-id") != invocation:
                    yield f"{method} {address} does not answer with the id of its invocation: {answer['headers']}"
        submitted = {one["filename"] or one["value"] for one in stack.look("submits")}
        if submitted != {"http://caller.example/job", asked["UplaodURL"]["url"], asked["VMRayUploadSample"]["name"]}:
            yield f"something was changed on its way, or paid twice: {submitted}"
        yield from odd_requests(handler, sample, submission)
        out, error = handler.words()
        for secret in secrets:
            if secret in out + error:
                yield f"the log holds a key: {[line for line in (out + error).splitlines() if secret in line][0][:300]}"
        if "TRACE" not in out:
            yield "nothing was logged as trace, so this shows nothing of keys"


def odd_requests(handler, sample, submission):
    """What the host makes of a caller's request on the way."""
    number = sample["sample_id"]

    def says(what, answer, status, words=""):
        if answer["status"] != status or words not in answer["body"]:
            yield f"{what}: {shown(answer)}"

    query = f"/api/GetVMRayIOCs?sample_id={number}&submission_id={submission['submission_id']}"
    joined = handler.forward("GET", query + "&sample_verdict=malicious&sample_verdict=suspicious")
    if "sample_verdict=malicious,suspicious" not in urllib.parse.unquote(joined["asked"]):
        yield f"repeated keys are not joined: {joined['asked']}"
    yield from says("repeated keys", joined, 200, '"custom_resp"')
    twice = handler.forward("GET", f"/api/GetVMRaySample?sample_id={number}&sample_id={number}")
    yield from says("a number given twice", twice, 400, "sample_id")
    yield from says("another case", handler.forward("GET", f"/API/getvmraysample?sample_id={number}"), 200)
    yield from says("an empty POST", handler.forward("POST", f"/api/GetVMRaySample?sample_id={number}"), 200)
    yield from says("an empty POST without parameter", handler.forward("POST", "/api/GetVMRaySample"), 400, "sample_id")
    yield from says("Expect", handler.forward("POST", "/api/GetVMRaySample", sample, Expect="100-continue"), 200)
    yield from says("a slash behind", handler.forward("GET", f"/api/GetVMRaySample/?sample_id={number}"), 404, NO_ROUTE)
    packed = {"base64": base64.b64encode(gzip.compress(json.dumps(sample).encode())).decode()}
    unlabelled = handler.forward("POST", "/api/GetVMRaySample", body=packed, content_type="application/json", **{"Content-Encoding": "gzip"})
    if "Content-Encoding" not in unlabelled["lost"]:
        yield f"the host passes on Content-Encoding: {unlabelled['lost']}"
    yield from says("a packed body without its label", unlabelled, 400)


def largest_body():
    """A body of 104,857,600 bytes is taken where a file is, and refused in words where none is"""
    with stand_ins("--samples", 3) as (stack, settings), Hosted(settings) as handler:
        before, after = '{"name":"zeros.bin","file":"', '"}'
        spare = LARGEST - len(before) - len(after)
        count = spare - spare % 4
        # Blanks make it exactly the limit.
        whole = {"before": before, "fill": "A", "count": count, "after": after + " " * (spare - count)}
        cases = [("/api/VMRayUploadSample", "application/json", 200), ("/api/enrich?name=raw.bin", "application/octet-stream", 202),
                 ("/api/GetVMRaySample", "application/json", 413), ("/api/NoSuchFunction", "application/json", 404)]  # fmt: skip
        for target, kind, status in cases:
            for headers in ({}, {"Expect": "100-continue"}) if status > 400 else ({},):
                began = time.monotonic()
                answer = handler.forward("POST", target, body=whole, content_type=kind, **headers)
                print(f"      {target.partition('?')[0]}: {answer['status']} after {time.monotonic() - began:.1f} s")
                if answer["status"] != status:
                    yield f"{target} {headers}: {shown(answer)}"
        raw = before.encode() + b"A" * count + whole["after"].encode()
        files = {"zeros.bin": hashlib.sha256(bytes(count // 4 * 3)), "raw.bin": hashlib.sha256(raw)}
        given = {one["filename"]: one["value"] for one in stack.look("submits")}
        if given != {name: digest.hexdigest() for name, digest in files.items()}:
            yield f"VMRay was given other files: {given}"


def killed_mid_run():
    """SIGKILL in the middle of a run, several times: the next process completes it, as if nothing had been"""
    ends = "2026-11-24T12:00:00Z"
    expected, questions = undisturbed(60, ends)
    with stand_ins("--samples", 60, "--ends", ends, faults=SLOW) as (stack, settings):
        settings |= {"UploadsInFlight": "1"}
        for counter, more in KILLED_AT:
            with Hosted(settings) as handler:
                before = stack.look("stats")[counter]
                run = handler.begin_timer(past_due=True)
                wait_until(lambda: run.done() or stack.look("stats")[counter] >= before + more)
                if run.done():
                    yield f"the run was over before {counter} was {more}: {shown(hosted.HOST.outcome(run))}"
                    continue
                handler.kill()
                answer = hosted.HOST.outcome(run)
                if "HttpRequestException" not in answer.get("because", "") and answer["status"] != 0:
                    yield f"a run that was killed at {counter} {more} is answered: {shown(answer)}"
        with Hosted(settings) as handler:
            before = stack.look("stats")["vmray_requests"]
            answer = handler.timer()
            if answer["invocation"] != "succeeded" or "run ended: " not in " ".join(answer["logs"]):
                yield f"the run after the kills: {shown(answer)}"
            if (asked := stack.look("stats")["vmray_requests"] - before) >= questions:
                yield f"the run after the kills asked VMRay {asked} times, as one does that knows nothing of the others"
            held = objects(stack)
            different = [one for one in held.keys() | expected.keys() if held.get(one) != expected.get(one)]
            rows = stack.look("stats")["rows"]
            print(f"      {len(KILLED_AT)} kills, {len(held)} objects in {rows} rows; {questions} questions in one run, {asked} in the last")
            if different or not held:
                yield f"{len(different)} of {len(expected)} objects are missing, too much or other: {different[:3]}"
            if handler.timer()["invocation"] != "succeeded" or stack.look("stats")["rows"] != rows:
                yield "a run with nothing new sent something"


def outcomes():
    """A failed run fails its invocation; one that holds something back succeeds and says so"""
    with stand_ins("--samples", 5) as (_, settings), Hosted(settings | {"VmrayAPIKey": VMRAY_KEY}) as handler:
        answer = handler.timer()
        if answer["status"] != 500 or answer["invocation"] != "failed" or "VmrayAPIKey" not in answer["body"]:
            yield f"a wrong key: {shown(answer)}"
        if VMRAY_KEY in "".join(handler.words()) + answer["body"]:
            yield "the wrong key is told"
    faults = [{"service": "vmray", "path": "/iocs", "fault": {"status": 403}}]
    with stand_ins("--samples", 5, faults=faults) as (_, settings), Hosted(settings) as handler:
        answer = handler.timer()
        if answer["invocation"] != "succeeded" or not any(line.startswith("held back: ") for line in answer["logs"]):
            yield f"open samples: {shown(answer)}"


def wrong_settings():
    """With wrong settings it keeps running, every invocation fails, and its body and stderr say what to set"""
    vault = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k)"
    with stand_ins("--samples", 3) as (_, settings):
        cases = [({}, "VmrayBaseURL is missing; example: VmrayBaseURL=https://"), (settings | {"VmrayAPIKey": vault}, "Key Vault Secrets User"),
                 (settings | {"UploadsInFlight": "many"}, "UploadsInFlight")]  # fmt: skip
        for wrong, told in cases:
            with Hosted(wrong) as handler:
                for _ in range(4):
                    answer = handler.timer()
                    if answer["status"] != 500 or answer["invocation"] != "failed" or told not in answer["body"]:
                        yield f"{told}: {shown(answer)}"
                if told not in handler.words()[1]:
                    yield f"{told}: stderr does not say so"
                if hosted.HOST.ask("ping", port=handler.port) != 200 or handler.process.poll() is not None:
                    yield f"{told}: it does not keep running"
                caller = handler.forward("GET", "/api/GetVMRaySample?sample_id=1")
                if wrong == {} and (caller["status"] != 500 or "VmrayBaseURL is missing" not in caller["body"]):
                    yield f"a caller is not told: {shown(caller)}"


def log_lines():
    """Each line of an invocation, a timer's or a caller's, holds its id"""
    faults = [{"service": "vmray", "path": "/iocs", "when": {"every": 2}, "fault": {"status": 403}},
              {"service": "vmray", "path": "/vtis", "fault": {"status": 401}}]  # fmt: skip
    with stand_ins("--samples", 10, faults=faults) as (_, settings), Hosted(settings) as handler:
        calls = [
            handler.timer,
            lambda invocation: handler.forward("GET", "/api/GetVMRaySample?sample_id=1", invocation=invocation),
            lambda invocation: handler.forward("GET", "/api/GetVMRayVTIs?sample_id=1", invocation=invocation),
            lambda invocation: handler.forward("POST", "/api/UplaodURL", {"url": "http://lines.example/"}, invocation=invocation),
        ]
        for call in calls:
            before = [len(words) for words in handler.words()]
            invocation = new_id()
            call(invocation=invocation)
            lines = [line for words, start in zip(handler.words(), before) for line in words[start:].splitlines()]
            if not lines:
                yield "a call is not in the log"
            for line in lines:
                if invocation not in line:
                    yield f"without the id of its invocation: {line}"


def streams():
    """Of all these handlers, stdout holds information, stderr warnings and errors as the host tells them apart"""
    levels = collections.Counter()
    for out, error in WORDS:
        for stream, words in (("stdout", out), ("stderr", error)):
            for line in words.splitlines():
                level = LINE.match(line)
                level = level[1] if level else "no"
                levels[level] += 1
                if (stream == "stderr") != (level in ("WARN", "ERROR")) or level == "no":
                    yield f"on {stream}: {line}"
                # ParseErrorMessageAndLog goes by that word.
                elif stream == "stderr" and ("warn" in line.lower()) != (level == "WARN"):
                    yield f"the host takes this for the other level: {line}"
    print(f"      {', '.join(f'{count} {level}' for level, count in sorted(levels.items()))}")
    for level in {"INFO", "WARN", "ERROR"} - levels.keys():
        yield f"there is no {level}, so this shows nothing of it"


def it_never_ended_by_itself():
    """No handler ended before the host ended it"""
    yield from ENDED


CHECKS = [host_tells_answers_apart, package_is_what_the_host_reads, functions_are_those_of_the_program,
          ready_with_a_port_alone, timers_run, every_timer_has_a_function, timer_while_a_run_is_on, callers_are_answered, largest_body, killed_mid_run, outcomes,
          wrong_settings, log_lines, streams, it_never_ended_by_itself]  # fmt: skip


def skip(why):
    print(f"SKIPPED: functions host: {why}")
    sys.exit(0)


if not os.environ.get("VMRAY_SENTINEL_PACKAGE"):
    skip("VMRAY_SENTINEL_PACKAGE does not name a package")
ARCHIVE = pathlib.Path(os.environ["VMRAY_SENTINEL_PACKAGE"]).resolve()
try:
    environment = dotnet.install(os.environ["VERIFY_CACHE"])
except dotnet.CannotInstall as error:
    skip(error)
with unpacked(ARCHIVE) as hosted.PACKAGE, dotnet.Host(environment, hosted.PACKAGE.timeout()) as hosted.HOST:
    # What is asked is the program of the package.
    stand_in.BINARY = str(hosted.PACKAGE.command()[0])
    report.run(CHECKS)
