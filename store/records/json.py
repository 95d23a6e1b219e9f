"""JSON as the database returns it: its records are typed where they are used."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
