"""Whether a study's images are what its experiments ask for: enough, and with such objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sightline.errors import SightlineError, unknown
from sightline.images.listed import Listed
from sightline.images.object_labels import object_labels

if TYPE_CHECKING:
    from sightline.study.evaluation import ResolvedExperiment


def check_experiment_images(
    experiments: Mapping[str, ResolvedExperiment], source: dict[str, Any], listed: Sequence[Listed]
) -> None:
    """Refuse experiments that ask for more images than there are, or for objects of no image.

    Parameters
    ----------
    experiments
        Of the study.
    source
        The configuration's ``images``.
    listed
        The study's images in its order.

    Raises
    ------
    SightlineError
        Naming the setting. Of objects that only the images' files tell, nothing is said here.
    """

    @cache
    def labels(count: int | None) -> set[str] | None:
        return object_labels(source, listed[:count])

    for one in experiments.values():
        where, wanted = f"evaluate.{one.id}", one.settings.images
        if wanted is not None and wanted > len(listed):
            raise SightlineError(
                f"{where}.images is {wanted}, but the study has {len(listed)} images. Lower it, "
                "leave it out to take all, or give the study more images."
            )
        label = one.settings.needs_objects
        known = None if label is None else labels(wanted)
        if label is None or known is None or (known and label in ("", *known)):
            continue
        everywhere = labels(None) or set()
        if not everywhere:
            raise SightlineError(
                f"{where}: it needs images on which objects are known, by boxes or masks; none of "
                f"the images ({source['source']}) has any. Use images that have them (images: "
                "shapes, or a manifest with x0, y0, x1, y1 or mask), or leave the experiment out."
            )
        if label and label not in everywhere:
            raise SightlineError(
                f"{where}.what: {unknown('label of an object', label, everywhere)}"
            )
        raise SightlineError(
            f"{where}.images is {wanted}, and none of the first {wanted} images has an object"
            f"{label and f' labelled {label!r}'}, which others have. Take more images."
        )
