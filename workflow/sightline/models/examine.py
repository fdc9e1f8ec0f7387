"""How far a layer can be trusted to say where a model looks.

Questions that the shape of a tensor cannot answer: does each position belong
to the part of the image that it is drawn on, does the score listen to all of
them, and how much of what it owes to the image goes through them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sightline.models.layers import FeatureMap, Layer
from sightline.models.locality import altered_images, answering_share
from sightline.models.output import checked_scores
from sightline.models.state import frozen, replaced

# Altered images in one pass, beside the unaltered one.
_AT_A_TIME = 8


def changes_with_regions(
    module: nn.Module,
    images: Tensor,
    maps: Sequence[FeatureMap],
    *,
    altered: Sequence[FeatureMap] = (),
    regions: int = 4,
) -> dict[FeatureMap, Tensor]:
    """How much some tensors change when one region of the image after the other is altered.

    Parameters
    ----------
    module
        The classifier.
    images
        Any (N, 3, H, W): their size and device are used.
    maps
        Tensors of the model.
    altered
        Where regions are drawn anew: in the image, or in these earlier tensors,
        from those of another image. A layer whose positions answer to those of
        an earlier one, which answer to the image, is located by both, where
        many layers in a row have mixed all positions.
    regions
        Regions along a side, see `sightline.models.locality.altered_images`.

    Returns
    -------
    dict
        Of each map the squared change, laid out as it is, images first, with one
        feature: float32 with regions^2 images, on the CPU.
    """
    batch = altered_images((images.shape[-2], images.shape[-1]), regions).to(images.device)
    other = torch.randn(1, *batch.shape[1:], generator=torch.Generator().manual_seed(1))
    found: dict[FeatureMap, list[Tensor]] = {one: [] for one in maps}
    numbers: list[int] = []

    def exchange(one: FeatureMap, output: Tensor) -> Tensor:
        output = output.clone()
        inside = _regions(one, regions)
        for row, number in enumerate(numbers):
            one.set_positions(output[1 + row], inside[number], output[-1])
        return output

    def look(one: FeatureMap, output: Tensor) -> Tensor:
        features = one.features_axis
        difference = output[1 : 1 + len(numbers)] - output[:1]
        found[one].append(difference.float().square().sum(dim=features, keepdim=True).cpu())
        return output

    with (
        frozen(module),
        torch.no_grad(),
        replaced(module, altered, exchange),
        replaced(module, maps, look),
    ):
        for start in range(0, regions**2, _AT_A_TIME):
            numbers[:] = range(start, min(start + _AT_A_TIME, regions**2))
            if altered:
                plain = batch[:1].expand(1 + len(numbers), -1, -1, -1)
                module(torch.cat([plain, other.to(images.device)]))
            else:
                module(torch.cat([batch[:1], batch[1 + start : 1 + start + len(numbers)]]))
    return {one: torch.cat(parts) for one, parts in found.items()}


def answering_regions(
    module: nn.Module,
    images: Tensor,
    maps: Sequence[FeatureMap],
    *,
    altered: Sequence[FeatureMap] = (),
    regions: int = 4,
) -> float:
    """Share of the image's regions to which the positions of some maps answer.

    Parameters are those of `changes_with_regions`; the lowest share of any of
    ``maps`` is returned.
    """
    changed = changes_with_regions(module, images, maps, altered=altered, regions=regions)
    return min(answering_share(one.spatial(change)[:, 0]) for one, change in changed.items())


def answering_step_by_step(module: nn.Module, images: Tensor, layers: Sequence[Layer]) -> float:
    """How well the positions of the last of some layers are located by those before it.

    From the last layer back to the image, each step as far as the positions
    still answer fully, and no more than a tenth of the depth; where none does,
    the step that answers best.

    Returns
    -------
    float
        The lowest share of any step, see `answering_regions`.
    """
    lowest, stop = 1.0, len(layers) - 1
    while stop >= 0:
        depths = [0.0, *(layer.depth for layer in layers)]
        near = [i for i in range(-1, stop) if depths[stop + 1] - depths[i + 1] <= 0.1]
        best, start = -1.0, stop - 1
        for candidate in near or [stop - 1]:
            altered = () if candidate < 0 else layers[candidate].maps
            maps = layers[stop].maps
            share = answering_regions(module, images, maps, altered=altered)
            if share > best:
                best, start = share, candidate
            if share == 1:
                break
        lowest, stop = min(lowest, best), start
    return lowest


def _regions(one: FeatureMap, regions: int) -> Tensor:
    """Which positions lie in each region of the image, bool (regions^2, height, width)."""
    rows = torch.arange(one.height) * regions // one.height
    columns = torch.arange(one.width) * regions // one.width
    number = rows[:, None] * regions + columns
    return number == torch.arange(regions**2)[:, None, None]


def spread_share(gradient: Tensor) -> float:
    """Share of the positions that hold more than a hundredth of the largest gradient.

    Parameters
    ----------
    gradient
        (N, C, h, w), or its absolute sum over features (N, positions).

    Returns
    -------
    float
        The mean over the images; 0 where a gradient is zero or not finite.
    """
    weight = gradient if gradient.ndim == 2 else gradient.abs().sum(dim=1).flatten(1)
    largest = weight.amax(dim=1, keepdim=True)
    if not torch.isfinite(weight).all() or not largest.any():
        return 0.0
    return float((weight > 0.01 * largest).float().mean())


def feature_variation(module: nn.Module, images: Tensor, maps: Sequence[FeatureMap]) -> float:
    """How much the features differ between positions, against their own size.

        |A - mean over positions of A| / |A|

    Returns
    -------
    float
        In [0, 1], of the map where it is largest; 0 where all positions are alike,
        which no weighting of features can tell apart.
    """
    found: list[float] = []

    def look(one: FeatureMap, output: Tensor) -> Tensor:
        features = one.spatial(output).float()
        differing = features - features.mean(dim=(2, 3), keepdim=True)
        found.append(float(differing.norm() / features.norm().clamp_min(1e-30)))
        return output

    with frozen(module), torch.no_grad(), replaced(module, maps, look):
        module(images)
    return max(found)


def gradient_share(module: nn.Module, images: Tensor, maps: Sequence[FeatureMap]) -> float:
    """How much of the best score's gradient at the image goes through positions.

        share = |through| / (|through| + |around|)

    with ``around`` the gradient that is left when the positions are held, and
    ``through`` what it lacks to the whole. It is 1 where the score is pooled
    from the positions, and less where a class token carries on what earlier
    layers put into it.

    Parameters
    ----------
    module
        The classifier.
    images
        (N, 3, H, W) in its normalised space.
    maps
        Tensors that separate the score from the image.

    Returns
    -------
    float
        In [0, 1]; 0 where the score has no gradient at all.
    """

    def hold(one: FeatureMap, output: Tensor) -> Tensor:
        if not one.in_tokens:
            return output.detach()
        first, last = one.image_tokens.start, one.image_tokens.stop
        return torch.cat([output[:, :first], output[:, first:last].detach(), output[:, last:]], 1)

    with frozen(module), torch.enable_grad():
        whole = _image_gradient(module, images)
        with replaced(module, maps, hold):
            around = _image_gradient(module, images)
    through, past = float((whole - around).norm()), float(around.norm())
    return through / (through + past) if through else 0.0


def _image_gradient(module: nn.Module, images: Tensor) -> Tensor:
    leaf = images.detach().clone().requires_grad_()
    score = checked_scores(module(leaf), type(module).__name__).max(dim=1).values.sum()
    if not score.requires_grad:
        return torch.zeros_like(leaf)
    (gradient,) = torch.autograd.grad(score, leaf, materialize_grads=True)
    return gradient
