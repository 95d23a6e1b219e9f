"""docs/doctor.md tells of each check, and of no other."""

from __future__ import annotations

from minutehand.scheduler.doctor.checks import CHECKS
from tests.docs.pages import page, rows, section, words


def test_the_page_has_each_check_with_its_group_in_the_order_of_the_command() -> None:
    listed = [(words(row[0])[0], row[1]) for row in rows(section(page("doctor.md"), "## The checks"))]
    assert listed == [(check.name, check.group) for check in CHECKS]
