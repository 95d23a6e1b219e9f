"""Logging: structlog to stderr, for a person at a terminal, else as JSON lines (events: docs/log-events.md)."""

from __future__ import annotations

import logging
import os
import sys

import structlog

from scheduler.settings import LogSettings


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
        renderer,
    ]
    if "JOURNAL_STREAM" not in os.environ:  # the journal has its own clock
        processors.insert(0, structlog.processors.TimeStamper(fmt="iso"))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
