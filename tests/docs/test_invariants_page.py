"""docs/invariants.md has each rule once, names tests that exist, and has every rule that the repository cites."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, names_of_tests, page, words

RULES = [f"R{number}" for number in range(1, 20)]
CITING = ("store", "executor", "dashboard", "scheduler", "sql", "tests", "docs", "benchmarks")
SUFFIXES = {".py", ".sql", ".md", ".ts", ".pml", ".html"}


def sections() -> dict[str, str]:
    """Each rule's number, and its text."""
    parts = re.split(r"^## (R\d+)\. ", page("invariants.md"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_page_has_each_rule_in_order_with_its_reason() -> None:
    assert list(sections()) == RULES
    for number, text in sections().items():
        assert "**Why.**" in text, number


def test_each_rule_names_tests_and_all_of_them_exist() -> None:
    for number, text in sections().items():
        names = [name for name in words(text.split("**Tests.**")[1]) if "::" in name]
        assert names, number
        missing = [name for name in names if name.partition("::")[2] not in names_of_tests(name.partition("::")[0])]
        assert missing == [], number


def test_every_rule_that_a_file_cites_is_on_the_page() -> None:
    cited: dict[str, str] = {}
    for folder in CITING:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in SUFFIXES and "node_modules" not in path.parts:
                cited |= dict.fromkeys(re.findall(r"\bR\d{1,2}\b", path.read_text()), str(path))
    assert set(cited) <= set(RULES), cited
