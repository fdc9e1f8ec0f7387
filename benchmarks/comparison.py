"""All pairs of 14 models: scikit-learn's kappa in a loop over pairs; the cost of each measure."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import combinations

import numpy as np
from sklearn.metrics import cohen_kappa_score
from threadpoolctl import threadpool_limits

from sightline.compare.catalogue import MEASURES
from sightline.compare.measures import kappa
from sightline.compare.measures.protocol import ResolvedMeasure, resolve
from sightline.maps.align import resample
from timing import interleaved

MODELS, IMAGES, SIDE = 14, 128, 224
# Pairs that the loop is timed on; all 91 would take minutes.
TIMED_PAIRS = 3
# Of the costs of measures, relative to cosine.
SIDES, COST_IMAGES, REPEATS = (56, 224), 16, 5


def main() -> None:
    """Print the time of kappa over pooled pixels, of the thesis's measures, and of each."""
    beside_sklearn()
    with threadpool_limits(1):
        print(f"\nEach measure, {MODELS} models on {COST_IMAGES} images, one thread")
        for side in SIDES:
            found = costs(side)
            for name, seconds in found.items():
                print(
                    f"  {side:>3}x{side:<3} {name:<10} {seconds * 1e3:9.1f} ms"
                    f"   {seconds / found['cosine']:7.2f} x cosine"
                )


def beside_sklearn() -> None:
    """Kappa of all pairs beside a loop over them."""
    rng = np.random.default_rng(0)
    maps = rng.random((IMAGES, MODELS, SIDE, SIDE), dtype=np.float32)
    parts = np.array_split(maps, IMAGES // 16)
    start = time.perf_counter()
    ours = kappa.kappa(sum(counts(part) for part in parts))
    only_kappa = time.perf_counter() - start
    for part in parts:
        for spec in ({"measure": "cosine"}, {"measure": "rbf"}):
            compare(resolve(spec), part)
        compare(resolve({"measure": "kappa", "cuts": [0.4, 0.7]}), part)
    everything = time.perf_counter() - start
    labels = (maps > 0.5).transpose(1, 0, 2, 3).reshape(MODELS, -1)
    pairs = list(combinations(range(MODELS), 2))
    start = time.perf_counter()
    theirs = [cohen_kappa_score(labels[a], labels[b]) for a, b in pairs[:TIMED_PAIRS]]
    loop = (time.perf_counter() - start) / TIMED_PAIRS * len(pairs)
    error = max(abs(ours[a, b] - k) for (a, b), k in zip(pairs, theirs, strict=False))
    print(f"\nComparison of {MODELS} models on {IMAGES} images at {SIDE}x{SIDE}")
    print(f"  kappa, loop with scikit-learn      {loop:8.1f} s (from {TIMED_PAIRS} of 91 pairs)")
    print(
        f"  kappa, ours                        {only_kappa:8.2f} s, "
        f"{loop / only_kappa:.0f} times faster"
    )
    print(f"  kappa, cosine, RBF, 3-class kappa  {everything:8.2f} s")
    print(f"  largest difference                 {error:8.1e}")


def counts(maps: np.ndarray) -> np.ndarray:
    """Confusion counts of all pairs over images."""
    prepared, both = compare(resolve({"measure": "kappa"}), maps)
    above = kappa.above(prepared)
    pixels = np.full(both.shape[:3], maps.shape[2] * maps.shape[3])
    return kappa.confusion(both, above[:, :, None], above[:, None, :], pixels).sum(axis=0)


def compare(measure: ResolvedMeasure, maps: np.ndarray) -> tuple[object, np.ndarray]:
    """What a measure makes of maps (images, models, height, width), and of their pairs."""
    functions = measure.functions
    prepared = functions.prepare(maps, measure.settings)
    return prepared, functions.between(prepared, prepared, measure.settings)


def costs(side: int, images: int = COST_IMAGES, repeats: int = REPEATS) -> dict[str, float]:
    """Median processor seconds of each measure, of maps like those of Grad-CAM."""
    rng = np.random.default_rng(0)
    raw = np.maximum(rng.normal(size=(images * MODELS, 7, 7)), 0).astype(np.float32)
    box = np.tile([0.0, 0.0, 1.0, 1.0], (len(raw), 1))
    maps = resample(raw / raw.max(axis=(1, 2), keepdims=True), box, box, side)
    maps = maps.reshape(images, MODELS, side, side)
    ways: dict[str, Callable[[], object]] = {
        name: partial(compare, resolve({"measure": name}), maps) for name in MEASURES
    }
    seconds = interleaved(ways, repeats, time.process_time)
    return {name: statistics.median(times) for name, times in seconds.items()}


if __name__ == "__main__":
    main()
