"""The dashboard over a project's REST API: the same pages, the same actions, in the same browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.dashboard.browser import Visit, add_samples, browser, statuses, views, visiting
from tests.dashboard.served import Serve, Served
from tests.journeys.app import App, Minutehand
from tests.supabase.stack import Project, Stack

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def chrome(stack18: Stack) -> Iterator[Browser]:
    """The browser of these tests.  It runs an event loop in this thread, so the project is started before."""
    with stack18.project(), browser() as chrome:
        yield chrome


@pytest.fixture
def app(project: Project) -> App:
    """The app on the project."""
    return App(project.owner)


@pytest.fixture
def names(app: App) -> dict[str, str]:
    """The ids of the sample data, by name."""
    return add_samples(app)


@pytest.fixture
def served(project: Project, tmp_path: Path) -> Iterator[Served]:
    """A server that knows only the URL and key of the project."""
    environment: dict[str, Any] = {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": project.secret_key}
    with Serve(Minutehand(tmp_path, environment))() as running:
        yield running


@pytest.fixture
def visit(chrome: Browser, names: dict[str, str], served: Served) -> Iterator[Visit]:
    """A page of the dashboard."""
    with visiting(chrome, served.url) as visit:
        yield visit


def test_every_page_is_sound_over_rest(visit: Visit, names: dict[str, str]) -> None:
    visit.expected = (422,)
    for path in views(names):
        page = visit.open(path)
        assert page.locator("h1").count() == 1, path
        assert page.locator("main .problem-page .bad").count() == 0, path
        visit.check()
    footer = visit.open("/").inner_text("footer")
    assert "supabase 127.0.0.1:" in footer


def test_actions_reach_the_project(visit: Visit, names: dict[str, str], project: Project) -> None:
    for name, button, after in (
        ("partial", "Retry", "pending"),
        ("busy", "Cancel", "cancelled"),
        ("uncertain_send", "Mark as sent", "pending"),
    ):
        page = visit.open(f"/executions/{names[name]}")
        page.get_by_role("button", name=button, exact=True).click()
        page.wait_for_load_state()
        assert statuses(project.owner, names[name]) == [after], name
    page = visit.open(f"/workflows/{names['calm']}")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()
    assert len(project.owner.sql("select * from automation_control")) == 1


def test_a_change_appears_over_rest(visit: Visit, app: App) -> None:
    page = visit.open("/executions")
    page.locator("#live[data-state=on]").wait_for()
    before = page.locator("tbody tr").count()
    app.complete(client="C-1")
    page.locator("tbody tr").nth(before).wait_for()
