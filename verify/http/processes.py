"""Two processes of `serve` on one state: what both are asked for is paid once, whoever dies on the way."""

import concurrent.futures
import json
import tempfile
import urllib.request

from stand_in import SECONDS, Serve, Simulate, conclude

URL = "http://shared.example/landing?campaign=7"


def ask(url, body=None):
    """Returns status, headers and JSON of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return answer.status, answer.headers, json.load(answer)


def submissions(simulator):
    return [one["submission_id"] for one in simulator.look("submits") if URL in json.dumps(one)]


def main():
    problems = []

    def hold(what, value):
        if not value:
            problems.append(what)

    with Simulate("--samples", 5) as simulator, tempfile.TemporaryDirectory() as folder:
        simulator.control("vmray?hold_submissions=true")
        settings = {name: simulator.settings[name] for name in ("VmrayBaseURL", "VmrayAPIKey")}
        settings |= {"StateUrl": f"file://{folder}/state", "HOME": folder}
        with Serve(settings) as one, Serve(settings) as two:
            with concurrent.futures.ThreadPoolExecutor(10) as pool:
                asked = [(one, two)[number % 2].url + "/api/enrich" for number in range(10)]
                answers = list(pool.map(lambda url: ask(url, {"items": [{"url": URL}]}), asked))
            hold("not all ten were told to wait", all(status == 202 for status, _, _ in answers))
            paid = submissions(simulator)
            hold(f"ten requests to two processes made {len(paid)} submissions", len(paid) == 1)
            one.kill()
            simulator.control(f"submissions/{paid[0]}/finish?verdict=malicious")
            for _, headers, _ in answers:
                status, _, report = ask(two.url + headers["Location"])
                hold(f"a link of a dead process is answered {status}", status == 200)
                hold("a report does not say malicious", '"malicious"' in json.dumps(report))
        with Serve(settings) as three:
            status, _, _ = ask(three.url + "/api/enrich", {"items": [{"url": URL}]})
            hold(f"a known verdict is answered {status}", status == 200)
        hold("a known verdict was paid again", len(submissions(simulator)) == 1)
    conclude("ten requests, two processes, one submission", problems)


main()
