"""Reads a workflow's steps, in whatever dialect an app wrote them, into one normal form, or refuses them by name.

`read_plan` is the way in; docs/dialects.md tells what is read, where, and what becomes of it.  The user's JSON is only
read, never rewritten.  places.py: where steps stand; reading.py: the tree; shapes.py: one step's type and config;
delays.py: how long to wait; order.py: arrows beside the list; conditions.py: what a branch asks; variables.py: what
templates call things; plain_text.py: the words of an HTML text; bounds.py: how much is read.
"""

from __future__ import annotations

from minutehand.executor.dialects.limits import MAX_DEPTH, MAX_NAME, MAX_STEPS
from minutehand.executor.dialects.parser import Plan, all_steps, read_plan, read_steps

__all__ = ["MAX_DEPTH", "MAX_NAME", "MAX_STEPS", "Plan", "all_steps", "read_plan", "read_steps"]
