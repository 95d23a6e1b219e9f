"""Logging: structlog to stderr, for a person at a terminal, else as JSON lines (events: docs/log-events.md)."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TextIO, cast

import structlog

from minutehand.scheduler.config import LogSettings


class _Stderr:
    """Where the log goes, unbuffered.  It may be lost, on a full disk or a closed pipe, but never stops the work."""

    def write(self, text: str) -> None:
        """Write all of it, or give it up."""
        with contextlib.suppress(OSError):
            os.write(2, text.encode("utf-8", "replace"))

    def flush(self) -> None:
        """Nothing is ever left to flush."""


def configure(settings: LogSettings) -> None:
    """Set up logging for this process."""
    form = settings.log_format
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if console else structlog.processors.JSONRenderer()
    )
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
    ]
    if "JOURNAL_STREAM" not in os.environ:  # the journal has its own clock
        processors.insert(0, structlog.processors.TimeStamper(fmt="iso"))
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Stderr())),
        cache_logger_on_first_use=True,
    )
    _take_in_libraries(processors, renderer, max(level, logging.WARNING))


def _take_in_libraries(
    processors: list[structlog.typing.Processor], renderer: structlog.typing.Processor, level: int
) -> None:
    """What libraries warn of, by Python's own logging, is a line as all others, with the `logger` it comes from."""
    handler = logging.StreamHandler(cast(TextIO, _Stderr()))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *processors],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
