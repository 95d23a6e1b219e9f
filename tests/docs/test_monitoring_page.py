"""docs/monitoring.md and its files: rules that fire when they should, a board of figures that there are."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.dashboard.prometheus import promtool
from tests.docs.pages import DOCS, is_a_command, page, rows, section, words
from tests.servers import Database

RULES_HEADING = "## Alert rules and a Grafana dashboard"
RULES = DOCS / "monitoring" / "alerts.yml"
BOARD: dict[str, Any] = json.loads((DOCS / "monitoring" / "grafana.json").read_text())

HOUR = 'minutehand_ended_last_hour{job="minutehand",status="%s"}'
WORKFLOW = 'minutehand_workflow_ended_last_hour{job="minutehand",workflow_id="%s",workflow="W",status="%s"}'
WAITED = 'minutehand_waited_last_hour_seconds{job="minutehand",percentile="%s"}'
SEEN = 'minutehand_processor_seen_timestamp_seconds{job="minutehand",mode="%s",host="a"}'
FILE = 'node_textfile_mtime_seconds{file="/var/lib/node_exporter/minutehand.prom"}'
#: A look a minute; each series as promtool reads it.
LOOKS = 79
QUIET = {
    "minutehand_due": "0 5 9 3 0 0 4 8 2 0",
    "minutehand_oldest_due_seconds": "30",
    "minutehand_uncertain": "0",
    "minutehand_foreign_processing": "0",
    "minutehand_events_unmatched": "0",
    "minutehand_events_set_aside": "0",
    "minutehand_events_no_tenant": "0",
    "minutehand_events_lost_total": "7",
    "minutehand_workflows_broken": "0",
    "minutehand_pauses": "0",
    HOUR % "completed": "90",
    HOUR % "failed": "10",
    WORKFLOW % ("1", "completed"): "90",
    WORKFLOW % ("1", "failed"): "10",
    WORKFLOW % ("2", "failed"): "4",
    WAITED % "95": "40",
    WAITED % "99": "400",
    SEEN % "worker": "0+60",
    SEEN % "run-once": "0",
    FILE: "0+60",
}
#: What each alert fires on: series that are otherwise, or (None) are not there.
FIRES: dict[str, dict[str, str | None]] = {
    "MinutehandMetricsMissing": {"minutehand_due": None},
    "MinutehandTextfileOld": {FILE: "0"},
    "MinutehandNoProcessor": {SEEN % "worker": "0"},
    "MinutehandBacklog": {"minutehand_oldest_due_seconds": "601"},
    "MinutehandSlowToStart": {WAITED % "95": "121"},
    "MinutehandWorkflowFails": {WORKFLOW % ("2", "failed"): "5"},
    "MinutehandNothingSucceeds": {HOUR % "completed": "0"},
    "MinutehandUncertainSends": {"minutehand_uncertain": "1"},
    "MinutehandChangesLost": {"minutehand_events_lost_total": f"7x{LOOKS - 30} 8"},
    "MinutehandChangesSetAside": {"minutehand_events_set_aside": "1"},
    "MinutehandChangesUnmatched": {"minutehand_events_unmatched": "1"},
    "MinutehandChangesWithoutTenant": {"minutehand_events_no_tenant": "1"},
    "MinutehandWorkflowBroken": {"minutehand_workflows_broken": "1"},
    "MinutehandAnotherProcessor": {"minutehand_foreign_processing": "1"},
}
LONG_PAUSE = 'ALERTS{alertname="MinutehandPausedLong", alertstate="firing", severity="info"}'
#: What must wake nobody.
CALM: dict[str, dict[str, str | None]] = {
    "all is well": {},
    "a pause": {"minutehand_pauses": "1"},
    "a wait of ten minutes": {"minutehand_oldest_due_seconds": "600"},
    "nothing ran": {HOUR % "completed": "0", HOUR % "failed": "0"},
    "many, of whom few fail": {WORKFLOW % ("1", "failed"): "22"},
    "a change that waits for its match now and then": {"minutehand_events_unmatched": "0 0 0 0 0 1 1 1 1 1"},
    "the counter of lost changes is reset": {"minutehand_events_lost_total": f"7x{LOOKS - 30} 0"},
}


def scenario(changes: Mapping[str, str | None], fires: list[str]) -> dict[str, Any]:
    """One test of promtool's: these series, and at the end exactly these alerts."""
    series = {name: values for name, values in (QUIET | dict(changes)).items() if values is not None}
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": _to_the_end(values)} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{LOOKS}m",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in fires],
            }
        ],
    }


def _to_the_end(values: str) -> str:
    """Values as promtool reads them: the last of them held, or a list of ten repeated, to the last look."""
    if values.count(" ") == 9:
        return " ".join([values] * (LOOKS // 10 + 1))
    return f"{values}x{LOOKS}"


def check_rules(tmp_path: Path, interval: str, tests: list[dict[str, Any]]) -> None:
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": interval, "tests": tests}))
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_fires_on_what_it_is_for_and_on_nothing_else(tmp_path: Path) -> None:
    tests = [scenario(changes, [name]) for name, changes in FIRES.items()]
    tests += [scenario(changes, []) for changes in CALM.values()]
    never_seen: dict[str, str | None] = {SEEN % "worker": None, SEEN % "run-once": None}
    tests.append(scenario(never_seen, ["MinutehandNoProcessor"]))
    check_rules(tmp_path, "1m", tests)


def test_a_pause_is_told_when_it_lasts_for_a_day(tmp_path: Path) -> None:
    listed = [
        {"expr": 'ALERTS{alertname="MinutehandPausedLong", alertstate="firing"}', "eval_time": eval_time,
         "exp_samples": [{"labels": LONG_PAUSE, "value": 1}] * times}
        for eval_time, times in (("23h", 0), ("24h", 1))
    ]  # fmt: skip
    series = [{"series": "minutehand_pauses", "values": "1x30"}]
    check_rules(tmp_path, "1h", [{"interval": "1h", "input_series": series, "promql_expr_test": listed}])


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def test_the_page_has_each_rule_with_its_severity() -> None:
    listed = [(words(row[0])[0], row[1]) for row in rows(section(page("monitoring.md"), RULES_HEADING))]
    assert listed == [(rule["alert"], rule["labels"]["severity"]) for rule in rules()]
    assert {name for name, _ in listed} == {*FIRES, "MinutehandPausedLong"}
    done = promtool("check", "rules", RULES)
    assert (done.returncode, f"{len(listed)} rules found" in done.stdout) == (0, True), done.stderr


def test_what_a_rule_says_to_do_next_can_be_done(database: Database) -> None:
    listed = " ".join(rule["annotations"]["next"] for rule in rules()).replace(
        "{{ $labels.workflow }}", "Thank the client"
    )
    commands = re.findall(r"`(minutehand [^`]*)`", listed)
    statements = re.findall(r"`(select [^`]*)`", listed)
    assert (len(commands) > 8, len(statements)) == (True, 2)
    for command in commands:
        assert is_a_command(shlex.split(command)[1:]), command
    for statement in statements:
        database.sql(statement)


def expressions() -> list[str]:
    targets = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
    return [expr.replace("$__rate_interval", "5m").replace("$job", ".*") for expr in targets]


def test_the_board_asks_for_figures_that_there_are_in_words_that_prometheus_reads(tmp_path: Path) -> None:
    figures = {words(row[0])[0]: set(words(row[1])) for row in rows(section(page("monitoring.md"), "## Metrics"))}
    queries = expressions()
    named = set(re.findall(r"minutehand_\w+", " ".join(queries)))
    assert named == set(figures), "and it shows each"
    for expr in queries:
        (labels,) = [figures[name] for name in re.findall(r"minutehand_\w+", expr)]
        for group in re.findall(r" by \(([^)]*)\)", expr):
            assert set(group.split(", ")) <= labels, expr
        for matchers in re.findall(r"\{([^}]*)\}", expr):
            assert {matcher.split("=")[0] for matcher in matchers.split(", ")} <= labels | {"job"}, expr
    recorded = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": recorded}]}))
    done = promtool("check", "rules", file)
    assert (done.returncode, f"{len(queries)} rules found" in done.stdout) == (0, True), done.stdout + done.stderr


def test_the_boards_panels_stand_beside_each_other_and_ask_the_source_that_is_chosen() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert [variable["name"] for variable in BOARD["templating"]["list"]] == ["datasource", "job"]


def test_the_series_of_these_tests_are_figures_of_the_page() -> None:
    figures = {words(row[0])[0] for row in rows(section(page("monitoring.md"), "## Metrics"))}
    assert {series.split("{")[0] for series in QUIET} <= figures | {FILE.split("{")[0]}
    assert {series for changes in (FIRES | CALM).values() for series in changes} <= set(QUIET)
