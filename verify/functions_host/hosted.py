"""A handler of the package under the host's classes, with stand-ins for VMRay and Sentinel behind it."""

import contextlib
import functools
import json
import pathlib
import re
import tempfile
import time

import stand_in
from dotnet import new_id
from package import Handler

#: The unpacked package and the host's classes, set by check.py before it runs its checks.
PACKAGE = None
HOST = None
#: What no line of a log may hold.
FUNCTION_KEY, CODE, VMRAY_KEY = "header-key-5kx2", "query-key-7gq9", "vmray-key-wrong-3tt8"
SECRETS = [FUNCTION_KEY, CODE, VMRAY_KEY]


@contextlib.contextmanager
def stand_ins(*arguments, faults=()):
    """Stand-ins for VMRay and Sentinel, and the app settings that name them and an empty state."""
    with tempfile.TemporaryDirectory() as folder:
        rules = pathlib.Path(folder) / "faults.json"
        rules.write_text(json.dumps(list(faults)))
        with stand_in.Simulate("--seed", 3, "--faults", rules, *arguments) as stack:
            yield stack, stack.settings | {"StateUrl": f"file://{folder}/state", "Polling": "0 */30 * * * *", "TMPDIR": folder}


def timer(status=True, past_due=False):
    """A timer's invocation."""
    times = {"Last": "2026-11-24T06:00:00.0035462+00:00", "Next": "2026-11-24T12:00:00+00:00", "LastUpdated": "2026-11-24T06:00:00.0035462+00:00"}
    value = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": times if status else None, "IsPastDue": past_due}
    system = {"MethodName": "VMRay", "UtcNow": "2026-11-24T12:00:00.0112233Z", "RandGuid": new_id()}
    return {"Data": {"mytimer": value}, "Metadata": {"sys": system}}


class Hosted(Handler):
    """A handler that is ready, and the host's calls of it."""

    def __init__(self, settings):
        super().__init__(PACKAGE, settings)

    def __enter__(self):
        super().__enter__()
        self.readiness = HOST.ask("ready", port=self.port)
        if not self.readiness.get("ready"):
            raise SystemExit(f"the handler does not get ready: {self.readiness}\n{self.words()[1][-2000:]}")
        return self

    def begin_timer(self, invocation=None, function=None, **timer_as):
        function = function or next(PACKAGE.triggers("timerTrigger"))[0]
        return HOST.begin("invoke", port=self.port, function=function, invocation=invocation or new_id(), body=timer(**timer_as))

    def timer(self, **arguments):
        return HOST.outcome(self.begin_timer(**arguments))

    def forward(self, method, target, json_body=None, body=None, content_type=None, invocation=None, **headers):
        """A caller's request with both kinds of key."""
        if json_body is not None:
            body, content_type = {"text": json.dumps(json_body)}, "application/json"
        sent = {"User-Agent": "azure-logic-apps/1.0 (workflow 9a)", "X-Functions-Key": FUNCTION_KEY, "Accept": "*/*",
                "X-Forwarded-For": "192.0.2.7", "Cookie": "a=b"}  # fmt: skip
        sent |= {"Content-Type": content_type} if content_type else {}
        sent |= headers
        joint = "&" if "?" in target else "?"
        return HOST.ask("forward", port=self.port, method=method, target=f"{target}{joint}code={CODE}", invocation=invocation or new_id(),
                        headers=sent, body=body)  # fmt: skip


def shown(answer):
    return json.dumps(answer)[:600]


def objects(stack):
    """What Sentinel holds, without the time of the upload and the port of the stand-in."""
    port = re.compile(r"http://127\.0\.0\.1:\d+")
    held = json.loads(port.sub("http://vmray", json.dumps(stack.look("objects"))))
    return {one["id"]: {name: value for name, value in one.items() if name != "modified"} for one in held}


def wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("what is waited for does not come")
        time.sleep(0.002)


@functools.cache
def undisturbed(samples, ends):
    """What a feed that nobody disturbs leaves in Sentinel, and how many requests it makes of VMRay."""
    with stand_ins("--samples", samples, "--ends", ends) as (stack, settings):
        stand_in.run("feed", "--once", environment=settings, codes=(0, 4))
        return objects(stack), stack.look("stats")["vmray_requests"]
