"""Shared by the Python workers: the command line, loops that count pairs of acquire and release, and processor times."""

import argparse
import asyncio
import json
import os
import sys
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
    # The main process of the server whose processor time is measured.
    server: int | None

    @property
    def pool_size(self) -> int:
        return min(self.tasks, POOL_SIZE)


def parse_arguments(workloads: list[str]) -> Arguments:
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=workloads)
    parser.add_argument("url")
    parser.add_argument("--tasks", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--server", type=int)
    return Arguments(**vars(parser.parse_args()))


def processor_time(process: int) -> float:
    """The processor time of all threads of a process; 0 if it has ended."""
    total = 0
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/schedstat") as file:
                total += int(file.read().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total / 1e9


def server_times(server: int | None) -> dict[int, float]:
    """The processor times of a server's main process and its children; empty where the system does not tell them."""
    if server is None or not os.path.exists(f"/proc/{server}/schedstat"):
        return {}
    with open(f"/proc/{server}/task/{server}/children") as file:
        processes = [server] + [int(child) for child in file.read().split()]
    return {process: processor_time(process) for process in processes}


class Usage:
    """The processor time of this process and of the server, from now on."""

    def __init__(self, server: int | None) -> None:
        self.server = server
        self.servers = server_times(server)
        self.client = time.process_time()
        self.start = time.perf_counter()

    def end(self, pairs: int) -> None:
        """Prints the number of pairs that were done, the time, and the processor times."""
        seconds = time.perf_counter() - self.start
        values = {"pairs": pairs, "seconds": seconds, "client": time.process_time() - self.client}
        if after := server_times(self.server):
            # A child that has ended meanwhile was no client's session.
            values["server"] = sum(used - self.servers.get(process, 0) for process, used in after.items())
        print(json.dumps(values))


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
    first, usage = pairs, Usage(arguments.server)
    await asyncio.sleep(arguments.seconds)
    usage.end(pairs - first)
    is_over = True
    await asyncio.gather(*tasks)


def measure_blocking(arguments: Arguments, pair: Callable[[], None]) -> None:
    """Repeats a blocking pair, and prints how many were completed between warm-up and end."""

    def repeat(seconds: float) -> int:
        pairs, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            pair()
            pairs += 1
        return pairs

    repeat(WARM_UP)
    usage = Usage(arguments.server)
    usage.end(repeat(arguments.seconds))


def alternate(acquire: Callable[[], object], release: Callable[[], object]) -> None:
    """Holds a lock in turn with another process: see HandoverWorker.swift for the lines."""

    def say(text: str) -> None:
        print(text, flush=True)

    say("ready")
    while sys.stdin.readline():
        acquire()
        say(f"acquired {time.monotonic_ns()}")
        if not sys.stdin.readline():
            break
        moment = time.monotonic_ns()
        release()
        say(f"released {moment}")
