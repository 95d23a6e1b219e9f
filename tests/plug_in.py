"""A plug-in as pip would install it: a module, and the entry points that name what is in it."""

from __future__ import annotations

from pathlib import Path


def install(folder: Path, module: str, code: str, **groups: dict[str, str]) -> None:
    """Write `module` and its entry points into `folder`, which belongs on PYTHONPATH.

    `groups`: the last word of an entry-point group -> {name: attribute of the module}.
    """
    info = folder / f"{module}-1.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[minutehand.{group}]", *(f"{name} = {module}:{target}" for name, target in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
