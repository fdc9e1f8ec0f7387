"""How much room a study's results take.

Files that are there count as they are, and by them, image for image, the others of their kind;
what has none yet is estimated, as uncompressed. `docs/plan.md` holds it against finished studies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sightline.methods.catalogue.entry import Method
from sightline.models.sizes import Size
from sightline.study.estimates.cost import RUNNING
from sightline.study.estimates.expected import Expected
from sightline.study.ranges import parse_range

if TYPE_CHECKING:
    from sightline.study.resolve import ResolvedStudy

# A row of maps besides its map: ids, role, score, box, checksums (327 bytes with a map of 7x7).
ROW = 230
BYTES = 2
# Pixels of the input to a position of a layer, along each side: the finest of common last layers.
STRIDE = 16
MAPS = ("explain", "redraw", "explain_variant")
# Images that each file of altered ones keeps as the model saw them, 8-bit colours.
SHOWN = 16
# An image that is made by code, with its mask.
MADE = 20_000
# Files that are asked for their size to know that of all.
ASKED = 200
# Of a consensus, its mean map, 56x56 of float32; of each model a coarse map, 14x14 of float16,
# and scores.
MEAN, COARSE = 4 * 56**2, 2 * 14**2 + 20
# Of a comparison, what it keeps of each model and image; of each pair and measure 200 resamples,
# and rows of tables; of a method, tables that hardly grow.
KNOWN, RESAMPLED, TABLES = 12, 4 * 200 + 3 * 150, 60_000
# Models whose mean maps are kept, float64, where artefacts are looked for.
AVERAGED = 8
# Of an experiment, what it says of a map.
RESULT = 100
# A picture among those of a figure; all drawings of a method; of a study, with its page.
PICTURE, DRAWN, PAGE = 45_000, 600_000, 1_300_000


class Storage:
    """The bytes of a study's results.

    Parameters
    ----------
    study
        As resolved; its images are listed.
    sizes
        Of its models.
    jobs
        All of them, by rule.
    """

    def __init__(
        self, study: ResolvedStudy, sizes: Mapping[str, Size], jobs: Mapping[str, list[Expected]]
    ) -> None:
        self._study, self._sizes, self._jobs = study, sizes, jobs
        self._roles = len(study.config.roles)
        self._models = len(study.models)
        self._pairs = self._models * (self._models - 1) // 2

    def parts(self) -> dict[str, float]:
        """Of all results but logs, by what they are."""
        return {
            "images": self.images(),
            "maps": self.maps(),
            "consensus": self.consensus(),
            "comparisons": self.comparisons(),
            "experiments": self.experiments(),
            "figures": self.figures(),
        }

    def images(self) -> float:
        """Copies of the originals, in shards: one for each length of ranges."""
        paths = [one.path for one in self._study.images if one.path is not None]
        some = paths[:: max(1, len(paths) // ASKED)]
        each = sum(path.stat().st_size for path in some) / len(some) if some else MADE
        # Methods of other range lengths have shards of their own.
        jobs = [one for rule in RUNNING for one in self._jobs.get(rule, [])]
        names = {one.wildcards["range"] for one in jobs if "range" in one.wildcards}
        return self._filled(((f"images/{name}.zip", name) for name in names), lambda n: n * each)

    def maps(self) -> float:
        """Map files, those of altered images and of a second seed too."""
        groups: dict[tuple[str, str, bool], list[Expected]] = {}
        for one in [one for rule in MAPS for one in self._jobs.get(rule, [])]:
            told = one.wildcards
            key = told["model"], told["method"], "variant" in told
            groups.setdefault(key, []).append(one)
        total = 0.0
        for (model, method, altered), jobs in groups.items():
            size = self._sizes[model]
            row = row_bytes(self._study.methods[method].method, size)
            picture = 3 * size.height * size.width if altered else 0

            def estimated(images: int, row: float = row, picture: int = picture) -> float:
                rows = images * self._roles
                return rows * row + min(rows, SHOWN) * picture

            total += self._filled(map(_file, jobs), estimated)
        return total

    def consensus(self) -> float:
        """Mean maps of all models, and each one's coarse map."""
        each = self._roles * (ROW + MEAN + COARSE * self._models)
        return self._by_method("consensus", lambda images: images * each)

    def comparisons(self) -> float:
        """What is kept of pairs of models, or of methods, and each image; and of each pair."""
        study = self._study
        of_models = self._roles * (ROW + KNOWN * self._models + self._pairs * self._pair())
        methods = len(study.methods)
        pairs = methods * (methods - 1) // 2
        row = ROW + KNOWN * methods + pairs * self._pair()
        rows = len(study.images) * self._roles
        total = self._by_method("compare", lambda images: images * of_models)
        total += len(self._jobs.get("compare_methods", [])) * rows * row
        if self._pairs:
            total += methods * (TABLES + self._pairs * RESAMPLED * len(study.measures))
            total += sum(
                8 * _positions(one.method, size)
                for one in study.methods.values()
                for size in list(self._sizes.values())[:AVERAGED]
            )
        return total

    def _pair(self) -> int:
        """Bytes that all measures keep of a pair and an image."""
        count = BYTES if self._study.config.compare.grid < 2**8 else 2 * BYTES
        return sum(_kept(measure, count) for measure in self._study.measures.values())

    def experiments(self) -> float:
        """What experiments say of each map."""
        evaluation = self._study.evaluation
        maps = sum(
            evaluation.count(name) * len(evaluation.methods(name)) * max(1, len(one.points))
            for name, one in evaluation.experiments.items()
        )
        return float(RESULT * self._models * self._roles * maps)

    def figures(self) -> float:
        """Overlays and mean maps of the first images, drawings, the page of answers."""
        shown = min(self._study.config.figures.images, len(self._study.images))
        pictures = shown * (self._models + 4) * PICTURE
        return float(len(self._study.methods) * (pictures + DRAWN) + PAGE)

    def _by_method(self, rule: str, estimated: Callable[[int], float]) -> float:
        groups: dict[str, list[Expected]] = {}
        for one in self._jobs.get(rule, []):
            groups.setdefault(one.wildcards["method"], []).append(one)
        return sum(self._filled(map(_file, jobs), estimated) for jobs in groups.values())

    def _filled(self, files: Iterable[tuple[str, str]], estimated: Callable[[int], float]) -> float:
        """Bytes of files of one kind, each with its range: as they are, or as others are."""
        total, counted, missing = 0.0, 0, []
        for file, name in files:
            images, path = len(parse_range(name)), self._study.results / file
            if path.exists():
                total, counted = total + path.stat().st_size, counted + images
            else:
                missing.append(images)
        if counted:
            return total * (1 + sum(missing) / counted)
        return sum(map(estimated, missing))


def row_bytes(method: Method, size: Size) -> float:
    """Bytes of a row of a map file: a map at its method's native size, as float16."""
    return ROW + BYTES * _positions(method, size)


def _positions(method: Method, size: Size) -> float:
    stride = STRIDE if method.needs_layer and not method.full_size else 1
    return (size.height / stride) * (size.width / stride)


def _kept(measure: Mapping[str, Any], count: int) -> int:
    """Bytes that a measure keeps of a pair and an image: a number, or counts above cuts."""
    return count * len(measure["cuts"]) ** 2 if "cuts" in measure else 4


def _file(one: Expected) -> tuple[str, str]:
    return one.file, one.wildcards["range"]
