"""`now` in templates, and lengths of time added to a date or time."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from minutehand.executor.actions.contract import RenderError
from minutehand.executor.templates.render import Renderer
from tests.journeys.app import webhook
from tests.journeys.world import World

SEEN = {
    "now": "2026-03-28T22:30:05+00:00",
    "job": {"due": "2026-01-31", "at": "2026-03-28T09:30:00+01:00", "local": "2026-03-28T09:30:00", "time": "09:30"},
}

#: Template -> what it writes.
WRITES = {
    "{{ now }}": "2026-03-28T22:30:05+00:00",
    "{{ now|date }}": "28 Mar 2026",
    "{{ now|date(tz='Pacific/Auckland') }}": "29 Mar 2026",
    "{{ now|time(tz='Asia/Kolkata') }}": "04:00",
    "{{ now|plus('2 days') }}": "2026-03-30T22:30:05+00:00",
    "{{ now|plus('2 days')|date('%A') }}": "Monday",
    "{{ now|minus('90m')|time }}": "21:00",
    "{{ now|plus('1 day 3 hours') }}": "2026-03-30T01:30:05+00:00",
    "{{ now|plus('1 week and 1 second') }}": "2026-04-04T22:30:06+00:00",
    "{{ now|plus('1 quarter')|date }}": "28 Jun 2026",
    # Berlin's clocks go from 02:00 to 03:00 on 29 March 2026.
    "{{ job.at|plus('1 day', tz='Europe/Berlin') }}": "2026-03-29T09:30:00+02:00",
    "{{ job.at|plus('24 hours', tz='Europe/Berlin') }}": "2026-03-29T10:30:00+02:00",
    "{{ job.at|plus('1 day') }}": "2026-03-29T09:30:00+01:00",
    "{{ '2026-03-28T02:30:00+01:00'|plus('1 day', tz='Europe/Berlin') }}": "2026-03-29T03:30:00+02:00",
    "{{ job.at|minus('5 months', tz='Europe/Berlin') }}": "2025-10-28T09:30:00+01:00",
    "{{ job.due|plus('1 month') }}": "2026-02-28",
    "{{ job.due|plus('1 month')|plus('1 month') }}": "2026-03-28",
    "{{ job.due|plus('2 months') }}": "2026-03-31",
    "{{ '2024-02-29'|plus('1 year') }}": "2025-02-28",
    "{{ '2024-02-29'|plus('4 years') }}": "2028-02-29",
    "{{ job.due|minus('1 year 2 months') }}": "2024-11-30",
    "{{ job.due|plus('3 days', tz='Asia/Tokyo') }}": "2026-02-03",
    "{{ job.local|plus('15 min') }}": "2026-03-28T09:45:00",
    "{{ '2026-01-01T00:00:00.25Z'|plus('1 s') }}": "2026-01-01T00:00:01.250000+00:00",
    "{% set later = now|plus('1 day') %}{{ later|date }}": "29 Mar 2026",
    "{% if job.due < now %}overdue{% endif %}": "overdue",
}

#: Template -> what its error says.
REFUSED = {
    "{{ now + '2 days' }}": "now is a date or time: write now|plus('2 days')",
    "{{ now - 3 }}": "now is a date or time: write now|minus('2 days')",
    "{{ now|plus('soon') }}": "length that is not understood",
    "{{ now|plus('3 fortnights') }}": "length that is not understood",
    "{{ now|plus('-2 days') }}": "length that is not understood",
    "{{ now|plus('1 day 1 day 1 day 1 day') }}": "length that is not understood",
    "{{ now|plus(2) }}": "length that is not understood",
    "{{ job.due|plus('2 hours') }}": "only days, weeks, months and years",
    "{{ job.time|plus('2 hours') }}": "a time without a day",
    "{{ job.local|plus('1 day', tz='Europe/Berlin') }}": "has no time zone",
    "{{ now|plus('1 day', tz='Europe/Bärlin') }}": "has an unknown time zone",
    "{{ now|plus('1 day', tz='America') }}": "has an unknown time zone",
    "{{ now|plus('9000 years') }}": "outside the years 1 to 9999",
    "{{ now|minus('999999999 days') }}": "outside the years 1 to 9999",
    "{{ 'tomorrow'|plus('1 day') }}": "is not an ISO date or time",
    "{{ now|plus }}": "missing a required argument",
}


@pytest.mark.parametrize(("template", "written"), WRITES.items())
def test_a_moment_is_written_as_the_template_asks(template: str, written: str) -> None:
    assert Renderer().render(template, SEEN) == written


@pytest.mark.parametrize(("template", "words"), REFUSED.items())
def test_what_cannot_be_added_is_refused_by_name(template: str, words: str) -> None:
    with pytest.raises(RenderError, match=re.escape(words)):
        Renderer().render(template, SEEN)


def test_now_is_the_databases_time_in_a_run_and_in_a_dry_run(world: World) -> None:
    body = {"at": "{{ now }}", "again": "{{ now }}", "due": "{{ now|plus('2 days') }}", "row": "{{ job.id }}"}
    world.app.workflow(webhook(world.shop.url, body=body), webhook(world.shop.url))
    job = world.app.complete()
    began = world.app.database.one("select now() as at")["at"].replace(microsecond=0)
    assert world.drain()["completed"] == 1
    ended = world.app.database.one("select now() as at")["at"]
    sent, default = (json.loads(request.body) for request in world.shop.requests)
    assert sent["at"] == sent["again"]
    assert began <= datetime.fromisoformat(sent["at"]) <= ended
    assert datetime.fromisoformat(sent["due"]) - datetime.fromisoformat(sent["at"]) == timedelta(days=2)
    assert sent["at"].endswith("+00:00")
    assert "now" not in default["context"]

    done = world.minutehand("workflows", "test", "Thank the client", "--row", job, "-o", "json")
    shown: dict[str, Any] = json.loads(json.loads(done.stdout)["steps"][0]["message"]["content"]["body"])
    assert (
        ended.replace(microsecond=0) <= datetime.fromisoformat(shown["at"]) <= datetime.now(UTC) + timedelta(minutes=1)
    )


def test_a_row_of_the_app_that_is_called_now_wins(world: World) -> None:
    world.app.database.sql("create table nows (id text primary key, organization_id text, status text, word text)")
    world.app.database.call("automation_trigger_add", p_table="nows", p_type="now")
    world.app.workflow(webhook(world.shop.url, body={"word": "{{ now.word }}"}), trigger_type="now_created")
    world.app.database.sql("insert into nows values ('1', 'north', 'open', 'mine')")
    assert world.drain()["completed"] == 1
    assert json.loads(world.shop.requests[-1].body) == {"word": "mine"}
