"""Takes locks by Python's postgresql-lock, for tests that lock across languages.

    peer.py DRIVER HOST PORT DATABASE

Each line of the input is a command, answered by a line: `true`, `false` or `error` and why. The peer ends with its input.

    acquire KEY MODE SCOPE BLOCK    BLOCK is true or false; a scope of `transaction` begins one
    release KEY MODE                in the scope `session`
    commit                          ends a transaction, and with it its locks
    count KEY SCOPE ROUNDS          under the lock, ROUNDS times: reads the table `counter`, and writes one more
"""

from __future__ import annotations

import asyncio
import platform
import sys
from importlib.metadata import version

from postgresql_lock import Lock

USER = "postgres"


class Connection:
    """A connection of one driver's, with the same few methods for all. Transactions begin by themselves."""

    raw = None
    is_async = True

    async def scalar(self, sql: str):
        raise NotImplementedError

    async def begin(self) -> None:
        pass

    async def commit(self) -> None:
        raise NotImplementedError


class Asyncpg(Connection):
    """asyncpg commits each statement, unless a transaction was begun."""

    transaction = None

    async def connect(self, host: str, port: str, database: str) -> None:
        import asyncpg

        self.raw = await asyncpg.connect(host=host, port=int(port), database=database, user=USER)

    async def scalar(self, sql: str):
        return await self.raw.fetchval(sql)

    async def begin(self) -> None:
        self.transaction = self.raw.transaction()
        await self.transaction.start()

    async def commit(self) -> None:
        if self.transaction is not None:
            await self.transaction.commit()
            self.transaction = None


class CursorConnection(Connection):
    """psycopg2 and psycopg 3 without asyncio (PEP 249)."""

    is_async = False
    module = ""

    async def connect(self, host: str, port: str, database: str) -> None:
        module = __import__(self.module)
        self.raw = module.connect(host=host, port=port, dbname=database, user=USER)

    async def scalar(self, sql: str):
        with self.raw.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0] if cursor.description else None

    async def commit(self) -> None:
        self.raw.commit()


class Psycopg2(CursorConnection):
    module = "psycopg2"


class Psycopg3(CursorConnection):
    module = "psycopg"


class Psycopg3Async(Connection):
    async def connect(self, host: str, port: str, database: str) -> None:
        import psycopg

        self.raw = await psycopg.AsyncConnection.connect(
            host=host, port=port, dbname=database, user=USER
        )

    async def scalar(self, sql: str):
        async with self.raw.cursor() as cursor:
            await cursor.execute(sql)
            return (await cursor.fetchone())[0] if cursor.description else None

    async def commit(self) -> None:
        await self.raw.commit()


class SQLAlchemy(Connection):
    """SQLAlchemy 1.4 or 2 on a driver that blocks."""

    is_async = False

    def __init__(self, driver: str, database_keyword: str = "dbname") -> None:
        self.url = f"postgresql+{driver}://"
        self.database_keyword = database_keyword

    def arguments(self, host: str, port: str, database: str) -> dict:
        return {"host": host, "port": int(port), self.database_keyword: database, "user": USER}

    async def connect(self, *place: str) -> None:
        from sqlalchemy import create_engine

        # The future engine of 1.4 is the one that 2 has.
        self.raw = create_engine(self.url, future=True, connect_args=self.arguments(*place)).connect()

    async def scalar(self, sql: str):
        from sqlalchemy import text

        result = self.raw.execute(text(sql))
        return result.scalar() if result.returns_rows else None

    async def commit(self) -> None:
        self.raw.commit()


class SQLAlchemyAsync(SQLAlchemy):
    is_async = True

    async def connect(self, *place: str) -> None:
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine(self.url, connect_args=self.arguments(*place))
        self.raw = await engine.connect()

    async def scalar(self, sql: str):
        from sqlalchemy import text

        result = await self.raw.execute(text(sql))
        return result.scalar() if result.returns_rows else None

    async def commit(self) -> None:
        await self.raw.commit()


DRIVERS = {
    "asyncpg": (Asyncpg, "asyncpg"),
    "psycopg2": (Psycopg2, "psycopg2-binary"),
    "psycopg3": (Psycopg3, "psycopg"),
    "psycopg3-async": (Psycopg3Async, "psycopg"),
    "sqlalchemy-psycopg2": (lambda: SQLAlchemy("psycopg2"), "sqlalchemy"),
    "sqlalchemy-psycopg3": (lambda: SQLAlchemy("psycopg"), "sqlalchemy"),
    "sqlalchemy-asyncpg": (lambda: SQLAlchemyAsync("asyncpg", "database"), "sqlalchemy"),
}


class Peer:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.held: dict[tuple[str, str], Lock] = {}

    async def acquire(self, key: str, mode: str, scope: str, block: str) -> bool:
        if scope == "transaction":
            await self.connection.begin()
        # Not one for several acquires: that of a transaction stays "locked" after it, and a failed try counts as a hold.
        lock = Lock(self.connection.raw, key, scope=scope, shared=mode == "shared")
        if self.connection.is_async:
            is_acquired = await lock.acquire_async(block=block == "true")
        else:
            is_acquired = lock.acquire(block=block == "true")
        if is_acquired and scope == "session":
            self.held[key, mode] = lock
        # The lock outlives it. An open transaction would see the counter as it was.
        if scope == "session" or not is_acquired:
            await self.connection.commit()
        return is_acquired

    async def release(self, key: str, mode: str) -> bool:
        lock = self.held.pop((key, mode))
        is_released = await lock.release_async() if self.connection.is_async else lock.release()
        await self.connection.commit()
        return is_released

    async def commit(self) -> bool:
        await self.connection.commit()
        return True

    async def count(self, key: str, scope: str, rounds: str) -> bool:
        for _ in range(int(rounds)):
            await self.acquire(key, "exclusive", scope, "true")
            number = await self.connection.scalar("SELECT n FROM counter")
            await self.connection.scalar(f"UPDATE counter SET n = {number + 1}")
            await self.connection.commit()
            if scope == "session":
                await self.release(key, "exclusive")
        return True


async def main(driver: str, *place: str) -> None:
    make, package = DRIVERS[driver]
    connection = make()
    await connection.connect(*place)
    peer = Peer(connection)
    versions = f"postgresql-lock {version('postgresql-lock')}, {package} {version(package)}"
    print(f"ready {versions}, Python {platform.python_version()}", flush=True)
    # Nothing else goes on in this process while it waits for a command.
    for line in sys.stdin:
        command, *arguments = line.split()
        try:
            is_true = await getattr(peer, command)(*arguments)
            answer = "true" if is_true else "false"
        except Exception as error:
            answer = f"error {type(error).__name__}: {error}".replace("\n", " ")
        print(answer, flush=True)


asyncio.run(main(*sys.argv[1:]))
