"""Reads a workflow's steps, in any dialect that an app wrote, into one normal form; what it cannot read is an error.

`read_plan` is the entry point; docs/dialects.md describes what is read.  The user's JSON is never rewritten.

locations.py    where a workflow's row holds steps    delays.py      how long to wait
parser.py       the tree of steps                     conditions.py  conditions and branches
step_types.py   one step's type and config            variables.py   variables in templates
graph_edges.py  connections beside the list           plain_text.py  plain text of an HTML e-mail
limits.py       how much is read
"""

from __future__ import annotations

from minutehand.executor.dialects.limits import MAX_DEPTH, MAX_NAME, MAX_STEPS
from minutehand.executor.dialects.parser import Plan, all_steps, read_plan, read_steps

__all__ = ["MAX_DEPTH", "MAX_NAME", "MAX_STEPS", "Plan", "all_steps", "read_plan", "read_steps"]
