"""The command line, called in the test's own process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from minutehand.scheduler.cli.main import run
from tests.logs import forget_log


@dataclass
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


Call = Callable[..., Said]


@pytest.fixture
def call(monkeypatch, tmp_path, capfd) -> Iterator[Call]:
    """Call the command line in this process, in a folder and an environment of the test's own."""
    monkeypatch.chdir(tmp_path)
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def go(*arguments: str, **environment: str) -> Said:
        monkeypatch.setattr(os, "environ", clean | environment)
        code = run(list(arguments))
        captured = capfd.readouterr()
        return Said(code, captured.out, captured.err)

    yield go
    forget_log()  # a log that this test has set up would write to what was captured here
