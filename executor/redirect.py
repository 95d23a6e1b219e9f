"""A test copy: its messages go to the addresses of the test, and every other step that acts is refused by name."""

from __future__ import annotations

from dataclasses import replace

from minutehand.executor.outcome import StepResult
from minutehand.executor.settings import ExecutorSettings
from minutehand.store import Json

#: Types of steps -> the setting of `minutehand copy --test-mode` that names who gets their messages.
_REDIRECTED = {"email": "email_to", "sms": "sms_to"}
#: They change nothing outside.
_HARMLESS = ("condition", "stop", "wait")


def settings_of(settings: ExecutorSettings, test: Json | None) -> ExecutorSettings:
    """Return the settings of one step's run."""
    return settings if test is None else replace(settings, test=test)


def refusal(step_type: str, test: Json | None) -> StepResult | None:
    """Return how a step ends that must not act in a test copy; None: it runs.  `test`: `Execution.test`."""
    if test is None or step_type in _HARMLESS:
        return None
    setting = _REDIRECTED.get(step_type)
    if setting is None:
        return StepResult.permanent("test_copy", f"this database is a test copy: {step_type} steps are refused there")
    if not test.get(setting):
        option = f"--{setting.replace('_', '-')}"
        reason = f"this database is a test copy, and no address gets its {step_type} messages: "
        return StepResult.permanent("test_copy", f"{reason}minutehand copy --test-mode {option} …")
    return None
