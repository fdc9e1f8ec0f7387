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

    exp(mean over j of ln P(aK + j)),    j = -3, -2, 2, 3,

as far as they lie nearer to aK than to the next harmonic (j = -1, 1 where K < 4).

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

from sightline.compare.artefacts.phases import mean_shifted, phases

HARMONICS = 3
# Not 1: where the middle of the images is brighter, that is where a lattice has
# its sidebands.
_RING = (2, 3)
# A period stands out above this quantile of the shifts' highest scores. One twice
# as long has a half or two thirds of its energy.
_CLEAR, _NEAR, _ORDER = 0.95, 0.8, 0.25


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
        (permutations, n, 2) as of `sightline.compare.artefacts.phases.draw_shifts`.
    """
    both = zip((phases(down), phases(across)), np.moveaxis(shifts, 2, 0), strict=True)
    means = [
        np.concatenate([one.mean(axis=0, dtype=np.float64)[None], mean_shifted(one, shift)])
        for one, shift in both
    ]
    found = [_lattice(means, period) for period in periods]
    index = np.stack([locked / beside for locked, beside in found])
    # Amplitudes have less of a tail than energies: one period's does not drown the others.
    roots = np.sqrt(index)
    centre, spread = roots[:, 1:].mean(axis=1), roots[:, 1:].std(axis=1)
    # The maps of one image have one phase however they are shifted: nothing can be told.
    spread = np.where(spread > 1e-6 * centre, spread, np.inf)
    scores = (roots - centre[:, None]) / spread[:, None]
    shifted = scores[:, 1:].max(axis=0)
    clear = scores[:, 0] >= min(np.quantile(shifted, _CLEAR), scores[:, 0].max())
    best = _fundamental(periods, np.array([one[0] for one, _ in found]), index[:, 0], clear)
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
    periods: Sequence[tuple[int, int]], locked: np.ndarray, index: np.ndarray, clear: np.ndarray
) -> int:
    """Which period a grid has, of several that share its harmonics.

    Parts of the period have its harmonics only, and as much energy there; of its
    multiples every second or third harmonic is locked; periods beside it have
    some of its energy, but the rest right beside them. So it is the longest with
    near the largest energy and an index of its order, among those that stand out.
    """
    near = clear & (locked >= _NEAR * locked[clear].max())
    near &= index >= _ORDER * index[near].max()
    return max(np.flatnonzero(near).tolist(), key=lambda number: sum(periods[number]))


def _lattice(means: Sequence[np.ndarray], period: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
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
    near = [j for j in _RING if j <= cells / 2] or [1]
    ring = np.array([-j for j in near] + near)
    beside = (harmonics[:, None] + ring) % side
    logs = np.log(energy[:, np.minimum(beside, side - beside)])
    return energy[:, harmonics], np.exp(logs.mean(axis=2))


def _contrast(mean: np.ndarray, period: int) -> float:
    """Largest less least of a profile's mean period, over its mean."""
    folded = mean[: len(mean) // period * period].reshape(-1, period).mean(axis=0)
    return float(np.ptp(folded) / folded.mean())
