"""A strict reader of Prometheus' text format: what it does not know, or finds twice or out of order, is an error."""

from __future__ import annotations

import re

_NAME = r"[a-z_]+"
_LABEL = rf'({_NAME})="((?:[^"\\\n]|\\[\\"n])*)"'
_HEAD = re.compile(rf"# HELP ({_NAME}) [A-Z][^\\]*\.\n# TYPE \1 (gauge|counter)\n")
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (-?\d+(?:\.\d+)?)\n")

Samples = dict[tuple[str, ...], float]


def parse(text: str) -> dict[str, Samples]:
    """Return each metric's values by their labels' values."""
    found: dict[str, Samples] = {}
    position = 0
    while position < len(text):
        head = _HEAD.match(text, position)
        assert head, text[position : position + 200]
        name, kind = head.groups()
        assert name not in found
        assert name.startswith("minutehand_")
        assert name.endswith("_total") == (kind == "counter")
        samples = found[name] = {}
        position = head.end()
        while sample := _SAMPLE.match(text, position):
            assert sample[1] == name
            labels = re.findall(_LABEL, sample[2] or "")
            assert len({label for label, _ in labels}) == len(labels)
            key = tuple(value for _, value in labels)
            assert key not in samples
            samples[key] = float(sample[len(sample.groups())])
            position = sample.end()
    return found
