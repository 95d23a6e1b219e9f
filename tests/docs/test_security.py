"""docs/security.md lists the names that look like secrets."""

from __future__ import annotations

import re
from pathlib import Path

from minutehand.store.secret_names import PHRASES, WORDS


def test_every_secret_word_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    section = text.partition("## Columns that look like secrets")[2].partition("\n## ")[0]
    words = " ".join(section.split()).partition("one of the words")[2].partition("Exclude")[0]
    listed = set(re.findall(r"`([a-z ]+)`", words))
    assert listed == WORDS | set(PHRASES)
