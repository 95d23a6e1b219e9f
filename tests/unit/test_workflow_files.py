"""Workflows in files: read strictly, written so that they are read as the same."""

from __future__ import annotations

import doctest
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minutehand.executor.actions import descriptions
from minutehand.scheduler.workflow_files import dry_run_text, text
from minutehand.scheduler.workflow_files.parse import EMPTY, as_file, read_file, read_text
from minutehand.scheduler.workflow_files.strict_yaml import BadFile, as_yaml, read_values
from minutehand.store.json import Numeral, shown_text

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
NUMERALS = st.decimals(allow_nan=False, allow_infinity=False).map(Numeral)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMERALS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def test_examples_in_docstrings_are_true() -> None:
    assert [doctest.testmod(module).failed for module in (descriptions, text, dry_run_text)] == [0] * 3


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(TEXT, JSON, min_size=1))
def test_what_is_written_is_read_as_the_same(value: dict[str, Any]) -> None:
    ((read, _),) = read_values(as_yaml([value]), "x.yaml")
    assert shown_text(read) == shown_text(value)


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text(alphabet="{}[]:,-&*!|>'\"#?%@`\n \tab1.~<"))
def test_any_text_is_read_or_refused(text: str) -> None:
    for name in ("x.yaml", "x.json"):
        with suppress(BadFile):
            assert read_text(text, name)


@pytest.mark.parametrize(
    ("plain", "read"),
    [
        ("no", "no"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("0777", "0777"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        ("~", None),
        ("true", True),
        ("-7", -7),
        ("1.50", Numeral("1.50")),
        ("'7'", "7"),
    ],
)
def test_a_plain_word_means_what_it_looks_like(plain: str, read: Any) -> None:
    (found,) = read_text(f"name: x\nsettings: {{a: {plain}}}", "x.yaml")
    assert found.row["settings"] == {"a": read}
    assert type(found.row["settings"]["a"]) is type(read)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\nstepz: []", r"^f:2: unknown key 'stepz'; the keys are: name, "),
        ("name: x\nname: y", "^f:2: duplicate key 'name'"),
        ("name: x\nsettings:\n  a: 1\n  a: 2", "^f:4: duplicate key 'a'"),
        ("steps: []", "^f:1: `name` is missing"),
        ("name: x\n---\nname: 7", "^f:3: `name` is missing"),
        ("name: x\ntrigger: 7", "^f:2: `trigger` must be text"),
        ("name: x\ntrigger: a\ntrigger_type: a", "^f:2: .*are the same: use one"),
        ("name: x\nis_active: 'no'", "^f:2: `is_active` must be true or false"),
        ("name: x\nconditions: []\ntrigger_config: {conditions: []}", "^f:2: `conditions` is also in"),
        ("a: &x [1]\nb: *x", r"^f:2: aliases \(\*x\) are not supported"),
        ("name: !!python/object:os.system x", "^f:1: the tag !!python/object:os.system is not supported"),
        ('name: x\nsettings:\n  a: "b\\0c"', "^f:3: the text has a NUL character"),
        ('name: x\nsettings: {"a\\0": 1}', "^f:2: the text has a NUL character"),
        ("name: x\nsettings: {a: 0.%s1}" % ("0" * 20_000), "^f:2: 0.000+ has more digits than PostgreSQL's numeric"),
        ("name: x\nsteps: !!int x", "^f:2: 'x' does not match its tag"),
        ("name: !!binary aGk=", "^f:1: the tag !!binary is not supported"),
        ("1: 2", "^f:1: a key must be text"),
        ("name: x\n\tsteps: []", "^f:2: not valid YAML"),
        ("[" * 500, "^f:1: nested deeper than 60 levels"),
        ("- 1", "^f:1: a workflow must be an object"),
        ("# nothing\n", "^f: no workflow in this file"),
        ("x" * 1_000_001, "^f: larger than 1,000,000 bytes"),
    ],
)
def test_what_is_not_meant_is_refused_by_its_line(text: str, words: str) -> None:
    with pytest.raises(BadFile, match=words):
        read_text(text, "f")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"name": "x", "name": "y"}', "duplicate key 'name'"),
        ('{"name": "x", "settings": {"a": NaN}}', "NaN is not valid JSON"),
        ('{"name": "x", "steps": ' + "[" * 100 + "]" * 100 + "}", "deeper than 60"),
        ("[" * 100_000, "nested too deeply"),
        ('{"name": ', "not valid JSON"),
        ('{"name": "x", "steps": ["a\\\\u0000"]}'.replace("\\\\", "\\"), r"steps\[0\] has a NUL"),
        ('{"name": "x", "settings": {"a": 1e999999}}', "1e999999 has more digits"),
        ("[]", "no workflow"),
    ],
)
def test_json_is_read_as_strictly(text: str, words: str) -> None:
    with pytest.raises(BadFile, match=rf"^f\.json: .*{words}"):
        read_text(text, "f.json")


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Any) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    for name, words in (("none.yaml", "No such file"), ("latin.yaml", "not valid UTF-8"), ("", "directory")):
        with pytest.raises(BadFile, match=words):
            read_file(tmp_path / name)


def test_documents_and_lists_hold_several() -> None:
    found = read_text("---\n- name: a\n- name: b\n---\nname: c\n---\n", "x.yaml")
    assert [(one.where, one.row["name"]) for one in found] == [("x.yaml:2", "a"), ("x.yaml:3", "b"), ("x.yaml:5", "c")]


def test_a_dialects_columns_stay_as_they_are() -> None:
    row = {
        "name": "x",
        "trigger_type": "job_completed",
        "trigger_config": {"conditions": [], "statuses": ["a"]},
        "steps": None,
        "template_config": {"steps": [{"type": "email"}]},
        "is_active": False,
        "status": "active",
        "execution_count": 7,
    }
    said = as_file(row)
    assert said == {
        "name": "x",
        "trigger": "job_completed",
        "trigger_config": row["trigger_config"],
        "template_config": row["template_config"],
        "is_active": False,
    }
    (back,) = read_text(as_yaml([said]), "x.yaml")
    assert back.row == {
        **EMPTY,
        **{key: row[key] for key in ("name", "trigger_type", "trigger_config", "template_config", "is_active")},
    }
