"""The queue's protocol holds in every order of things, and breaks without each of its rules (queue.pml says which)."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import require

MODEL = Path(__file__).parent / "queue.pml"


def check(folder: Path, *defines: str, lively: bool = False) -> tuple[int, int, str]:
    """Look at every state; returns how many errors there are, how many states, and what was said."""
    require(bool(shutil.which("spin") and shutil.which("gcc")), "spin and gcc are not installed")
    said = [f"-D{define}" for define in (*defines, *(("LIVE",) if lively else ()))]
    subprocess.run(["spin", *said, "-a", str(MODEL)], cwd=folder, check=True, capture_output=True)
    how = ["-DCOLLAPSE", *(["-DNFAIR=3"] if lively else ["-DSAFETY"])]
    subprocess.run(["gcc", "-w", "-O2", *how, *said, "-o", "pan", "pan.c"], cwd=folder, check=True, capture_output=True)
    # -m: how deep it may go; -a -f: whether all goes on for ever, when everybody gets a turn.
    looked = ["./pan", "-m1000000", *(["-a", "-f"] if lively else [])]
    told = subprocess.run(looked, cwd=folder, check=True, capture_output=True, text=True, timeout=120).stdout
    assert "max search depth too small" not in told, told
    errors, states = re.search(r"errors: (\d+)", told), re.search(r"(\d+) states, stored", told)
    assert errors
    assert states
    assert (int(errors[1]) > 0) == ("Search not completed" in told), "every state was looked at, unless one was wrong"
    return int(errors[1]), int(states[1]), told


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(("CRASHES=1",), id="two rows"),
        pytest.param(("ONE_ROW", "CRASHES=3", "LOST=2", "SLOW=2"), id="one row, many faults"),
        pytest.param(("ONE_ROW", "CRASHES=4", "LOST=1"), id="one row, many crashes"),
    ],
)
def test_whatever_comes_in_whatever_order_the_rules_hold(tmp_path: Path, faults: tuple[str, ...]) -> None:
    errors, states, told = check(tmp_path, *faults)
    assert errors == 0, told
    assert states > 100_000


@pytest.mark.parametrize("faults", [("CRASHES=3", "LOST=1"), ("POISON",)])
def test_every_row_ends(tmp_path: Path, faults: tuple[str, ...]) -> None:
    errors, _, told = check(tmp_path, "ONE_ROW", *faults, lively=True)
    assert errors == 0, told


@pytest.mark.parametrize(
    ("without", "broken"),
    [
        ("NO_FENCE", "ends<=1"),
        ("NO_CLOCK", "token==mine"),
        ("NO_RESERVE", "mails<=1"),
        ("NEW_TOKEN", "costs>0"),
    ],
)
def test_without_one_of_the_rules_it_breaks(tmp_path: Path, without: str, broken: str) -> None:
    errors, _, told = check(tmp_path, "ONE_ROW", "CRASHES=2", "LOST=1", without)
    assert errors == 1
    assert broken in told


def test_without_the_limit_a_poison_row_never_ends(tmp_path: Path) -> None:
    errors, _, told = check(tmp_path, "ONE_ROW", "POISON", "NO_LIMIT", lively=True)
    assert errors == 1
    assert "acceptance cycle" in told
