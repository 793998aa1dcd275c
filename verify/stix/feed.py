"""A whole feed over sockets: every object that the upload stand-in then holds must satisfy the OASIS tools, and a second
run must add nothing."""

import tempfile
import uuid

import oasis
import stand_in


def main():
    with stand_in.Simulate() as stack, tempfile.TemporaryDirectory() as state:
        environment = stack.settings | {
            "StateUrl": f"file://{state}",
            "VmraySampleVerdict": "Malicious & Suspicious",
            "IocTypes": "domain,ip,url,file,email,registry,mutex,process",
        }
        # 4: done, but quarantine holds open records, which a world with odd data may well leave behind.
        stand_in.run("feed", "--once", environment=environment, codes=(0, 4))
        objects, first = stack.look("objects"), stack.look("stats")
        stand_in.run("feed", "--once", environment=environment, codes=(0, 4))
        second = stack.look("stats")
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}
    problems = oasis.problems(bundle)
    if not any(element["type"] == "indicator" for element in objects):
        problems.append("the feed uploaded no indicator")
    if second["rows"] != first["rows"]:
        problems.append(f"a second run with nothing new added {second['rows'] - first['rows']} rows")
    stand_in.conclude(f"uploaded: {oasis.count(bundle)}", problems)


main()
