"""The pictures of docs/dashboard.md, of an hour with a few failures.  UPDATE_DOCS=1 renews them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dashboard.browser import browser, visiting
from tests.dashboard.served import Served
from tests.journeys.app import App, email, webhook
from tests.servers import migrated_template

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DOCS = Path(__file__).parents[2] / "docs"
#: An hour: a change now and then, some of them failing while the books' server was down.
HOUR = """
insert into automation_execution_logs (
  workflow_id, workflow_version, status, code, reason, trigger_data, entity_id, organization_id, actions_executed,
  created_at, started_at, claimed_at, completed_at, scheduled_at, attempt, max_attempts, worker)
select (%(workflows)s::uuid[])[1 + n %% 3], 1, status,
  case when status = 'failed' and n %% 3 = 1 then 'unreachable' when status = 'failed' then 'no_recipient'
    when status = 'skipped' then 'rate_limited' when status = 'pending' then 'busy' end,
  case when status = 'failed' and n %% 3 = 1
      then 'step Tell the books: books.example.com answered 503, ' || n || ' in line'
    when status = 'failed' then 'step 1 (email): the client has no e-mail address'
    when status = 'skipped' then 'already started once within 1 hour for this row and status'
    when status = 'pending' then 'step Tell the books: books.example.com answered 429' end,
  '{"table_name": "jobs", "operation": "UPDATE", "old_status": "scheduled", "new_status": "completed"}',
  'J-' || 2000 + n, 'north', '[]', at, ran, ran, case when status <> 'pending' then ran + interval '0.4 s' end,
  case when status = 'pending' then now() + interval '190 s' end, 1, 5, 'app-1:4711'
from (
  select n, at, greatest(date_trunc('minute', at + interval '59 s'),  -- nobody looked for four minutes
      case when at between now() - interval '26 min' and now() - interval '21 min'
        then date_trunc('minute', now() - interval '21 min') end) + interval '1 s' as ran,
    case when n between 120 and 142 and n %% 3 = 1 or n in (41, 98) then 'failed' when n %% 31 = 0 then 'skipped'
      when n > 191 then 'pending' else 'completed' end as status
  from (select n, now() - make_interval(secs => 3500 - n * 17.5) as at from generate_series(1, 194) as n) spaced
) made;
insert into minutehand.tick_log (minute, first_at, due)
select date_trunc('minute', at), date_trunc('minute', at) + interval '1 s',
  case when at > now() - interval '22 min' and at < now() - interval '20 min' then 17
    else 3 + (extract(minute from at)::int %% 3) end
from generate_series(now() - interval '70 min', now(), interval '1 min') as at
where at not between now() - interval '26 min' and now() - interval '22 min';
insert into automation_workers (id, mode, host, version, started_at, heartbeat_at)
values ('app-1:4711', 'run-once', 'app-1', '0.1.0', date_trunc('minute', now()), date_trunc('minute', now()));
"""
#: One that the books took at its third attempt.
RETRIED = """
update automation_execution_logs set
  status = 'completed', attempt = 3, max_attempts = 5, created_at = now() - interval '140 s',
  started_at = now() - interval '137 s', claimed_at = now() - interval '60 s',
  completed_at = now() - interval '59.4 s', worker = 'app-1:4711',
  actions_executed = jsonb_build_array(jsonb_build_object(
    'stepId', '1', 'name', 'Tell the books', 'status', 'success', 'startedAt', now() - interval '59.9 s',
    'finishedAt', now() - interval '59.5 s', 'result', jsonb_build_object(
      'type', 'webhook', 'url', 'https://books.example.com/done', 'method', 'POST', 'status', 'sent',
      'response', '{"entry": 40217}'))),
  past = jsonb_build_array(
    jsonb_build_object(
      'what', 'retry', 'began', now() - interval '137 s', 'at', now() - interval '136.5 s', 'attempt', 1, 'worker',
      'app-1:4711', 'code', 'unreachable', 'reason', 'step Tell the books: books.example.com answered 503'),
    jsonb_build_object(
      'what', 'retry', 'began', now() - interval '119 s', 'at', now() - interval '118.6 s', 'attempt', 2, 'worker',
      'app-1:4711', 'code', 'unreachable', 'reason', 'step Tell the books: books.example.com answered 503'))
where id = %s
"""


@pytest.fixture(scope="module")
def chrome(pg18: str) -> Iterator[Browser]:
    """The browser of these tests."""
    migrated_template(pg18)
    with browser() as chrome:
        yield chrome


def test_the_pictures_of_the_docs(chrome: Browser, app: App, served: Served, tmp_path: Path) -> None:
    names = ("Thank the client", "Tell the books", "Ask for a review")
    steps = (email(), webhook("https://books.example.com/done"), email())
    ids = [app.workflow(step, name=name) for step, name in zip(steps, names, strict=True)]
    app.database.sql(HOUR.replace("%(workflows)s", "'{" + ",".join(ids) + "}'").replace("%%", "%"))
    app.complete()
    run = next(row["id"] for row in app.executions() if str(row["workflow_id"]) == ids[1] and row["event_id"])
    app.database.sql(RETRIED, run)
    app.database.sql(
        "update automation_events set occurred_at = now() - interval '141 s', matched_at = now() - interval '141 s'"
    )
    folder = DOCS / "pictures" if os.environ.get("UPDATE_DOCS") else tmp_path
    folder.mkdir(exist_ok=True)
    pages = {
        "overview": "/",
        "executions": "/executions",
        "execution": f"/executions/{run}",
        "failures": "/failures",
    }
    with visiting(chrome, served.url, viewport={"width": 1200, "height": 860}) as visit:
        for name, path in pages.items():
            visit.open(path).locator("#live[data-state=on]").wait_for()
            visit.page.screenshot(path=folder / f"{name}.png")
    made = {path.name for path in folder.glob("*.png")}
    shown = set(re.findall(r"pictures/([\w-]+\.png)", (DOCS / "dashboard.md").read_text()))
    assert shown <= made
    assert all((DOCS / "pictures" / name).stat().st_size < 250_000 for name in shown)
