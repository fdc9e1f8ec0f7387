"""An image as a person in a notebook has it: a file, a picture, pixels or a model's input."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sightline.errors import SightlineError
from sightline.images.decode import decode, upright_rgb
from sightline.models.preprocessing import Preprocessing


@dataclass(frozen=True)
class Picture:
    """An upright RGB picture, or a model's normalised input, float32 (1, 3, H, W)."""

    rgb: Image.Image | None = None
    tensor: Tensor | None = None

    @property
    def digest(self) -> str:
        """What it shows, however it was given: by this stochastic methods are seeded."""
        pixels = np.asarray(self.rgb) if self.tensor is None else self.tensor.numpy()
        shape = repr(pixels.shape).encode()
        return hashlib.sha256(shape + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def read_picture(image: Any) -> Picture:
    """Take an image in whatever form it comes.

    Parameters
    ----------
    image
        A file's path; a PIL image; uint8 RGB pixels (H, W, 3); or a tensor
        (3, H, W) or (1, 3, H, W), which is the model's normalised input itself.

    Raises
    ------
    SightlineError
        For anything else.
    """
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        try:
            return Picture(decode(path.read_bytes(), str(path)))
        except OSError as error:
            raise SightlineError(f"{path} cannot be read: {error.strerror}.") from error
    if isinstance(image, Image.Image):
        try:
            return Picture(upright_rgb(image, "given"))
        except OSError as error:  # a file that Pillow opened and reads only now
            raise SightlineError(f"image cannot be read: {error}.") from error
    if isinstance(image, np.ndarray):
        return Picture(_from_pixels(image))
    if isinstance(image, Tensor):
        return Picture(tensor=_checked(image))
    raise SightlineError(
        f"image is a {type(image).__name__}: expected a path, a PIL image, uint8 pixels "
        "(height, width, 3), or a tensor (3, height, width)."
    )


def stretched(tensor: Tensor) -> Preprocessing:
    """For an input whose normalisation nobody knows: colours stretched to its own range."""
    low, high = float(tensor.min()), float(tensor.max())
    std = 1 / (high - low) if high > low else 1.0
    mean = -low * std
    return Preprocessing(
        (tensor.shape[-2], tensor.shape[-1]), mean=(mean, mean, mean), std=(std, std, std)
    )


def _from_pixels(pixels: np.ndarray) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise SightlineError(
            f"image is an array of {pixels.dtype}, shape {pixels.shape}: expected uint8 pixels "
            "(height, width, 3). What is normalised already goes in as a torch tensor."
        )
    return Image.fromarray(pixels)


def _checked(tensor: Tensor) -> Tensor:
    shape = tuple(tensor.shape)
    if shape[:-3] not in ((), (1,)) or len(shape) < 3 or shape[-3] != 3 or not tensor.numel():
        raise SightlineError(
            f"image is a tensor of shape {shape}: expected one image, (3, height, width) or "
            "(1, 3, height, width)."
        )
    if not tensor.is_floating_point():
        raise SightlineError(
            f"image is a tensor of {tensor.dtype}: a tensor is taken as the model's normalised "
            "input, so floats are expected. Give pixels as a uint8 numpy array (height, width, 3)."
        )
    own = tensor.detach().to("cpu", torch.float32).clone().reshape(1, *shape[-3:])
    if not own.isfinite().all():
        raise SightlineError("image is a tensor that holds values which are not finite.")
    return own
