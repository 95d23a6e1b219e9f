"""An app's own client of a project, as `create_client` of the `supabase` package makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import httpx
from postgrest.exceptions import APIError
from supabase import AsyncClient, AsyncClientOptions, create_async_client

from tests.supabase.stack import Project

T = TypeVar("T")


def ask(project: Project, key: str, verb: Callable[[AsyncClient], Awaitable[T]], *, bearer: str | None = None) -> T:
    """Ask the project something with a key, and with a signed-in user's token if one is given."""

    async def go() -> T:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with httpx.AsyncClient(timeout=60) as http:
            # Its own HTTP client is made in a way that it warns of itself.
            options = AsyncClientOptions(httpx_client=http, headers=headers)
            return await verb(await create_async_client(project.url, key, options))

    return asyncio.run(go())


def call(project: Project, function: str, **arguments: object) -> Any:
    """Call a function with the secret key."""

    async def rpc(client: AsyncClient) -> Any:
        return (await client.rpc(function, arguments).execute()).data

    return ask(project, project.secret_key, rpc)


def knows(project: Project, function: str) -> bool:
    """Whether the project's API has heard of the function, which it calls."""
    with suppress(APIError):
        call(project, function)
        return True
    return False
