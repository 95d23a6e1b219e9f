"""`update_record` and `create_record`: write a row of the app, of the workflow's own tenant.

SQL decides what may be written, only tables added with `trigger add --writable`, and marks the write as caused by this
execution (`automation_write_record`, R11).
"""

from __future__ import annotations

from typing import Any, ClassVar

from minutehand.executor.actions.contract import BadStep, StepRun
from minutehand.executor.outcome import StepResult
from minutehand.store.json import Unwritable, dumps


class UpdateRecordAction:
    """Change columns of one row, by default the row that the execution is about."""

    keys: ClassVar[tuple[str, ...]] = ("table", "id", "values")
    operation: ClassVar[str] = "update"

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without a table, without values, or with an id that is not text or a number."""
        table, values = config.get("table"), config.get("values")
        if not isinstance(table, str) or not table.strip():
            raise BadStep("`table` is missing: give the table's name")
        if not isinstance(values, dict) or not values:
            raise BadStep("`values` must be an object of columns and their values")
        self._check_id(config.get("id"))

    def _check_id(self, given: object) -> None:
        if given is not None and (isinstance(given, bool) or not isinstance(given, str | int)):
            raise BadStep("`id` must be a row's key, or a template that gives one")

    async def run(self, run: StepRun) -> StepResult:
        """Write the row."""
        config = run.step.config
        self.check(config)
        values = run.render_value(config["values"])
        try:
            dumps(values)
        except Unwritable as error:
            raise BadStep(f"`values`: {error}") from None
        return await run.write(config["table"], self.operation, self._row_id(run), values)

    def _row_id(self, run: StepRun) -> str | None:
        given = run.step.config.get("id")
        if given is not None:
            found = run.render_value(given)
        else:
            trigger = run.context.get("trigger") or {}
            found = trigger.get("record_id") if trigger.get("table_name") == run.step.config["table"] else None
        if found is None or isinstance(found, bool | list | dict) or not str(found).strip():
            raise BadStep(f"`id` is missing: the execution is not about a row of {run.step.config['table']}")
        return str(found)


class CreateRecordAction(UpdateRecordAction):
    """Insert one row; its tenant is the workflow's."""

    keys: ClassVar[tuple[str, ...]] = ("table", "values")
    operation: ClassVar[str] = "create"

    def _check_id(self, given: object) -> None:
        if given is not None:
            raise BadStep("`id`: a new row has no id yet; put a key of your own in `values`")

    def _row_id(self, run: StepRun) -> str | None:
        return None
