"""Time several ways of doing one thing side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(
    ways: Mapping[str, Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
    *,
    warm_up: bool = True,
) -> dict[str, list[float]]:
    """Seconds of each way, run in turn after a warm-up, so that noise meets all alike.

    Of `time.process_time`, work of others on the same cores counts less, and threads add up.
    """
    for way in ways.values() if warm_up else ():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            seconds[name].append(once(way, clock))
    return seconds


def once(way: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one run."""
    start = clock()
    way()
    return clock() - start


def report(title: str, seconds: Mapping[str, list[float]], ours: str) -> None:
    """Print medians, and the median of each way's ratio to ours, round by round."""
    print(f"\n{title}")
    for name, times in seconds.items():
        ratios = [other / own for other, own in zip(times, seconds[ours], strict=True)]
        print(
            f"  {name:<34} {statistics.median(times) * 1e3:9.1f} ms"
            f"   {statistics.median(ratios):7.2f} x ours"
        )
