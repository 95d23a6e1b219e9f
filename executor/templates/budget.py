"""What the templates of one step may cost (R17): users write them, and they are rendered on the event loop."""

from __future__ import annotations

from minutehand.executor.actions.contract import RenderError

#: Values that the operations of one step's renders may read, each 64 characters or items of one counting as one more,
#: and characters of tags that are compiled: some 0.1 to 0.4 s.
MAX_WORK = 100_000


class Budget:
    """What the renders of one step may cost together."""

    def __init__(self) -> None:
        self.work = 0

    def charge(self, work: int) -> None:
        """Count values that operations read, or characters of a template's tags.  Errors: `RenderError`."""
        self.work += work
        if self.work > MAX_WORK:
            raise RenderError("the templates of this step do too much work: fewer tags and loops, or shorter texts")
