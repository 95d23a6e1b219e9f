"""`POST /functions/v1/automation-executor`: a caller names an execution, and hears how it ended.

A call is a doorbell: what runs is what the database says of that execution, under a claim of our own, so that a call
that is lost, late or doubled changes nothing.  Of the body only `executionId` is read.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from minutehand.dashboard.api.problems import come_back, no_token, problem
from minutehand.dashboard.api.tokens import Tokens
from minutehand.store import Json
from minutehand.store.errors import NotFound, StoreError

PATH = "/functions/v1/automation-executor"
#: Bytes of a body that are read as one; the contract needs a hundred.
LARGEST_BODY = 64 * 1024
#: Bytes of a larger body that are passed over, so that its sender has stopped to speak and hears the answer.
PASSED_OVER = 8 * 1024 * 1024
#: Seconds that a body may take to arrive.
BODY_SECONDS = 10

_ENDED = ("completed", "failed", "skipped", "cancelled")


class AllLanesBusy(Exception):
    """Nothing more can run here now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a call for one execution found."""

    #: As `automation_execution` shows it after the call.
    execution: Json
    #: It was claimed and run by this call.
    ran: bool


#: Runs the execution of that id once, if nobody else does.  Errors: `AllLanesBusy`, `StoreError`.
RunNamed = Callable[[str], Awaitable[Turn]]


class Refused(Exception):
    """The call cannot be understood."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class ExecutorEndpoint:
    """Answers calls."""

    def __init__(self, run: RunNamed, tokens: Tokens, version: str) -> None:
        self._run = run
        self._tokens = tokens
        self._version = version

    async def answer(self, request: Request) -> Response:
        """Answer one call."""
        if not self._tokens.let_in(request.headers.get("authorization", "")):
            return no_token()
        try:
            body = read_json(await _read(request))
            if isinstance(body, dict) and body.get("test") is True:
                return JSONResponse({"success": True, "version": self._version})
            execution_id = named_id(body)
        except Refused as error:
            return problem(error.status, str(error))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody hears it
        return await self._run_named(execution_id)

    async def _run_named(self, execution_id: str) -> Response:
        try:
            turn = await self._run(execution_id)
        except AllLanesBusy:
            return come_back("all lanes are busy; the next tick runs it otherwise", executionId=execution_id)
        except NotFound:
            return problem(404, f"there is no execution {execution_id}", executionId=execution_id)
        except StoreError:  # the log has its words, which may name hosts
            return come_back("the database cannot be asked; see /readyz and the log", executionId=execution_id)
        return answer_to(turn)


async def _read(request: Request) -> bytes:
    """Return the body.  Errors: `Refused` when it is too large or too slow."""
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > PASSED_OVER:
                    break
                if size <= LARGEST_BODY:
                    body += chunk
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {BODY_SECONDS} s") from None
    if size > LARGEST_BODY:
        raise Refused(413, f"the body is larger than {LARGEST_BODY // 1024} KiB: send the executionId alone")
    return bytes(body)


def read_json(body: bytes) -> Any:
    """Parse a body.  Errors: `Refused`."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, 'the body is no JSON: send {"executionId": "…"}') from None


def named_id(body: Any) -> str:
    """Return the execution that a body names.  Errors: `Refused`.

    >>> named_id({"executionId": "01A209D4-7BB0-7EF9-8B20-611149F2030B", "context": {}})
    '01a209d4-7bb0-7ef9-8b20-611149f2030b'
    """
    named = body.get("executionId") if isinstance(body, dict) else None
    try:
        return str(uuid.UUID(named))
    except (ValueError, TypeError, AttributeError):
        raise Refused(
            422, "executionId is missing or no id: send the id of a row of automation_execution_logs"
        ) from None


def answer_to(turn: Turn) -> Response:
    """Say how the execution stands: 200 when it ended or had its turn here, else 409 with who or what holds it."""
    execution = turn.execution
    id_, status, code, reason = (execution[name] for name in ("id", "status", "code", "reason"))
    if status in _ENDED or (status == "pending" and turn.ran):
        said = {"executionId": id_, "status": status, "code": code, "reason": reason, "results": execution["steps"]}
        return JSONResponse({"success": status == "completed", **said})
    # `status` is the problem's own word (RFC 9457 §3.1.3).
    said = {"executionId": id_, "executionStatus": status, "code": code}
    if status == "pending":
        return problem(409, execution["waits_for"] or "another processor is just taking it", **said)
    return problem(409, "another processor holds it", **said)
