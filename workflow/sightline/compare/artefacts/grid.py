"""The patch grid: energy of the mean map at a period, against its neighbourhood.

What an architecture adds is locked to its lattice of patches or strides: it lies
at the same phase in every map, whatever the image. So maps are averaged, which
leaves what is locked. Every frequency of every profile is first brought to the
same energy: images differ by orders of magnitude, and their spectra fall
steeply. What is left at frequency k of n maps,

    P(k) = |1/n sum_i exp(i phi_i(k))|^2,

is the squared phase-locking value (Lachaux et al. 1999,
doi:10.1002/(SICI)1097-0193(1999)8:4<194::AID-HBM4>3.0.CO;2-C): 1 where all maps
have one phase, 1/n on average where phases are random. Objects in the middle of all images lock
phases too, but those of neighbouring frequencies alike. So the index of a
period, of which a side has K, is the energy on the lattice over that beside it:
the mean over both axes and the harmonics a = 1, 2, 3 below half a position of
P(aK), over that of

    exp(mean over j of ln P(aK + j)),    j = -2, -1, 1, 2.

Reference: every map is moved by a circular shift of its own, which keeps its
spectrum and takes the lock away. Scores are the root of the index, less its
mean under the shifts, in their standard deviations. The largest score over the
periods tried is held against the largest under each shift, which corrects for
having tried several (Westfall and Young 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

HARMONICS = 3
_RING = 2
# A period stands out above this quantile of the shifts' highest scores. One twice
# as long has a half or two thirds of its energy.
_CLEAR, _NEAR = 0.95, 0.8
# Numbers gathered at a time for the shifts: 64 MB.
_CHUNK = 1 << 24


@dataclass(frozen=True)
class GridIndex:
    """The strongest grid of a model's maps.

    Attributes
    ----------
    period
        (down, across), in positions of the map.
    index
        How many times the energy beside it the lattice's is.
    reference
        The median of the index of that period under the shifts.
    contrast
        What the grid does to the mean map: the largest less the least of the
        mean over all periods, divided by its mean; of the stronger axis.
    score
        In standard deviations under the shifts.
    shifted
        (permutations,): the largest score of any period, under each.
    """

    period: tuple[int, int]
    index: float
    reference: float
    contrast: float
    score: float
    shifted: np.ndarray

    @property
    def p(self) -> float:
        """(b + 1) / (permutations + 1), b of which score at least as high."""
        return (1 + int((self.shifted >= self.score).sum())) / (1 + len(self.shifted))


def draw_shifts(images: int, permutations: int, seed: int) -> np.ndarray:
    """Shifts as shares of a side, float32 (permutations, images, 2): the same for all models."""
    rng = np.random.default_rng(seed)
    return rng.random((permutations, images, 2), dtype=np.float32)


def grid_index(
    down: np.ndarray,
    across: np.ndarray,
    periods: Sequence[tuple[int, int]],
    shifts: np.ndarray,
) -> GridIndex:
    """Find the grid that stands out most.

    Parameters
    ----------
    down, across
        (n, h) and (n, w): profiles of the maps, see
        `sightline.compare.artefacts.profiles`.
    periods
        (down, across) in positions, at least one, each from 2 to half the side.
    shifts
        (permutations, n, 2) as of `draw_shifts`.
    """
    phases = [_phases(profile) for profile in (down, across)]
    means = [
        np.concatenate([phase.mean(axis=0, dtype=np.float64)[None], _shifted(phase, shift)])
        for phase, shift in zip(phases, np.moveaxis(shifts, 2, 0), strict=True)
    ]
    found = [_lattice(means, period) for period in periods]
    index = np.stack([locked / beside for locked, beside in found])
    # Amplitudes have less of a tail than energies: one period's does not drown the others.
    roots = np.sqrt(index)
    centre, spread = roots[:, 1:].mean(axis=1), roots[:, 1:].std(axis=1)
    scores = (roots - centre[:, None]) / spread[:, None]
    shifted = scores[:, 1:].max(axis=0)
    clear = scores[:, 0] >= min(np.quantile(shifted, _CLEAR), scores[:, 0].max())
    best = _fundamental(periods, np.array([locked[0] for locked, _ in found]), clear)
    return GridIndex(
        period=periods[best],
        index=float(index[best, 0]),
        reference=float(np.median(index[best, 1:])),
        contrast=max(
            _contrast(profile.mean(axis=0), period)
            for profile, period in zip((down, across), periods[best], strict=True)
        ),
        score=float(scores[:, 0].max()),
        shifted=shifted,
    )


def _fundamental(
    periods: Sequence[tuple[int, int]], locked: np.ndarray, clear: np.ndarray
) -> int:
    """Which period a grid has, of several that share its harmonics.

    Parts of the period have its harmonics only, and as much energy there; of its
    multiples every second or third harmonic is locked. So it is the longest of
    near the largest energy, among those that stand out.
    """
    near = clear & (locked >= _NEAR * locked[clear].max())
    return max(np.flatnonzero(near), key=lambda number: sum(periods[number]))


def _shifted(profiles: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Mean profiles (permutations, side) after each profile is rolled by its own shift."""
    count, side = profiles.shape
    # windows[i, s] is profile i rolled to begin at s, without a copy of it.
    windows = sliding_window_view(np.concatenate([profiles, profiles], axis=1), side, axis=1)
    start = np.minimum((shifts * side).astype(np.intp), side - 1)
    out = np.empty((len(shifts), side))
    step = max(1, _CHUNK // (count * side))
    for first in range(0, len(shifts), step):
        part = slice(first, first + step)
        out[part] = windows[np.arange(count), start[part]].mean(axis=1)
    return out


def _lattice(
    means: Sequence[np.ndarray], period: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Energy at the harmonics of one period and beside them, means over both axes (m,)."""
    found = [_energies(mean, length) for mean, length in zip(means, period, strict=True)]
    locked, beside = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    return locked.mean(axis=1), beside.mean(axis=1)


def _energies(mean: np.ndarray, period: int) -> tuple[np.ndarray, np.ndarray]:
    """Energy at each harmonic of a period, and the geometric mean beside it (m, harmonics)."""
    cells = mean.shape[1] // period
    side = cells * period
    energy = np.abs(np.fft.rfft(mean[:, :side], axis=1)) ** 2 + np.finfo(float).tiny
    harmonics = cells * np.arange(1, min(HARMONICS, period // 2) + 1)
    ring = np.array([j for j in range(-_RING, _RING + 1) if j and abs(j) < cells])
    beside = (harmonics[:, None] + ring) % side
    logs = np.log(energy[:, np.minimum(beside, side - beside)])
    return energy[:, harmonics], np.exp(logs.mean(axis=2))


def _phases(profiles: np.ndarray) -> np.ndarray:
    """Profiles (n, side) with the energy of every frequency made equal, but the mean's 0."""
    spectrum = np.fft.rfft(profiles, axis=1)
    size = np.abs(spectrum)
    size[:, 0] = np.inf
    whitened = np.divide(spectrum, size, out=np.zeros_like(spectrum), where=size > 0)
    return np.fft.irfft(whitened, profiles.shape[1], axis=1).astype(np.float32)


def _contrast(mean: np.ndarray, period: int) -> float:
    """Largest less least of a profile's mean period, over its mean."""
    folded = mean[: len(mean) // period * period].reshape(-1, period).mean(axis=0)
    return float(np.ptp(folded) / folded.mean())
