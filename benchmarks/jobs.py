"""What a job costs besides its passes: its start, and the bytes of a map."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from sightline.maps.store import map_writer
from timing import interleaved, report

IMAGES = 128
REPEATS = 3


def main() -> None:
    """Print seconds to import what jobs import, and bytes per stored map."""
    starts = {
        name: lambda code=code: _python(code)
        for name, code in {
            "python": "pass",
            "compare job": "import sightline.compare.statistics",
            "figure job": "import sightline.jobs.figures.of_methods",
            "import timm": "import timm",
            "explain job": "import sightline.jobs.explain, sightline.methods.cams.gradcam",
        }.items()
    }
    report("Start of a job", interleaved(starts, REPEATS), "explain job")
    rng = np.random.default_rng(0)
    print(f"\nBytes of a stored map, {IMAGES} maps a file")
    kinds = {
        "Grad-CAM, 7x7": rng.random((IMAGES, 7, 7)),
        "KernelSHAP, 50 segments, 224x224": rng.random((IMAGES, 7, 8)).repeat(32, 1).repeat(28, 2),
        "integrated gradients, 224x224": rng.standard_normal((IMAGES, 224, 224)),
    }
    for name, maps in kinds.items():
        size = _bytes(maps.astype(np.float32))
        whole = 224 * 224 * 4
        print(f"  {name:<34} {size:9.0f}   {whole / size:6.1f} times less than float32 at 224x224")


def _python(code: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent / "workflow")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def _bytes(maps: np.ndarray) -> float:
    count = len(maps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "maps.h5")
        with map_writer(path, count, {}) as writer:
            writer.append(
                maps,
                {},
                image_id=[f"image-{i:06d}" for i in range(count)],
                role=["predicted"] * count,
                target=np.zeros(count),
                explained=["class"] * count,
                predicted=["class"] * count,
                correct=np.zeros(count),
                score=np.zeros(count),
                confidence=np.zeros(count),
                box=np.zeros((count, 4)),
                size=np.zeros((count, 2)),
            )
        return path.stat().st_size / count


if __name__ == "__main__":
    main()
