"""Runs checks that yield what they find, says for each how it went, and ends the script with 1 when one found something."""

import sys


def run(checks):
    wrong = 0
    for check in checks:
        found = list(dict.fromkeys(check()))
        title = check.__doc__.strip().splitlines()[0].rstrip(".")
        print(f"   {'ok' if not found else 'WRONG'}: {title}", flush=True)
        for line in found[:20]:
            print(f"      {line}")
        if len(found) > 20:
            print(f"      and {len(found) - 20} more")
        wrong += len(found)
    sys.exit(1 if wrong else 0)
