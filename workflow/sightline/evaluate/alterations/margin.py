"""In which direction a class loses.

    L(x) = log sum_{k != t} exp z_k(x) - z_t(x)

with z the logits and t the class. The cross-entropy of t is log(1 + exp L), so that both
rise together and their gradients have the same signs. Where the model is sure of t to
the last bit, the cross-entropy and its gradient are 0 in float32; L and its gradient are not.
A model of several classes an image has a cross-entropy for each, log(1 + exp -z_t): there
L = -z_t, whatever the others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.errors import SightlineError
from sightline.models.classifier import Classifier
from sightline.models.state import frozen


def lost_margin(classifier: Classifier, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """How far a class lies behind, and the gradient of that at the image.

    Parameters
    ----------
    classifier
        With at least two outputs, if an image is of one class.
    images
        One batch, float32 (n, 3, H, W), normalised.
    targets
        int64 (n,).

    Returns
    -------
    behind, gradient
        float32 (n,), above 0 where the class is not answered, or others together outweigh
        it; and (n, 3, H, W); on the CPU.

    Raises
    ------
    SightlineError
        For a model of one class an image that has one output.
    """
    with frozen(classifier.module), torch.enable_grad():
        leaf = images.to(classifier.device, memory_format=torch.channels_last)
        leaf = leaf.detach().requires_grad_()
        scores = classifier.forward(leaf).float()
        own = targets.to(classifier.device)[:, None]
        behind = _others(classifier, scores, own) - scores.gather(1, own).squeeze(1)
        gradient = torch.zeros_like(leaf)
        if behind.requires_grad:
            (gradient,) = torch.autograd.grad(behind.sum(), leaf, materialize_grads=True)
    return behind.detach().cpu(), gradient.cpu()


def _others(classifier: Classifier, scores: Tensor, own: Tensor) -> Tensor:
    """What a class has to outweigh, (n,)."""
    if classifier.task == "multilabel":
        return torch.zeros(len(scores), device=scores.device)
    if scores.shape[1] < 2:
        raise SightlineError(
            f"Model {classifier.name} has one output: no class can lose against others."
        )
    return scores.scatter(1, own, -torch.inf).logsumexp(dim=1)
