"""Locks over asyncpg, taken by postgresql-lock or by prepared statements."""

from typing import Any

import asyncpg
import uvloop
from measurement import measure, parse_arguments
from postgresql_lock import Lock


async def no_reset(connection: Any) -> None:
    """Replaces the reset of the session by which a pool takes back each connection, and which costs a round trip."""


async def main() -> None:
    arguments = parse_arguments(["plain", "plain-no-reset", "postgresql-lock", "postgresql-lock-no-reset"])
    options = {"reset": no_reset} if arguments.workload.endswith("-no-reset") else {}

    if arguments.tasks == 1:
        connection = await asyncpg.connect(arguments.url)
        lock = await connection.prepare("SELECT pg_try_advisory_lock($1)")
        unlock = await connection.prepare("SELECT pg_advisory_unlock($1)")

        async def plain(number: int) -> None:
            await lock.fetchval(number)
            await unlock.fetchval(number)

        async def by_library(number: int) -> None:
            async with Lock(connection, number):
                pass

        await measure(arguments, plain if arguments.workload.startswith("plain") else by_library)
        await connection.close()
        return

    size = arguments.pool_size
    async with asyncpg.create_pool(arguments.url, min_size=size, max_size=size, **options) as pool:
        # asyncpg prepares each statement once per connection and keeps it.
        async def plain_of_pool(number: int) -> None:
            async with pool.acquire() as connection:
                await connection.fetchval("SELECT pg_try_advisory_lock($1)", number)
                await connection.fetchval("SELECT pg_advisory_unlock($1)", number)

        async def by_library_of_pool(number: int) -> None:
            async with pool.acquire() as connection, Lock(connection, number, interface="asyncpg"):
                pass

        await measure(arguments, plain_of_pool if arguments.workload.startswith("plain") else by_library_of_pool)


uvloop.run(main())
