"""The contract of an executor, and the registry of its implementations.

An executor runs one claimed execution and says how it ended.  `local` runs the steps in this process; `function` and
`http` hand the execution over in one call.  A plug-in adds another under the entry-point group `minutehand.executors`
(docs/extending.md).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from minutehand.executor.registry import BrokenPlugIn, Registry
from minutehand.store.errors import BadConfiguration

if TYPE_CHECKING:
    from minutehand.executor.outcome import Outcome
    from minutehand.executor.settings import ExecutorSettings
    from minutehand.store import Execution, Store


class Executor(Protocol):
    """Runs executions, any number of them at the same time."""

    async def execute(self, execution: Execution) -> Outcome:
        """Run one claimed execution and say how it ended; the caller settles it.

        Errors: `LeaseLost` when another processor may own the execution now; `StoreError` when the database does not
        answer.  The caller logs any other exception and releases the execution.
        """
        ...


class ExecutorFactory(Protocol):
    """Opens an executor: what a name stands for in the registry.  A class that is an async context manager will do."""

    def __call__(
        self, store: Store, settings: ExecutorSettings, *, stopping: Callable[[], bool]
    ) -> AbstractAsyncContextManager[Executor]:
        """Return the executor as an async context manager.

        `stopping` is true once the process is to stop: begin no further step, and release what cannot finish.
        """
        ...


EXECUTORS: Registry[ExecutorFactory] = Registry(
    "executor",
    group="minutehand.executors",
    built_in={
        "local": "minutehand.executor.local:LocalExecutor",
        "function": "minutehand.executor.remote:RemoteExecutor",
        "http": "minutehand.executor.remote:RemoteExecutor",
    },
)


@asynccontextmanager
async def open_executor(
    name: str, store: Store, settings: ExecutorSettings, *, stopping: Callable[[], bool] = lambda: False
) -> AsyncIterator[Executor]:
    """Open the executor of this name while the block runs; its work is traced if the settings ask for that.

    Errors: `UnknownName`; `BadConfiguration` when its plug-in does not load.
    """
    from minutehand.executor.tracing import exported

    try:
        factory = EXECUTORS.load(name)
    except BrokenPlugIn as error:
        raise BadConfiguration(str(error)) from error
    async with exported(wanted=settings.traces), factory(store, settings, stopping=stopping) as executor:
        yield executor
