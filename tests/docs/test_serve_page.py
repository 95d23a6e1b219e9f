"""docs/serve.md has every reply that the application gives."""

from __future__ import annotations

import re

from minutehand.dashboard.api.executor_endpoint import BODY_SECONDS, MAX_BODY_BYTES
from tests.docs.pages import ROOT, page, rows, section

#: Given by the router, by `try_again_later`, and as plain JSON.
OTHERS = {"405", "503", "200"}


def test_every_reply_is_told_and_no_other() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "dashboard").rglob("*.py"))
    in_code = set(re.findall(r"\b(?:problem|InvalidCall)\(\s*(\d{3})", sources)) | OTHERS
    on_page = [row[0] for row in rows(section(page("serve.md"), "## Replies"))]
    assert on_page == sorted(in_code)


def test_its_limits_are_those_of_the_code() -> None:
    assert f"over {MAX_BODY_BYTES // 1024} KiB" in page("serve.md")
    assert f"within {BODY_SECONDS} s" in page("serve.md")
