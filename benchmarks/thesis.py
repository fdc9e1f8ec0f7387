"""The grid of the thesis on architectures, as its code ran it, beside ours: seconds an image.

Grad-CAM by pytorch-grad-cam, integrated gradients with 100 steps by captum, KernelSHAP with 350
samples of 50 SLIC segments by captum, a coalition at a time as is its default and at its best; on
two of the thesis's models at 224 pixels and photographs inside scikit-image. Ours at equal passes,
and at equal error with the fewest passes, integrated gradients by the rule that needs fewest:

- KernelSHAP: root mean square error of the segments' values, relative to them, against our
  estimate from 5,000 samples, no more than captum's;
- integrated gradients: relative L2 distance to 800 steps of Gauss-Legendre no more than captum's,
  or 1 % if that is larger.

The weights are random, as no download is needed so, and drawn so that the scores depend on the
image as much as a trained model's: as initialised by timm the residual branches of resnet18d end
in zeros, and one step of integrated gradients is exact. Everything is measured in one run, in
turn. References are kept (results/bench) until weights or photographs change. From the repository:

    PYTHONPATH=workflow python benchmarks/thesis.py
"""

from __future__ import annotations

import argparse
import hashlib
from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
import pytorch_grad_cam
import skimage.data
import timm
import torch
from captum.attr import IntegratedGradients, KernelShap
from PIL import Image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from sightline.methods.catalogue import CATALOGUE
from sightline.methods.perturbations.segments import slic_segments
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing
from timing import interleaved

KEPT = Path(__file__).resolve().parents[1] / "results" / "bench" / "thesis"
MODELS = ("resnet18d", "deit_tiny_patch16_224")
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
SIZE = 224
SEGMENTS, SAMPLES, STEPS = 50, 350, 100
REFERENCE_STEPS = 800
FEWER_STEPS = (8, 10, 12, 14, 17, 20, 23, 27, 32, 38, 45, 53, 62, 70, 78, 86, 93, 100)
RULES = ("adaptive", "riemann-middle", "secant")
FEWER_SAMPLES = (60, 70, 80, 90, 100, 104, 110, 120, 135, 150, 170, 195, 225, 260, 300, 350)
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def make_model(name: str) -> nn.Module:
    """A timm model with random weights by which its scores depend on the image."""
    module = timm.create_model(name)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, generator=generator)
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = None  # the statistics of what comes next alone
                layer.weight.fill_(1)
        module.train()
        module(torch.randn(16, 3, SIZE, SIZE, generator=generator))
    return module.eval()


class Case:
    """One model and one photograph: their ways and ours, their errors and ours."""

    def __init__(self, name: str, photograph: str, device: str, batch: int, reference: int) -> None:
        self.name, self.device, self.batch = f"{name}-{photograph}", torch.device(device), batch
        # Each side gets a model of its own, as it would find it.
        torch.manual_seed(0)
        own = make_model(name).to(self.device, memory_format=torch.channels_last)
        self.theirs = timm.create_model(name).eval().to(self.device)
        self.theirs.load_state_dict(own.state_dict())
        preprocessing = Preprocessing((SIZE, SIZE), **IMAGENET)
        self.classifier = Classifier(own, preprocessing, name, self.device, batch)
        self.image = preprocessing([Image.fromarray(getattr(skimage.data, photograph)())])[0]
        self.target = self.classifier.scores(self.image).argmax(dim=1)
        self.cut = slic_segments(self.image[0].movedim(0, -1).numpy(), SEGMENTS, 10.0)
        _ = self.classifier.layers  # found once a model
        self.integral = self.kept("gradients", steps=REFERENCE_STEPS)
        self.shapley = self.kept("kernelshap", samples=reference)

    def ours(self, method: str, seed: int = 0, **given: object) -> Tensor:
        """Our map."""
        if method == "kernelshap":
            given |= {"segments": SEGMENTS, "segment_on": "normalised"}
        chosen = CATALOGUE[method]
        how = chosen.settings(**given)
        maps: Tensor = chosen.load()(self.classifier, self.image, self.target, [seed], how).maps
        return maps[0]

    def kept(self, kind: str, **given: int) -> Tensor:
        """A reference, computed once."""
        weights = self.classifier.module.state_dict().values()
        content = b"".join(one.cpu().numpy().tobytes() for one in weights) + repr(given).encode()
        digest = hashlib.sha256(content + self.image.numpy().tobytes()).hexdigest()[:16]
        path = KEPT / f"{self.name}-{kind}-{digest}.npy"
        if not path.exists():
            KEPT.mkdir(parents=True, exist_ok=True)
            method = "kernelshap" if kind == "kernelshap" else "integrated_gradients"
            np.save(path, self.ours(method, seed=1000, **given).numpy())
        return torch.from_numpy(np.load(path))

    def gradcam(self) -> Tensor:
        """Grad-CAM by pytorch-grad-cam, at the thesis's layer."""
        if hasattr(self.theirs, "blocks"):
            layer, side = self.theirs.blocks[-1].norm1, SIZE // 16

            def reshape(tokens: Tensor) -> Tensor:
                return tokens[:, 1:].unflatten(1, (side, side)).movedim(-1, 1)
        else:
            layer, reshape = self.theirs.layer4[-1], None
        method = pytorch_grad_cam.GradCAM(self.theirs, [layer], reshape_transform=reshape)
        found = method(self.image, [ClassifierOutputTarget(int(self.target))])
        method.activations_and_grads.release()
        return torch.from_numpy(found)

    def integrated_gradients(self) -> Tensor:
        """Integrated gradients by captum."""
        image = self.image.to(self.device)
        found = IntegratedGradients(self.theirs).attribute(
            image, 0 * image, int(self.target), n_steps=STEPS, internal_batch_size=self.batch
        )
        return found.sum(dim=1)[0].float().cpu()

    def kernelshap(self, at_a_time: int = 1, seed: int = 0) -> Tensor:
        """KernelSHAP by captum."""
        image = self.image.to(self.device)
        cut = slic_segments(self.image[0].movedim(0, -1).numpy(), SEGMENTS, 10.0)
        torch.manual_seed(seed)
        found = KernelShap(self.theirs).attribute(
            image,
            0 * image,
            int(self.target),
            feature_mask=torch.from_numpy(cut).long()[None, None].to(self.device),
            n_samples=SAMPLES,
            perturbations_per_eval=at_a_time,
        )
        return found[0, 0].cpu()

    def of_shapley(self, found: Tensor) -> float:
        """Relative root mean square error of the segments' values."""
        first = np.unique(self.cut, return_index=True)[1]
        return distance(found.flatten()[first], self.shapley.flatten()[first])

    def of_integral(self, found: Tensor) -> float:
        """Relative L2 distance of attributions."""
        return distance(found, self.integral)


def distance(found: Tensor, reference: Tensor) -> float:
    """Relative L2 distance."""
    return float((found.double() - reference.double()).norm() / reference.double().norm())


def fewest(
    cases: list[Case], candidates: tuple[int, ...], error: Callable[[Case, int], float], most: float
) -> tuple[int, float]:
    """The first number of passes whose mean error is small enough, and that error; by bisection."""

    @cache
    def found(passes: int) -> float:
        return float(np.mean([error(case, passes) for case in cases]))

    at = bisect_left(candidates[:-1], True, key=lambda passes: found(passes) <= most)
    return candidates[at], found(candidates[at])


def measure(name: str, args: argparse.Namespace) -> None:
    """One model's grid."""
    cases = [Case(name, one, args.device, args.batch, args.reference) for one in args.photographs]
    seeds = range(args.seeds)
    shap = np.mean(
        [case.of_shapley(case.kernelshap(args.batch, s)) for case in cases for s in seeds]
    )
    ig = np.mean([case.of_integral(case.integrated_gradients()) for case in cases])
    samples, shap_ours = fewest(
        cases,
        FEWER_SAMPLES,
        lambda case, n: float(
            np.mean([case.of_shapley(case.ours("kernelshap", s, samples=n)) for s in seeds])
        ),
        float(shap),
    )
    by_rule: dict[str, tuple[int, float]] = {}
    for rule in RULES:

        def error(case: Case, steps: int, rule: str = rule) -> float:
            return case.of_integral(case.ours("integrated_gradients", steps=steps, rule=rule))

        by_rule[rule] = fewest(cases, FEWER_STEPS, error, max(float(ig), 0.01))
    # The mean slopes of the rule secant take time: of equals the first.
    rule = min(RULES, key=lambda one: by_rule[one][0])
    steps, ig_ours = by_rule[rule]
    print(f"\n{name}: passes for equal error (theirs, ours)")
    print(f"  KernelSHAP            {SAMPLES:4d} {samples:4d}   error {shap:.3f}, {shap_ours:.3f}")
    print(f"  integrated gradients  {STEPS:4d} {steps:4d}   error {ig:.4f}, {ig_ours:.4f}, {rule}")

    def at_least(samples: int, steps: int) -> dict[str, Callable[[Case], Tensor]]:
        return {
            "Grad-CAM": lambda case: case.ours("gradcam"),
            "integrated gradients": lambda case: case.ours(
                "integrated_gradients", steps=steps, rule=rule
            ),
            "KernelSHAP": lambda case: case.ours("kernelshap", samples=samples),
        }

    theirs: dict[str, Callable[[Case], Tensor]] = {
        "Grad-CAM": Case.gradcam,
        "integrated gradients": Case.integrated_gradients,
        "KernelSHAP": Case.kernelshap,
    }
    batched = theirs | {"KernelSHAP": lambda case: case.kernelshap(case.batch)}
    sides = {
        "theirs": theirs,
        "theirs, batched": batched,
        "ours, equal passes": at_least(SAMPLES, STEPS),
        "ours, equal error": at_least(samples, steps),
    }
    ways = {
        f"{side}/{method}": (lambda run=run: [run(case) for case in cases])
        for side, methods in sides.items()
        for method, run in methods.items()
    }
    seconds = interleaved(ways, args.repeats, warm_up=args.repeats > 1)
    each = {way: median(found) / len(cases) for way, found in seconds.items()}
    print(f"{'seconds an image':<22}" + "".join(f"{side:>20}" for side in sides))
    for method in theirs:
        print(f"  {method:<20}" + "".join(f"{each[f'{side}/{method}']:20.3f}" for side in sides))
    total = {side: sum(each[f"{side}/{method}"] for method in theirs) for side in sides}
    print(f"  {'all three':<20}" + "".join(f"{one:20.3f}" for one in total.values()))
    ratios = (total["theirs"] / one for one in total.values())
    print(f"  {'theirs / it':<20}" + "".join(f"{one:20.2f}" for one in ratios), flush=True)


def main() -> None:
    """Measure each model."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--photographs", nargs="+", default=PHOTOGRAPHS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3, help="of KernelSHAP, for its error")
    parser.add_argument("--reference", type=int, default=5000, help="samples of KernelSHAP's")
    args = parser.parse_args()
    print(f"The thesis's grid, {args.device}, {torch.get_num_threads()} threads")
    for name in args.models:
        measure(name, args)


if __name__ == "__main__":
    main()
