"""The figures of one run, as a table and as JSON."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value, with the baseline that was measured beside it."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    baseline_name: str = ""
    #: The target ratio: at least this for rates, at most this for times.
    aim: float | None = None
    #: The target value, where the target is not a ratio.
    at_most: float | None = None
    more_is_better: bool = True
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The value divided by its baseline."""
        return self.value / self.baseline if self.baseline else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.aim is None or self.ratio is None:
            return None
        return self.ratio >= self.aim if self.more_is_better else self.ratio <= self.aim

    def as_json(self) -> dict[str, Any]:
        """Return the stable shape."""
        return asdict(self) | {"ratio": self.ratio, "met": self.met}


def machine(server: str) -> dict[str, Any]:
    """Describe the machine and the server."""
    with psycopg.connect(server) as connection:
        row = connection.execute("select current_setting('fsync'), current_setting('synchronous_commit')").fetchone()
        assert row is not None
        return {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
            "postgresql": connection.info.parameter_status("server_version"),
            "fsync": row[0],
            "synchronous_commit": row[1],
        }


def as_text(facts: dict[str, Any], figures: list[Figure]) -> str:
    """Return the table."""
    lines = [
        f"{facts['cores']} cores ({facts['system']}, load {facts['load']} at the start), Python {facts['python']}, "
        f"PostgreSQL {facts['postgresql']} (fsync {facts['fsync']}, synchronous_commit {facts['synchronous_commit']})",
        "Each line is the round with the median ratio. Rates differ between machines and hours, ratios less so.",
        "",
        f"{'':<48}{'measured':>10} {'baseline':>9} {'ratio':>7}  target",
    ]
    for figure in figures:
        baseline = "" if figure.baseline is None else f"{figure.baseline:,.0f}"
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        name = f"{figure.name}, {figure.unit}"
        value = f"{figure.value:,.1f}" if figure.value < 10 and figure.at_most is not None else f"{figure.value:,.0f}"
        lines.append(f"{name:<48}{value:>10} {baseline:>9} {ratio:>7}  {_aim(figure)}".rstrip())
        if about := "; ".join(
            filter(None, [figure.baseline_name and f"baseline: {figure.baseline_name}", figure.note])
        ):
            lines.append(f"    {about}")
    return "\n".join(lines)


def _aim(figure: Figure) -> str:
    if figure.met is None:
        return ""
    bound = "at least" if figure.more_is_better and figure.at_most is None else "at most"
    aim = figure.aim if figure.at_most is None else figure.at_most
    return f"{bound} {aim:g}: {'met' if figure.met else 'MISSED'}"
