"""A caller of `serve` is answered within its deadline while VMRay hangs, and an archive is as bad as what is in it."""

import io
import json
import tempfile
import time
import urllib.request
import zipfile

from stand_in import SECONDS, Serve, Simulate, conclude

# VMRay does not answer the first search and the first question by hash; what is asked again later is answered.
FAULTS = [
    {"service": "vmray", "path": path, "when": {"nth": 1}, "fault": "hang"} for path in ("/submission/search", "/sample/sha256")
]
DEADLINE = 3


def ask(url, body=None, kind="application/json"):
    """Returns status, headers, JSON and seconds of an answer."""
    began = time.monotonic()
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return answer.status, answer.headers, json.load(answer), time.monotonic() - began


def follow(server, headers):
    """Asks a link until its answer is complete."""
    for _ in range(120):
        _, _, report, _ = ask(server.url + headers["Location"])
        if report["complete"]:
            return report
        time.sleep(1)
    raise SystemExit("a request never came to its end")


def archive():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        for name in ("a.exe", "b.exe"):
            opened.writestr(name, f"MZ {name}")
    return content.getvalue()


def main():
    problems = []

    def hold(what, value):
        if not value:
            problems.append(what)

    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/faults.json", "w") as file:
            json.dump(FAULTS, file)
        with Simulate("--samples", 5, "--faults", f"{folder}/faults.json") as simulator:
            for option in ("submit_verdict=malicious", "children_end=after_parent", "analysis_time_ms=1000"):
                simulator.control(f"vmray?{option}")
            settings = {name: simulator.settings[name] for name in ("VmrayBaseURL", "VmrayAPIKey")}
            settings |= {"StateUrl": f"file://{folder}/state", "HOME": folder}
            with Serve(settings) as server:
                enrich = server.url + "/api/enrich"
                url = json.dumps({"items": [{"url": "http://new.example/"}], "deadline": f"{DEADLINE}s"}).encode()
                promises = []
                for what, body, kind, query in [
                    ("a URL", url, "application/json", ""),
                    ("a file", archive(), "application/octet-stream", f"?name=a.zip&deadline={DEADLINE}s"),
                ]:
                    status, headers, report, seconds = ask(enrich + query, body, kind)
                    hold(f"{what} was answered after {seconds:.1f} s", seconds < DEADLINE + 1)
                    hold(f"{what} was answered {status}, complete: {report['complete']}", status == 202 and not report["complete"])
                    promises.append((what, headers))
                for what, headers in promises:
                    report = follow(server, headers)
                    hold(f"{what} ended as {report['items'][0]['state']}", report["items"][0]["state"] == "analysed")
                    hold(f"{what} is {report['verdict']}", report["verdict"] == "malicious")
                hold("something was paid twice", len(simulator.look("submits")) == 2)
                fresh = report["items"][0]
                again = json.dumps({"items": [{"hash": fresh["value"]}]}).encode()
                status, _, reused, _ = ask(enrich, again)
                known = reused["items"][0]
                hold(f"a known archive is answered {status} as {known['state']}", (status, known["state"]) == (200, "known"))
                hold(f"a known archive is {reused['verdict']}", reused["verdict"] == "malicious")
                ids = [[entry["id"] for entry in item["indicators"]["entries"]] for item in (fresh, known)]
                hold("a known archive has other indicators than its analysis", ids[0] and ids[0] == ids[1])
    conclude("answers in time while VMRay hangs, archives as bad as their members", problems)


main()
