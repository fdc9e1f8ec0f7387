"""DeepLiftSHAP: DeepLIFT's contributions, averaged over several baselines.

    M_ij = 1/K sum_k sum_c m_cij(x, b_k) (x_cij - b_kcij)  (Lundberg and Lee 2017, section 4.2)

with m the multipliers that DeepLIFT's rescale rule (`sightline.methods.propagation.rescale`)
gives the logit of the explained class, x the image in the model's normalised
space, c counting its colours and k its K baselines. A map sums to y(x) less the
mean of y(b_k), up to rounding, which is reported as `completeness_gap`, relative
to that difference.

The first baseline is zero, the mean colour of the data; the next are the image
itself as the means of 1, 4, 16, ... cells, interpolated: its own colours with less
and less of its content gone. Other images are no baselines: a map would depend on
them.

captum 0.9 has the method and gives another sum wherever two of its activations
follow each other (ReLU, max pooling), pooling windows overlap, or an activation is
a function, runs twice or is none of its ten kinds. Here operations are looked at
in the graph of each pass: the model is refused by their names where one is neither
linear nor known to the rule (layer normalisation, attention, gates).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sightline.errors import SightlineError
from sightline.methods.explanation import Explanation
from sightline.methods.propagation.rescale import Rescaled, is_rescaled
from sightline.methods.propagation.substitution import ELEMENTWISE, refusal, scores_of_noise
from sightline.models.state import frozen

if TYPE_CHECKING:
    from sightline.methods.catalogue.gradients import DeepLiftShapSettings
    from sightline.models.classifier import Classifier


def deeplift_shap(
    classifier: Classifier,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int],
    settings: DeepLiftShapSettings,
) -> Explanation:
    """DeepLiftSHAP.

    Returns
    -------
    Explanation
        Signed maps at the input's resolution, with ``completeness_gap``.

    Raises
    ------
    SightlineError
        For a model with operations that the rule does not know.
    """
    count = settings.baselines
    total = torch.zeros((len(images), *images.shape[2:]), dtype=torch.float64)
    change = torch.zeros(len(images), dtype=torch.float64)

    def run(part: slice) -> tuple[Tensor, Tensor, Tensor]:
        # Item i is baseline i % count of image i // count.
        items = torch.arange(part.start, part.stop)
        which = items // count
        baselines = torch.cat([baseline(images[i // count], int(i) % count) for i in items])
        found, differences = contributions(classifier, images[which], baselines, targets[which])
        return which, found.sum(dim=1).double().cpu(), differences.double().cpu()

    for _, (which, found, differences) in classifier.batches(len(images) * count, run):
        total.index_add_(0, which, found)
        change.index_add_(0, which, differences)
    gap = (total.sum(dim=(1, 2)) - change).abs() / change.abs().clamp_min(1e-12)
    return Explanation((total / count).float(), {"completeness_gap": gap.numpy()})


def baseline(image: Tensor, number: int) -> Tensor:
    """One baseline (1, 3, H, W) of an image: zero, or its means over 4^(number - 1) cells."""
    if number == 0:
        return torch.zeros_like(image)[None]
    cells = nn.functional.adaptive_avg_pool2d(image[None], 2 ** (number - 1))
    return nn.functional.interpolate(cells, image.shape[1:], mode="bilinear")


def contributions(
    classifier: Classifier, images: Tensor, baselines: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Contributions (n, 3, H, W) of one batch of pairs, and the logits' differences (n,)."""
    count = len(images)
    with frozen(classifier.module), torch.enable_grad():
        both = torch.cat([images, baselines]).to(classifier.device).requires_grad_()
        with Rescaled():
            scores = classifier.forward(both)
        chosen = scores.gather(1, targets.repeat(2).to(classifier.device)[:, None]).squeeze(1)
        if reason := _against(classifier.name, chosen):
            raise SightlineError(reason)
        (multipliers,) = torch.autograd.grad(chosen[:count].sum(), both)
    both, chosen = both.detach(), chosen.detach()
    return multipliers[:count] * (both[:count] - both[count:]), chosen[:count] - chosen[count:]


def fits(classifier: Classifier) -> str | None:
    """Why DeepLiftSHAP cannot explain a model, or nothing."""
    return _against(classifier.name, scores_of_noise(classifier, Rescaled()))


def _against(model: str, scores: Tensor) -> str | None:
    rules = f"max pooling, and {', '.join(sorted(ELEMENTWISE))}"
    return refusal("DeepLiftSHAP", model, scores, is_rescaled, rules)
