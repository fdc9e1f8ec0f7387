"""Write workflow/sightline/methods/unfit.json: which models which methods cannot explain.

Run by `make fits`, after a method with `fits` was added or timm was renewed. A study is refused
by this table before its first job, without importing torch. Every name of timm and every
classifier of torchvision is built on the meta device, where a pass costs no time and weights take
no memory, with ten classes and images of its own size. What cannot be asked there is left out
(guiding Gemma 4, whose activations' bounds are weights; encoders): jobs say it. Functions named by
`fits` are found in the catalogue.

Models of one class whose modules are of the same classes are taken to be refused alike, and the
first one answers for all (some 400 kinds of 1,450 models). A function that looks at values sees
none on the meta device; of each module of timm it is asked of the smallest model that passes there
once more, with random weights, and what it then says holds for that module's others.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import timm
import torch
import torchvision

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow"))

from sightline.errors import SightlineError  # noqa: E402
from sightline.files import replacing  # noqa: E402
from sightline.methods.catalogue import CATALOGUE  # noqa: E402
from sightline.models.classifier import Classifier  # noqa: E402
from sightline.models.load import load_classifier  # noqa: E402
from sightline.models.names import parse_name, torchvision_names  # noqa: E402
from sightline.models.preprocessing import Preprocessing  # noqa: E402
from sightline.models.sources import make_module, timm_input  # noqa: E402
from sightline.study.config import Model  # noqa: E402
from sightline.study.fits import TABLE, WHO  # noqa: E402
from sightline.study.models import resolve_model  # noqa: E402

Reasons = dict[str, str | None]
CLASSES = {"num_classes": 10}
# Look at values, not at shapes and operations alone.
BY_VALUES = ("sightline.models.tokens:no_attention",)
# What is wrong with the question and says nothing of the method: no pass, no scores of classes.
NOT_ASKED = ("no pass", "cannot take images", "Only classifiers can be explained")
# Models larger than this, or for larger images, take gigabytes with weights.
LARGEST, LARGEST_SIDE = 100e6, 256
CHECKS = sorted({method.fits for method in CATALOGUE.values() if method.fits})


def names() -> list[str]:
    """Every model that has a name."""
    known = torchvision_names()
    own = set(torchvision.models.list_models(module=torchvision.models))
    return [*timm.list_models(), *(f"torchvision:{name}" for name in sorted(own & known.keys()))]


def on_meta(name: str) -> Classifier:
    """A model on the meta device, with ten classes."""
    try:
        with torch.device("meta"):
            module = make_module(parse_name(name), CLASSES, None)
    except SightlineError:  # RegNet computes its widths by tensors
        module = make_module(parse_name(name), CLASSES, None).to("meta")
    own = timm_input(module) or Preprocessing((224, 224))
    for child in module.modules():
        # Torchvision's Inception changes its input by weights that it never had.
        if hasattr(child, "transform_input"):
            child.transform_input = False
    return Classifier(module.eval(), own, name=WHO, device=torch.device("meta"))


def with_weights(name: str) -> Classifier:
    """A model with random weights and ten classes, as a job loads it."""
    own = Model(name=name, pretrained=False, args=CLASSES)
    return replace(load_classifier(resolve_model("model", own).spec), name=WHO)


def kind(name: str, classifier: Classifier) -> Hashable:
    """What models that differ in width and depth alone have in common: their modules' classes."""
    classes = frozenset(type(one) for one in classifier.module.modules())
    return type(classifier.module), name.startswith("torchvision:"), classes


def examine(name: str, classifier: Classifier, known: dict[Hashable, Reasons]) -> Reasons:
    """Why each check's methods cannot explain a model on the meta device, or None."""
    same = kind(name, classifier)
    if same not in known:
        found: Reasons = {}
        for check in CHECKS:
            try:
                reason = _called(check, classifier)
            except (NotImplementedError, RuntimeError, SightlineError) as error:
                reason = f"{NOT_ASKED[0]}: {error}"
            if reason and any(fault in reason for fault in NOT_ASKED):
                print(f"{check} cannot be asked of {name}: {reason}", flush=True)
            else:
                found[check] = reason
        known[same] = found
    return known[same]


def confirm(check: str, passing: dict[str, list[tuple[int, str]]]) -> dict[str, list[str]]:
    """What a check by values says of models that pass without any: by reason, their names.

    Parameters
    ----------
    check
        The function.
    passing
        Weights and names of the models that pass, by the Python module that makes them.
    """
    found: dict[str, list[str]] = {}
    for models in passing.values():
        weights, name = min(models)
        side = max(timm.models.get_pretrained_cfg(name).input_size) if ":" not in name else 224
        if weights > LARGEST or side > LARGEST_SIDE:
            print(f"{name} is too large to be tried with weights.", flush=True)
            continue
        reason = _called(check, with_weights(name))
        print(f"{name} with weights: {reason or 'passes'}", flush=True)
        if reason is not None:
            found.setdefault(reason, []).extend(one for _, one in models)
    return found


def _called(check: str, classifier: Classifier) -> str | None:
    module, _, function = check.partition(":")
    reason: str | None = getattr(import_module(module), function)(classifier)
    return reason


def main() -> None:
    """Examine what is asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", nargs="*", help="these models alone; prints, writes nothing")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    start, known = time.perf_counter(), {}
    found: dict[str, dict[str, list[str]]] = {check: defaultdict(list) for check in CHECKS}
    passing: dict[str, dict[str, list[tuple[int, str]]]]
    passing = {check: defaultdict(list) for check in CHECKS}
    for number, name in enumerate(chosen.only or names()):
        classifier = on_meta(name)
        weights = sum(one.numel() for one in classifier.module.parameters())
        for check, reason in examine(name, classifier, known).items():
            if reason is None:
                module = type(classifier.module).__module__
                passing[check][module].append((weights, name))
            else:
                found[check][reason].append(name)
        gc.collect(0)
        if number % 100 == 0:
            passed = time.perf_counter() - start
            print(f"{number} models of {len(known)} kinds, {passed:.0f} s", flush=True)
            if chosen.only is None:
                write(found)
    if chosen.only is None:
        write(found)  # what follows takes memory
    for check in set(CHECKS) & set(BY_VALUES):
        for reason, who in confirm(check, passing[check]).items():
            found[check][reason] += who
    for check, reasons in found.items():
        for reason, who in reasons.items():
            print(f"{check}: {len(who)} models: {reason} ({', '.join(who[:5])}, ...)")
    if chosen.only is None:
        write(found)


def write(found: dict[str, dict[str, list[str]]]) -> None:
    """Write the table: of each function each reason, and the models it is of, in one line."""
    table = {
        check: {reason: " ".join(sorted(who)) for reason, who in sorted(reasons.items())}
        for check, reasons in found.items()
    }
    with replacing(TABLE) as temporary:
        temporary.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
