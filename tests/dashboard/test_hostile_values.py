"""What users of the app wrote, on the pages and in the files of a server that runs."""

from __future__ import annotations

import csv
import io
import json
import re
from urllib.parse import quote

from minutehand.executor.text.display import has_unsafe
from tests.dashboard.served import Served
from tests.journeys.app import App, email

REORDERS = "J\u202e-\u2066 1\u200f;=1+1;\x1b[2J"


def test_values_are_isolated_on_every_page_and_inert_in_files(app: App, served: Served) -> None:
    workflow = app.workflow(email(), name=REORDERS)
    app.database.sql("insert into jobs (id, organization_id, title) values (%s, 'north', %s)", REORDERS, REORDERS)
    app.database.sql("update jobs set status = 'completed'")
    app.database.sql(
        "update automation_execution_logs set status = 'failed', code = 'refused', reason = %s, completed_at = now()",
        REORDERS,
    )
    id_ = app.execution()["id"]
    for path in ("/", "/executions", f"/executions/{id_}", "/failures", "/workflows", f"/workflows/{workflow}",
                 f"/workflows/{workflow}?row={quote(REORDERS)}"):  # fmt: skip
        page = served.get(path)
        assert page.status_code == 200, path
        assert "<bdi>" in page.text, path
        # Outside of tags, titles and isolated elements nothing is left that could reorder its neighbours.
        rest = re.sub(r"<title>.*?</title>|<bdi>.*?</bdi>|<[^>]*>", "", page.text, flags=re.S)
        assert not re.search("[\u202e\u2066\u200f]", rest), (path, ascii(rest))
    lines = list(csv.reader(io.StringIO(served.get("/executions.csv").text, newline="")))
    entity = lines[1][lines[0].index("entity_id")]
    assert entity == REORDERS.replace(";=", ";'="), "the data stays"
    text = served.get("/executions.jsonl").text
    assert not has_unsafe(text.replace("\n", ""))
    assert json.loads(text)["entity_id"] == REORDERS
