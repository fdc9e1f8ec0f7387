"""Decode images while a model works on those before them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Decoding and resizing leave Python's lock; more threads than these have no more to do.
MOST_THREADS = 8


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    most: int,
    threads: int | None = None,
) -> Iterator[Result]:
    """Results of a function for items, in order, computed in threads before they are asked for.

    Parameters
    ----------
    most
        How many results wait at a time, at most: they are held in memory.
    threads
        As many as this process may use cores, unless given.

    Raises
    ------
    Exception
        What the function raises, when its item is reached.
    """
    threads = threads or min(MOST_THREADS, cores())
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
