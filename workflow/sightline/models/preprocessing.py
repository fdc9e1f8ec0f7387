"""How an image becomes a model's input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sightline.images.geometry import Box, Geometry, fit


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a model's input.

    Attributes
    ----------
    size
        Height and width.
    mean, std
        Of each channel, of values in [0, 1].
    interpolation, crop_pct, geometry
        As in `sightline.images.geometry.fit`.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    interpolation: str = "bilinear"
    crop_pct: float = 1.0
    geometry: Geometry = "squash"

    def __call__(self, images: Sequence[Image.Image]) -> tuple[Tensor, list[Box]]:
        """Normalised images, float32 (N, 3, H, W), and the part of each they show."""
        fitted = [
            fit(image, self.size, self.geometry, self.interpolation, self.crop_pct)
            for image in images
        ]
        pixels = np.stack([np.asarray(image, np.float32) for image, _ in fitted]) / 255
        normalised = (pixels - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return torch.from_numpy(normalised.transpose(0, 3, 1, 2).copy()), [box for _, box in fitted]

    def pixels(self, images: Tensor) -> np.ndarray:
        """Normalised images as 8-bit RGB, uint8 (N, H, W, 3): what the model sees."""
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        colours = images.cpu().movedim(1, -1) * std + mean
        return (colours * 255).round().clamp(0, 255).to(torch.uint8).numpy()
