"""Logging: structlog to stderr, as text at a terminal, else as JSON lines (events: docs/log-events.md)."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TextIO, cast

from minutehand.executor.log import structlog
from minutehand.scheduler.cli.terminal import escape_event
from minutehand.scheduler.config import LogSettings


class _Stderr:
    """Standard error, unbuffered.  A write that fails, on a full disk or a closed pipe, is dropped: work goes on."""

    def write(self, text: str) -> None:
        """Write the text, or drop it."""
        with contextlib.suppress(OSError):
            os.write(2, text.encode("utf-8", "replace"))

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""


def configure(settings: LogSettings) -> None:
    """Set up logging for this process."""
    form = settings.log_format
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = _console_renderer() if console else structlog.processors.JSONRenderer()
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
    ]
    if "JOURNAL_STREAM" not in os.environ:  # the journal adds its own timestamps
        processors.insert(0, structlog.processors.TimeStamper(fmt="iso"))
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Stderr())),
        cache_logger_on_first_use=True,
    )
    _include_libraries(processors, renderer, max(level, logging.WARNING))


def _console_renderer() -> structlog.typing.Processor:
    """Return what writes an event as text.  Its colours are our own; a value cannot act on the terminal."""
    render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return lambda logger, name, event: render(logger, name, escape_event(event))


def _include_libraries(
    processors: list[structlog.typing.Processor], renderer: structlog.typing.Processor, level: int
) -> None:
    """Log warnings of libraries, from Python's own logging, as lines of the same form, with their `logger`."""
    handler = logging.StreamHandler(cast(TextIO, _Stderr()))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *processors],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
