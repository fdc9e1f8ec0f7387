"""How an image becomes a model's input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sightline.errors import SightlineError
from sightline.images.geometry import (
    BLACK,
    INTERPOLATIONS,
    Box,
    Colour,
    CropMode,
    Geometry,
    fit,
)


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a model's input.

    Attributes
    ----------
    size
        Height and width.
    mean, std
        Of each channel, of values in [0, 1].
    interpolation, crop_pct, geometry, crop_mode
        As in `sightline.images.geometry.fit`.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    interpolation: str = "bilinear"
    crop_pct: float = 1.0
    geometry: Geometry = "squash"
    crop_mode: CropMode = "center"

    @property
    def fill(self) -> Colour:
        """What lies beside the image where all of it is fitted in: about 0, normalised."""
        if self.geometry == "pad" or self.crop_mode == "border":
            red, green, blue = (round(255 * value) for value in self.mean)
            return red, green, blue
        return BLACK  # timm's and torchvision's, where a crop is larger than the image

    def __call__(self, images: Sequence[Image.Image]) -> tuple[Tensor, list[Box]]:
        """Normalised images, float32 (N, 3, H, W), and the part of each they show."""
        fitted = [
            fit(
                image,
                self.size,
                self.geometry,
                self.interpolation,
                self.crop_pct,
                crop_mode=self.crop_mode,
                fill=self.fill,
            )
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


@runtime_checkable
class Preset(Protocol):
    """A torchvision preset, as ``weights.transforms()`` gives it."""

    crop_size: Any
    resize_size: Any
    mean: Any
    std: Any
    interpolation: Any


def from_preset(preset: Preset) -> Preprocessing:
    """The preprocessing of a torchvision preset: a resize of the shorter side, then a crop.

    Raises
    ------
    SightlineError
        For a height and a width instead of one number, or an unknown interpolation.
    """
    crop, resize = _side(preset.crop_size), _side(preset.resize_size)
    return Preprocessing(
        size=(crop, crop),
        mean=_three(preset.mean),
        std=_three(preset.std),
        interpolation=_interpolation(preset.interpolation),
        crop_pct=crop / resize,
        geometry="model",
    )


def from_timm(config: Mapping[str, Any], geometry: Geometry) -> Preprocessing:
    """The preprocessing of a data configuration as `timm.data.resolve_data_config` gives it.

    Raises
    ------
    SightlineError
        For an interpolation or a way to crop that is not known.
    """
    _, height, width = config["input_size"]
    if config["crop_mode"] not in get_args(CropMode):
        raise SightlineError(
            f"The model crops by {config['crop_mode']!r}: expected one of "
            f"{', '.join(get_args(CropMode))}. Give a preprocessing."
        )
    return Preprocessing(
        size=(height, width),
        mean=_three(config["mean"]),
        std=_three(config["std"]),
        interpolation=_interpolation(config["interpolation"]),
        crop_pct=config["crop_pct"],
        geometry=geometry,
        crop_mode=config["crop_mode"],
    )


def _side(given: Any) -> int:
    sides = [given] if isinstance(given, int) else list(given)
    if len(sides) != 1:
        raise SightlineError(
            f"The preset resizes or crops to {given}: expected one number, the shorter side to "
            "resize to and the side to crop. Give a sightline.models.preprocessing.Preprocessing."
        )
    return int(sides[0])


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)


def _interpolation(given: Any) -> str:
    name = str(getattr(given, "value", given))  # torchvision's are an enumeration
    if name not in INTERPOLATIONS:
        raise SightlineError(
            f"The model resizes by {name!r}: expected one of {', '.join(INTERPOLATIONS)}."
        )
    return name
