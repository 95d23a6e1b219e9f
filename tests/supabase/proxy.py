"""A gateway of the tests' own before a project: it passes calls on, and answers some of them itself."""

from __future__ import annotations

from typing import Self

import httpx

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver, Request

#: What goes from one connection to the next.
PASSED_ON = ("apikey", "authorization", "content-type", "accept", "prefer", "x-client-info", "content-profile")
#: Told by the gateway instead of the project's answer: the call was made, and its reply is lost.
REPLY_LOST = Answer(hang_up=True)


class Proxy(HttpReceiver):
    """Stands before a project.  Subclasses say which calls are answered otherwise."""

    def __init__(self, project: str) -> None:
        super().__init__()
        #: How many calls came.
        self.calls = 0
        self._client = httpx.Client(base_url=project, trust_env=False, timeout=30)

    def __enter__(self) -> Self:
        made = super().__enter__()
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # its clients are killed
        return made

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        self._client.close()

    def _fault(self, request: Request) -> Answer | None:
        """Return what is answered instead; `REPLY_LOST`: the call is made, and nothing is answered."""
        return None

    def _take(self, request: Request) -> Answer:
        self.calls += 1
        fault = self._fault(request)
        if fault is not None and fault is not REPLY_LOST:
            return fault
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        reply = self._client.request(request.method, request.path, headers=headers, content=request.body)
        return fault or Answer(
            status=reply.status_code, headers={"Content-Type": reply.headers["content-type"]}, body=reply.content
        )


def function_of(request: Request) -> str:
    """Return the function that a request calls, without `automation_`."""
    return request.path.rsplit("/", 1)[-1].removeprefix("automation_")
