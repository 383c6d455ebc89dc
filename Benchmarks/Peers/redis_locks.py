"""redis-py's Lock."""

import redis
import redis.asyncio
import uvloop
from measurement import alternate, measure, measure_blocking, parse_arguments

# The locks expire after this time, in seconds.
EXPIRY = 60


async def pool(size: int) -> None:
    connections = redis.asyncio.BlockingConnectionPool.from_url(arguments.url, max_connections=size, timeout=None)
    async with redis.asyncio.Redis(connection_pool=connections) as client:

        async def pair(number: int) -> None:
            async with client.lock(f"lock:{number}", timeout=EXPIRY):
                pass

        await measure(arguments, pair)
    await connections.disconnect()


def one_task(client: redis.Redis) -> None:
    def pair() -> None:
        with client.lock("lock:1", timeout=EXPIRY):
            pass

    measure_blocking(arguments, pair)


arguments = parse_arguments(["pairs", "handover", "handover-1ms"])
if arguments.workload == "pairs" and arguments.tasks > 1:
    uvloop.run(pool(arguments.pool_size))
else:
    with redis.Redis.from_url(arguments.url) as client:
        if arguments.workload == "pairs":
            one_task(client)
        else:
            # `sleep` is the interval in which it asks again; 0.1 is the default.
            sleep = 0.001 if arguments.workload == "handover-1ms" else 0.1
            lock = client.lock("handover", timeout=EXPIRY, sleep=sleep)
            alternate(lock.acquire, lock.release)
