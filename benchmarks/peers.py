"""The same methods by other tools, each with the settings that suit it best.

A peer is made of a model, images and our settings, and is a function without arguments, or None
where the tool cannot do it on that model.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import captum.attr as captum
import numpy as np
import pytorch_grad_cam
import pytorch_grad_cam.base_cam
import shap
import torch
from pytorch_grad_cam.ablation_layer import AblationLayer, AblationLayerVit
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from sightline.methods.perturbations.segments import slic_segments
from sightline.models.classifier import Classifier

logging.getLogger("shap").setLevel(logging.WARNING)
# So many images at a time, for every tool that takes a number.
BATCH = 16


@dataclass
class Given:
    """What a method is asked to do, for a tool that is not ours."""

    classifier: Classifier
    images: Tensor
    targets: Tensor
    settings: Any
    layer: str

    def __post_init__(self) -> None:
        # A model of its own, as a tool would find it: ours changes its memory layout.
        self.module = deepcopy(self.classifier.module)
        for one in self.module.modules():
            if getattr(one, "inplace", False):
                one.inplace = False  # captum's hooks ask for it
        self.zero = torch.zeros_like(self.images)

    @property
    def is_cnn(self) -> bool:
        """Whether layers are (N, C, H, W)."""
        return any(isinstance(one, nn.BatchNorm2d) for one in self.module.modules())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.settings, name)

    def segments(self) -> Tensor:
        """SLIC's of each image, int64 (N, 1, H, W)."""
        seen = self.classifier.preprocessing.pixels(self.images)
        cut = [slic_segments(one, self.settings.segments, 10.0) for one in seen]
        return torch.from_numpy(np.stack(cut))[:, None]


Way = Callable[[], object]
Peer = Callable[[Given], Way | None]


def captums(make: Callable[[Any], Any], *, cnn: bool = False, **more: Any) -> Peer:
    """A method of captum's; keyword arguments of `attribute`, or functions that give them."""

    def peer(given: Given) -> Way | None:
        if cnn and not given.is_cnn:
            return None
        method = make(given.module)
        chosen = {key: one(given) if callable(one) else one for key, one in more.items()}
        return lambda: method.attribute(given.images, target=given.targets, **chosen)

    return peer


def image_by_image(make: Callable[[Any], Any], **more: Any) -> Peer:
    """A method of captum's over segments, which differ from image to image."""

    def peer(given: Given) -> Way | None:
        method = make(given.module)

        def way() -> None:
            # As we do, they cut the image first.
            for i, cut in enumerate(given.segments()):
                method.attribute(
                    given.images[i : i + 1],
                    baselines=given.zero[:1],
                    target=given.targets[i : i + 1],
                    feature_mask=cut[None],
                    n_samples=given.samples,
                    perturbations_per_eval=BATCH,
                    **more,
                )

        return way

    return peer


def layer_grad_cam(given: Given) -> Way | None:
    """Captum's Grad-CAM, which is right for layers (N, C, H, W) alone."""
    if not given.is_cnn:
        return None
    method = captum.LayerGradCam(given.module, given.module.get_submodule(given.layer))
    return lambda: method.attribute(given.images, target=given.targets, relu_attributions=True)


def guided_grad_cam(given: Given) -> Way | None:
    if not given.is_cnn:
        return None
    method = captum.GuidedGradCam(given.module, given.module.get_submodule(given.layer))
    return lambda: method.attribute(given.images, target=given.targets)


def grad_cams(name: str) -> Peer:
    """A class of pytorch-grad-cam's, told layer and layout."""

    def peer(given: Given) -> Way:
        target = [given.module.get_submodule(given.layer)]
        (one,) = given.classifier.layer(getattr(given.settings, "depth", 1.0)).maps
        how: dict[str, Any] = {} if given.is_cnn else {"reshape_transform": one.spatial}
        if name == "AblationCAM":
            how["ablation_layer"] = AblationLayer() if given.is_cnn else AblationLayerVit()
        made = getattr(pytorch_grad_cam, name)(model=given.module, target_layers=target, **how)
        made.batch_size = BATCH
        wanted = [ClassifierOutputTarget(int(target)) for target in given.targets]
        return lambda: made(input_tensor=given.images, targets=wanted)

    return peer


def kernel_explainer(given: Given) -> Way:
    """Shap's KernelSHAP over the same segments, its model called in batches."""

    def way() -> None:
        for image, target, cut in zip(given.images, given.targets, given.segments(), strict=True):
            players = int(cut.max()) + 1

            def value(
                shown: np.ndarray,
                image: Tensor = image,
                target: Tensor = target,
                cut: Tensor = cut,
            ) -> np.ndarray:
                found = []
                with torch.inference_mode():
                    for part in torch.from_numpy(shown.astype(np.float32)).split(BATCH):
                        masked = part[:, cut[0]][:, None] * image
                        found.append(given.module(masked)[:, target])
                return torch.cat(found).numpy()

            explainer = shap.KernelExplainer(value, np.zeros((1, players)))
            explainer.shap_values(
                np.ones(players), nsamples=given.samples - 2, l1_reg=0, silent=True
            )

    return way


def rise_reference(given: Given) -> Way:
    """RISE as its authors' code has it: all masks held, batches of masked copies."""
    count, cells, keep = given.masks, given.cells, given.keep
    height, width = given.images.shape[2:]
    up = math.ceil(height / cells)

    def way() -> None:
        rng = np.random.default_rng(0)
        grid = torch.from_numpy((rng.random((count, 1, cells, cells)) < keep).astype(np.float32))
        masks = torch.empty(count, 1, height, width)
        side = (cells + 1) * up
        for i in range(count):
            row, column = rng.integers(0, up, 2)
            large = nn.functional.interpolate(grid[i : i + 1], (side, side), mode="bilinear")
            masks[i] = large[0, :, row : row + height, column : column + width]
        with torch.no_grad():
            for image in given.images:
                scores = [
                    torch.softmax(given.module(part * image), dim=1) for part in masks.split(BATCH)
                ]
                weights = torch.cat(scores).T
                (weights @ masks.view(count, -1)).view(-1, height, width) / count / keep

    return way


def _copies(given: Given) -> int:
    """Noisy copies at a time, with which captum has a full batch."""
    return max(1, BATCH // len(given.images))


def _noisy(make: Callable[[Any], Any], **more: Any) -> Peer:
    def noise(given: Given) -> float:
        return float(given.noise * (given.images.max() - given.images.min()))

    return captums(
        lambda module: captum.NoiseTunnel(make(module)),
        nt_type="smoothgrad",
        nt_samples=lambda given: given.samples,
        nt_samples_batch_size=_copies,
        stdevs=noise,
        **more,
    )


_STEPS: dict[str, Any] = {
    "baselines": lambda given: given.zero,
    "n_steps": lambda given: given.steps,
    "method": "gausslegendre",
    "internal_batch_size": BATCH,
}

# By method, then by tool.
PEERS: dict[str, dict[str, Peer]] = {
    "gradcam": {"captum": layer_grad_cam, "grad-cam": grad_cams("GradCAM")},
    "gradcam_plus_plus": {"grad-cam": grad_cams("GradCAMPlusPlus")},
    "layercam": {"grad-cam": grad_cams("LayerCAM")},
    "hirescam": {"grad-cam": grad_cams("HiResCAM")},
    "xgradcam": {"grad-cam": grad_cams("XGradCAM")},
    "eigencam": {"grad-cam": grad_cams("EigenCAM")},
    "scorecam": {"grad-cam": grad_cams("ScoreCAM")},
    "ablationcam": {"grad-cam": grad_cams("AblationCAM")},
    "saliency": {"captum": captums(captum.Saliency, abs=False)},
    "input_x_gradient": {"captum": captums(captum.InputXGradient)},
    "smoothgrad": {"captum": _noisy(captum.Saliency, abs=False)},
    "guided_backprop": {"captum": captums(captum.GuidedBackprop, cnn=True)},
    "guided_gradcam": {"captum": guided_grad_cam},
    "integrated_gradients": {"captum": captums(captum.IntegratedGradients, **_STEPS)},
    "noise_tunnel": {"captum": _noisy(captum.IntegratedGradients, **_STEPS)},
    "gradient_shap": {
        "captum": captums(
            captum.GradientShap,
            baselines=lambda given: given.zero[:1],
            n_samples=lambda given: given.samples,
        )
    },
    "deeplift_shap": {
        "captum": captums(captum.DeepLiftShap, cnn=True, baselines=lambda given: given.zero)
    },
    "lrp": {"captum": captums(captum.LRP)},
    "occlusion": {
        "captum": captums(
            captum.Occlusion,
            sliding_window_shapes=lambda given: (3, given.window, given.window),
            strides=lambda given: (3, given.stride, given.stride),
            perturbations_per_eval=BATCH,
        )
    },
    "rise": {"RISE's code": rise_reference},
    "kernelshap": {"captum": image_by_image(captum.KernelShap), "shap": kernel_explainer},
    "lime": {"captum": image_by_image(captum.Lime)},
}
