"""Which output of a model each role of an image means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sightline.errors import SightlineError
from sightline.images.labels import first_label, labels_of
from sightline.images.roles import EXPECTED, parse_role
from sightline.models.classes import Classes


def role_targets(
    role: str, scores: Tensor, labels: Sequence[str], classes: Classes | None, model: str
) -> Tensor:
    """Outputs to explain.

    Parameters
    ----------
    role
        ``predicted``, ``top2`` to ``top5``, ``label``, or ``class:<k>``.
    scores
        The model's own (N, classes).
    labels
        Class names of the images; of several, the role ``label`` means the first.
    classes
        Names of the model's outputs; needed for ``label``.
    model
        For messages.

    Returns
    -------
    Tensor
        int64 (N,).

    Raises
    ------
    SightlineError
        Where that is no role, or the model has no such output.
    """
    outputs = scores.shape[1]
    meant = parse_role(role)
    if meant is None:
        raise SightlineError(f"The role {role!r} is none of {EXPECTED}.")
    if meant.kind == "label":
        if classes is None:
            raise SightlineError(f"Model {model}: the role label needs its classes.")
        return torch.tensor([classes.index(first_label(label)) for label in labels])
    if meant.kind == "class":
        if meant.number >= outputs:
            raise SightlineError(
                f"Model {model} has the outputs 0 to {outputs - 1}, not {meant.number}."
            )
        return torch.full((len(scores),), meant.number)
    if meant.number > outputs:
        raise SightlineError(f"Model {model} has {outputs} outputs: there is no {role}.")
    return scores.topk(meant.number, dim=1).indices[:, -1]


def correctness(
    predicted: Sequence[int], labels: Sequence[str], classes: Classes | None
) -> np.ndarray:
    """Whether predicted outputs are among the images' labels, int8 (N,); -1 where not known."""
    known = [
        -1 if classes is None or not label else int(output in labelled_outputs(label, classes))
        for output, label in zip(predicted, labels, strict=True)
    ]
    return np.array(known, np.int8)


def labelled_outputs(label: str, classes: Classes) -> list[int]:
    """The outputs that an image's labels name."""
    return [classes.index(one) for one in labels_of(label)]


def class_names(outputs: Sequence[int], classes: Classes | None) -> list[str]:
    """Names of outputs; their numbers where the classes are not known."""
    return [str(k) if classes is None else classes.name(k) for k in outputs]
