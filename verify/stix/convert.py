"""`vmray-sentinel convert` on reports from disk: each bundle must satisfy the OASIS tools.

Two sets: recorded reports of real VMRay servers, which lie outside this repository, and the made-up ones of verify/data,
which hold what the recorded ones lack.
"""

import json

import oasis
import stand_in

OWN = stand_in.ROOT / "verify" / "data"

# Every kind of value, every verdict that can be sent, and no allow-list: as many patterns as the reports can give.
ALL = {
    "VmraySampleVerdict": "Malicious & Suspicious",
    "IocTypes": "domain,ip,url,file,email,registry,mutex,process",
    "AllowList": "none",
}

# What must be in the bundle of a made-up report: a pattern for each value that is hard to write down.
EXPECTED = json.loads((OWN / "expected_patterns.json").read_text())


def main():
    problems = []
    recorded = stand_in.recorded_reports()
    if not recorded:
        print("SKIPPED: convert on recorded reports: no ../shared/fixtures/vmray beside the checkout")
    reports = recorded + sorted(OWN.glob("*.report.json"))
    for report in reports:
        bundle = json.loads(stand_in.run("convert", report, environment=ALL))
        found = oasis.problems(bundle)
        print(f"  {report.name}: {oasis.count(bundle)}")
        patterns = {element["pattern"] for element in bundle.get("objects", []) if element["type"] == "indicator"}
        wanted = set(EXPECTED.get(report.name, []))
        found += [f"pattern is missing: {pattern}" for pattern in sorted(wanted - patterns)]
        if wanted:
            found += [f"pattern is too much: {pattern}" for pattern in sorted(patterns - wanted)]
        problems += [f"{report.name}: {problem}" for problem in found]
    together = json.loads(stand_in.run("convert", *reports, environment=ALL))
    problems += [f"all reports in one bundle: {problem}" for problem in oasis.problems(together)]
    stand_in.conclude(f"{len(reports)} reports, {oasis.count(together)} in one bundle", problems)


main()
