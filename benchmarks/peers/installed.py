"""Install the peers in a folder of the user's cache, outside the project and its environment."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.peers.peers import NODE_PACKAGES, NODE_VERSION, PYTHON_PACKAGES, Peer

DRIVERS = Path(__file__).parent / "drivers"
ROOT = Path(__file__).parents[2]
ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class NotInstalled(Exception):
    """Why a peer cannot be installed."""


def default_folder() -> Path:
    """Return the folder: in XDG_CACHE_HOME, else in ~/.cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "minutehand-peers"


def command_of(peer: Peer, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Install the peer unless it is there; returns its driver's command and variables.  Raises `NotInstalled`."""
    if peer.name in NODE_PACKAGES:
        modules = _node_modules(peer.name, folder)
        node = modules / _node_package() / "bin" / "node"
        return [str(node), str(DRIVERS / f"{peer.driver}.cjs")], {"NODE_PATH": str(modules)}
    python = _python(peer.name, folder) if peer.name in PYTHON_PACKAGES else sys.executable
    return [str(python), "-m", f"benchmarks.peers.drivers.{peer.driver}"], {"PYTHONPATH": str(ROOT)}


def _python(name: str, folder: Path) -> Path:
    """Return the interpreter of the peer's own virtual environment."""
    packages = PYTHON_PACKAGES[name]
    home = folder / _key(packages)
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        _run([str(python), "-m", "pip", "install", "-qq", *packages])
        (home / "installed").touch()
    return python


def _node_modules(name: str, folder: Path) -> Path:
    """Return the `node_modules` that hold the peer and a Node."""
    packages = (*NODE_PACKAGES[name], f"{_node_package()}@{NODE_VERSION}")
    home = folder / _key(packages)
    if not (home / "installed").exists():
        npm = shutil.which("npm")
        if npm is None:
            raise NotInstalled("npm is not installed")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        _run([npm, "install", "--prefix", str(home), *options, *packages])
        (home / "installed").touch()
    return home / "node_modules"


def _node_package() -> str:
    architecture = ARCHITECTURES.get(platform.machine().lower(), platform.machine())
    return f"node-{sys.platform}-{architecture}"


def _key(packages: tuple[str, ...]) -> str:
    """Name a folder by what is in it, so that another version is another folder."""
    return "+".join(packages).replace("==", "-").replace("@", "-")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise NotInstalled(f"{Path(command[0]).name} failed: {lines[-1]}")
