"""Profiles without their energies: the phases that maps may share."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

# Numbers gathered at a time for the shifts: 64 MB.
_CHUNK = 1 << 24


def phases(profiles: np.ndarray) -> np.ndarray:
    """Profiles (n, side) with the energy of every frequency made equal, but the mean's 0."""
    spectrum = np.fft.rfft(profiles, axis=1)
    size = np.abs(spectrum)
    size[:, 0] = np.inf
    whitened = np.divide(spectrum, size, out=np.zeros_like(spectrum), where=size > 0)
    return np.fft.irfft(whitened, profiles.shape[1], axis=1).astype(np.float32)


def locked_spectrum(profiles: np.ndarray) -> np.ndarray:
    """Squared phase-locking values of profiles (n, side), by cycles along the side."""
    return np.abs(np.fft.rfft(phases(profiles).mean(axis=0, dtype=np.float64))) ** 2


def draw_shifts(images: int, permutations: int, seed: int) -> np.ndarray:
    """Shifts as shares of a side, float32 (permutations, images, 2): the same for all models."""
    rng = np.random.default_rng(seed)
    return rng.random((permutations, images, 2), dtype=np.float32)


def mean_shifted(profiles: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Mean profiles (permutations, side) after each profile is rolled by its own shift."""
    count, side = profiles.shape
    # windows[i, s] is profile i rolled to begin at s, without a copy of it.
    windows = sliding_window_view(np.concatenate([profiles, profiles], axis=1), side, axis=1)
    out = np.empty((len(shifts), side))
    step = max(1, _CHUNK // (count * side))
    for first in range(0, len(shifts), step):
        part = slice(first, first + step)
        start = np.minimum((shifts[part] * side).astype(np.intp), side - 1)
        out[part] = windows[np.arange(count), start].mean(axis=1)
    return out
