"""The wheel holds what a checkout holds, and runs from anywhere without it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import temporary_folder

ROOT = Path(__file__).parents[2]
PACKAGES = ("store", "executor", "dashboard", "scheduler")


def run(*command: str | Path, cwd: Path, home: Path) -> str:
    """Run a command as a newcomer would: no checkout, no settings, an empty home."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "MINUTEHAND_HOME": str(home / "data")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder outside the checkout, with an empty `home` in it."""
    with temporary_folder() as path:
        (path / "home").mkdir()
        yield path


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    """The wheel, built from the source distribution and that from the checkout: both must be whole."""
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", ROOT)
    run(*build, cwd=folder, home=folder / "home")
    (path,) = (folder / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(folder: Path, wheel: Path) -> Path:
    """A new environment's `bin`, with the wheel installed and its dependencies borrowed from this one."""
    path = folder / "venv"
    home = folder / "home"
    run(sys.executable, "-m", "venv", "--without-pip", path, cwd=folder, home=home)
    python = path / "bin" / "python"
    install = ("install", "--quiet", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", "pip", "--python", python, *install, cwd=folder, home=home)
    # A folder named in a .pth comes after the environment's own, and the .pth files in it are not obeyed:
    # so the checkout, which this environment sees by such a file, is not visible there.
    borrowed = "\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (path / "lib" / version / "site-packages" / "borrowed.pth").write_text(borrowed)
    return path / "bin"


def files_below(folder: Path, name: str) -> dict[str, bytes]:
    """Read the files of a folder, named as in the wheel; what running leaves behind does not count."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {f"{name}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}


def test_the_wheel_holds_one_package_with_sql_inside_its_store_and_nothing_else(wheel: Path) -> None:
    expected = files_below(ROOT / "sql", "minutehand/store/sql")
    assert expected
    for package in PACKAGES:
        expected |= files_below(ROOT / package, f"minutehand/{package}")
    for name in ("__init__.py", "py.typed"):
        expected[f"minutehand/{name}"] = (ROOT / "minutehand" / name).read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    assert sorted(packed) == sorted(expected)
    assert packed == expected


def test_what_is_installed_is_imported_from_where_it_is_installed(environment: Path, folder: Path) -> None:
    code = f"from minutehand import {', '.join(PACKAGES)}\nfor module in {', '.join(PACKAGES)}: print(module.__file__)"
    modules = run(environment / "python", "-c", code, cwd=folder, home=folder / "home").splitlines()
    assert [Path(path).is_relative_to(environment.parent) for path in modules] == [True] * len(PACKAGES)


def test_no_common_name_is_taken_from_the_users_own_modules(environment: Path, folder: Path) -> None:
    (folder / "home" / "store.py").write_text("taken = True")
    code = "import store, minutehand.store; print(store.taken, minutehand.store.Store.__name__)"
    assert run(environment / "python", "-c", code, cwd=folder / "home", home=folder / "home").split() == [
        "True",
        "Store",
    ]
    missing = "import importlib.util; print([importlib.util.find_spec(name) for name in ('executor', 'scheduler')])"
    assert run(environment / "python", "-c", missing, cwd=folder, home=folder / "home").strip() == "[None, None]"


def test_the_demo_runs_from_the_wheel_in_any_folder(environment: Path, folder: Path) -> None:
    home = folder / "home"
    try:
        assert "Every expected message arrived" in run(environment / "minutehand", "demo", cwd=home, home=home)
    finally:
        run(environment / "minutehand", "db", "stop", "--home", home / "data" / "demo", cwd=home, home=home)
