"""The queries of the templates: checked by the parser of Azure, and executed on rows.

They are executed by duckdb-kql on the tables that the template makes, with the times of the rows around now.
"""

import datetime
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import duckdb_kql

from expansion import FIXTURES, NEEDED, PLANS, ROOT, expand, template

PARSER = "@kusto/language-service-next@12.4.1"
DUCK = {"datetime": "timestamp", "string": "varchar", "boolean": "boolean", "long": "bigint"}
NOW = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def app(made):
    return made.outputs["AppName"]


@functools.cache
def rule(plan, interval="Every 10 min"):
    made = expand(template(plan), {**NEEDED, "TimeInterval": interval, "AlertEmail": "soc@example.com"})
    query = made.of_type("Microsoft.OperationalInsights/workspaces/providers/alertRules")[0].body["properties"]["query"]
    alert = made.of_type("Microsoft.Insights/scheduledQueryRules")[0].body["properties"]["criteria"]["allOf"][0]["query"]
    query = query.replace(app(made), "APP")
    tables = {item.name.split("/")[-1]: item.body["properties"]["schema"]["columns"]
              for item in made.of_type("Microsoft.OperationalInsights/workspaces/tables")}
    return query, alert, tables


def parsed():
    """Says what the parser finds in the queries as they are deployed, and in one that is wrong on purpose."""
    if shutil.which("npm") is None:
        print("SKIPPED: KQL against the parser of Azure: npm is not installed")
        return []
    modules = pathlib.Path(os.environ["VERIFY_CACHE"]) / "kusto-12.4.1"
    if not (modules / "node_modules").is_dir():
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", modules, PARSER], check=True)
    query, alert, tables = rule("flex")
    known = [{"Name": name, "Properties": [{"Name": column["name"], "Type": column["type"]} for column in columns]}
             for name, columns in tables.items()]
    queries = {"analytics rule": query, "alert": alert}
    for page in ("operations.md", "azure.md", "azure-running.md"):
        samples = re.findall(r"```kusto\n(.*?)```", (ROOT / "docs" / "src" / page).read_text(), re.S)
        queries |= {f"{page}, query {number}": sample for number, sample in enumerate(samples, 1)}
    for table in ("AppRequests", "ThreatIntelIndicators"):
        columns = FIXTURES / "schemas" / "kql" / "tables" / f"{table}.json"
        if columns.exists():
            known.append(json.loads(columns.read_text()))
        else:
            print(f"SKIPPED: queries against the columns of {table}: ../shared/fixtures is not beside this checkout")
            queries = {name: text for name, text in queries.items() if table not in text}
    with tempfile.TemporaryDirectory() as folder:
        def said(queries):
            files = [pathlib.Path(folder) / "tables.json", pathlib.Path(folder) / "queries.json"]
            files[0].write_text(json.dumps(known))
            files[1].write_text(json.dumps(queries))
            script = pathlib.Path(__file__).parent / "kql.js"
            run = subprocess.run(["node", script, modules / "node_modules", *files], capture_output=True, text=True, check=True)
            return [line for line in run.stdout.splitlines() if line]

        wrong = said(queries)
        if not said({"broken": query.replace("arg_max(TimeGenerated, QuarantineOpen", "arg_max(TimeGenerated, QuarantaineOpen")}):
            wrong.append("the parser does not notice a column that is not there")
    print(f"   {len(queries)} queries parsed against {len(known)} tables")
    return wrong


def ago(**span):
    return NOW - datetime.timedelta(**span)


def executed():
    """Runs the analytics rule on rows of each situation and compares what it tells: at six, when a state that lasts is told again."""
    good = {"Good": True, "QuarantineOpen": 0, "RetractionsHeld": 0}
    unknown = {"Good": False, "RetractionsHeld": 0}
    daily = {**good, "ScheduleSeconds": 86_400}
    other = "other.azurewebsites.example"
    cases = {
        "nothing reported, freshly deployed": ("Every 10 min", NOW, [], set()),
        "nothing reported, the first row may be on its way": ("Every 10 min", ago(minutes=79), [], set()),
        "nothing reported in time": ("Every 10 min", ago(minutes=81), [], {("stalled", "all")}),
        "nothing reported, deployed yesterday": ("Every 10 min", ago(days=1), [], {("stalled", "all")}),
        "fine": ("Every 10 min", ago(days=9), [{**good, "at": ago(minutes=9)}], set()),
        "late, but not twice the interval and half an hour": ("Every 10 min", ago(days=9), [{**good, "at": ago(minutes=49)}], set()),
        "stalled": ("Every 10 min", ago(days=9), [{**good, "at": ago(minutes=51)}], {("stalled", "default")}),
        "freshly deployed, one failed run": ("Every 10 min", ago(minutes=9), [{**good, "Good": False, "at": ago(minutes=1)}], set()),
        "deployed a while ago, each run failed": ("Every 10 min", ago(minutes=51), [
            {**good, "Good": False, "at": ago(minutes=minutes)} for minutes in (41, 31, 21, 11, 1)], {("stalled", "default")}),
        "interval shortened, freshly deployed": ("Every 10 min", ago(minutes=9), [{**good, "at": ago(hours=23)}], set()),
        "interval shortened, and none since": ("Every 10 min", ago(minutes=51), [{**good, "at": ago(hours=23)}], {("stalled", "default")}),
        "interval shortened, none since, and the rows of before say a day": ("Every 10 min", ago(minutes=51), [{**daily, "at": ago(hours=23)}], set()),
        "a schedule of one's own, longer than the template's": ("Every 10 min", ago(days=9), [{**daily, "at": ago(hours=47)}], set()),
        "a schedule of one's own, longer, and stalled": ("Every 10 min", ago(days=9), [{**daily, "at": ago(hours=49)}], {("stalled", "default")}),
        "a schedule of one's own, longer, deployed anew": ("Every 10 min", ago(hours=2), [{**daily, "at": ago(hours=20)}], set()),
        "a schedule of one's own, of five days": ("Every 10 min", ago(days=13), [{**good, "ScheduleSeconds": 5 * 86_400, "at": ago(days=9)}], set()),
        "a schedule of one's own, shorter than the template's": ("Every 24 hours", ago(days=9), [
            {**good, "ScheduleSeconds": 600, "at": ago(minutes=51)}], {("stalled", "default")}),
        "a row is lost": ("Every 6 hours", ago(days=9), [{**good, "at": ago(hours=12, minutes=29)}], set()),
        "long runs, the next one still on": ("Every 10 min", ago(days=9), [{**good, "DurationMs": 1_700_000, "at": ago(minutes=77)}], set()),
        "long runs, and none since": ("Every 10 min", ago(days=9), [
            {**good, "DurationMs": 1_700_000, "at": ago(minutes=80)}], {("stalled", "default")}),
        "runs, but none is good": ("Every 10 min", ago(days=9), [
            {**good, "at": ago(minutes=60)}, {**good, "Good": False, "at": ago(minutes=1)}], {("stalled", "default")}),
        "never a good one": ("Every 10 min", ago(days=9), [{**good, "Good": False, "at": ago(minutes=1)}], {("stalled", "default")}),
        "a day's interval, a day late": ("Every 24 hours", ago(days=9), [{**good, "at": ago(hours=48, minutes=29)}], set()),
        "a day's interval, stalled": ("Every 24 hours", ago(days=9), [{**good, "at": ago(hours=48, minutes=31)}], {("stalled", "default")}),
        "quarantine": ("Every 10 min", ago(days=9), [{**good, "QuarantineOpen": 3, "at": ago(minutes=1)}], {("quarantine", "default")}),
        "quarantine that was emptied": ("Every 10 min", ago(days=9), [
            {**good, "QuarantineOpen": 3, "at": ago(minutes=11)}, {**good, "at": ago(minutes=1)}], set()),
        "quarantine, and the last run failed before it knew": ("Every 10 min", ago(days=9), [
            {**good, "QuarantineOpen": 3, "RetractionsHeld": 120, "at": ago(minutes=11)}, {**unknown, "at": ago(minutes=1)},
        ], {("quarantine", "default"), ("brake", "default")}),
        "quarantine that was emptied, and the last run failed before it knew": ("Every 10 min", ago(days=9), [
            {**good, "QuarantineOpen": 3, "at": ago(minutes=21)}, {**good, "at": ago(minutes=11)}, {**unknown, "at": ago(minutes=1)}], set()),
        "a brake": ("Every 10 min", ago(days=9), [{**good, "RetractionsHeld": 120, "at": ago(minutes=1)}], {("brake", "default")}),
        "a secret that ends soon": ("Every 10 min", ago(days=9), [
            {**good, "SecretExpiresAt": NOW + datetime.timedelta(days=13), "at": ago(minutes=1)}], {("secret", "default")}),
        "a secret that ends later": ("Every 10 min", ago(days=9), [
            {**good, "SecretExpiresAt": NOW + datetime.timedelta(days=15), "at": ago(minutes=1)}], set()),
        "a secret that ends soon, and the last run failed": ("Every 10 min", ago(days=9), [
            {**good, "at": ago(minutes=11)},
            {**unknown, "SecretExpiresAt": NOW + datetime.timedelta(days=13), "at": ago(minutes=1)}], {("secret", "default")}),
        "a secret that was renewed, and the last run failed": ("Every 10 min", ago(days=9), [
            {**good, "SecretExpiresAt": NOW + datetime.timedelta(days=1), "at": ago(minutes=11)},
            {**unknown, "SecretExpiresAt": NOW + datetime.timedelta(days=365), "at": ago(minutes=1)}], set()),
        "two routes, one stalled": ("Every 10 min", ago(days=9), [
            {**good, "at": ago(minutes=1)}, {**good, "Route": "other", "at": ago(hours=3)}], {("stalled", "other")}),
        "another feed of the workspace is stalled": ("Every 10 min", ago(days=9), [
            {**good, "at": ago(minutes=1)}, {**good, "Host": other, "QuarantineOpen": 3, "at": ago(hours=3)}], set()),
        "only another feed of the workspace runs": ("Every 10 min", ago(days=9), [{**good, "Host": other, "at": ago(minutes=1)}], {("stalled", "all")}),
        "the table is not known yet": ("Every 10 min", NOW, None, set()),
        "the table is gone": ("Every 10 min", ago(days=9), None, {("stalled", "all")}),
    }
    for name, (interval, deployed, rows, wanted) in cases.items():
        told = run(interval, deployed, rows, again=True)
        if told != wanted:
            yield f"{name}: tells {sorted(told)}, should tell {sorted(wanted)}"
    print(f"   the analytics rule executed on {len(cases)} situations")


@functools.cache
def translated(query, with_table):
    """The rule in SQL. Its clock is that of the rows, however long the checks take."""
    columns = [column["name"] for column in rule("flex")[2]["VMRayFeedRuns_CL"]]
    return duckdb_kql.to_sql(query, schema={"VMRayFeedRuns_CL": columns} if with_table else {}, query_now=NOW)


def run(interval, deployed, rows, again):
    """What the rule tells of rows, in the hour in which it tells everything `again`, or in another one."""
    query, _, tables = rule("flex", interval)
    query = query.replace("2026-11-24T09:00:00Z", deployed.strftime("%Y-%m-%dT%H:%M:%SZ"))
    clock = "hourofday(now()) == 6"
    assert query.count(clock) == 1, "the rule has another hour in which it tells everything again"
    query = query.replace(clock, "1 == 1" if again else "1 == 2")
    connection = duckdb_kql.connect()
    columns = {column["name"]: DUCK[column["type"]] for column in tables["VMRayFeedRuns_CL"]}
    if rows is not None:
        connection.execute(f"create table VMRayFeedRuns_CL ({', '.join(f'{column} {kind}' for column, kind in columns.items())})")
    for row in rows or []:
        row = {"Route": "default", "Host": "app.azurewebsites.example", **row}
        row["TimeGenerated"] = row.pop("at")
        connection.execute(
            f"insert into VMRayFeedRuns_CL ({', '.join(row)}) values ({', '.join('?' * len(row))})", list(row.values()))
    sql = translated(query, rows is not None)
    found = connection.execute(sql, sql.parameters).fetchall()
    assert all(host.lower().startswith("app") for _, host, _, _ in found), found
    assert len(found) == len({(problem, host, route) for problem, host, route, _ in found}), f"a state is told twice: {found}"
    return {(problem, route) for problem, _, route, _ in found}


def told_once():
    """A state that lasts is told when it begins, then once a day; the same state is one incident, reopened when it comes back."""
    good = {"Good": True, "QuarantineOpen": 0, "RetractionsHeld": 0}
    # Good runs, and what is open from `hours` before now on.
    def since(hours, **what):
        ages = sorted({0, 1, 2, 3, 4, 29, 30, 31, 199, 200, 201, 300})
        return [{**good, **(what if age <= hours else {}), "ScheduleSeconds": 300 * 3600, "at": ago(hours=age, minutes=1)} for age in ages]

    begun = {
        "stalled, no run since": lambda hours: [{**good, "at": ago(hours=hours, minutes=51)}],
        "quarantine": lambda hours: since(hours, QuarantineOpen=3),
        "a brake": lambda hours: since(hours, RetractionsHeld=120),
        "a secret that ends soon": lambda hours: since(300, SecretExpiresAt=NOW + datetime.timedelta(days=14) - datetime.timedelta(hours=hours, minutes=1)),
    }
    for name, rows in begun.items():
        # The rule runs each hour: within an hour after the state began one of its runs looks.
        for hours, again, told in ((0, False, 1), (3, False, 0), (30, False, 0), (200, False, 0), (3, True, 1), (30, True, 1), (200, True, 1)):
            if len(run("Every 10 min", ago(days=13), rows(hours), again)) != told:
                yield f"{name}, for {hours} hours, {'at six' if again else 'at another hour'}: not told {told} times"
    silent = {deployed: len(run("Every 10 min", ago(minutes=deployed), [], False)) for deployed in (81, 139, 200, 9000)}
    if silent != {81: 1, 139: 1, 200: 0, 9000: 0}:
        yield f"nothing reported, by minutes since the deployment: told {silent}"
    for plan in PLANS:
        made = expand(template(plan), {**NEEDED})
        properties = made.of_type("Microsoft.OperationalInsights/workspaces/providers/alertRules")[0].body["properties"]
        grouping = properties["incidentConfiguration"]["groupingConfiguration"]
        if (properties["queryFrequency"], properties["eventGroupingSettings"]["aggregationKind"]) != ("PT1H", "AlertPerResult"):
            yield f"{plan}: the rule runs each {properties['queryFrequency']}, and this reckons with an hour"
        if not (grouping["enabled"] and grouping["reopenClosedIncident"] and grouping["lookbackDuration"] == "P7D"
                and sorted(grouping["groupByCustomDetails"]) == ["Host", "Problem", "Route"]):
            yield f"{plan}: alerts of one state are grouped by {grouping}"


def columns_are_those_of_the_table():
    """The columns that the rule declares for itself are columns of the table, with their types, and all that it reads."""
    query, _, tables = rule("flex")
    declared = dict(column.split(":") for column in re.search(r"datatable\((.*?)\)\[\]", query).group(1).split(", "))
    known = {column["name"]: column["type"].replace("boolean", "bool") for column in tables["VMRayFeedRuns_CL"]}
    yield from (f"the rule declares {name} as {kind}" for name, kind in declared.items() if known.get(name) != kind)
    rest = query.split(")[]", 1)[1]
    yield from (f"the rule reads {name} and does not declare it" for name in sorted(set(known) - set(declared)) if re.search(rf"\b{name}\b", rest))


def alike():
    """The plans have the same queries, and the window of the alert covers twice the interval."""
    minutes = {"PT30M": 30, "PT2H": 120, "P1D": 1440, "P2D": 2880}
    spans = {"5 min": 5, "10 min": 10, "60 min": 60, "6 hours": 360, "12 hours": 720, "24 hours": 1440}
    for interval, span in spans.items():
        made = [expand(template(plan), {**NEEDED, "TimeInterval": f"Every {interval}", "AlertEmail": "a@example.com"}) for plan in PLANS]
        rules = [item.of_type("Microsoft.OperationalInsights/workspaces/providers/alertRules")[0].body["properties"] for item in made]
        if rules[0] != rules[1]:
            yield f"{interval}: the plans have different rules"
        window = made[0].of_type("Microsoft.Insights/scheduledQueryRules")[0].body["properties"]["windowSize"]
        if minutes[window] < 2 * span:
            yield f"{interval}: the alert looks at {window}"
        twice = re.search(r"Twice == 0s or .*?\), (\w+), Twice\)", rules[0]["query"]).group(1)
        if int(twice[:-1]) * {"m": 1, "h": 60, "d": 1440}[twice[-1]] != 2 * span:
            yield f"{interval}: the rule calls {twice} stalled"


wrong = [*parsed(), *executed(), *told_once(), *columns_are_those_of_the_table(), *alike()]
sys.exit("\n".join(wrong) or 0)
