"""All pairs of 14 models beside a loop over pairs with scikit-learn's kappa."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
from sightline.compare.similarity import confusion, cosine, kappa, rbf
from sklearn.metrics import cohen_kappa_score

MODELS, IMAGES, SIDE = 14, 128, 224
# Pairs that the loop is timed on; all 91 would take minutes.
TIMED_PAIRS = 3


def main() -> None:
    """Print the time of kappa over pooled pixels, and of everything we compute."""
    rng = np.random.default_rng(0)
    maps = rng.random((IMAGES, MODELS, SIDE * SIDE), dtype=np.float32)
    start = time.perf_counter()
    counts = np.zeros((MODELS, MODELS, 2, 2), np.int64)
    for part in np.array_split(maps, IMAGES // 16):
        counts += confusion(part, part, (0.5,)).sum(axis=0)
    ours = kappa(counts)
    only_kappa = time.perf_counter() - start
    for part in np.array_split(maps, IMAGES // 16):
        cosine(part, part)
        rbf(part, part, 80.0)
        confusion(part, part, (0.4, 0.7))
    everything = time.perf_counter() - start
    labels = (maps > 0.5).transpose(1, 0, 2).reshape(MODELS, -1)
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


if __name__ == "__main__":
    main()
