"""docs/faults.md names each fault once, in order, and only tests that exist; what no test shows is open."""

from __future__ import annotations

from tests.docs.pages import names_of_tests, page, rows, words

FAULTS = [f"F{number}" for number in range(1, 34)]


def table() -> list[list[str]]:
    return rows(page("faults.md"))


def test_all_faults_are_there_in_order() -> None:
    assert [row[0] for row in table()] == FAULTS
    assert {len(row) for row in table()} == {4}


def test_every_test_that_is_named_exists() -> None:
    named = [name for row in table() for name in words(row[3])]
    assert len(named) > len(FAULTS)
    assert [name for name in named if name.partition("::")[2] not in names_of_tests(name.partition("::")[0])] == []


def test_each_fault_has_a_test_or_is_open_and_says_with_what_it_comes() -> None:
    for number, fault, here, tests in table():
        assert fault
        text = here.lower()
        assert words(tests) or "**open**" in text, number
        assert "**open**" not in text or ", with " in text.split("**open**")[1], number
