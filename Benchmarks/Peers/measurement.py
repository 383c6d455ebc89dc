"""Shared by the Python workers: the command line, and a loop that counts pairs of acquire and release."""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

WARM_UP = 0.3
POOL_SIZE = 16


@dataclass
class Arguments:
    """The arguments that lock-bench passes."""

    workload: str
    url: str
    tasks: int
    seconds: float

    @property
    def pool_size(self) -> int:
        return min(self.tasks, POOL_SIZE)


def parse_arguments(workloads: list[str]) -> Arguments:
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=workloads)
    parser.add_argument("url")
    parser.add_argument("--tasks", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.5)
    return Arguments(**vars(parser.parse_args()))


async def measure(arguments: Arguments, pair: Callable[[int], Awaitable[None]]) -> None:
    """Runs the tasks, each with its own number, and prints how many pairs they completed between warm-up and end."""
    pairs = 0
    is_over = False

    async def work(number: int) -> None:
        nonlocal pairs
        while not is_over:
            await pair(number)
            pairs += 1

    tasks = [asyncio.create_task(work(number)) for number in range(arguments.tasks)]
    await asyncio.sleep(WARM_UP)
    first, start = pairs, time.perf_counter()
    await asyncio.sleep(arguments.seconds)
    last, end = pairs, time.perf_counter()
    is_over = True
    await asyncio.gather(*tasks)
    print(json.dumps({"pairs": last - first, "seconds": end - start}))
