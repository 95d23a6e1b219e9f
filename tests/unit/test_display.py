"""What users of the app wrote is shown so that it cannot act: at a terminal, in the log, in JSON, YAML and CSV."""

from __future__ import annotations

import csv
import doctest
import io
import json
import logging
import os
import re
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from minutehand.dashboard import isolation, render
from minutehand.dashboard.pages import exports
from minutehand.dashboard.presentation.formatting import pretty_json
from minutehand.executor.text import display
from minutehand.executor.text.display import escaped, has_unsafe, json_text
from minutehand.scheduler.cli import main, terminal
from minutehand.scheduler.cli.output import format_value, table
from minutehand.scheduler.config import LogSettings
from minutehand.scheduler.logs import configure
from minutehand.scheduler.workflow_files.strict_yaml import as_yaml, read_values
from minutehand.store.errors import NotFound
from minutehand.store.json import text_problem
from tests.docs.pages import ROOT, page
from tests.logs import forget_log

#: What acts on a terminal or reorders a line, and how it is shown.
CASES = {
    "\x1b[2J": r"\x1b[2J",
    "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x07": r"\x1b]8;;https://evil.example\x1b\click\x1b]8;;\x07",
    "\x1b]52;c;aGk=\x07": r"\x1b]52;c;aGk=\x07",
    "\x9b31m": r"\x9b31m",
    "\x90q\x9c": r"\x90q\x9c",
    "\x00\x07\x08\x0e\x7f\x85": r"\x00\x07\x08\x0e\x7f\x85",
    "a\nb\r\nc\td": r"a\nb\r\nc\td",
    "\u202egnp.exe\u202c": r"\u202egnp.exe\u202c",
    "\u2066a\u2067b\u2068c\u2069": r"\u2066a\u2067b\u2068c\u2069",
    "\u200e\u200f\u061c\u2028\u2029": r"\u200e\u200f\u061c\u2028\u2029",
    "\ud800": r"\ud800",
    "Zoë שלום 日本 👩‍🔧": "Zoë שלום 日本 👩‍🔧",
}
#: All of them in one name.
HOSTILE = "".join(CASES)
UNSAFE = [chr(code) for code in range(0x3000) if has_unsafe(chr(code))]


def test_examples_in_docstrings_are_true() -> None:
    assert [doctest.testmod(module).failed for module in (display, terminal, exports, isolation)] == [0] * 4


@pytest.mark.parametrize(("text", "shown"), CASES.items(), ids=ascii)
def test_each_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert escaped(text) == shown
    assert json.loads(json_text(text)) == text
    assert not has_unsafe(json_text({text: text})) or text == shown


def test_exactly_controls_directions_and_separators_are_escaped() -> None:
    wanted = [*range(0x20), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
    assert [ord(character) for character in UNSAFE] == wanted


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert not has_unsafe((out + err).replace("\n", "")), ascii(out + err)
    return out + err


def test_tables_and_lines_hold_no_line_of_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": HOSTILE, "names": [HOSTILE], "values": {HOSTILE: HOSTILE}}]
    terminal.echo_text(table(rows, ["id", "names", "values"]))
    terminal.echo(HOSTILE)
    terminal.echo(HOSTILE, err=True)
    terminal.echo_text(terminal.joined([HOSTILE, format_value(HOSTILE)]))
    assert len(shown(capsys).splitlines()) == 6


def test_errors_of_every_kind_are_shown_so(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    raised: list[Exception] = [
        NotFound(f"no workflow {HOSTILE}"),
        click.UsageError(f"bad {HOSTILE}"),
        click.BadParameter(f"bad {HOSTILE}", param_hint=HOSTILE),
        click.FileError("x\x1b[2J", HOSTILE),
        click.NoSuchOption(HOSTILE),
    ]
    for error in raised:
        monkeypatch.setattr(main.cli, "main", lambda error=error, **_: (_ for _ in ()).throw(error))
        assert main.run([]) != 0
        assert r"\x1b]8;;" in shown(capsys) or isinstance(error, click.FileError)
    main._print_traceback(RuntimeError, RuntimeError(HOSTILE), None)
    assert "x1b[2J" in shown(capsys)


@pytest.mark.parametrize("form", ["console", "json"])
def test_the_log_shows_them_as_escapes(form: str, tmp_path: Path) -> None:
    saved, file = os.dup(2), tmp_path / "log"
    with file.open("wb") as target:
        os.dup2(target.fileno(), 2)
        try:
            configure(LogSettings(log_format=form))
            log = structlog.get_logger()
            try:
                raise RuntimeError(HOSTILE)
            except RuntimeError:
                log.exception(HOSTILE, reason=HOSTILE, rows=[HOSTILE], nested={HOSTILE: HOSTILE}, path=Path(HOSTILE))
            log.bind(**{HOSTILE: HOSTILE}).warning("bound")
            logging.getLogger("library").warning("it says %s", HOSTILE)
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            forget_log()
            logging.basicConfig(handlers=[], force=True)
    text = file.read_text(encoding="utf-8")
    assert text.count("x1b[2J") + text.count("u001b[2J") >= 5
    assert not has_unsafe(text.replace("\n", "")), ascii(text)


@given(
    st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner), max_leaves=8)
)
def test_json_and_yaml_read_back_what_was_written(value: Any) -> None:
    assert json.loads(json_text(value)) == value
    assert not has_unsafe(json_text(value, indent=2).replace("\n", ""))
    assert not has_unsafe(pretty_json(value).replace("\n", ""))


@given(st.text(st.sampled_from([*UNSAFE, *"ab: #-'\"\\|>\n ", "é", "\ufeff", "\U0001f600"]), max_size=12))
def test_yaml_reads_back_any_name(name: str) -> None:
    if text_problem(name):
        return
    text = as_yaml([{"name": name, f"k{name}": [name]}])
    assert not has_unsafe(text.replace("\n", ""))
    ((value, _),) = read_values(text, "x.yaml")
    assert value == {"name": name, f"k{name}": [name]}


# --- pages ------------------------------------------------------------------------------------------------------------


def written(template: str, **values: Any) -> str:
    return render.environment().from_string(template).render(values)


@pytest.mark.parametrize("value", ["\u202eabc", "a\u2069b", "\u200e", "\u061c", "שלום", "مرحبا", "١٢"], ids=ascii)
def test_a_value_between_tags_is_isolated_and_one_in_a_tag_is_not(value: str) -> None:
    html = written(
        "<p title='{{ v }}' class=\"a > {{ v }}\">{{ v }} is {{ v if v else '' }}{{ '-' ~ v }}</p>"
        "{% if v %}{{ v | upper }}{% endif %}{% for one in [v] %}<b>{{ one }}</b>{% endfor %}",
        v=value,
    )
    assert html.startswith(f"<p title='{value}' class=\"a > {value}\"><bdi>{value}</bdi> is <bdi>{value}</bdi>")
    assert html.count("<bdi>") == html.count("</bdi>") == 5


def test_other_values_and_html_stay_as_they_are() -> None:
    assert written("<p>{{ a }}{{ b }}{{ c }}{{ d }}</p>", a="Zoë <b>", b=3, c=None) == "<p>Zoë &lt;b&gt;3None</p>"
    assert written("<p>{{ '\u05d0' | safe }}</p>") == "<p>\u05d0</p>"
    assert written("<title>{% block title %}{{ v }}{% endblock %}</title>{{ v }}", v="\u05d0") == (
        "<title>\u05d0</title><bdi>\u05d0</bdi>"
    )
    assert written("<p>{{ v }}</p>", v="<script>\u05d0") == "<p><bdi>&lt;script&gt;\u05d0</bdi></p>"


def test_the_parts_of_a_label_are_isolated_from_each_other() -> None:
    row = {"label": {"table": "jobs", "old_status": "\u202ea", "new_status": "b"}, "entity_id": "J\u202e-1"}
    assert render.label_html(row) == "jobs <bdi>J\u202e-1</bdi>: <bdi>\u202ea</bdi> → b"
    assert render.label_html({"label": {"table": "<b>"}, "entity_id": "&"}) == "&lt;b&gt; &amp;"


# --- files for spreadsheets -------------------------------------------------------------------------------------------

FORMULAS = [
    *("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "J;=1+1;", "J\t=1+1", "a,=1", "a|=1", 'J;"=1"', "J; =1"),
    *("J;\n@x", "'=1", "''=1", "x\n=cmd|' /C calc'!A0", "\uff1d1+1", "a;\uff20x", ";;=1", "=\t=;="),
]


def as_data(cell: str) -> str:
    """Read a cell as docs/dashboard.md says."""
    (code,) = re.findall(r're\.sub\((r""".*?"""), r"\\1", cell\)', page("dashboard.md"))
    pattern = code.removeprefix('r"""').removesuffix('"""')
    return re.sub(pattern, r"\1", cell)


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_no_separator_makes_a_cell_a_formula_and_the_data_can_be_read_back(text: str) -> None:
    line = exports.as_csv({"id": "1", "entity_id": text, "reason": text})  # type: ignore[typeddict-item]
    for separator in ",;\t|":
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator, quoting=quoting):
                assert [cell for cell in row if re.match(r'"*[ ]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]', cell)] == [], (
                    separator,
                    row,
                )
    ((*_, entity, _, _, _, _, reason, _, _, _),) = csv.reader(io.StringIO(line, newline=""))
    assert as_data(entity) == as_data(reason) == text


@given(st.text(st.sampled_from("=+-@\t\r\n;,|'\" ax\uff1d"), max_size=10))
def test_whatever_the_cell_is_it_can_be_read_back(text: str) -> None:
    assert as_data(exports.inert_cell(text)) == text


def test_each_cell_is_quoted() -> None:
    line = exports.as_csv({"id": "1", "entity_id": None, "attempt": 3, "reason": 'say "no"'})  # type: ignore[typeddict-item]
    assert line.startswith('"1",')
    assert line.endswith('""\r\n')
    assert '"say ""no"""' in line


# --- every command ----------------------------------------------------------------------------------------------------


def test_only_the_home_of_the_terminal_prints() -> None:
    for path in (ROOT / "scheduler").rglob("*.py"):
        lines = [
            line for line in path.read_text().splitlines() if re.search(r"\bclick\.s?echo\(|(?<![\w.])print\(", line)
        ]
        assert [line for line in lines if "noqa: TID251" not in line and ">>>" not in line] == [], path
