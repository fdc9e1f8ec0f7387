"""Between a model's normalised space and pixels in [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.models.preprocessing import Preprocessing


def to_pixels(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Normalised images as RGB in [0, 1], float32 (N, 3, H, W)."""
    mean, std = _columns(preprocessing, images)
    return images * std + mean


def from_pixels(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """RGB in [0, 1] as a model takes it, float32 (N, 3, H, W)."""
    mean, std = _columns(preprocessing, pixels)
    return (pixels - mean) / std


def _columns(preprocessing: Preprocessing, images: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = (
        torch.tensor(values, dtype=images.dtype, device=images.device)[:, None, None]
        for values in (preprocessing.mean, preprocessing.std)
    )
    return mean, std
