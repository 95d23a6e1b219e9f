"""docs/limits.md: each bound is set where its row says."""

from __future__ import annotations

import pytest

from tests.docs.pages import ROOT, page, rows, words


@pytest.mark.parametrize("row", rows(page("limits.md")), ids=lambda row: row[0])
def test_a_bound_is_set_where_its_row_says(row: list[str]) -> None:
    file, *names = words(row[-1])
    text = (ROOT / file).read_text()
    assert [name for name in names if name not in text] == []
