"""Whether maps depend on what the model has learnt: weights drawn anew, layer by layer.

From the output towards the input, submodules lose their weights (the cascading
randomisation of Adebayo et al. 2018, arXiv:1810.03292). A map that stays as it
was shows something else than what the model knows.

Deviation: a tensor of weights is drawn from a normal distribution with its own
mean and standard deviation, where the paper takes each layer's initialisation,
which a trained model no longer tells. Buffers, as the running statistics of a
batch normalisation, stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from sightline.errors import SightlineError
from sightline.models.classifier import Classifier


def randomised(
    classifier: Classifier, stages: int, seed: int
) -> Iterator[tuple[float, Classifier]]:
    """A copy of a classifier that loses its weights stage by stage.

    Parameters
    ----------
    classifier
        It is not changed. The copy reads the layers that were found for it.
    stages
        Into how many groups of about as many submodules they are put, those
        next to the output first; fewer where there are fewer.
    seed
        Of the draws, which are made on the CPU.

    Yields
    ------
    share, classifier
        The share of all weights that are drawn anew, 1 at last, and the copy:
        the same one each time, to be used before the next is asked for.
    """
    module = deepcopy(classifier.module)
    parts = parametrised(module)
    if not parts:
        raise SightlineError(f"Model {classifier.name} has no weights that could be randomised.")
    copy = replace(classifier, module=module)
    generator = torch.Generator().manual_seed(seed)
    total = sum(weight.numel() for part in parts for weight in part)
    drawn = 0
    for group in np.array_split(np.arange(len(parts)), min(stages, len(parts))):
        for weight in (weight for number in group for weight in parts[number]):
            redraw(weight, generator)
            drawn += weight.numel()
        yield drawn / total, copy


def parametrised(module: nn.Module) -> list[list[nn.Parameter]]:
    """Weights of each submodule that has some of its own, the last registered first.

    Weights that several submodules share belong to the one registered first.
    """
    seen: set[int] = set()
    found = []
    for one in module.modules():
        own = [
            weight
            for weight in one.parameters(recurse=False)
            if weight.is_floating_point() and id(weight) not in seen
        ]
        seen.update(map(id, own))
        if own:
            found.append(own)
    return found[::-1]


def redraw(weight: nn.Parameter, generator: torch.Generator) -> None:
    """Draw a tensor of weights anew, with the mean and the spread that it has."""
    with torch.no_grad():
        spread, mean = torch.std_mean(weight.double(), correction=0)
        drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        weight.copy_(drawn * spread.cpu() + mean.cpu())
