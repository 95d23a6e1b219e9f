"""At each call of a run its reply is lost, or the call itself, once or for good: nothing is done twice, or lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from minutehand.scheduler.engine.tick import TickRunner
from minutehand.store import Store
from minutehand.store.drivers import Driver
from minutehand.store.drivers.postgres import PostgresDriver
from minutehand.store.drivers.supabase import SupabaseDriver
from minutehand.store.errors import StoreError, Unreachable
from tests.contract.backends import CountingDriver
from tests.journeys.app import App, email, webhook
from tests.supabase.stack import Project

#: A record that is written twice shows.
NOTES = "create table notes (id bigint generated always as identity primary key, organization_id text, job text)"
VERBS = {"tick", "claim", "advance", "write_record", "settle"}
FOR_GOOD = 1_000_000_000


class Deaf(CountingDriver):
    """A driver that loses the replies to some calls, from the first of them on; or the calls themselves."""

    def __init__(self, driver: Driver, first: int, times: int, is_served: bool) -> None:
        super().__init__(driver)
        self._lost = range(first, first + times)
        self._is_served = is_served

    async def call(self, function: str, /, **arguments: Any) -> Any:
        """See `Driver.call`."""
        is_lost = len(self.calls) + 1 in self._lost
        if is_lost and not self._is_served:
            self.calls.append(function.removeprefix("automation_"))
            raise Unreachable("the call is lost")
        answer = await super().call(function, **arguments)
        if is_lost:
            raise Unreachable("the reply is lost")
        return answer


class Backend:
    """The app on a project, reached through one backend, and what its workflow has done so far."""

    def __init__(self, name: str, project: Project, shop: HttpReceiver, post: SmtpReceiver) -> None:
        drivers: dict[str, Callable[[], Driver]] = {
            "postgres": lambda: PostgresDriver(project.owner.url),
            "supabase": lambda: SupabaseDriver(project.url, project.secret_key),
        }
        self._new_driver = drivers[name]
        self.app, self._shop, self._post = App(project.owner), shop, post
        self.app.database.sql(NOTES)
        self.app.database.call("automation_trigger_add", p_table="notes", p_writable=True)
        note = {"type": "create_record", "config": {"table": "notes", "values": {"job": "{{ job.id }}"}}}
        self.app.workflow(webhook(f"{shop.url}/{{{{ job.id }}}}"), email(subject="{{ job.id }}"), note)
        self._settings = ExecutorSettings(
            provider_values={"SMTP_URL": post.url, "EMAIL_FROM": "Acme <no-reply@example.com>"},
            allow_private_addresses=True,
        )

    def run(self, first: int = 0, times: int = 0, *, is_served: bool = True) -> list[str]:
        """Run what is due, with these calls lost; gives all calls.  That the database is away may end it."""
        driver = Deaf(self._new_driver(), first, times, is_served)

        async def go() -> None:
            store = Store(driver)
            quiet = LogSettings(log_level="critical")
            with suppress(StoreError):
                await TickRunner(store, RunSettings(), self._settings, quiet, mode="test", drain=True).tick()
            await store.close()

        asyncio.run(go())
        return driver.calls

    def done(self, job: str) -> tuple[int, int, int]:
        """How many keys its webhook came under, how many e-mails and records there are."""
        keys = {r.headers["idempotency-key"] for r in self._shop.requests if urlsplit(r.path).path == f"/{job}"}
        mails = Counter(str(mail.message["subject"]) for mail in self._post.messages)
        notes = self.app.database.one("select count(*) as n from notes where job = %s", job)
        return len(keys), mails[job], int(notes["n"])

    def hooks(self, job: str) -> int:
        """How often its webhook came."""
        return sum(request.path == f"/{job}" for request in self._shop.requests)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is repeated at once, and not for long."""
    monkeypatch.setattr("minutehand.store.repeat.FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("minutehand.store.repeat.LONG_SECONDS", 0.1)
    monkeypatch.setattr("minutehand.scheduler.engine.tick.AWAY_SECONDS", 0.0)
    monkeypatch.setattr("minutehand.scheduler.engine.leases.Leases.seconds_left", lambda leases, outcomes: 0.0)


@pytest.fixture(params=["postgres", "supabase"])
def backend(request: pytest.FixtureRequest, project: Project, shop: HttpReceiver, post: SmtpReceiver) -> Backend:
    """The app, reached on each backend."""
    return Backend(request.param, project, shop, post)


@pytest.fixture
def shop() -> Any:
    """Receives webhooks, at once."""
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
def post() -> Any:
    """Receives e-mail, at once."""
    with SmtpReceiver() as receiver:
        yield receiver


@pytest.mark.parametrize("is_served", [True, False], ids=["reply", "call"])
def test_what_is_lost_once_costs_nothing(backend: Backend, is_served: bool) -> None:
    lost: set[str] = set()
    for number in range(1, 30):
        job = backend.app.complete()
        calls = backend.run(number, 1, is_served=is_served)
        if len(calls) < number:
            break
        lost.add(calls[number - 1])
        row = backend.app.database.one("select * from automation_execution_logs where entity_id = %s", job)
        assert (row["status"], row["lost_leases"] or 0) == ("completed", 0), (calls, row["code"], row["reason"])
        assert (backend.hooks(job), backend.done(job)) == (1, (1, 1, 1)), calls
        assert calls.count("settle") == 1 + (calls[number - 1 : number] == ["settle"]), "all in one turn"
    assert lost == VERBS


@pytest.mark.parametrize("is_served", [True, False], ids=["reply", "call"])
def test_what_is_lost_for_good_is_found_by_its_lease(backend: Backend, is_served: bool) -> None:
    uncertain: list[str] = []
    for number in range(1, 30):
        job = backend.app.complete()
        calls = backend.run(number, FOR_GOOD, is_served=is_served)
        if len(calls) < number:
            break
        for _ in range(3):
            backend.app.expire_leases()
            backend.app.make_due()
            backend.run()
            if backend.app.end_of(job)[0] not in ("pending", "processing"):
                break
        status, code, _ = backend.app.end_of(job)
        if (status, code) == ("failed", "uncertain_send"):
            uncertain.append(calls[number - 1])
            # The e-mail had left and nobody could tell; or its place was taken, and nobody was told.
            assert backend.done(job) == (1, 0 if is_served else 1, 0)
        else:
            assert (status, backend.done(job)) == ("completed", (1, 1, 1)), calls
    assert uncertain == ["advance"]


def test_a_claim_whose_replies_are_lost_for_longer_than_it_is_repeated_costs_no_lease(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minutehand.scheduler.engine.tick.AWAY_SECONDS", 60.0)
    monkeypatch.setattr("minutehand.scheduler.process.reachable.FIRST_RETRY_SECONDS", 0.01)
    job = backend.app.complete()
    calls = backend.run(2, 10)
    assert calls[:12] == ["tick", *["claim"] * 11]
    row = backend.app.database.one("select * from automation_execution_logs where entity_id = %s", job)
    assert (row["status"], row["lost_leases"] or 0, row["attempt"]) == ("completed", 0, 0)
    assert backend.done(job) == (1, 1, 1)
