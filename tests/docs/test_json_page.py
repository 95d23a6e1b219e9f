"""docs/json-output.md has the fields of the summary, in their order."""

from __future__ import annotations

from minutehand.scheduler.database import Database
from minutehand.scheduler.engine.summary import Summary
from minutehand.store import Store
from tests.docs.pages import page, rows, section, words


def test_the_page_has_each_field_of_run_once_in_order() -> None:
    fields = [word for row in rows(section(page("json-output.md"), "## run-once")) for word in words(row[0])]
    assert fields == list(
        Summary().as_json(Database("db.example.com/app", Store.postgres("postgresql://nobody@db.example.com/app")))
    )
