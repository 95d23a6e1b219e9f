"""Edge functions answer as the platform's: what they are given, who may call them, how they fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.journeys.app import wait_until
from tests.supabase.stack import HERE, Project, Stack


@pytest.fixture
def odd(stack: Stack) -> Iterator[Project]:
    """A project for functions."""
    with stack.project(migrated=False) as project:
        yield project


def invoke(project: Project, deed: str = "echo", *, name: str = "odd", bearer: str | None = None) -> httpx.Response:
    """Call the function with the secret key, as the `supabase` client does."""
    bearer = bearer or project.secret_key
    headers = {"apikey": project.secret_key, "Authorization": f"Bearer {bearer}", "x-deed": deed}
    return httpx.post(f"{project.url}/functions/v1/{name}", headers=headers, json={"n": 1}, timeout=60)


def code(reply: httpx.Response) -> tuple[int, str | None]:
    """What the platform says of a call that did not reach the function's own answer."""
    return reply.status_code, reply.headers.get("sb-error-code")


def test_a_function_gets_the_call_its_project_and_its_secrets(odd: Project) -> None:
    odd.deploy("odd", MY_TOKEN="t")
    told: dict[str, Any] = invoke(odd).json()
    assert (told["path"], told["method"], told["body"]) == ("/odd", "POST", '{"n":1}')
    assert told["headers"]["apikey"] == odd.secret_key
    assert (told["settings"]["SUPABASE_URL"], told["settings"]["MY_TOKEN"]) == (odd.url, "t")
    assert "HOME" not in told["settings"], "it has nothing of the environment of the tests"


def test_a_function_that_does_not_answer_is_given_up(stack: Stack) -> None:
    with stack.project(migrated=False, function_idle_ms=1_000) as odd:
        odd.deploy("odd")
        assert code(invoke(odd, "silent")) == (504, "IDLE_TIMEOUT")


def test_an_unknown_function_is_not_found(odd: Project) -> None:
    assert code(invoke(odd, name="nowhere")) == (404, "NOT_FOUND")


def test_a_function_that_does_not_boot_is_told_so(odd: Project) -> None:
    odd.route("odd", "http://127.0.0.1:1")
    assert code(invoke(odd)) == (503, "BOOT_ERROR")


def test_a_call_without_any_key_is_refused(odd: Project) -> None:
    odd.deploy("odd")
    assert httpx.post(f"{odd.url}/functions/v1/odd").status_code == 401


def test_a_function_that_verifies_takes_a_jwt_and_no_secret_key(odd: Project) -> None:
    odd.deploy("odd", verify_jwt=True)
    assert invoke(odd).status_code == 401
    assert invoke(odd, bearer=odd.service_role_jwt).status_code == 200


def test_a_relay_error_is_told_by_its_header(odd: Project) -> None:
    odd.deploy("odd")
    assert invoke(odd, "relay").headers["x-relay-error"] == "true"


def test_a_function_may_work_on_after_its_answer(odd: Project) -> None:
    log = odd.deploy("odd")
    assert invoke(odd, "later").status_code == 202
    wait_until(lambda: "done in the background" in log.read_text(), "the background work")


def test_what_is_deployed_last_answers(odd: Project) -> None:
    odd.deploy("odd", MY_TOKEN="old")
    odd.deploy("odd", MY_TOKEN="new")
    assert invoke(odd).json()["settings"]["MY_TOKEN"] == "new"


def test_the_lock_names_no_place() -> None:
    """`npm install` writes no registry (.npmrc); what it writes of `funding` is taken out by hand."""
    assert "://" not in (HERE / "package-lock.json").read_text()
