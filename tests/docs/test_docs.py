"""What docs/ says is what the code does: codes, settings, log events, examples, commands, links."""

from __future__ import annotations

import ast
import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from minutehand.executor.actions import ACTIONS
from minutehand.executor.base import EXECUTORS
from minutehand.executor.checks.workflow import NEVER
from minutehand.executor.providers import EMAIL_PROVIDERS, SMS_PROVIDERS
from minutehand.executor.targets import TARGETS
from tests.docs.pages import DOCS, PAGES, ROOT, blocks, commands_of, is_a_command, page, rows, section, words
from tests.journeys.app import App, webhook
from tests.servers import Database

#: Entry-point groups are written as the schema's functions are.
GROUPS = {registry.group for registry in (ACTIONS, EXECUTORS, EMAIL_PROVIDERS, SMS_PROVIDERS, TARGETS)}
ROOMS = ("store", "executor", "scheduler", "dashboard")
PYTHON = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
SQL = "\n".join(path.read_text() for path in sorted((ROOT / "sql").rglob("*.sql")))
STATUSES = {"pending", "processing", "completed", "failed", "skipped", "cancelled"}


# --- states.md --------------------------------------------------------------------------------------------------------


def codes_in_sql() -> set[str]:
    codes: set[str] = set()
    text = re.sub(r"--.*", "", SQL)
    codes.update(re.findall(r"(?:(?<!\.)\bcode'?,|\bcode :?=) '(\w+)'", text))
    codes.update(re.findall(r"minutehand\.problem\(\s*'(\w+)'", text))
    # Eligibility lists them as (…, 'answer', 'code', 'reason').
    eligibility = (ROOT / "sql/internal/eligibility.sql").read_text()
    codes.update(re.findall(r"'(?:skipped|released|failed|refused|later)',\s*'(\w+)',\s*(?:'|format|x\.)", eligibility))
    for choice in re.findall(r"\bcode'?(?:,| :?=) case (.*?) end", text, flags=re.DOTALL):
        codes.update(re.findall(r"(?:then|else) '(\w+)'", choice))
    return codes


def codes_in_tables() -> set[str]:
    """What the providers' tables lead to, from their codes and statuses to ours."""
    tables = [
        node.value
        for path in PYTHON
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("_CODES", "_REFUSALS")
    ]
    return {ast.literal_eval(value) for table in tables if isinstance(table, ast.Dict) for value in table.values}


def codes_in_python() -> set[str]:
    codes: set[str] = set()

    def add(node: ast.AST | None) -> None:
        texts = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant)) if node else ()
        codes.update(text for text in texts if isinstance(text, str) and re.fullmatch("[a-z]+(_[a-z]+)*", text))

    for path in PYTHON:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                position = {"permanent": 0, "retry": 0, "deferred": 0, "BadTarget": 1, "_failed": 1}.get(
                    name, len(node.args)
                )
                add(node.args[position] if position < len(node.args) else None)
                for keyword in node.keywords:
                    add(keyword.value if keyword.arg == "code" and isinstance(keyword.value, ast.Constant) else None)
            elif isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "code":
                add(node.value)
            elif isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "code" for target in node.targets):
                given = [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]
                for value in given:
                    add(value if isinstance(value, ast.Constant) else None)
            elif isinstance(node, ast.FunctionDef):
                names = [arg.arg for arg in node.args.args]
                add(dict(zip(reversed(names), reversed(node.args.defaults), strict=False)).get("code"))
    return codes


def test_every_code_of_the_code_is_explained_and_no_other() -> None:
    listed = [words(row[0])[0] for row in rows(section(page("states.md"), "## Codes"))]
    assert listed == sorted(set(listed))
    assert set(listed) == codes_in_sql() | codes_in_python() | codes_in_tables()


def test_arrows_and_codes_name_states_that_exist(database: Database) -> None:
    text = page("states.md")
    arrows = rows(text.split("\n## ")[0])
    assert {word for row in arrows for cell in row[:2] for word in words(cell)} == STATUSES
    named = {status for row in rows(section(text, "## Codes")) for status in row[1].split(", ")}
    assert named <= STATUSES | {""}
    for table, extra, listed in (
        ("automation_execution_logs", {"running"}, STATUSES),
        ("communication_logs", set(), {words(row[0])[0] for row in rows(section(text, "## States of a send"))}),
    ):
        check = database.one(
            "select pg_get_constraintdef(oid) as words from pg_constraint where conname = %s", f"{table}_status_words"
        )
        assert set(re.findall(r"'(\w+)'", check["words"])) == listed | extra


def test_the_backoff_is_as_told(database: Database) -> None:
    assert "1, 2, 3, 4: 15 s, 45 s, 135 s, 405 s, and so on, an hour at most, each ± 25 %" in page("states.md")
    for attempt, seconds in ((1, 15), (2, 45), (3, 135), (4, 405), (10, 3600)):
        taken = database.one("select extract(epoch from minutehand.backoff(%s))::float as s", attempt)["s"]
        assert 0.75 * seconds <= taken <= 1.25 * seconds


# --- glossary.md ------------------------------------------------------------------------------------------------------


def test_the_glossary_has_each_word_once_and_the_words_that_the_code_uses() -> None:
    listed = [row[0] for row in rows(page("glossary.md"))]
    assert len(listed) == len(set(listed))
    expected = """workflow, trigger, event, execution, step, action, enqueue, claim, renew, settle, lease, lease token,
                attempt, backoff, jitter, wait, outcome, dead letter, idempotency key, due, tick, backend, driver,
                store"""
    assert {" ".join(word.split()) for word in expected.split(",")} <= set(listed)


# --- log-events.md ----------------------------------------------------------------------------------------------------

LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}


def logged() -> dict[str, tuple[str, set[str]]]:
    """Return each event of the code: its level and the fields that it names."""
    events: dict[str, tuple[str, set[str]]] = {}
    for path in PYTHON:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
                continue
            if getattr(node.func.value, "id", "") not in ("log", "logger"):
                continue
            event = ast.literal_eval(node.args[0])
            _, fields = events.get(event, ("", set()))
            events[event] = (LEVELS[node.func.attr], fields | {keyword.arg for keyword in node.keywords if keyword.arg})
    return events


def test_every_log_event_is_listed_with_its_level_and_fields() -> None:
    listed = {words(event)[0]: (level, set(words(fields))) for event, level, _, fields in rows(page("log-events.md"))}
    assert listed == logged()


# --- operations.md ----------------------------------------------------------------------------------------------------


def test_every_problem_of_status_has_an_answer() -> None:
    source = ast.parse((ROOT / "scheduler/cli/commands/status.py").read_text())
    (function,) = (n for n in source.body if isinstance(n, ast.FunctionDef) and n.name == "found_problems")
    listed = [row[0] for row in rows(section(page("operations.md"), "## What to do when `status` says …"))]
    problems = [NEVER]  # checks/workflow.py writes what keeps a workflow from running
    for node in ast.walk(function):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value).split(":")[0].strip() for part in node.values if isinstance(part, ast.Constant)]
            problems.append(next((part for part in parts if len(part) > 8), " on "))
    assert len(problems) == len(listed)
    for problem in problems:
        assert any(problem in cell for cell in listed), problem


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    from minutehand.scheduler.cli import main as module

    stated = re.findall(r"(?:codes: |; )(\d+) ", " ".join(str(module.__doc__).split()))
    assert [row[0] for row in rows(section(page("operations.md"), "## Exit codes"))] == stated


def test_the_sql_of_the_operations_page_runs_and_the_least_role_is_enough(database: Database, tmp_path: Path) -> None:
    app = App(database)
    app.workflow(webhook("http://127.0.0.1:9/"))
    app.complete()
    quiet, pauses, privileges = blocks(page("operations.md"), "sql")
    assert "set local minutehand.quiet = 'on';" in quiet  # tests/journeys/test_floods.py copies rows like this
    database.sql(pauses)
    database.sql("delete from automation_control")
    try:
        database.sql(privileges)
        url = database.url.replace("//postgres@", "//minutehand_runner@")
        for arguments, code in ((("run-once", "-o", "json"), 0), (("doctor",), 3), (("trigger", "add", "jobs"), 78)):
            done = subprocess.run(
                [sys.executable, "-m", "minutehand.scheduler.cli.main", *arguments],
                env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATABASE_URL": url, "PYTHONPATH": str(ROOT)},
                cwd=tmp_path, capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert done.returncode == code, done.stderr
        assert app.execution()["code"] == "private_address"
    finally:
        database.sql("drop owned by minutehand_runner, minutehand_reader")
        database.sql("drop role minutehand_runner, minutehand_reader")


def test_what_status_advises_in_sql_runs(database: Database) -> None:
    for statement in re.findall(r"`((?:select|update) [^`]*)`", page("operations.md")):
        database.sql(statement)


# --- every page -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_files_and_links_that_a_page_names_exist(path: Path) -> None:
    text = path.read_text()
    for command in commands_of(text):
        parts = [word.split("|") for word in shlex.split(command)[1:] or ["--help"]]
        for variant in itertools.product(*parts):  # `trigger add|rm|ls` names several
            assert is_a_command(list(variant)), command
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if "://" not in link:
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.exists(), link
            assert not anchor or anchor in anchors(target.read_text()), link
    for named in re.findall(r"`((?:sql|store|executor|scheduler|dashboard|tests|docs|benchmarks)/[\w./*-]+)`", text):
        assert list(ROOT.glob(named)), named
    for named in set(re.findall(r"`(minutehand\.\w+|automation_\w+)`", text)) - GROUPS:
        assert re.search(rf"(function|table|sequence)( if not exists)? (public\.)?{re.escape(named)}\b", SQL), named


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_a_decision_is_a_page_of_forty_lines_at_most_and_they_are_numbered() -> None:
    files = sorted((DOCS / "decisions").glob("*.md"))
    assert [file.name[:4] for file in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    for file in files:
        assert len(file.read_text().splitlines()) <= 40
        assert file.read_text().startswith(f"# {int(file.name[:4])}. ")


# --- switching.md -----------------------------------------------------------------------------------------------------


def test_the_columns_that_an_adopted_table_needs_are_those_of_the_preflight() -> None:
    preflight = (ROOT / "sql/preflight.sql").read_text()
    for table, columns in rows(section(page("switching.md"), "## 0. Look first"))[:3]:
        (needed,) = re.findall(rf"'public\.{words(table)[0]}',\s*((?:'[^']*'\s*)+),", preflight)
        names = [column.split()[0] for column in "".join(re.findall("'([^']*)'", needed)).split(", ")]
        assert words(columns) == names, table
