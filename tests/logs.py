"""The log of commands and workers that run in the test's own process."""

from __future__ import annotations

import sys

import structlog


def forget_log() -> None:
    """Undo `logs.configure`: a later test would otherwise log to what was captured here.

    A logger keeps the configuration of its first use (`cache_logger_on_first_use`); structlog alone does not undo it.
    """
    structlog.reset_defaults()
    for name, module in list(sys.modules.items()):
        if name.startswith("minutehand.") and "log" in vars(module):
            vars(module.log).pop("bind", None)
