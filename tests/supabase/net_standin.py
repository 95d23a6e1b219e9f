"""Delivers what net.http_post queued, as pg_net's worker does: after the commit, in batches, once, without a retry.

Left out is its pause of a second after each batch: a test need not wait.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import DictRow, dict_row

from tests.servers import Database

#: pg_net's own default of `pg_net.batch_size`; a batch waits for its slowest request.
BATCH = 200
_TAKE = """
delete from net.http_request_queue
where id in (select id from net.http_request_queue order by id limit %s)
returning *
"""
_NOTE = """
insert into net._http_response (id, status_code, content_type, headers, content, timed_out, error_msg)
values (%(id)s, %(status_code)s, %(content_type)s, %(headers)s, %(content)s, %(timed_out)s, %(error_msg)s)
"""


@contextmanager
def delivering(database: Database) -> Iterator[None]:
    """Deliver the requests of this database, also those queued before, until the block ends."""
    stop = threading.Event()
    with psycopg.connect(database.url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("listen net_standin")
        worker = threading.Thread(target=_work, args=(connection, stop))
        worker.start()
        try:
            yield
        finally:
            stop.set()
            database.sql("notify net_standin")
            worker.join()


def install(database: Database) -> None:
    """Give the database the stand-ins of pg_net, Vault and pg_cron.  Needs a superuser."""
    database.connection.execute(Path(__file__).with_suffix(".sql").read_bytes())


def _work(connection: psycopg.Connection[DictRow], stop: threading.Event) -> None:
    with httpx.Client() as client, ThreadPoolExecutor(BATCH) as threads:
        while not stop.is_set():
            requests = connection.execute(_TAKE, [BATCH]).fetchall()
            for response in threads.map(partial(_send, client), requests):
                connection.execute(_NOTE, response)
            if not requests:
                for _ in connection.notifies(stop_after=1):
                    pass


def _send(client: httpx.Client, request: dict[str, Any]) -> dict[str, Any]:
    """Send one, and give its row of net._http_response."""
    nothing = dict.fromkeys(("status_code", "content_type", "headers", "content", "error_msg"))
    row: dict[str, Any] = {**nothing, "id": request["id"], "timed_out": False}
    milliseconds = request["timeout_milliseconds"]
    headers = {"User-Agent": "pg_net/0.20.4", **(request["headers"] or {})}
    try:
        reply = client.request(
            request["method"], request["url"], headers=headers, content=request["body"], timeout=milliseconds / 1000
        )
    except httpx.TimeoutException:
        return row | {"timed_out": True, "error_msg": f"Timeout of {milliseconds} ms reached."}
    except httpx.ConnectError:
        return row | {"error_msg": "Couldn't connect to server"}
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return row | {"error_msg": str(error)}
    return row | {
        "status_code": reply.status_code,
        "content_type": reply.headers.get("content-type"),
        "headers": json.dumps(dict(reply.headers)),
        "content": reply.text,
    }
