"""The dashboard in a real browser: every page and action, by keyboard, without JavaScript, in dark mode, on a phone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.dashboard.browser import HOSTILE, PHONE, Visit, add_samples, browser, statuses, views, visiting
from tests.dashboard.served import Serve, Served
from tests.dashboard.users import Project, for_users, project, role
from tests.journeys.app import App, wait_until
from tests.servers import migrated_template

if TYPE_CHECKING:
    from playwright.sync_api import Browser


__all__ = ["for_users", "project"]
TOO_WIDE = """[...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > innerWidth
  && !one.closest('.scroll')).map((one) => one.outerHTML.slice(0, 120)).slice(-1)"""


@pytest.fixture(scope="module")
def chrome(pg18: str) -> Iterator[Browser]:
    """The browser of these tests.  It runs an event loop in this thread, so the template database is created before."""
    migrated_template(pg18)
    with browser() as chrome:
        yield chrome


@pytest.fixture
def names(app: App) -> dict[str, str]:
    """The ids of the sample data, by name."""
    return add_samples(app)


@pytest.fixture
def visit(chrome: Browser, names: dict[str, str], served: Served) -> Iterator[Visit]:
    """A page of the dashboard."""
    with visiting(chrome, served.url) as visit:
        yield visit


def test_every_page_is_sound(visit: Visit, names: dict[str, str]) -> None:
    visit.expected = (422,)
    for path in views(names):
        page = visit.open(path)
        assert page.locator("h1").count() == 1, path
        assert page.locator("[style]").count() == 0, path
        visit.check()


@pytest.mark.parametrize(
    "how", [{"color_scheme": "dark"}, {"viewport": PHONE}, {"viewport": PHONE, "color_scheme": "dark"}]
)
def test_every_page_is_sound_in_dark_mode_and_on_a_phone(
    chrome: Browser, names: dict[str, str], served: Served, how: Any
) -> None:
    with visiting(chrome, served.url, **how) as visit:
        visit.expected = (422,)
        for path in views(names):
            page = visit.open(path)
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path} is {wide} px too wide: {page.evaluate(TOO_WIDE)}"
            visit.check()


def test_every_page_works_without_javascript(chrome: Browser, names: dict[str, str], served: Served) -> None:
    with visiting(chrome, served.url, java_script_enabled=False) as visit:
        visit.expected = (422,)
        for path in views(names):
            assert visit.open(path).locator("h1").count() == 1
        page = visit.open("/executions?q=status:failed+code:partial")
        page.get_by_role("link", name=re.compile("jobs")).first.click()
        page.get_by_role("button", name="Retry").click()
        page.wait_for_url("**/executions/*")
        assert page.locator("main .mark").first.inner_text().split() == ["○", "pending"]


def test_an_empty_dashboard_names_the_next_command(chrome: Browser, app: App, served: Served) -> None:
    app.database.sql('drop trigger "!minutehand_capture" on jobs')
    with visiting(chrome, served.url) as visit:
        page = visit.open("/")
        assert "minutehand workflows new" in page.inner_text("main")
        assert "minutehand run-once" in page.inner_text("main")
        visit.check()
        assert "minutehand trigger add" in visit.open("/executions").inner_text("main")
        assert "minutehand trigger add" in visit.open("/workflows").inner_text("main")
        assert "No failures" in visit.open("/failures").inner_text("main")


def test_hostile_text_is_shown_as_text(visit: Visit, names: dict[str, str]) -> None:
    page = visit.open(f"/executions/{names['partial']}")
    assert HOSTILE in page.inner_text("main")
    page = visit.open("/executions")
    assert HOSTILE in page.inner_text("main")
    assert page.title() == "Executions · Minutehand"


def test_an_email_is_shown_without_its_scripts_and_pictures(visit: Visit, names: dict[str, str]) -> None:
    page = visit.open(f"/executions/{names['completed']}")
    page.get_by_text("Show as HTML").click()
    frame = page.frame_locator("iframe")
    frame.locator("img").wait_for(state="attached")
    assert page.evaluate("window.hurt") is None


# --- actions ---


@pytest.mark.parametrize(
    ("name", "button", "after"),
    [
        ("partial", "Retry", "pending"),
        ("busy", "Cancel", "cancelled"),
        ("processing", "Cancel", "cancelled"),
        ("stale", "Run now", "pending"),
        ("uncertain_send", "Mark as sent", "pending"),
        ("uncertain_send", "Send again", "pending"),
        ("uncertain_send", "Mark as not sent", "pending"),
    ],
)
def test_the_buttons_of_an_execution_work(
    visit: Visit, names: dict[str, str], app: App, name: str, button: str, after: str
) -> None:
    page = visit.open(f"/executions/{names[name]}")
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_load_state()
    assert statuses(app.database, names[name]) == [after]
    if after == "pending" and name != "busy":  # how it had ended is not forgotten
        assert page.locator("#timeline .action").count() == 1


@pytest.mark.parametrize(
    ("button", "as_"), [("Mark as sent", "sent"), ("Send again", "resend"), ("Mark as not sent", "drop")]
)
def test_selected_uncertain_sends_are_resolved(
    visit: Visit, names: dict[str, str], app: App, button: str, as_: str
) -> None:
    page = visit.open("/failures")
    page.locator("#uncertain").get_by_role("checkbox").first.check()
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_load_state()
    (row,) = app.database.sql("select past from automation_execution_logs where id = %s", names["uncertain_send"])
    assert row["past"][-1]["by"] == as_
    assert page.url.endswith("/failures")


def test_the_commands_are_copied(chrome: Browser, names: dict[str, str], served: Served) -> None:
    with visiting(chrome, served.url, permissions=["clipboard-read", "clipboard-write"]) as visit:
        page = visit.open(f"/executions/{names['partial']}")
        page.get_by_text("Commands").click()
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("button", name="Copied").wait_for()
        said = page.evaluate("navigator.clipboard.readText()")
        assert f"minutehand executions retry {names['partial']}" in said.splitlines()


def test_selected_executions_are_retried(visit: Visit, names: dict[str, str], app: App) -> None:
    page = visit.open("/executions?q=code:partial")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Retry selected").click()
    page.wait_for_load_state()
    assert statuses(app.database, names["partial"]) == ["pending"]
    assert page.url.endswith("code%3Apartial") or "code:partial" in page.url, "the search is still there"


def test_a_refused_action_says_why(visit: Visit, names: dict[str, str], app: App) -> None:
    page = visit.open(f"/executions/{names['busy']}")
    app.database.sql("update automation_execution_logs set status = 'completed' where id = %s", names["busy"])
    visit.expected = (409,)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Not cancelled").wait_for()


def test_a_bulk_action_counts_first_and_then_retries_all(visit: Visit, app: App) -> None:
    app.database.sql(
        "insert into automation_execution_logs (status, code, reason, trigger_data, organization_id, created_at) "
        "select 'failed', 'refused', 'no luck', '{}', 'north', now() - interval '1 min' from generate_series(1, 250)"
    )
    page = visit.open("/failures")
    page.get_by_role("link", name=re.compile("Retry all 250")).click()
    assert page.locator("h1").inner_text() == "250 executions"
    page.get_by_label("Spread over").select_option("0")
    page.get_by_role("button", name="Retry 250").click()
    page.get_by_text("250 of 250 done").wait_for()
    page.get_by_text("Finished.", exact=True).wait_for()
    assert page.get_by_role("button", name="Stop").count() == 0
    left = app.database.one("select count(*) as n from automation_execution_logs where code = 'refused'")["n"]
    assert left == 0


def test_a_bulk_action_can_be_stopped(visit: Visit, app: App) -> None:
    app.database.sql(
        "insert into automation_execution_logs (status, code, reason, trigger_data, organization_id, created_at) "
        "select 'failed', 'refused', 'no luck', '{}', 'north', now() - interval '1 min' from generate_series(1, 300)"
    )
    page = visit.open("/executions/all?q=code:refused+status:failed")
    page.get_by_label("Spread over").select_option("7200")
    page.get_by_role("button", name="Retry 300").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").wait_for()
    left = app.database.one("select count(*) as n from automation_execution_logs where code = 'refused'")["n"]
    assert left > 250


def test_a_workflow_is_paused_and_resumed(visit: Visit, names: dict[str, str], app: App) -> None:
    page = visit.open(f"/workflows/{names['calm']}")
    page.get_by_placeholder("Reason (optional)").fill("holidays")
    page.get_by_role("button", name="Pause").click()
    page.locator(".banner", has_text="holidays").wait_for()
    assert app.database.one("select reason from automation_control")["reason"] == "holidays"
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for()
    assert app.database.sql("select * from automation_control") == []


def test_a_workflow_is_tested_with_a_row(visit: Visit, names: dict[str, str]) -> None:
    page = visit.open(f"/workflows/{names['calm']}")
    page.get_by_role("textbox", name="Row").fill("J-2019")
    page.get_by_role("button", name="Test").click()
    page.get_by_text("would work").wait_for()
    assert "Hello J-2019" in page.inner_text("main")


# --- keyboard, live updates ---


def test_the_keyboard_shortcuts_work(visit: Visit, names: dict[str, str]) -> None:
    page = visit.open("/")
    page.locator("#live[data-state=on]").wait_for()
    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/executions")
    page.locator("#live[data-state=on]").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("j")
    chosen = page.locator("tr[aria-selected=true]").get_attribute("data-href")
    page.keyboard.press("x")
    assert page.locator("tr[aria-selected=true] input").is_checked()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{chosen}")
    page.locator("#live[data-state=on]").wait_for()  # its keys are there
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="hidden")
    page.keyboard.press("/")
    page.locator("input:focus").wait_for()
    page.keyboard.type("status:failed code:partial")
    page.keyboard.press("Enter")
    page.wait_for_url("**/executions?q=*")
    assert page.locator("tbody tr").count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches(':focus-visible')")


def test_a_change_appears_without_reloading(visit: Visit, app: App) -> None:
    page = visit.open("/executions")
    page.locator("#live[data-state=on]").wait_for()
    before = page.locator("tbody tr").count()
    page.wait_for_timeout(1200)  # its first look
    app.complete(client="C-1")
    page.locator("tbody tr").nth(before).wait_for()


def test_typed_text_survives_a_live_update(visit: Visit, names: dict[str, str], app: App) -> None:
    page = visit.open(f"/workflows/{names['calm']}")
    page.locator("#live[data-state=on]").wait_for()
    field = page.get_by_placeholder("Reason (optional)")
    field.fill("holi")
    page.wait_for_timeout(1200)
    app.database.sql("update automation_workflows set name = 'Another name' where id = %s", names["calm"])
    page.get_by_role("heading", name="Another name").wait_for()
    assert page.evaluate("document.activeElement.id") == "reason"
    field.press_sequentially("days")
    assert field.input_value() == "holidays"


def test_rows_do_not_jump_while_one_is_selected(visit: Visit, app: App) -> None:
    page = visit.open("/executions")
    page.locator("#live[data-state=on]").wait_for()
    page.get_by_role("checkbox").first.check()
    before = page.locator("tbody tr").count()
    page.wait_for_timeout(1200)
    app.complete(client="C-1")
    pill = page.locator("#pill")
    pill.wait_for()
    assert page.locator("tbody tr").count() == before
    pill.click()
    assert page.locator("tbody tr").count() > before
    assert page.locator("input:checked").count() == 1


def test_the_page_shows_that_the_server_is_gone(chrome: Browser, names: dict[str, str], serve: Serve) -> None:
    with serve() as served, visiting(chrome, served.url) as visit:
        page = visit.open("/")
        page.locator("#live[data-state=on]").wait_for()
        served.running.process.terminate()
        page.locator("#live[data-state=lost]").wait_for()
        wait_until(lambda: served.running.process.poll() is not None, "its end")
        assert served.running.process.returncode == 0
        visit.complaints.clear()


# --- users ---


def test_signing_in_and_out_in_a_browser(
    chrome: Browser, names: dict[str, str], for_users: Served, project: Project
) -> None:
    project.claims = role("operator")
    with visiting(chrome, for_users.url) as visit:
        visit.expected = (401,)
        page = visit.open("/executions?q=status:failed")
        assert page.locator("h1").inner_text() == "Sign in"
        visit.check()
        page.get_by_label("E-mail").fill("ann@example.com")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("alert").wait_for()
        page.get_by_label("E-mail").fill("ann@example.com")
        page.get_by_label("Password").fill("right")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/executions?q=status*")
        page.locator("#live[data-state=on]").wait_for()
        assert "ann@example.com" in page.inner_text("footer")
        visit.check()
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/login")


def test_a_login_with_http_basic_shows_what_it_permits(
    chrome: Browser, names: dict[str, str], serve: Serve, app: App
) -> None:
    logins = "ops:correct-horse-battery viewer:only-looks-at-it=view"
    with serve("--host", "0.0.0.0", MINUTEHAND_LOGINS=logins) as served:
        who = {"username": "viewer", "password": "only-looks-at-it"}
        with visiting(chrome, served.url, http_credentials=who) as visit:
            page = visit.open(f"/executions/{names['partial']}")
            page.locator("#live[data-state=on]").wait_for()
            assert page.get_by_role("button", name="Retry").count() == 0
            assert "payload-title" not in page.content()
            visit.check()
        who = {"username": "ops", "password": "correct-horse-battery"}
        with visiting(chrome, served.url, http_credentials=who) as visit:
            page = visit.open(f"/executions/{names['partial']}")
            page.get_by_role("button", name="Retry", exact=True).click()
            page.wait_for_load_state()
            assert statuses(app.database, names["partial"]) == ["pending"]


# --- paging ---


@pytest.mark.parametrize("before", ["[", "[1,2]", '["x","y"]', '{"a":1}', '["2026-01-01T00:00Z"]', "[" * 5000])
def test_an_invalid_cursor_shows_the_first_page(served: Served, names: dict[str, str], before: str) -> None:
    answer = served.client.get(served.url + "/executions", params={"before": before})
    rows = served.get("/executions").text.count("<tr data-key")
    assert (answer.status_code, answer.text.count("<tr data-key")) == (200, rows)


def test_the_next_page_begins_after_the_last_row(served: Served, app: App) -> None:
    app.database.sql(
        "insert into automation_execution_logs (status, entity_id, created_at) "
        "select 'completed', 'K-' || n, now() - make_interval(secs => n / 3) from generate_series(1, 120) n"
    )
    seen, path = [], "/executions"
    while path:
        page = served.get(path).text
        seen += re.findall(r'<tr data-key="([\w-]+)"', page)
        found = re.search(r'rel="next" href="([^"]+)"', page)
        path = found[1].replace("&amp;", "&") if found else ""
    assert len(seen) == len(set(seen)) == 120


# --- exports ---


def test_a_search_is_exported_as_a_file(visit: Visit, served: Served) -> None:
    rows = [json.loads(line) for line in served.get("/executions.jsonl?q=status:failed").text.splitlines()]
    assert {row["status"] for row in rows} == {"failed"}
    table = served.get("/executions.csv?q=status:failed")
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.splitlines()) == len(rows) + 1
    assert served.get("/executions.csv?q=colour:red").status_code == 422
