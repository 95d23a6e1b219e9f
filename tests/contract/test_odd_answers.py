"""Answers that hold what Python's own JSON parser refuses, since somebody wrote such a row: each backend reads them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from minutehand.store.drivers.postgres import PostgresDriver
from minutehand.store.drivers.supabase import SupabaseDriver

ODD = ('{"a":' * 3_000 + "1" + "}" * 3_000, "1" + "0" * 6_000)


def ask(driver: Any) -> Any:
    async def go() -> Any:
        try:
            return await driver.call("odd")
        finally:
            await driver.close()

    return asyncio.run(go())


@pytest.mark.parametrize("odd", ODD, ids=["deep", "digits"])
def test_postgres(database, odd):
    database.sql(f"create function public.odd() returns jsonb language sql as $$ select '[{odd}, 7]'::jsonb $$")
    assert ask(PostgresDriver(database.url))[1] == 7


@pytest.mark.parametrize("odd", ODD, ids=["deep", "digits"])
def test_supabase(odd):
    with HttpReceiver() as project:
        project.then(Answer(body=b'{"version": 8}'))  # the first answer shows that it is a project
        project.then(Answer(body=f"[{odd}, 7]".encode(), headers={"content-type": "application/json"}))
        assert ask(SupabaseDriver(project.url, "sb_secret_hush"))[1] == 7
