"""Grad-CAM beside pytorch-grad-cam and captum: time of a batch, and equality."""

from __future__ import annotations

import numpy as np
import timm
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from sightline.methods.cams.gradcam import gradcam
from sightline.methods.catalogue.cams import GradCamSettings
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing
from timing import interleaved, report

BATCH = 16
REPEATS = 9


def main() -> None:
    """Time the three on resnet18 at 224 pixels; all explain the predicted class."""
    torch.manual_seed(0)
    images = torch.randn(BATCH, 3, 224, 224)
    # Each tool gets a model of its own, as it would find it: ours changes its memory layout.
    theirs = timm.create_model("resnet18").eval()
    own = timm.create_model("resnet18").eval()
    own.load_state_dict(theirs.state_dict())
    classifier = Classifier(own, Preprocessing((224, 224)))
    assert classifier.layer().name == "layer4"
    targets = classifier.scores(images).argmax(dim=1)
    grad_cam = GradCAM(model=theirs, target_layers=[theirs.layer4])
    captum = LayerGradCam(theirs, theirs.layer4)
    wanted = [ClassifierOutputTarget(int(target)) for target in targets]

    def ours() -> torch.Tensor:
        return gradcam(classifier, images, targets, [0] * BATCH, GradCamSettings()).maps

    def floor() -> torch.Tensor:
        return classifier.scores(images)

    ways = {
        "one forward pass, ours": floor,
        "Grad-CAM, ours": ours,
        "Grad-CAM, captum": lambda: captum.attribute(
            images, target=targets, relu_attributions=True
        ),
        "Grad-CAM, pytorch-grad-cam": lambda: grad_cam(input_tensor=images, targets=wanted),
    }
    difference = ours() - ways["Grad-CAM, captum"]()[:, 0]
    error = float(np.abs(difference.detach().numpy()).max() / ours().abs().max())
    title = f"Grad-CAM, resnet18, batch {BATCH}, {torch.get_num_threads()} threads"
    report(
        f"{title} (largest difference from captum's: {error:.1e} of the maximum)",
        interleaved(ways, REPEATS),
        "Grad-CAM, ours",
    )


if __name__ == "__main__":
    main()
