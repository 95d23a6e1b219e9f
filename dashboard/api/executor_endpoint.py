"""`POST /functions/v1/automation-executor`: runs the execution that the caller names, and returns how it ended.

The call only says which execution to look at.  It is claimed here first, and runs as the database describes it, so a
lost, late or repeated call changes nothing.  Only `executionId` is read from the body.

With direct mode's token the answer is the status alone: pg_net keeps replies where roles of the database may read them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from minutehand.dashboard.api.problems import problem, try_again_later, unauthorized
from minutehand.dashboard.api.tokens import ServeTokens
from minutehand.store.errors import NotFound, StoreError
from minutehand.store.json import loads
from minutehand.store.records import ExecutionView

PATH = "/functions/v1/automation-executor"
#: The largest body that is accepted; a call needs about a hundred bytes.
MAX_BODY_BYTES = 64 * 1024
#: A larger body is read up to this size and discarded, so that its sender finishes sending and reads the response.
MAX_DISCARDED_BYTES = 8 * 1024 * 1024
#: How long a body may take to arrive.
BODY_SECONDS = 10

#: The detail of a call that finds no free lane.
BUSY = "--concurrency executions are running; call again later, or leave it to the next tick"

#: The detail of every call while no token opens the endpoint.
CLOSED = "this endpoint is closed: set MINUTEHAND_DIRECT_TOKEN or MINUTEHAND_API_TOKEN where serve runs"

_ENDED = ("completed", "failed", "skipped", "cancelled")


class AllLanesBusy(Exception):
    """As many executions as --concurrency allows are running, or the server is stopping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """The execution that a call named, after the call."""

    #: The answer of `automation_execution`.
    execution: ExecutionView
    #: Whether this call ran it.
    ran: bool


#: Runs the execution of that id, unless another processor does.  Errors: `AllLanesBusy`, `StoreError`.
RunExecution = Callable[[str], Awaitable[CallResult]]


class InvalidCall(Exception):
    """The call cannot be understood; `status` is the status of the response."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class ExecutorEndpoint:
    """Handles calls for executions."""

    def __init__(self, run: RunExecution, tokens: ServeTokens, version: str) -> None:
        self._run = run
        self._tokens = tokens
        self._version = version

    async def handle(self, request: Request) -> Response:
        """Handle one call."""
        if not self._tokens.executor:
            return problem(403, CLOSED)
        authorization = request.headers.get("authorization", "")
        may_read, may_wake = self._tokens.api.accept(authorization), self._tokens.direct.accept(authorization)
        if not (may_read or may_wake):
            return unauthorized(self._tokens.api.variable, self._tokens.direct.variable)
        try:
            body = parse_json(await _read(request))
            if isinstance(body, dict) and body.get("test") is True:
                return JSONResponse({"success": True} | ({"version": self._version} if may_read else {}))
            execution_id = execution_id_of(body)
        except InvalidCall as error:
            return problem(error.status, str(error))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        return await self._run_named(execution_id, response_to if may_read else status_response_to)

    async def _run_named(self, execution_id: str, respond: Callable[[CallResult], Response]) -> Response:
        try:
            result = await self._run(execution_id)
        except AllLanesBusy:
            return try_again_later(BUSY, executionId=execution_id)
        except NotFound:
            return problem(404, f"execution {execution_id} does not exist", executionId=execution_id)
        except StoreError:  # the log has its message, which may name hosts
            return try_again_later("the database is unreachable; see /readyz and the log", executionId=execution_id)
        return respond(result)


async def _read(request: Request) -> bytes:
    """Return the body.  Errors: `InvalidCall` when it is too large or too slow."""
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_DISCARDED_BYTES:
                    break
                if size <= MAX_BODY_BYTES:
                    body += chunk
    except TimeoutError:
        raise InvalidCall(408, f"the body did not arrive within {BODY_SECONDS} s") from None
    if size > MAX_BODY_BYTES:
        raise InvalidCall(413, f"the body is larger than {MAX_BODY_BYTES // 1024} KiB: send only the executionId")
    return bytes(body)


def parse_json(body: bytes) -> Any:
    """Parse a body.  Errors: `InvalidCall`."""
    try:
        return loads(body)
    except (ValueError, RecursionError):
        raise InvalidCall(400, 'the body is not valid JSON: send {"executionId": "…"}') from None


def execution_id_of(body: Any) -> str:
    """Return the id of the execution that a body names.  Errors: `InvalidCall`.

    >>> execution_id_of({"executionId": "01A209D4-7BB0-7EF9-8B20-611149F2030B", "context": {}})
    '01a209d4-7bb0-7ef9-8b20-611149f2030b'
    """
    value = body.get("executionId") if isinstance(body, dict) else None
    try:
        return str(uuid.UUID(value))
    except (ValueError, TypeError, AttributeError):
        raise InvalidCall(
            422, "executionId is missing or not a UUID: send the id of a row of automation_execution_logs"
        ) from None


def response_to(result: CallResult) -> Response:
    """Return the execution's state: 200 when it ended or this call ran it, else 409 with what it waits for."""
    execution = result.execution
    id_, status, code, reason = (execution[name] for name in ("id", "status", "code", "reason"))
    if _is_done(result):
        state = {"executionId": id_, "status": status, "code": code, "reason": reason, "results": execution["steps"]}
        return JSONResponse({"success": status == "completed", **state})
    # `status` is taken: it is a member of every problem (RFC 9457 §3.1.3).
    fields: dict[str, Any] = {"executionId": id_, "executionStatus": status, "code": code}
    if status == "pending":
        return problem(409, execution["waits_for"] or "another processor is claiming it", **fields)
    return problem(409, "another processor is running it", **fields)


def status_response_to(result: CallResult) -> Response:
    """Return the execution's status alone, with the status codes of `response_to`."""
    id_, status = result.execution["id"], result.execution["status"]
    if _is_done(result):
        return JSONResponse({"success": status == "completed", "executionId": id_, "status": status})
    return problem(409, "it may not run now, or another processor has it", executionId=id_, executionStatus=status)


def _is_done(result: CallResult) -> bool:
    """Return whether the execution ended, or this call ran it as far as it goes now."""
    status = result.execution["status"]
    return status in _ENDED or (status == "pending" and result.ran)
