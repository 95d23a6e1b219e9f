"""structlog, for every module that logs: `from minutehand.executor.log import structlog`.

structlog imports rich where it is installed, as with the extra `demo`: 80 modules, for tracebacks that it would draw.
Ours are text (scheduler/logs.py), so a cron run does not pay for them, nor for greenlet, which nothing here uses.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Let imports of a package fail meanwhile, unless it is imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # how Python is told that there is none
    try:
        yield
    finally:
        del sys.modules[name]


with _without("rich"), _without("greenlet"):
    import structlog

__all__ = ["structlog"]
