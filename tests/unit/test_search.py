"""Search words of `executions ls`: one that is not understood is explained, never passed over."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from minutehand.dashboard.presentation.search import (
    HELP,
    BadSearch,
    Day,
    as_filter,
    join_terms,
    narrowed,
    parse_search,
    split_terms,
)

ROOT = Path(__file__).parents[2]


def test_words_are_read():
    words = ("status:Failed", "code:uncertain_send", "workflow:Thank: the client", "entity:J-1", "since:2d")
    assert parse_search(words) == {
        "status": "failed",
        "code": "uncertain_send",
        "workflow": "Thank: the client",
        "entity": "J-1",
        "since": timedelta(days=2),
    }


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("B-2", {"text": "B-2"}),
        ("Thank the client", {"text": "Thank the client"}),
        ('"Thank the client" status:failed', {"text": "Thank the client", "status": "failed"}),
        ("https://hooks.example/a:b", {"text": "https://hooks.example/a:b"}),
        ('text:"a: b"', {"text": "a: b"}),
        ("12:30", {"text": "12:30"}),
        ("STATUS:Failed", {"status": "failed"}),
        ("status:uncertain", {"status": "failed", "code": "uncertain_send"}),
        ("payload.client.id:C-7 payload.x:1", {"payload.client.id": "C-7", "payload.x": "1"}),
        ("attempt:>2", {"attempt_from": 3}),
        ("attempt:<=2", {"attempt_until": 2}),
        ("attempt:2", {"attempt_from": 2, "attempt_until": 2}),
        ("took:>5s", {"took_from": 5.0}),
        ("took:<1m", {"took_until": 60.0}),
        ("due:now", {"due_until": timedelta(0)}),
        ("due:>1d", {"due_from": timedelta(days=1)}),
        ("due:today", {"due_from": Day(0), "due_until": Day(1)}),
        ("today", {"since": Day(0)}),
        ("Yesterday B-2", {"since": Day(-1), "until": Day(0), "text": "B-2"}),
        ("since:yesterday", {"since": Day(-1)}),
        ("", {}),
    ],
)
def test_a_line_is_read(line, values):
    assert parse_search(split_terms(line)) == values
    assert parse_search(split_terms(join_terms(split_terms(line)))) == values


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("colour:red", "Try status:failed. Fields: status:, workflow:"),
        ("state:failed", "did you mean `status:`?"),
        ("statsu:failed", "did you mean `status:`?"),
        ("recipent:ada@example.com", "did you mean `recipient:`?"),
        ("row:B-2", "did you mean `entity:`?"),
        ("email:ada@example.com", "did you mean `recipient:`?"),
        ("client.id:7", "Can't read 'client.id:7'"),
        ("payload:7", "did you mean `payload.client.id:`?"),
        ("payload..id:7", "has an empty name in its path"),
        ("payload.user.password:7", "Secrets are not searched"),
        ("status.x:7", "did you mean `status:`?"),
        ("status:", "has no value"),
        ("status:done", "Use one of pending, processing"),
        ("status:faild", "Did you mean failed?"),
        ("since:soon", "Write 30m, 1h, 7d, today or"),
        ("due:soon", "Write due:now"),
        ("attempt:many", "Write attempt:2"),
        ("attempt:>-1", "Write attempt:2"),
        ("took:>", "Write took:>5s"),
        ("took:long", "Write took:>5s"),
        ("code:a code:b", "is given twice"),
        ("today since:1h", "is given twice"),
        ("text:a b", "is given beside other text"),
        ("status:uncertain code:x", "is given twice"),
        ("x" * 10_000, "more than 2,000 characters"),
        ("y:" + "x" * 10_000, "more than 2,000 characters"),
        ("B\0-2", "control character"),
        ("entity:a\0b", "control character"),
        ("entity:\ud800", "control character"),
        ("\u202efailed:x", "Can't read|"),
        ('workflow:"Thank', "A quote is not closed"),
    ],
)
def test_what_is_not_understood_is_explained(line, said):
    if said == "Can't read|":  # a mark before a field makes it a text
        assert parse_search(split_terms(line)) == {"text": line}
        return
    with pytest.raises(BadSearch) as raised:
        parse_search(split_terms(line))
    assert said in str(raised.value)
    assert len(str(raised.value)) < 600


def test_days_begin_at_midnight_in_utc():
    now = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    values = as_filter(parse_search(("yesterday", "due:tomorrow", "took:5s")), now)
    assert values == {
        "since": "2026-02-27T00:00:00+00:00", "until": "2026-02-28T00:00:00+00:00",
        "due_from": "2026-03-01T00:00:00+00:00", "due_until": "2026-03-02T00:00:00+00:00", "took_from": "5.0",
    }  # fmt: skip


def test_a_login_is_held_to_its_tenant_and_what_it_may_see():
    assert narrowed({"text": "x"}, "north", may_payloads=True) == {"text": "x", "tenant": "north"}
    assert narrowed({"tenant": "south"}, "north", may_payloads=True) == {"tenant": "north", "ids": []}
    assert narrowed({"text": "x"}, None, may_payloads=False) == {"text": "x", "hides_payloads": "yes"}
    for field in ("recipient", "payload.client.id"):
        with pytest.raises(BadSearch, match="needs the permission `payloads`"):
            narrowed({field: "x"}, None, may_payloads=False)


def test_each_field_is_in_the_docs_and_in_the_help(call):
    page = (ROOT / "docs/dashboard.md").read_text()
    shown = call("executions", "ls", "--help").out
    for field, meaning in HELP.items():
        name = "payload.PATH:" if field == "payload" else f"{field}:"
        assert f"| `{name}` | {meaning} |" in page, field
        assert name in shown, field
