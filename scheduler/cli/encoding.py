"""Text in and out where Python is not in UTF-8, as under LC_ALL=C with PYTHONUTF8=0 or in a Latin-1 locale."""

from __future__ import annotations

import codecs
import json
import os
import sys
from collections.abc import Iterable

import click

from minutehand.store.errors import BadConfiguration


def use_utf8() -> None:
    """Start this program again in Python's UTF-8 mode if Python would read arguments and variables as ASCII."""
    if codecs.lookup(sys.getfilesystemencoding()).name == "ascii" and sys.executable:
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def prepare_streams() -> None:
    """Let stdout and stderr escape what their encoding cannot hold, and read stdin as UTF-8."""
    codecs.register_error("minutehand", _escape)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="minutehand")
    if reconfigure := getattr(sys.stdin, "reconfigure", None):
        reconfigure(encoding="utf-8")


def _escape(error: UnicodeError) -> tuple[str, int]:
    r"""Escape characters as JSON does, so that JSON stays JSON: `\ud83d\ude00`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def read_stdin() -> str:
    """Return the text of stdin.  Errors: `click.UsageError` if it is not UTF-8."""
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"stdin is not UTF-8: byte {error.start + 1} cannot be read") from None


def check_arguments(arguments: Iterable[str]) -> None:
    """Errors: `click.UsageError` for an argument whose bytes are not text."""
    for argument in arguments:
        if _is_bytes(argument):
            raise click.UsageError(f"the argument {argument!r} is not UTF-8 text")


def check_variable(name: str, value: str) -> None:
    """Errors: `BadConfiguration` for a variable whose bytes are not text; the value may be a secret."""
    if _is_bytes(value):
        raise BadConfiguration(f"{name} is not UTF-8 text")


def _is_bytes(text: str) -> bool:
    """Whether a text of the operating system has bytes that Python could not decode."""
    return any("\udc80" <= character <= "\udcff" for character in text)
