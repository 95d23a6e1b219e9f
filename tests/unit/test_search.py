"""Search words of `executions ls`: one that is not understood is explained, never passed over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from minutehand.dashboard.presentation.search import BadSearch, parse_search


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
    ("words", "said"),
    [
        (("colour:red",), "Fields: status:, workflow:"),
        (("failed",), "Can't read 'failed'"),
        (("status:",), "has no value"),
        (("status:done",), "Use one of pending, processing"),
        (("since:soon",), "Write 30m, 1h, 7d or"),
        (("code:a", "code:b"), "is given twice"),
    ],
)
def test_what_is_not_understood_is_explained(words, said):
    with pytest.raises(BadSearch, match=said):
        parse_search(words)
