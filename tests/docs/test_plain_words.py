"""No file uses an identifier that was replaced by a standard name.

CHANGELOG.md and docs/decisions/ keep the words of their time, and the upgrade of schema 7 names what it renames.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

#: Old identifiers, as regular expressions, and the names in use.  English words with a plain meaning are not here.
REPLACED = {
    r"MINUTEHAND_ROAD|RoadSettings|--road|open_road|\broads?\b": "backend",
    r"doctor[./](ground|walls|intake|subject)\b": "database, permissions, triggers, facts",
    r"executor[./](turn|walk|letters)\b": "attempt, step_order, email/message",
    r"executor[./](replies|remote_replies|calls)\b": "http/response, http/remote_response, http/outgoing",
    r"executor[./](addresses|phones|segments|invisible)\b": "ip_ranges, phone_numbers, sms_segments, unicode_checks",
    r"executor[./](records|step_words)\b": "step_record, actions/descriptions",
    r"dialects[./](reading|shapes|places|order|bounds)\b": "parser, step_types, locations, graph_edges, limits",
    r"providers[./](choice|answers)\b": "factory, responses",
    r"scheduler[./](road|remote|window|pulse|processes|strict_files)\b": "database, executor_config, …",
    r"alerts[./](telling|words|pings)\b": "notifier, messages, heartbeat_ping",
    r"(minutehand\.dashboard\.|(?<!tests/)dashboard/)(window|live|history|words|site|operator|access)\b": "context, …",
    r"pages[./](presses|bulks|files|sentences)\b": "actions, bulk_actions, exports, workflow_summary",
    r"minutehand\.(troubles|judged|beats|resumed|past|remember)\b": "detect_incidents, alert_state, tick_log, …",
    r"minutehand\.(park|promote|in_turn|meets|named_ids|hint)\b": "defer, wake, admit, matches_filter, …",
    r"\b(turns|order|past|window)\.sql": "tenant_fairness, entity_ordering, attempt_history, execution_filter",
    r"sql/helpers": "sql/internal",
    r"\b_?(PatientEngine|Pulse|Watcher|Pings)\b": "Engine, Liveness, ServiceManager, HeartbeatPing",
    r"\b(Letter|Window|Looks|Visitor)\b(?! )|judge_reply": "EmailMessage, DashboardContext, QueryCache, User",
    r"\b(beat_failed|tick_done|database_away|database_back|BEAT_SECONDS)\b": "see docs/log-events.md",
    r"\b[Rr]ehears(e|al|ed|als)\b": "dry run",
    r"Minutehand(FiguresMissing|SlowToBegin)": "MinutehandMetricsMissing, MinutehandSlowToStart",
    r"how-a-row-travels|benchmarks[./](ground|window|plan|ceiling)\b": "docs/architecture.md; database, dashboard, …",
    r"docs/plug-ins\.md|test_scenarios_walls|test_doctor_intake": "docs/extending.md; test_scenarios_isolation, …",
    r"\b(design|field|naming)\.md": "docs/invariants.md, docs/architecture.md",
    r"\b(EngineSettings|PatientEngine|BEAT_SECONDS|LAST_WORDS_SECONDS)\b": "RunSettings, HOUSEKEEPING_SECONDS, …",
    r"\b(beat_failed|database_away|database_back|tick_done)\b": "housekeeping_failed, database_unreachable, …",
}
FOLDERS = ("store", "executor", "dashboard", "scheduler", "sql", "tests", "docs", "benchmarks", ".github", ".ci")
#: Pictures and generated data are not read.
SKIPPED = {".png", ".svg", ".json", ".lock", ".pyc"}
PAST = (
    ROOT / "docs" / "decisions",
    ROOT / "CHANGELOG.md",
    ROOT / "sql" / "migrations" / "0008_schema.sql",
    ROOT / "tests" / "schema" / "dumps",
    ROOT / "tests" / "schema" / "test_upgrade.py",
    Path(__file__),
)


def files() -> list[Path]:
    """Every text file of the repository, without those that tell of the past."""
    paths = [*ROOT.glob("*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    return [
        path
        for path in paths
        if path.suffix not in SKIPPED
        and path.is_file()
        and not any(path.is_relative_to(past) for past in PAST)
        and not {"node_modules", ".deno"} & set(path.parts)
    ]


@pytest.mark.parametrize("old", REPLACED)
def test_an_old_identifier_is_nowhere(old: str) -> None:
    uses = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(old, line)
    ]
    assert uses == [], f"use {REPLACED[old]}"
