"""What pixels hold that are taken away.

``zero``    0 in the model's normalised space: the mean colour of what it was trained on
``blur``    the image's own, blurred by a Gaussian, beyond its border 0 in that space
``mean``    the image's mean colour
``infill``  what surrounds them: inpainted from the pixels that are left, anew each time,
            within a radius of 3 pixels (Telea 2004); zero where no pixel is left

``zero`` and ``blur`` are those of RISE's public code, where the Gaussian's kernel is a
pixel of 1 that scipy's `gaussian_filter` has blurred, mirrored at the kernel's own
border, so that its weights sum to 1.

``infill`` is by OpenCV, and so in 8 bits, and not by the linear equations of
`sightline.evaluate.experiments.imputation`: these are nearer to the image (root mean square error
.22 to .24 against .24 to .27 of 0..1 in a photograph with holes), but their solution takes
ten times as long at 224 pixels (.15 to .25 s against .016 to .025 s), for each of hundreds
of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn.functional import conv2d

from sightline.evaluate.pixels import from_pixels, to_pixels
from sightline.images.ahead import cores
from sightline.methods.copies import placed

if TYPE_CHECKING:
    from sightline.evaluate.catalogue.removal import Fill
    from sightline.models.classifier import Classifier
    from sightline.models.preprocessing import Preprocessing

# From the number of an image, and which of its pixels are hidden, bool (c, H, W), to the
# copies without them, (c, 3, H, W).
Hide = Callable[[int, Tensor], Tensor]
_RADIUS = 3


def hiding(
    fill: Fill, classifier: Classifier, images: Tensor, *, kernel: int = 11, sigma: float = 5.0
) -> Hide:
    """How pixels of some images are taken away.

    Parameters
    ----------
    fill
        What they hold then, see the module.
    classifier
        That will see the copies: they are made where it runs.
    images
        float32 (n, 3, H, W), normalised.
    kernel, sigma
        Of the blur, in pixels; the kernel's side is odd.
    """
    shown = placed(classifier, images)
    if fill == "infill":
        return _inpainting(shown, images, classifier.preprocessing)
    content = {
        "zero": lambda: torch.zeros(len(shown), 3, 1, 1, device=shown.device),
        "mean": lambda: shown.mean(dim=(2, 3), keepdim=True),
        "blur": lambda: placed(classifier, blurred(images, kernel, sigma)),
    }[fill]()

    def hide(image: int, hidden: Tensor) -> Tensor:
        one = slice(image, image + 1)
        return torch.where(hidden[:, None], content[one], shown[one])

    return hide


def blurred(images: Tensor, kernel: int, sigma: float) -> Tensor:
    """Images (n, 3, H, W) under a Gaussian whose kernel ends after so many pixels."""
    middle = np.zeros(kernel)
    middle[kernel // 2] = 1
    line = torch.from_numpy(gaussian_filter1d(middle, sigma)).to(images)
    each = line.expand(3, 1, 1, kernel)
    along = conv2d(images, each, padding=(0, kernel // 2), groups=3)
    return conv2d(along, each.mT, padding=(kernel // 2, 0), groups=3)


def _inpainting(shown: Tensor, images: Tensor, preprocessing: Preprocessing) -> Hide:
    pixels = to_pixels(images.cpu(), preprocessing).clamp(0, 1)
    pictures = (pixels * 255).round().byte().permute(0, 2, 3, 1).numpy()

    def inpainted(image: int, mask: np.ndarray) -> np.ndarray:
        found: np.ndarray = cv2.inpaint(
            np.ascontiguousarray(pictures[image]), mask, _RADIUS, cv2.INPAINT_TELEA
        )
        return found

    def hide(image: int, hidden: Tensor) -> Tensor:
        masks = hidden.cpu().numpy().astype(np.uint8)
        # OpenCV works without Python's lock.
        with ThreadPoolExecutor(cores()) as pool:
            found = np.stack(list(pool.map(lambda mask: inpainted(image, mask), masks)))
        filled = from_pixels(torch.from_numpy(found).permute(0, 3, 1, 2) / 255, preprocessing)
        filled[hidden.flatten(1).all(dim=1).cpu()] = 0
        return torch.where(hidden[:, None], filled.to(shown), shown[image : image + 1])

    return hide
