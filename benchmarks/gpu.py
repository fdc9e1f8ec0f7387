"""The thesis's grid on one machine: 14 models, three methods, 128 images; and Grad-CAM on 1,024.

    PYTHONPATH=workflow python benchmarks/gpu.py [--device cuda] [--precision bfloat16] ...

Needs the library alone: torch, timm, numpy, pillow, scikit-image, pydantic, tqdm. Models have
random weights, which cost the same. Images are JPEG files in memory, decoded for each model and
method by threads ahead of it, as a study's jobs do. Printed is a Markdown table: seconds for each,
images a second, what loading and finding layers took, and the share of the time in which the GPU
computed, by nvidia-smi: of its samples of 0.2 s, the mean share with a kernel running.
``--profile`` adds, for each model and method, the sum of the kernels' own times over the wall's, by
torch.profiler on an eighth of the images once more.
"""

from __future__ import annotations

import argparse
import io
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import skimage.data
import timm
import torch
from PIL import Image
from torch import Tensor

from sightline.images.ahead import ahead
from sightline.methods.catalogue import CATALOGUE
from sightline.models.classifier import Classifier
from sightline.models.precision import Precision
from sightline.models.preprocessing import Preprocessing

MODELS = (
    "convnextv2_nano", "densenet121", "efficientnet_b3", "efficientnet_b4",
    "mobilenetv3_large_100", "resnet18d", "resnet50d", "resnext50_32x4d", "res2net50_14w_8s",
    "deit_small_patch16_224", "deit_tiny_patch16_224", "pvt_v2_b2",
    "swin_tiny_patch4_window7_224", "vit_base_patch32_224",
)  # fmt: skip
METHODS: dict[str, dict[str, Any]] = {
    "gradcam": {},
    "integrated_gradients": {"steps": 100},
    "kernelshap": {"segments": 50, "samples": 350},
}
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
SIDE = 224


def files(count: int) -> list[bytes]:
    """Photographs cut at random, 320 pixels wide, as JPEG."""
    rng = np.random.default_rng(0)
    photos = [Image.fromarray(getattr(skimage.data, name)()) for name in PHOTOS]
    found = []
    for i in range(count):
        photo = photos[i % len(photos)]
        width = int(rng.integers(150, min(photo.size)))
        left, top = (int(rng.integers(0, side - width + 1)) for side in photo.size)
        buffer = io.BytesIO()
        part = photo.crop((left, top, left + width, top + width)).resize((320, 320))
        part.save(buffer, "jpeg", quality=90)
        found.append(buffer.getvalue())
    return found


def make(name: str, args: argparse.Namespace) -> Classifier:
    torch.manual_seed(0)
    device = torch.device(args.device)
    module = timm.create_model(name).eval().to(device, memory_format=torch.channels_last)
    own = Preprocessing((SIDE, SIDE), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    precision: Precision = args.precision
    return Classifier(module, own, name, device, args.batch_size, precision)


def chunks(classifier: Classifier, images: Sequence[bytes]) -> Iterator[Tensor]:
    """Batches of the images as the model takes them, decoded ahead."""
    count = max(32, classifier.batch_size)

    def decode(data: bytes) -> Tensor:
        return classifier.preprocessing([Image.open(io.BytesIO(data)).convert("RGB")])[0]

    decoded = ahead(decode, images, count)
    while part := list(islice(decoded, count)):
        yield torch.cat(part)


def explain(classifier: Classifier, method: str, images: Sequence[bytes]) -> dict[str, list[float]]:
    """What a job does but for files: decode, predict, explain; the maps' figures."""
    entry = CATALOGUE[method]
    function, settings = entry.load(), entry.settings(**METHODS[method])
    figures: dict[str, list[float]] = {}
    for number, part in enumerate(chunks(classifier, images)):
        targets = classifier.scores(part).argmax(dim=1)
        seeds = range(1000 * number, 1000 * number + len(part))
        found = function(classifier, part, targets, seeds, settings)
        for name, values in found.figures.items():
            figures.setdefault(name, []).extend(values.tolist())
    return figures


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


@contextmanager
def watched(samples: list[float]) -> Iterator[None]:
    """Samples of the GPU's utilisation, in percent, by nvidia-smi; none without it."""
    if not (torch.cuda.is_available() and shutil.which("nvidia-smi")):
        yield
        return
    asked = [
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        "-lms",
        "200",
        "-i",
        "0",
    ]
    with subprocess.Popen(["nvidia-smi", *asked], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield
        finally:
            process.terminate()
            text, _ = process.communicate()
            samples.extend(float(one) for one in text.split() if one.strip().isdigit())


def kernel_share(work: Callable[[], Any]) -> float:
    """The kernels' own times over the wall's, by torch.profiler."""
    kinds = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as profiler:
        seconds, _ = timed(work)
    own = sum(one.self_device_time_total for one in profiler.key_averages())
    return own / 1e6 / seconds


def machine(args: argparse.Namespace) -> str:
    cuda = args.device.startswith("cuda")
    where = torch.cuda.get_device_name() if cuda else platform.processor() or platform.machine()
    threads = torch.get_num_threads()
    return f"{where}, {threads} threads, torch {torch.__version__}, {args.precision}"


def measure(name: str, images: Sequence[bytes], many: Sequence[bytes], args: Any) -> dict[str, Any]:
    """Seconds of each part for one model."""
    row: dict[str, Any] = {"model": name}
    row["load"], classifier = timed(lambda: make(name, args))
    row["layers"], _ = timed(lambda: classifier.layers)
    # The first pass of each shape plans its kernels; in a study that is once a job.
    row["first pass"], _ = timed(lambda: classifier.scores(torch.zeros(2, 3, SIDE, SIDE)))
    for method in METHODS:
        row[method], figures = timed(lambda method=method: explain(classifier, method, images))
        for figure in ("completeness_gap", "standard_error"):
            if figure in figures:
                row[f"{method} {figure}"] = statistics.median(figures[figure])
        if args.profile:
            sample = images[: max(1, len(images) // 8)]
            row[f"{method} kernels"] = kernel_share(
                lambda method=method, sample=sample: explain(classifier, method, sample)
            )
    row[f"gradcam x{len(many)}"], _ = timed(lambda: explain(classifier, "gradcam", many))
    if args.device.startswith("cuda"):
        row["GiB"] = torch.cuda.max_memory_allocated() / 2**30
        torch.cuda.reset_peak_memory_stats()
    return row


def report(rows: list[dict[str, Any]], images: int, many: int, busy: list[float]) -> None:
    """Print the table and the sums."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for row in rows:
        shown = [row[key] if key == "model" else f"{row.get(key, 0):.3g}" for key in columns]
        print("| " + " | ".join(shown) + " |")
    print()
    whole = 0.0
    for method in METHODS:
        seconds = sum(row[method] for row in rows)
        whole += seconds
        rate = images * len(rows) / seconds
        print(f"- {method}: {seconds:.1f} s, {rate:.1f} images a second")
    before = sum(row[key] for row in rows for key in ("load", "layers", "first pass"))
    print(f"- the grid: {whole:.1f} s, and {before:.1f} s to load models and find their layers")
    print(f"- Grad-CAM on {many} images: {sum(row[f'gradcam x{many}'] for row in rows):.1f} s")
    share = f"{statistics.mean(busy):.0f} %" if busy else "not measured"
    print(f"- share of the time with a kernel running (nvidia-smi, 0.2 s samples): {share}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--models", type=int, default=len(MODELS), help="the first so many")
    parser.add_argument("--only", nargs="+", choices=MODELS, help="these models")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--cam-images", type=int, default=1024)
    parser.add_argument("--batch-size", type=int, default=0, help="0: by the device")
    parser.add_argument("--precision", default="float32", help="float32, bfloat16 or float16")
    parser.add_argument("--samples", type=int, default=350, help="of KernelSHAP")
    parser.add_argument("--steps", type=int, default=100, help="of integrated gradients")
    parser.add_argument("--tune", action="store_true", help="let cuDNN try its kernels, and TF32")
    parser.add_argument("--profile", action="store_true", help="share of the kernels' own times")
    args = parser.parse_args()
    METHODS["kernelshap"]["samples"] = args.samples
    METHODS["integrated_gradients"]["steps"] = args.steps
    torch.backends.cudnn.benchmark = args.tune
    if args.tune:
        torch.set_float32_matmul_precision("high")
    names = args.only or MODELS[: args.models]
    images = files(max(args.images, args.cam_images))
    print(f"\n{machine(args)}: {len(names)} models, {args.images} images of {SIDE} pixels")
    print(f"{METHODS}\n")
    rows, busy = [], []
    with watched(busy):
        for name in names:
            rows.append(measure(name, images[: args.images], images[: args.cam_images], args))
            print(f"<!-- {name} done -->", flush=True)
    report(rows, args.images, args.cam_images, busy)


if __name__ == "__main__":
    main()
