"""Locks over psycopg 3, taken by postgresql-lock."""

import psycopg
import uvloop
from measurement import measure, parse_arguments
from postgresql_lock import Lock
from psycopg_pool import AsyncConnectionPool


async def main() -> None:
    arguments = parse_arguments(["postgresql-lock"])
    size = arguments.pool_size

    if arguments.tasks == 1:
        async with await psycopg.AsyncConnection.connect(arguments.url, autocommit=True) as connection:

            async def pair(number: int) -> None:
                async with Lock(connection, number):
                    pass

            await measure(arguments, pair)
        return

    async with AsyncConnectionPool(
        arguments.url, min_size=size, max_size=size, kwargs={"autocommit": True}, open=False
    ) as pool:
        await pool.wait()

        async def pair_of_pool(number: int) -> None:
            async with pool.connection() as connection:
                async with Lock(connection, number):
                    pass

        await measure(arguments, pair_of_pool)


uvloop.run(main())
