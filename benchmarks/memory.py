"""Peak memory of methods by their number of passes: each case in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SIZE = 96
# Model, method, settings. The small model makes 60,000 passes in a minute; the last layer of
# resnet50 has 2,048 channels.
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("test_resnet", "rise", {"masks": 600}),
    ("test_resnet", "rise", {"masks": 6_000}),
    ("test_resnet", "rise", {"masks": 60_000}),
    ("test_resnet", "integrated_gradients", {"steps": 10}),
    ("test_resnet", "integrated_gradients", {"steps": 1_000}),
    ("test_resnet", "smoothgrad", {"samples": 10}),
    ("test_resnet", "smoothgrad", {"samples": 1_000}),
    ("resnet50", "scorecam", {"channels": 64}),
    ("resnet50", "scorecam", {}),
    ("resnet50", "abscam_final", {"channels": 64}),
    ("resnet50", "abscam_final", {}),
]


def main() -> None:
    """Print the peak of each case, and what it has beyond the loaded model's."""
    print(f"\nPeak memory, one image of {SIZE}x{SIZE} pixels, random weights")
    for model, method, settings in CASES:
        asked = json.dumps([model, method, settings])
        environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
        ran = subprocess.run(
            [sys.executable, __file__, asked], env=environment, check=True, capture_output=True
        )
        peak, before, passes, seconds = json.loads(ran.stdout)
        shown = ", ".join(f"{key} {value}" for key, value in settings.items()) or "all channels"
        print(
            f"  {model:<12} {method:<21} {shown:<15} {passes:6.0f} passes  {peak:7.0f} MB, "
            f"{peak - before:6.0f} MB beyond the model  {seconds:6.1f} s",
            flush=True,
        )


def measure(model: str, method: str, settings: dict[str, Any]) -> tuple[float, ...]:
    """Peak of this process in MB, that before explaining, passes made, seconds."""
    import timm
    import torch

    from sightline.methods.catalogue import CATALOGUE
    from sightline.models.classifier import Classifier
    from sightline.models.preprocessing import Preprocessing

    torch.manual_seed(0)
    module = timm.create_model(model).eval()
    classifier = Classifier(module, Preprocessing((SIZE, SIZE)))
    entry, count = CATALOGUE[method], 0
    if entry.needs_layer:
        classifier.layer()
    image = torch.rand(1, 3, SIZE, SIZE)
    classifier.scores(image)
    # What it takes to run the largest batch forwards and backwards once, whatever the method.
    batch = image.expand(classifier.batch_size, -1, -1, -1)
    classifier.input_gradients(batch, torch.zeros(len(batch), dtype=torch.int64))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def counted(_module: object, args: Any) -> None:
        nonlocal count
        count += len(args[0])

    module.register_forward_pre_hook(counted)
    start = time.perf_counter()
    target = torch.zeros(1, dtype=torch.int64)
    entry.load()(classifier, image, target, [0], entry.settings(**settings))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return peak, before, count, time.perf_counter() - start


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(*json.loads(sys.argv[1]))))
    else:
        main()
