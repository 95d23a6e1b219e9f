"""Runs a command of Minutehand and kills it at its n-th point: `python -m tests.journeys.killed N run-once`.

The points are before and after each call to the database, and before and after each message is sent.  The process is
killed by SIGKILL: nothing is flushed, closed or reported.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from typing import Any

from minutehand.executor.step_run import LocalStepRun
from minutehand.scheduler.cli.main import main

_passed = itertools.count(1)


def point(last: int) -> None:
    """Count a point, and kill the process at the last one."""
    if next(_passed) == last:
        os.kill(os.getpid(), signal.SIGKILL)


def break_at(last: int) -> None:
    """Arrange that the process is killed at its n-th point."""
    if "SUPABASE_URL" in os.environ:
        from minutehand.store.drivers.supabase import SupabaseDriver

        _wrap_call(SupabaseDriver, last)
    else:
        from minutehand.store.drivers.postgres import PostgresDriver

        _wrap_call(PostgresDriver, last)
    send = LocalStepRun.send

    async def sent(run: Any, message: Any, deliver: Any, **more: Any) -> Any:
        async def delivered(key: str) -> Any:
            point(last)
            result = await deliver(key)
            point(last)
            return result

        return await send(run, message, delivered, **more)

    LocalStepRun.send = sent  # type: ignore[method-assign,assignment]


def _wrap_call(driver: Any, last: int) -> None:
    call = driver.call

    async def called(self: Any, function: str, **arguments: Any) -> Any:
        point(last)
        answer = await call(self, function, **arguments)
        point(last)
        return answer

    driver.call = called


if __name__ == "__main__":
    break_at(int(sys.argv[1]))
    main(sys.argv[2:])
