"""A browser that opens the dashboard, and test data with every status, most of it hostile."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.journeys.app import App
from tests.servers import Database, require

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page

AXE = Path(__file__).parents[1] / "supabase/node_modules/axe-core/axe.min.js"
#: Text that attacks a page; the tests detect if any of it runs or changes the page.
HOSTILE = "<img src=x onerror=alert(1)><script>window.hurt=1</script>\"'`{{7*7}}</textarea></title>&lt;"
PHONE = {"width": 390, "height": 844}


def chromium() -> str:
    """Return the path of the browser."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    require(path, "chromium is not installed")
    require(AXE.exists(), "npm ci --prefix tests/supabase was not run")
    return str(path)


@contextmanager
def browser() -> Iterator[Browser]:
    """Run a browser for many pages."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"], env={**os.environ, "LANG": "C.UTF-8"}
        )
        yield chrome
        chrome.close()


@dataclass
class Visit:
    """A page.  Each console error, dialog and request to another host becomes a complaint, which fails the test."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    #: HTTP statuses that the test expects; the browser logs each as a console error.
    expected: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        host = urlsplit(self.url).netloc
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("dialog", self._dismiss)
        self.page.on(
            "request",
            lambda request: self.complaints.extend(
                [] if urlsplit(request.url).netloc == host else [f"request to another host: {request.url}"]
            ),
        )

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_console(self, message: ConsoleMessage) -> None:
        text = message.text if message.type in ("error", "warning") else ""
        # The sandbox of a hostile e-mail is expected to block it.
        is_sandboxed = "/steps/" in text and ("Blocked script" in text or "default-src 'none'" in text)
        if text and not is_sandboxed and not any(f"status of {status}" in text for status in self.expected):
            self.complaints.append(text)

    def open(self, path: str = "/") -> Page:
        """Open a page of the dashboard."""
        self.page.goto(self.url + path)
        return self.page

    def check(self) -> None:
        """Check that nothing hostile ran, and collect what axe reports."""
        assert self.page.evaluate("window.hurt") is None
        self.page.evaluate(AXE.read_text())
        violations = self.page.evaluate("axe.run({resultTypes: ['violations']}).then((r) => r.violations)")
        path = self.page.url.removeprefix(self.url)
        self.complaints += [
            f"{path} {rule['id']}: {node['html'][:160]}" for rule in violations for node in rule["nodes"]
        ]


@contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """Visit the dashboard in a new browser context.  At the end there must be no complaints."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options})
    visit = Visit(context.new_page(), url)
    visit.page.set_default_timeout(30_000)
    yield visit
    assert not visit.complaints, "\n".join(dict.fromkeys(visit.complaints))
    context.close()


def add_samples(app: App) -> dict[str, str]:
    """Add workflows and executions of every kind; return their ids by name."""
    database = app.database
    database.sql(f"alter table jobs add column note text default {_quoted(HOSTILE)}")
    email = {"type": "email", "config": {"subject": HOSTILE, "message": "Hello {{ job.id }}"}, "name": HOSTILE}
    text = {"type": "sms", "config": {"message": "Done"}}
    names = {
        "hostile": app.workflow(email, text, name=HOSTILE),
        "calm": app.workflow(
            email, name="Thank the client", trigger_config={"conditions": [{"field": "status", "value": "completed"}]}
        ),
        "broken": app.workflow({"type": "nonsense"}, name="Broken"),
        "off": app.workflow(text, name="Off", is_active=False),
    }  # fmt: skip
    database.sql("update automation_workflows set name = name || '!' where name = 'Off'")
    for _ in range(3):
        app.complete()
    steps = [
        {"stepId": "1", "name": HOSTILE, "status": "success", "result": {
            "type": "email", "recipient": "a@example.com", "subject": HOSTILE, "text": HOSTILE, "html": HOSTILE}},
        {"stepId": "2", "name": "2 (sms)", "status": "failed", "code": "no_recipient", "error": HOSTILE,
         "result": {"type": "sms"}},
    ]  # fmt: skip
    for number, (status, code) in enumerate(
        [("completed", None), ("failed", "partial"), ("failed", "uncertain_send"), ("skipped", "stale"),
         ("cancelled", "cancelled"), ("processing", None), ("pending", "busy")]
    ):  # fmt: skip
        names[code or status] = str(
            database.one(
                """
                insert into automation_execution_logs (
                  workflow_id, workflow_version, status, code, reason, trigger_data, entity_id, organization_id,
                  actions_executed, created_at, started_at, completed_at, scheduled_at, attempt, max_attempts, worker,
                  lease_token, lease_expires_at)
                values (%s, 1, %s, %s, %s, %s, %s, 'north', %s, now() - make_interval(mins => %s),
                  now() - interval '30 s', case when %s in ('pending', 'processing') then null else now() end,
                  case when %s = 'pending' then now() + interval '3 min' end, 2, 5, %s,
                  case when %s = 'processing' then gen_random_uuid() end,
                  case when %s = 'processing' then now() + interval '2 min' end)
                returning id
                """,
                names["hostile"], status, code, code and HOSTILE,
                json.dumps({"table_name": "jobs", "old_status": HOSTILE, "new_status": "done"}), HOSTILE,
                json.dumps(steps), number + 1, status, status, HOSTILE, status, status,
            )["id"]
        )  # fmt: skip
    database.sql(
        "insert into communication_logs (status, execution_id, step, channel, recipient, sent_at) "
        "values ('sent', %s, '1', 'email', %s, now())",
        names["completed"], HOSTILE,
    )  # fmt: skip
    return names


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"


def statuses(database: Database, *ids: str) -> list[str]:
    """Return the statuses of executions."""
    return [database.one("select status from automation_execution_logs where id = %s", id_)["status"] for id_ in ids]


def views(names: dict[str, str]) -> list[str]:
    """Return the path of every page of what `add_samples` added."""
    return [
        "/", "/?span=24h", "/?span=7d", "/executions", "/executions?q=status:failed", "/executions?q=colour:red",
        "/executions?q=entity:nobody", *(f"/executions/{names[name]}" for name in (
            "completed", "partial", "uncertain_send", "stale", "cancelled", "processing", "busy")),
        "/executions/all?q=status:failed", "/failures", "/failures?span=7d", "/workflows",
        *(f"/workflows/{names[name]}" for name in ("hostile", "calm", "broken", "off")),
        f"/workflows/{names['calm']}?row=J-2019", "/health",
    ]  # fmt: skip
