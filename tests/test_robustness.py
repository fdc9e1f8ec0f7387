"""Attacks and corruptions: closed forms, budgets, and draws that depend on the image alone."""

from __future__ import annotations

import json
import runpy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor, nn

from explaining import linear
from mapfiles import write_maps
from sightline.errors import SightlineError
from sightline.evaluate.alterations import ALTERATIONS
from sightline.evaluate.alterations.corrupted import transform
from sightline.evaluate.alterations.margin import lost_margin
from sightline.evaluate.alterations.seen import Seen
from sightline.evaluate.catalogue import EXPERIMENTS
from sightline.evaluate.catalogue.corruption import USUAL, Corruption, _check_range, known
from sightline.evaluate.catalogue.dependence import Randomisation, Transforms
from sightline.evaluate.catalogue.robustness import Attack, Corruptions
from sightline.evaluate.experiments.stability import compare
from sightline.evaluate.pixels import from_pixels, to_pixels
from sightline.evaluate.sanity.randomise import randomised
from sightline.images.shapes import render
from sightline.jobs.experiments.evaluate_maps import MapsJob
from sightline.jobs.experiments.evaluate_variants import AlteredMaps, evaluate_variants
from sightline.jobs.variant import Variant
from sightline.maps.store import read_maps
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing
from sightline.tabular import read_table

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Row:
    """What an alteration draws by."""

    image_id: str


def seen(classifier: Classifier, pixels: Tensor, targets: Tensor, seeds: Sequence[int]) -> Seen:
    """Images of pixels in [0, 1], as a model sees them."""
    return Seen(
        classifier=classifier,
        images=from_pixels(pixels, classifier.preprocessing),
        boxes=[(0.0, 0.0, 1.0, 1.0)] * len(pixels),
        targets=targets,
        pictures=list,
        masks=lambda label, boxed: np.zeros((len(pixels), *pixels.shape[2:])),
        seeds=seeds,
    )


def altered(name: str, given: Seen, **settings: Any) -> Seen:
    found: Seen = import_module(ALTERATIONS[name].module).prepare(given.classifier, settings, 3)(
        given
    )
    return found


def pixels_after(name: str, given: Seen, **settings: Any) -> Tensor:
    found = altered(name, given, **settings)
    return to_pixels(found.images, found.classifier.preprocessing)


@pytest.fixture
def pixels() -> Tensor:
    """8-bit values, 0 and 255 among them."""
    generator = torch.Generator().manual_seed(2)
    found = torch.randint(0, 256, (3, 3, 96, 96), generator=generator) / 255
    found[:, :, :20], found[:, :, 20:40] = 0, 1
    return found


PGD = {"kind": "pgd", "epsilon": 0.05, "steps": 5, "step": 0.0125}
FGSM = {"kind": "fgsm", "epsilon": 0.05}


# --- Attacks ------------------------------------------------------------------------------------


def test_the_margin_rises_with_the_cross_entropy(classifier: Classifier, images: Tensor) -> None:
    targets = torch.tensor([0, 3, 5])
    behind, gradient = lost_margin(classifier, images, targets)
    module = classifier.module.double()
    leaf = images.double().requires_grad_()
    loss = nn.functional.cross_entropy(module(leaf), targets, reduction="none")
    (expected,) = torch.autograd.grad(loss.sum(), leaf)
    module.float()
    np.testing.assert_allclose(nn.functional.softplus(behind), loss.detach(), rtol=1e-3)
    factor = torch.sigmoid(behind)[:, None, None, None]
    np.testing.assert_allclose(gradient * factor, expected, atol=1e-4 * float(expected.abs().max()))


def test_a_sure_model_still_has_a_direction(weights: Tensor, pictures: Tensor) -> None:
    classifier, targets = linear(1000 * weights, torch.zeros(8)), torch.tensor([2, 0, 7])
    targets = classifier.scores(pictures).argmax(dim=1)
    assert (classifier.scores(pictures, "probability").amax(dim=1) == 1).all()
    _, gradient = lost_margin(classifier, pictures, targets)
    second = classifier.scores(pictures).topk(2).indices[:, 1]
    expected = 1000 * (weights[second] - weights[targets])
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-3)


def test_each_of_several_classes_loses_by_itself(weights: Tensor, pictures: Tensor) -> None:
    classifier = replace(linear(weights, torch.ones(8)), task="multilabel")
    targets = torch.tensor([2, 0, 7])
    behind, gradient = lost_margin(classifier, pictures, targets)
    own = classifier.scores(pictures).gather(1, targets[:, None])[:, 0]
    np.testing.assert_allclose(behind, -own, rtol=1e-6)
    np.testing.assert_allclose(gradient, -weights[targets], rtol=1e-6)


def test_one_output_cannot_lose() -> None:
    classifier = linear(torch.ones(1, 3, 4, 4), torch.zeros(1))
    with pytest.raises(SightlineError, match="one output"):
        lost_margin(classifier, torch.ones(2, 3, 4, 4), torch.tensor([0, 0]))


def test_fgsm_of_a_linear_model_of_two_classes_is_known() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(2, 3, 8, 8, generator=generator)
    weights[:, 0, 0, 0] = 0.5  # a pixel of no consequence
    flat = Preprocessing((8, 8), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    classifier = replace(linear(weights, torch.zeros(2)), preprocessing=flat)
    pixels = torch.rand(4, 3, 8, 8, generator=generator)
    targets = torch.tensor([0, 1, 1, 0])
    given = seen(classifier, pixels, targets, [1, 2, 3, 4])
    found = pixels_after("attacked", given, kind="fgsm", epsilon=0.1)
    expected = (pixels + 0.1 * (weights[1 - targets] - weights[targets]).sign()).clamp(0, 1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found[:, 0, 0, 0], pixels[:, 0, 0, 0], atol=1e-6)
    # With steps enough it is also where pgd ends, the pixel aside that makes no difference.
    climbed = pixels_after("attacked", given, kind="pgd", epsilon=0.1, steps=9, step=0.025)
    expected[:, 0, 0, 0] = climbed[:, 0, 0, 0]
    np.testing.assert_allclose(climbed, expected, atol=1e-6)


@pytest.mark.parametrize("settings", [FGSM, PGD])
def test_attacks_keep_to_their_budget(
    classifier: Classifier, pixels: Tensor, settings: dict[str, Any]
) -> None:
    given = seen(classifier, pixels, torch.tensor([0, 3, 5]), [1, 2, 3])
    found = pixels_after("attacked", given, **settings)
    assert found.min() >= -1e-6
    assert found.max() <= 1 + 1e-6
    assert (found - pixels).abs().max() <= 0.05 + 1e-6
    assert (found - pixels).abs().max() > 0.049


def test_pgd_is_at_least_as_strong(classifier: Classifier, pixels: Tensor) -> None:
    targets = torch.tensor([0, 3, 5])
    given = seen(classifier, pixels, targets, [1, 2, 3])

    def behind(images: Tensor) -> Tensor:
        return lost_margin(classifier, images, targets)[0]

    once = behind(altered("attacked", given, **FGSM).images)
    often = behind(altered("attacked", given, **PGD).images)
    assert (once > behind(given.images)).all()
    assert (often >= once).all()
    assert (often > once).any()


def test_attacks_depend_on_the_image_and_its_seed_alone(
    classifier: Classifier, pixels: Tensor, unchanged: Callable[[nn.Module], Any]
) -> None:
    targets = torch.tensor([0, 3, 5])
    one_step = PGD | {"steps": 1}
    with unchanged(classifier.module):
        found = pixels_after("attacked", seen(classifier, pixels, targets, [1, 2, 3]), **one_step)
    small = replace(classifier, batch_size=1)
    order = [2, 0, 1]
    other = pixels_after(
        "attacked", seen(small, pixels[order], targets[order], [3, 1, 2]), **one_step
    )
    # Rounding turns the sign of a gradient that is next to nothing.
    assert ((other - found[order]).abs() > 1e-5).float().mean() < 1e-3
    again = pixels_after("attacked", seen(classifier, pixels, targets, [1, 2, 4]), **one_step)
    assert torch.equal(again[:2], found[:2])
    assert ((again[2] - found[2]).abs() > 1e-3).float().mean() > 0.1


# --- Corruptions --------------------------------------------------------------------------------


def test_the_list_of_transforms_is_the_packages() -> None:
    found = runpy.run_path(str(ROOT / "tools" / "corruptions.py"))["corruptions"]()
    assert known() == found, "run python tools/corruptions.py"
    assert "Rotate" not in found
    assert "ElasticTransform" not in found
    for one in USUAL.values():
        assert one.transform in found


@pytest.mark.parametrize("name", USUAL)
def test_corruptions_are_drawn_by_image(classifier: Classifier, pixels: Tensor, name: str) -> None:
    one = USUAL[name]
    settings = {"transform": one.transform, "arguments": one.at(one.x[-1])}
    targets = torch.tensor([0, 3, 5])
    given = seen(classifier, pixels, targets, [1, 2**62, 3])
    found = pixels_after("corrupted", given, **settings)
    assert ((found - pixels).abs() > 1e-3).float().mean() > 0.1
    order = [2, 0, 1]
    other = seen(classifier, pixels[order], targets[order], [3, 1, 2**62])
    assert torch.equal(pixels_after("corrupted", other, **settings), found[order])
    for number in range(3):
        alone = seen(classifier, pixels[number : number + 1], targets[:1], [given.seeds[number]])
        assert torch.equal(pixels_after("corrupted", alone, **settings)[0], found[number])
    reseeded = replace(given, seeds=[1, 2**62, 4])
    again = pixels_after("corrupted", reseeded, **settings)
    assert torch.equal(again[:2], found[:2])
    assert torch.equal(again[2], found[2]) == (name == "brightness")


def test_corruptions_do_what_their_strength_says(classifier: Classifier) -> None:
    pixels = torch.full((1, 3, 96, 96), 128 / 255)
    given = seen(classifier, pixels, torch.tensor([0]), [5])

    def at(name: str, x: float) -> np.ndarray:
        arguments = USUAL[name].at(x)
        settings = {"transform": USUAL[name].transform, "arguments": arguments}
        return (255 * pixels_after("corrupted", given, **settings)[0]).round().numpy()

    dropped = (at("dropout", 0.2) == 0).all(axis=0)
    assert abs(dropped.mean() - 0.2) < 4 * (0.16 / 9216) ** 0.5
    noise = at("noise", 0.1) - 128
    assert abs(noise.std() / 25.5 - 1) < 0.03
    assert abs(noise.mean()) < 1
    # By the share of what 8 bits can hold.
    np.testing.assert_allclose(at("brightness", 0.2), 128 + 0.2 * 255, atol=1)


def test_transforms_are_checked_before_any_job() -> None:
    with pytest.raises(ValidationError, match="Did you mean 'PixelDropout'"):
        Corruption(transform="PixelDrop", x=[1], args={"dropout_prob": "x"})
    with pytest.raises(ValidationError, match="Did you mean 'dropout_prob'"):
        Corruption(transform="PixelDropout", x=[1], args={"dropout_probability": "x"})
    with pytest.raises(ValidationError, match="leaves things in place 'Rotate'"):
        Corruption(transform="Rotate", x=[1], args={"limit": "x"})
    with pytest.raises(ValidationError, match="no argument holds the strength"):
        Corruption(transform="PixelDropout", x=[1], args={"dropout_prob": 0.5})
    with pytest.raises(ValidationError, match="expected different numbers, increasing"):
        Corruption(transform="PixelDropout", x=[0.2, 0.1], args={"dropout_prob": "x"})


@pytest.mark.parametrize(
    ("name", "x", "args", "message"),
    [
        ("PixelDropout", [-1, 3], {"dropout_prob": "x"}, "would be -1: expected 0 to 1"),
        ("PixelDropout", [0.5, 3], {"dropout_prob": "x"}, "would be 3: expected 0 to 1"),
        ("GaussNoise", [0.2, 1.5], {"std_range": ["x", "x"]}, r"std_range of GaussNoise would be"),
        ("GaussNoise", [0.2], {"std_range": ["x", "x"], "mean_range": [-2, 0]}, "-1 to 1"),
        ("Defocus", [-1], {"radius": ["x", "x"]}, r"expected 1 or more"),
    ],
)
def test_impossible_strengths_are_refused_before_any_job(
    name: str, x: list[float], args: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Corruption(transform=name, x=x, args=args)


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("PixelDropout", "dropout_prob", 1),
        ("RGBShift", "r_shift_limit", [-255, 0.5]),
        ("RingingOvershoot", "cutoff", [0.1, 3.1415]),
        ("Blur", "blur_limit", 9),  # odd sizes: no range
        ("Blur", "blur_limit", [3, 9]),
        ("HueSaturationValue", "hue_shift_limit", -3000),
        ("CoarseDropout", "fill", "inpaint_ns"),
    ],
)
def test_what_the_package_takes_is_not_refused(name: str, argument: str, value: Any) -> None:
    transform(name, {argument: value})
    _check_range(name, argument, value)


def test_values_are_checked_by_the_package() -> None:
    with pytest.raises(SightlineError, match=r"(?s)PixelDropout does not .*less than or equal"):
        transform("PixelDropout", {"dropout_prob": 3})
    with pytest.raises(SightlineError, match="not valid"):
        transform("PixelDropout", {"odd": 3})


@pytest.mark.parametrize("kind", [DeprecationWarning, FutureWarning])
def test_what_changes_one_day_is_no_error(
    kind: type[Warning], monkeypatch: pytest.MonkeyPatch
) -> None:
    import albumentations

    class Older(albumentations.PixelDropout):
        def __init__(self, **given: Any) -> None:
            warnings.warn("another argument is to be used", kind, stacklevel=2)
            super().__init__(**given)

    monkeypatch.setattr(albumentations, "PixelDropout", Older)
    with pytest.warns(kind, match="another argument"):
        found = transform("PixelDropout", {"dropout_prob": 0.5})
    assert found.transforms[0].dropout_prob == 0.5


def test_albumentations_never_asks_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_ALBUMENTATIONS_UPDATE", raising=False)
    transform("PixelDropout", {})
    import os

    assert os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"


# --- Variants and their curves ------------------------------------------------------------------


def test_each_setting_is_a_variant() -> None:
    attack = Attack(epsilons=[0.1, 0.2], steps=3).variants
    assert {name: (one.group, one.x) for name, one in attack.items()} == {
        "fgsm-0.1": ("fgsm", 0.1),
        "fgsm-0.2": ("fgsm", 0.2),
        "pgd-0.1": ("pgd", 0.1),
        "pgd-0.2": ("pgd", 0.2),
    }
    assert attack["pgd-0.2"].settings == {
        "kind": "pgd", "epsilon": 0.2, "steps": 3, "step": 0.05
    }  # fmt: skip
    # What is computed depends on no setting that is not of the variant.
    assert attack["fgsm-0.1"].spec == Attack(steps=9).variants["fgsm-0.01"].spec | {
        "settings": {"kind": "fgsm", "epsilon": 0.1}
    }
    assert "x" not in json.dumps(attack["fgsm-0.1"].spec)
    own = {"mine": {"transform": "Posterize", "args": {"num_bits": "x"}, "x": [2, 4]}}
    found = Corruptions.model_validate({"transforms": own}).variants
    assert list(found) == ["mine-2", "mine-4"]
    assert found["mine-4"].settings["arguments"] == {"num_bits": 4}
    assert [one.x for one in Randomisation(stages=4).variants.values()] == [0.25, 0.5, 0.75, 1.0]
    assert [one.x for one in Transforms().variants.values()] == [None]


def job(experiment: str, **settings: Any) -> MapsJob:
    entry = EXPERIMENTS[experiment]
    return MapsJob(
        model="m",
        module=entry.path,
        settings=entry.settings(**settings),
        scaling={"own": ("raw",)},
        count=4,
        seed=0,
    )


def test_variants_of_a_group_are_a_curve_that_begins_with_the_original(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    maps = generator.normal(size=(5, 7, 7))
    original = write_maps(tmp_path / "o.h5", maps, confidence=[0.9] * 5, correct=[1] * 5)
    altered = []
    for x, noise in ((0.01, 0.1), (0.05, 1.0)):
        path = write_maps(
            tmp_path / f"{x}.h5",
            maps + noise * generator.normal(size=maps.shape),
            targets=range(5),
            predicted=["0", "1", "2", "7", "7"] if x == 0.05 else None,
            correct=[1, 1, 1, 0, 0] if x == 0.05 else [1] * 5,
            confidence=[0.9 - 4 * x] * 5,
        )
        altered.append(AlteredMaps("fgsm", x, {"own": [path]}))
    evaluate_variants(job("attack"), {"own": [original]}, altered, tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert set(table["variant"]) == {"fgsm"}
    assert set(table["measure"]) == {one.name for one in EXPERIMENTS["attack"].measures}
    mean = table.groupby(["measure", "x"])["value"].mean()
    assert mean["confidence"].tolist() == pytest.approx([0.9, 0.86, 0.7])
    assert mean["flipped"].tolist() == [0, 0, 0.25]
    assert mean["correct"].tolist() == [1, 1, 0.75]
    assert mean["cosine", 0.0] == pytest.approx(1)
    assert 1 > mean["cosine", 0.01] > mean["cosine", 0.05]
    answers = table[(table["x"] == 0.05) & (table["measure"] == "flipped")]
    assert answers["before"].tolist() == ["0", "1", "2", "3"]
    assert answers["after"].tolist() == ["0", "1", "2", "7"]
    assert table["image_id"].nunique() == 4


@pytest.mark.parametrize("several", [False, True])
def test_an_attack_is_of_classes_that_the_model_answers(tmp_path: Path, several: bool) -> None:
    task = {"task": "multilabel"} if several else {}
    given = {"attributes": {"model_spec": json.dumps({"name": "m"} | task)}, "targets": range(4)}
    maps = np.random.default_rng(0).normal(size=(4, 7, 7))
    # Of several classes an image the first two are answered, of one the second and the fourth.
    predicted, confidence = ["9", "1", "9", "3"], [0.9, 0.8, 0.4, 0.3]
    original = write_maps(
        tmp_path / "o.h5", maps, predicted=predicted, confidence=confidence, **given
    )
    # The first stays first, and is likely no more; the second the other way round.
    changed = write_maps(
        tmp_path / "a.h5",
        maps,
        predicted=["9", "8", "9", "3"],
        confidence=[0.2, 0.7, 0.1, 0.1],
        **given,
    )
    rows = {}
    for name in ("attack", "corruption"):
        altered = [AlteredMaps("fgsm", 0.1, {"own": [changed]})]
        evaluate_variants(job(name), {"own": [original]}, altered, tmp_path / "t.parquet")
        table = read_table(tmp_path / "t.parquet")
        rows[name] = {
            measure: own["value"].to_numpy().reshape(2, 4)
            for measure, own in table.groupby("measure", sort=False)
        }
    nan = np.nan
    expected = [1, 0, nan, nan] if several else [nan, 1, nan, 0]
    begin = np.where(np.isnan(expected), nan, 0)
    np.testing.assert_array_equal(rows["attack"]["flipped"], [begin, expected])
    for values in rows["attack"].values():
        known = ~np.isnan(values)
        assert (known == ~np.isnan(expected)).all() or not known.any()
    # Whatever is explained, a corruption may turn the answer.
    turned = [1, 0, 0, 0] if several else [0, 1, 0, 0]
    np.testing.assert_array_equal(rows["corruption"]["flipped"][1], turned)


def test_all_strengths_draw_the_same() -> None:
    """Points of a curve differ by the strength alone: with more noise all pixels move further."""
    picture = Image.fromarray(np.full((24, 24, 3), 128, np.uint8))
    classifier = linear(torch.ones(2, 3, 24, 24), torch.zeros(2))
    rows: Any = [Row("a.png"), Row("b.png")]
    images, boxes = classifier.preprocessing([picture] * 2)
    changes = {}
    for strength in (0.05, 0.1):
        one = Corruptions(transforms={"noise": USUAL["noise"]})
        name, spec = f"noise-{strength:g}", one.variants[f"noise-{strength:g}"].spec
        change = Variant(
            f"corruption.{name}", **spec, module=ALTERATIONS["corrupted"].module,
            own_draws=False, shown=0,
        )  # fmt: skip
        change.prepare(classifier, 0, "m")
        shard: Any = None
        _, found, _, _ = change(classifier, images, boxes, torch.zeros(2).long(), shard, rows)
        changes[strength] = (found - images).numpy()
    less, more = changes[0.05], changes[0.1]
    assert np.corrcoef(less.ravel(), more.ravel())[0, 1] > 0.98
    assert np.abs(more).mean() > 1.8 * np.abs(less).mean()
    # Each image has draws of its own.
    assert abs(np.corrcoef(less[0].ravel(), less[1].ravel())[0, 1]) < 0.1


def test_sharing_transforms_stands_beside_the_models_own(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).normal(size=(3, 7, 7))
    original = write_maps(tmp_path / "o.h5", maps, correct=[1, 0, -1], confidence=[0.9, 0.8, 0.7])
    shared = write_maps(tmp_path / "s.h5", maps, correct=[0, 0, -1], confidence=[0.5, 0.6, 0.7])
    altered = [AlteredMaps("shared", None, {"own": [shared]})]
    evaluate_variants(job("transforms"), {"own": [original]}, altered, tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table["x"].isna().all()
    values = {name: one["value"].to_numpy() for name, one in table.groupby("measure")}
    assert values.keys() == {one.name for one in EXPERIMENTS["transforms"].measures}
    np.testing.assert_array_equal(values["correct_before"], [1, 0, np.nan])
    np.testing.assert_array_equal(values["correct"], [0, 0, np.nan])
    np.testing.assert_allclose(values["confidence_before"], [0.9, 0.8, 0.7], rtol=1e-6)
    np.testing.assert_allclose(values["confidence"], [0.5, 0.6, 0.7], rtol=1e-6)


def test_maps_of_two_geometries_are_compared_where_both_show_the_image(tmp_path: Path) -> None:
    # One sees the whole image, the other its left half; there both have the same ramp.
    ramp = np.tile(np.linspace(0, 1, 56), (1, 56, 1))
    whole = read_maps(write_maps(tmp_path / "w.h5", ramp))
    left = np.tile(np.linspace(0, 0.5, 56), (1, 56, 1))
    half = read_maps(write_maps(tmp_path / "h.h5", left, boxes=[(0, 0, 112, 224)]))
    found = compare(whole, half, ("raw",), Transforms())
    assert found["cosine"][0] > 0.9999
    mirrored = read_maps(write_maps(tmp_path / "m.h5", left[:, :, ::-1], boxes=[(0, 0, 112, 224)]))
    assert compare(whole, mirrored, ("raw",), Transforms())["spearman"][0] < -0.99


# --- Randomisation and transforms ---------------------------------------------------------------


def test_a_stage_of_the_cascade_is_that_of_the_checks(
    classifier: Classifier, pixels: Tensor, unchanged: Callable[[nn.Module], Any]
) -> None:
    given = seen(classifier, pixels, torch.tensor([0, 3, 5]), [1, 2, 3])
    with unchanged(classifier.module):
        found = altered("randomised", given, stage=2, stages=3)
    stages = randomised(classifier, 3, seed=3)
    next(stages)
    share, expected = next(stages)
    assert 0 < share < 1
    pairs = zip(found.classifier.module.parameters(), expected.module.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    mine = zip(found.classifier.module.parameters(), classifier.module.parameters(), strict=True)
    assert not all(torch.equal(one, other) for one, other in mine)
    assert torch.equal(found.images, given.images)
    assert torch.equal(found.targets, given.targets)


@pytest.mark.parametrize(
    ("layers", "lost"), [(1, [0, 1, 1, 1]), (2, [1, 1, 2, 2]), (5, [2, 3, 4, 5])]
)
def test_few_layers_are_lost_by_their_share(layers: int, lost: list[int]) -> None:
    """At stage s of 4 the share s/4 of the layers, or what is nearest to it."""
    inner = [nn.Linear(12, 12) for _ in range(layers - 1)]
    module = nn.Sequential(nn.Flatten(), *inner, nn.Linear(12, 3))
    classifier = Classifier(module, Preprocessing((2, 2)))
    given = seen(classifier, torch.rand(1, 3, 2, 2), torch.tensor([0]), [1])
    found = []
    for stage in range(1, 5):
        other = altered("randomised", given, stage=stage, stages=4).classifier.module
        pairs = zip(module[1:], other[1:], strict=True)
        found.append(sum(not torch.equal(one.weight, two.weight) for one, two in pairs))
    assert found == lost


def test_methods_draw_anew_with_other_weights_only() -> None:
    assert {name for name, one in ALTERATIONS.items() if one.own_draws} == {"randomised"}


def test_shared_transforms_are_those_that_are_said() -> None:
    own = Preprocessing((48, 48), geometry="squash")
    classifier = replace(linear(torch.ones(2, 3, 48, 48), torch.zeros(2)), preprocessing=own)
    from PIL import Image

    picture = Image.fromarray(np.repeat(render(0).image, 2, axis=1))
    given = replace(
        seen(classifier, torch.rand(1, 3, 48, 48), torch.tensor([0]), [1]),
        pictures=lambda: [picture],
    )
    settings = Transforms().variants["shared"].settings
    found = altered("transforms", given, **json.loads(json.dumps(settings)))
    shared = Preprocessing(
        (48, 48),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        crop_pct=0.875,
        geometry="model",
    )
    expected, boxes = shared([picture])
    assert torch.equal(found.images, expected)
    assert found.boxes == boxes
    assert found.boxes[0][0] > 48  # the crop leaves out more than a quarter on the left
    assert found.classifier.preprocessing == shared
    assert classifier.preprocessing == own
