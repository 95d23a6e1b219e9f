"""What an executor's reply tells: every status, every platform word, every odd body."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minutehand.executor.http.remote_response import judge_remote_response, reported_steps
from minutehand.executor.http.response import HttpResponse
from minutehand.executor.outcome import StepResult, Verdict
from minutehand.store.json import dumps

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def reply(status: int, body: Any = b"", *, truncated: bool = False, **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status=status, headers=named, body=content, truncated=truncated)


def judged(status: int, body: Any = b"", **more: Any) -> tuple[str, str]:
    result = judge_remote_response(reply(status, body, **more), NOW)
    return result.verdict.value, result.code


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_only_success_true_is_done(status: int) -> None:
    assert judged(status, {"success": True, "results": []}) == ("done", "")


@pytest.mark.parametrize(
    "body",
    [b"", b"  \n", b"<html>welcome</html>", b"ok", b"[]", b'"success"', b"{", b"\xff\xfe", b"[" * 60_000, b"true",
     {"success": "true"}, {"success": 1}, {"success": None}, {"ok": True}, {}, b'{"success": tru'],
)  # fmt: skip
def test_a_2xx_that_does_not_say_success_is_unknown(body: Any) -> None:
    assert judged(200, body) == ("unknown", "uncertain_send")


def test_what_was_cut_off_is_unknown_even_if_its_beginning_reads_well() -> None:
    assert judged(200, {"success": True}, truncated=True) == ("unknown", "uncertain_send")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"success": False, "error": "workflow not active"}, "workflow not active"),
        ({"success": False, "error": {"message": "no phone", "code": 7}}, "no phone"),
        ({"success": False, "message": "quota"}, "quota"),
        ({"success": False, "error": ["a", 1]}, '["a", 1]'),
        ({"success": False, "error": "two\nlines\x00\ud800"}, "two lines"),
    ],
)
def test_success_false_is_the_executors_own_no_in_its_own_words(body: Any, words: str) -> None:
    result = judge_remote_response(reply(200, body), NOW)
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "executor_failed")
    assert result.reason == f"the executor says: {words}"


PLATFORM = {
    "a wrong key": (401, {"code": 401, "message": "Invalid JWT"}, {}, "retry", "executor_denied"),
    "no key": (401, {"code": "UNAUTHORIZED_NO_AUTH_HEADER"}, {}, "retry", "executor_denied"),
    "a forbidden one": (403, b"", {}, "retry", "executor_denied"),
    "no such function": (404, {"code": "NOT_FOUND"}, {"sb_error_code": "NOT_FOUND"}, "retry", "no_executor"),
    "a wrong address": (404, b"<html>nginx</html>", {}, "retry", "no_executor"),
    "no boot": (503, {"code": "BOOT_ERROR"}, {"sb_error_code": "BOOT_ERROR"}, "retry", "executor_broken"),
    "no boot, by the header alone": (503, b"", {"SB_Error_Code": "BOOT_ERROR"}, "retry", "executor_broken"),
    "no reply in time": (504, {"code": "IDLE_TIMEOUT"}, {}, "unknown", "uncertain_send"),
    "no time or memory left": (546, {"code": "WORKER_LIMIT"}, {}, "unknown", "uncertain_send"),
    "a relay that broke off": (200, {"success": True}, {"x_relay_error": "true"}, "unknown", "uncertain_send"),
    "a relay that failed": (502, b"", {"X_Relay_Error": "true"}, "unknown", "uncertain_send"),
    "no relay error": (200, {"success": True}, {"x_relay_error": "false"}, "done", ""),
}


@pytest.mark.parametrize("case", PLATFORM)
def test_the_platforms_own_words_are_known(case: str) -> None:
    status, body, headers, verdict, code = PLATFORM[case]
    assert judged(status, body, **headers) == (verdict, code)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 507, 520, 599])
def test_another_5xx_leaves_open_whether_it_ran(status: int) -> None:
    assert judged(status, {"success": False, "error": "the second mail failed"}) == ("unknown", "uncertain_send")


@pytest.mark.parametrize("status", [400, 402, 405, 410, 413, 415, 422, 451])
def test_another_4xx_is_for_good(status: int) -> None:
    assert judged(status, b"no") == ("permanent", "refused")


def test_a_404_in_the_executors_own_words_is_for_good() -> None:
    assert judged(404, {"success": False, "error": "no job J-1"}) == ("permanent", "refused")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    assert judged(status, b"") == ("permanent", "redirect")


def test_another_holder_is_waited_for() -> None:
    assert judged(409, {"title": "held"}) == ("retry", "held_elsewhere")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(408, Verdict.RETRY), (425, Verdict.RETRY), (429, Verdict.DEFERRED), (503, Verdict.DEFERRED)],
)
def test_a_wish_to_come_back_later_is_kept(status: int, verdict: Verdict) -> None:
    result = judge_remote_response(reply(status, b"", retry_after="7"), NOW)
    assert (result.verdict, result.code, result.retry_after_seconds) == (verdict, "busy", 7.0)


@pytest.mark.parametrize("status", [408, 425])
def test_without_a_wish_the_backoff_decides(status: int) -> None:
    assert judge_remote_response(reply(status), NOW) == StepResult.retry("busy", f"the executor answered {status}")


def test_being_asked_to_slow_down_spends_no_attempt() -> None:
    result = judge_remote_response(reply(429), NOW)
    assert (result.verdict, result.retry_after_seconds) == (Verdict.DEFERRED, None)
    assert result.reason == "the executor asked to slow down: it answered 429"


def test_a_reason_has_the_status_the_platforms_code_and_the_words_and_is_short() -> None:
    said = {"code": "IDLE_TIMEOUT", "message": "Function did not\nrespond " + "x" * 9000}
    reason = judge_remote_response(reply(504, said), NOW).reason
    assert reason.startswith("the executor answered 504 IDLE_TIMEOUT Function did not respond xxx")
    assert len(reason) < 400


def test_items_of_the_apps_shape_become_step_records() -> None:
    sent = {"stepId": "a", "stepIndex": 0, "name": "Mail", "status": "success", "result": {"status": "sent"}, "x": 1}
    failed = {"stepId": 2, "status": "failed", "error": {"message": "no phone"}, "code": "mine"}
    odd = [None, "a", {}, {"stepId": None, "status": "success"}, {"stepId": True, "status": "x"}, {"stepId": "b"}]
    for name in ("results", "actions_executed"):
        assert reported_steps(reply(200, {"success": True, name: [sent, *odd, failed]})) == (
            {"stepId": "a", "stepIndex": 0, "name": "Mail", "result": {"status": "sent"}, "status": "success"},
            {"stepId": 2, "status": "failed", "error": '{"message": "no phone"}'},
        )


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"status": "skipped"}, "skipped"),
        ({"status": "error", "error": "boom"}, "boom"),
        ({"status": "success", "result": {"status": "deferred"}}, "deferred"),
        ({"status": "success", "result": {"status": "failed"}, "error": "no phone"}, "no phone"),
    ],
)
def test_what_did_not_send_has_failed(item: dict[str, Any], error: str) -> None:
    (record,) = reported_steps(reply(200, {"results": [{"stepId": "1", **item}]}))
    assert (record["status"], record["error"]) == ("failed", error)


@pytest.mark.parametrize("body", [b"", b"<html>", {"results": 7}, {"results": {"stepId": "1"}}, {"success": True}])
def test_a_reply_without_items_brings_no_records(body: Any) -> None:
    assert reported_steps(reply(200, body)) == ()


def test_one_reply_brings_no_more_records_than_a_workflow_has_steps() -> None:
    items = [{"stepId": number, "status": "success"} for number in range(500)]
    assert len(reported_steps(reply(200, {"results": items}))) == 100


@given(st.integers(200, 599), st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["success", "results", "error", "code", "stepId", "status", "result"]), inner
    ),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_reply_is_judged_and_what_it_says_can_be_stored(status: int, body: bytes) -> None:
    said = reply(status, body)
    result = judge_remote_response(said, NOW)
    assert (result.verdict is Verdict.DONE) == (
        200 <= status < 300 and (said.json_object() or {}).get("success") is True
    )
    assert (result.verdict is Verdict.DONE) == (result.code == "")
    json.loads(dumps([result.reason, *reported_steps(said)]))
