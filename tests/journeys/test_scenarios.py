"""The scenarios that operators asked for, 1 to 14, 21 to 23 and 25, have tests in test_scenarios_*.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

#: 15 to 20 and 24 are about time and consent, which are not implemented yet.
TESTED = {*range(1, 15), 21, 22, 23, 25}


def scenarios() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Each test of the scenario files, with its docstring."""
    for file in sorted(Path(__file__).parent.glob("test_scenarios_*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield ast.get_docstring(node) or "", node


def test_each_scenario_has_a_test_on_both_backends() -> None:
    numbers = []
    for docstring, test in scenarios():
        match = re.match(r"Scenario (\d+)[:,]", docstring)
        assert match, f"{test.name} does not name its scenario"
        assert "world" in {argument.arg for argument in test.args.args}, f"{test.name} does not run on both backends"
        numbers.append(int(match[1]))
    assert set(numbers) == TESTED
