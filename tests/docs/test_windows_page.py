"""docs/time.md: what it says of windows is read as it says."""

from __future__ import annotations

import json
import re

from psycopg.types.json import Jsonb

from minutehand.executor.delivery import ZONE_COLUMNS
from minutehand.executor.dialects.windows import _CHECKS
from tests.docs.pages import blocks, page, rows, section, words
from tests.servers import Database

PAGE = page("time.md")
WINDOWS = section(PAGE, "## Windows and quiet hours")


def test_the_examples_of_windows_can_be_read(database: Database) -> None:
    examples = [json.loads(block) for block in blocks(WINDOWS, "json settings")]
    assert len(examples) == 3
    for example in examples:
        query = "select minutehand.setting_problems(%s) || minutehand.unknown_settings(%s) as said"
        assert database.one(query, Jsonb(example), Jsonb(example))["said"] == []


def test_the_keys_of_a_window_are_those_of_the_code() -> None:
    listed = [word for row in rows(WINDOWS) for word in re.findall(r"`(\w+)`", row[0])]
    assert sorted(listed) == sorted(_CHECKS)


def test_the_columns_of_a_zone_are_those_of_the_code() -> None:
    text = " ".join(WINDOWS.split())
    assert words(text.split("the client's column")[1].split(";")[0]) == list(ZONE_COLUMNS)
