"""Which failed calls are repeated, and when a refusal is believed (R18)."""

from __future__ import annotations

import pytest
from freezegun import freeze_time

from minutehand.store.errors import (
    AccessDenied,
    BadConfiguration,
    BadRequest,
    Conflict,
    SchemaMismatch,
    StoreError,
    Unreachable,
)
from minutehand.store.repeat import (
    LONG_SECONDS,
    REFUSED_SECONDS,
    SHORT_SECONDS,
    SHORT_TRIES,
    Acceptance,
    Repeat,
    pause_after,
)

AWAY, BUSY = Unreachable("no answer"), Unreachable("answered 503", passing=True)
RELOADING = SchemaMismatch("not in the cache", passing=True)


@pytest.mark.parametrize("error", [AccessDenied("the key"), SchemaMismatch("no function"), BadConfiguration("x")])
def test_a_refusal_is_believed_at_once_where_nothing_was_accepted(error: StoreError) -> None:
    assert Acceptance().judge("f", error) is error


@pytest.mark.parametrize("error", [AccessDenied("the key"), RELOADING, BadConfiguration("x")])
def test_a_refusal_by_a_database_that_accepted_calls_is_believed_after_a_minute(error: StoreError) -> None:
    acceptance = Acceptance()
    with freeze_time("2030-01-01") as clock:
        acceptance.record("f")
        clock.tick(3600)
        for seconds in (0, 1, REFUSED_SECONDS - 2):
            clock.tick(seconds)
            judged = acceptance.judge("f", error)
            assert (type(judged), str(judged), judged.passing) == (Unreachable, str(error), True)
        clock.tick(2)
        assert acceptance.judge("f", error) is error
        acceptance.record("f")
        assert type(acceptance.judge("f", error)) is Unreachable, "the minute begins anew"


def test_another_call_that_succeeds_does_not_put_off_what_is_refused() -> None:
    acceptance, error = Acceptance(), AccessDenied("no right on this function")
    with freeze_time("2030-01-01") as clock:
        acceptance.record("tick")
        acceptance.judge("claim", error)
        clock.tick(REFUSED_SECONDS)
        acceptance.record("tick")
        assert acceptance.judge("claim", error) is error


@pytest.mark.parametrize("error", [AWAY, BUSY, BadRequest("no"), Conflict("a lock"), SchemaMismatch("no column")])
def test_what_is_no_refusal_means_what_it_says(error: StoreError) -> None:
    acceptance = Acceptance()
    acceptance.record("f")
    assert acceptance.judge("f", error) is error


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (AWAY, {Repeat.QUEUE, Repeat.EXECUTION}),
        (BUSY, {Repeat.READ, Repeat.QUEUE, Repeat.EXECUTION}),
        (RELOADING, {Repeat.READ, Repeat.QUEUE, Repeat.EXECUTION}),
        (Conflict("a lock"), {Repeat.QUEUE, Repeat.EXECUTION}),
        (BadRequest("no"), set()),
        (AccessDenied("the key"), set()),
    ],
)
def test_the_errors_that_are_repeated(error: StoreError, kinds: set[Repeat]) -> None:
    assert {kind for kind in Repeat if pause_after(error, kind, 1, 0, accepted=True) is not None} == kinds


@pytest.mark.parametrize(
    ("error", "accepted", "is_long"),
    [(AWAY, False, False), (AWAY, True, True), (BUSY, False, True), (Conflict("a lock"), True, False)],
)
def test_what_an_execution_depends_on_is_repeated_for_a_minute_where_anything_ever_answered(
    error: StoreError, accepted: bool, is_long: bool
) -> None:
    def pause(tries: int, seconds: float) -> float | None:
        return pause_after(error, Repeat.EXECUTION, tries, seconds, accepted)

    assert pause(SHORT_TRIES - 1, 1) is not None
    assert (pause(SHORT_TRIES, 1) is not None) is is_long
    assert (pause(1, SHORT_SECONDS + 1) is not None) is is_long
    assert pause(50, LONG_SECONDS + 1) is None


def test_the_pauses_grow_and_a_gateways_own_wins() -> None:
    pauses = [pause_after(BUSY, Repeat.EXECUTION, tries, 1, accepted=True) for tries in range(1, 6)]
    assert pauses == pytest.approx([0.1, 0.5, 2.5, 5.0, 5.0])
    slow = Unreachable("429", passing=True, retry_after_seconds=7)
    assert pause_after(slow, Repeat.EXECUTION, 1, 1, accepted=True) == 7
    assert pause_after(slow, Repeat.QUEUE, 1, 1, accepted=True) == 5, "a claim does not wait longer than its processor"
