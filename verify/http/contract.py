"""The API of `serve` against its own description, by schemathesis: no server error, no status and no body that the
description does not name, and no answer without a key."""

import json
import re
import subprocess
import sys
import tempfile

from stand_in import Serve, Simulate, clean_environment, conclude, run

CHECKS = ",".join(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "unsupported_method",
        "allow_header_conformance",
        "ignored_auth",
    ]
)


def main():
    key = json.loads(run("config", "api-key", "schemathesis", "--scope", "submit", "--json"))
    with Simulate("--samples", 30) as simulator, tempfile.TemporaryDirectory() as state:
        vmray = {name: simulator.settings[name] for name in ("VmrayBaseURL", "VmrayAPIKey")}
        settings = vmray | {"StateUrl": f"file://{state}/state", "ApiKeys": key["entry"], "HOME": state}
        with Serve(settings) as serve:
            command = [sys.executable, "-m", "schemathesis.cli", "run", serve.url + "/openapi.json"]
            command += ["--header", f"X-Functions-Key: {key['key']}", "--checks", CHECKS, "--max-examples", "20"]
            command += ["--seed", "1", "--phases", "examples,coverage,fuzzing", "--no-color"]
            done = subprocess.run(command, env=clean_environment() | {"HOME": state}, cwd=state, capture_output=True, text=True, timeout=240)
    tail = done.stdout.strip().splitlines()
    for line in tail[-60:] if done.returncode else tail[-6:]:
        print(f"  {line}")
    tested = re.search(r"(\d+) generated", done.stdout)
    problems = [] if done.returncode == 0 else [f"schemathesis ended with {done.returncode}", done.stderr[-500:]]
    if not tested:
        problems.append("schemathesis asked nothing")
    conclude("the API as its description says", problems)


main()
