"""Checks of explanations: on known truths, and every method of the catalogue on trained models."""

from __future__ import annotations

import copy
import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any, get_args

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import spearmanr
from torch import Tensor, nn

from conftest import quick_settings
from explaining import linear
from project import Project
from sightline.errors import SightlineError
from sightline.evaluate.alike import cosine_of_scaled, rank_correlation
from sightline.evaluate.explain import Explain, explainer
from sightline.evaluate.inside import inside, permutation_p, seen_mask
from sightline.evaluate.sanity.completeness import completeness_gap
from sightline.evaluate.sanity.offset import offset_change, rounded, taken_back
from sightline.evaluate.sanity.randomise import parametrised, randomised
from sightline.evaluate.sanity.seeds import seed_agreement
from sightline.evaluate.sanity.shift import follows_shift, least_cutting, steps
from sightline.evaluate.sanity.verdict import ALIKE, CHANGE, CHECKS, GAP, Declared, Expected, judge
from sightline.images.shapes import render
from sightline.images.shards import Entry, png, write_shard
from sightline.jobs.figures import of_methods as figures
from sightline.jobs.masks import images_with_masks
from sightline.jobs.merging.sanity import merge_checks
from sightline.jobs.named import load_named
from sightline.methods.catalogue import CATALOGUE
from sightline.methods.explanation import Explanation
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing
from sightline.plots.sanity import sanity_figure
from sightline.study.config import Check

RNG = np.random.default_rng(0)


def explaining(rule: Callable[[Classifier, Tensor, Tensor], Tensor]) -> Explain:
    """A method of a test's own, from (classifier, images, targets) to maps."""

    def method(
        classifier: Classifier, images: Tensor, targets: Tensor, seeds: Sequence[int], settings: Any
    ) -> Explanation:
        return Explanation(rule(classifier, images, targets).float())

    return explainer(method, None)


@explaining
def gradient(classifier: Classifier, images: Tensor, targets: Tensor) -> Tensor:
    return classifier.input_gradients(images, targets)[1].sum(dim=1)


@explaining
def gradient_times_image(classifier: Classifier, images: Tensor, targets: Tensor) -> Tensor:
    return (classifier.input_gradients(images, targets)[1] * images).sum(dim=1)


@explaining
def middle(classifier: Classifier, images: Tensor, targets: Tensor) -> Tensor:
    """The same spot whatever the image shows."""
    found = torch.zeros(len(images), *images.shape[2:])
    found[:, images.shape[2] // 2, images.shape[3] // 2] = 1
    return found


# --- Alike --------------------------------------------------------------------------------------


def test_rank_correlation_is_scipys_with_ties_too() -> None:
    one = RNG.integers(-3, 4, (5, 6, 7)).astype(np.float32)
    other = RNG.normal(size=(5, 6, 7)).astype(np.float32)
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(rank_correlation(one, other), expected, atol=1e-12)
    np.testing.assert_allclose(rank_correlation(one, -one), -1)
    np.testing.assert_allclose(rank_correlation(other, np.exp(other)), 1)


def test_maps_that_say_nothing_are_like_nothing() -> None:
    good = RNG.normal(size=(3, 4, 4)).astype(np.float32)
    odd = good.copy()
    odd[0], odd[1, 0, 0] = 0, np.nan
    for one, other in ((good, odd), (odd, good)):
        assert np.isnan(rank_correlation(one, other)).tolist() == [True, True, False]
        assert np.isnan(cosine_of_scaled(one, other, ("abs",), 8)).tolist() == [True, True, False]


def test_the_cosine_is_of_maps_as_they_are_scaled() -> None:
    one = RNG.normal(size=(3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(cosine_of_scaled(one, -3 * one, ("max",), 8), -1, rtol=1e-5)
    np.testing.assert_allclose(cosine_of_scaled(one, -3 * one, ("max", "abs"), 8), 1, rtol=1e-5)
    other = RNG.normal(size=(3, 8, 8)).astype(np.float32)
    a, b = (np.maximum(maps, 0).reshape(3, -1) for maps in (one, other))
    expected = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(cosine_of_scaled(one, other, ("positive",), 8), expected, rtol=1e-5)


# --- Randomised weights -------------------------------------------------------------------------


def test_weights_are_lost_from_the_output_to_the_input(
    classifiers: dict[str, Classifier], unchanged: Callable[[nn.Module], Any]
) -> None:
    classifier = classifiers["transformer"]
    before = {name: w.detach().clone() for name, w in classifier.module.named_parameters()}
    order = list(before)
    shares, changed = [], []
    with unchanged(classifier.module):
        for share, other in randomised(classifier, 5, seed=1):
            after = dict(other.module.named_parameters())
            shares.append(share)
            changed.append({name for name in order if not torch.equal(before[name], after[name])})
    assert shares[-1] == 1
    assert all(a < b for a, b in pairwise(shares))
    assert changed[0]
    for smaller, larger in pairwise(changed):
        assert smaller < larger
    assert "head.weight" in changed[0]
    assert "patch_embed.proj.weight" in changed[-1] - changed[-2]
    # Tensors of one value, as a fresh normalisation's, have no spread to be drawn from.
    same = {name for name, w in before.items() if (w == w.flatten()[0]).all()}
    assert changed[-1] == set(order) - same


def test_what_is_drawn_has_the_mean_and_spread_of_what_was(
    classifiers: dict[str, Classifier],
) -> None:
    classifier = classifiers["cnn"]
    ((share, other),) = randomised(classifier, 1, seed=1)
    assert share == 1
    pairs = zip(classifier.module.parameters(), other.module.parameters(), strict=True)
    for one, drawn in ((a.detach(), b.detach()) for a, b in pairs):
        if one.numel() > 500:
            spread = one.std()
            assert abs(drawn.mean() - one.mean()) < 5 * spread / one.numel() ** 0.5
            assert abs(drawn.std() / spread - 1) < 5 / one.numel() ** 0.5
            correlation = torch.corrcoef(torch.stack([one.flatten(), drawn.flatten()]))[0, 1]
            assert abs(correlation) < 5 / one.numel() ** 0.5


def test_the_seed_decides_what_is_drawn(classifiers: dict[str, Classifier]) -> None:
    def head(seed: int) -> Tensor:
        (_, other), *_ = randomised(classifiers["cnn"], 3, seed)
        return other.module.fc.weight

    torch.manual_seed(0)
    one = head(1)
    torch.manual_seed(5)
    assert torch.equal(head(1), one)
    assert not torch.equal(head(2), one)


def test_shared_weights_are_drawn_once() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 2))
    module[2].weight = module[0].weight
    found = parametrised(module)
    assert [len(part) for part in found] == [2, 1, 2]
    assert found[0][0] is module[3].weight
    assert {id(w) for part in found for w in part} == {id(w) for w in module.parameters()}
    with pytest.raises(SightlineError, match="no weights that could be randomised"):
        next(randomised(Classifier(nn.Flatten(), Preprocessing((8, 8))), 2, 0))


# --- Completeness, shift, offset ----------------------------------------------------------------


def test_the_gap_is_what_attributions_lack(weights: Tensor, pictures: Tensor) -> None:
    classifier, targets = linear(weights, torch.ones(8)), torch.tensor([2, 0, 7])
    maps = gradient_times_image(classifier, pictures, targets, [])
    assert completeness_gap(classifier, pictures, targets, maps).max() < 1e-4
    for factor in (0.0, 0.75, 2.0):
        gap = completeness_gap(classifier, pictures, targets, factor * maps)
        np.testing.assert_allclose(gap, abs(1 - factor), atol=1e-4)


class Rolling(nn.Module):
    """What it computes does not depend on where things are: it wraps around at the edges."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 5, padding=2, padding_mode="circular"),
            nn.Softplus(),
            nn.Conv2d(6, 4, 5, padding=2, padding_mode="circular"),
        )
        generator = torch.Generator().manual_seed(0)
        for weight in self.parameters():
            nn.init.normal_(weight, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images).square().mean(dim=(2, 3))


def test_maps_of_a_model_that_knows_no_place_follow() -> None:
    classifier = Classifier(Rolling(), Preprocessing((24, 36)))
    images = torch.randn(4, 3, 24, 36, generator=torch.Generator().manual_seed(1))
    targets, seeds = torch.tensor([0, 1, 2, 3]), [0] * 4
    how = (classifier, images, targets, seeds)
    maps = gradient(*how)
    moved = follows_shift(gradient, *how, maps, ("max", "abs"))
    before = gradient(classifier, images.roll(8, 2), targets, seeds)
    np.testing.assert_allclose(np.roll(maps, 8, axis=1), before, rtol=1e-3, atol=1e-5)
    # The rolled map is the map of the rolled image; what remains is how unlike itself it is there.
    moves = least_cutting(classifier, images, targets)
    rolled = np.stack([np.roll(one, move, (0, 1)) for one, move in zip(maps, moves, strict=True)])
    unlike = 1 - cosine_of_scaled(maps, rolled, ("abs",), 36)
    np.testing.assert_allclose(moved, unlike, atol=1e-3)
    assert (unlike > 0.1).all()
    stays = follows_shift(middle, *how, middle(*how), ("max", "abs"))
    np.testing.assert_allclose(stays, -1)


def test_moves_are_whole_strides_in_the_direction_that_cuts_least(
    classifiers: dict[str, Classifier],
) -> None:
    assert steps(classifiers["transformer"], (96, 96)) == (32, 32)
    where = torch.zeros(4, 3, 24, 36)
    for target, column in enumerate((0, 35)):
        where[target, :, :, column] = 1  # the logit is what stands there
    for target, row in enumerate((0, 23), start=2):
        where[target, :, row] = 1
    edges = linear(where, torch.zeros(4))
    images = where.clone()
    # Rolled along itself a line stays: any other way it is lost.
    assert [move[1] for move in least_cutting(edges, images[:2], torch.tensor([0, 1]))] == [0, 0]
    assert [move[0] for move in least_cutting(edges, images[2:], torch.tensor([2, 3]))] == [0, 0]


def test_a_constant_that_is_taken_back_changes_nothing_else(
    classifier: Classifier, images: Tensor, unchanged: Callable[[nn.Module], Any]
) -> None:
    images = rounded(images)
    assert (images - rounded(images + 1) + 1).abs().max() == 0
    with unchanged(classifier.module):
        with taken_back(classifier, 1.0) as other:
            assert torch.equal(other.scores(images + 1), classifier_scores(classifier, images))
            seen = other.preprocessing.pixels(images + 1)
        with pytest.raises(ZeroDivisionError), taken_back(classifier, 1.0):
            raise ZeroDivisionError
    np.testing.assert_array_equal(seen, classifier.preprocessing.pixels(images))


def classifier_scores(classifier: Classifier, images: Tensor) -> Tensor:
    """Scores by a copy, which has no hook of the offset."""
    return replace(classifier, module=without_hooks(classifier.module)).scores(images)


def without_hooks(module: nn.Module) -> nn.Module:
    found = copy.deepcopy(module)
    found._forward_pre_hooks.clear()
    return found


def test_the_change_by_an_offset_is_as_derived(weights: Tensor, pictures: Tensor) -> None:
    classifier, targets = linear(weights, torch.ones(8)), torch.tensor([2, 0, 7])
    how = (classifier, rounded(pictures), targets, [0] * 3)
    assert offset_change(gradient, *how, gradient(*how)).max() == 0
    found = offset_change(gradient_times_image, *how, gradient_times_image(*how))
    # The product with the image becomes w (x + 1): it changes by w.
    added = weights[targets].sum(dim=1).flatten(1).norm(dim=1)
    size = (weights[targets] * rounded(pictures)).sum(dim=1).flatten(1).norm(dim=1)
    np.testing.assert_allclose(found, (added / size).numpy(), rtol=1e-5)


# --- Inside -------------------------------------------------------------------------------------


def planted(count: int = 12, side: int = 24) -> np.ndarray:
    """Squares at different places."""
    masks = np.zeros((count, side, side), np.float32)
    for mask in masks:
        y, x = RNG.integers(0, side - 6, 2)
        mask[y : y + 6, x : x + 6] = 1
    return masks


def test_shares_are_as_counted() -> None:
    masks, maps = planted(), RNG.normal(size=(12, 24, 24)).astype(np.float32)
    found = inside(maps, masks, ("max",))
    for i, one in enumerate(np.maximum(maps, 0)):
        shares = [one[mask > 0].sum() / one.sum() for mask in masks]
        assert found.share[i] == pytest.approx(shares[i], rel=1e-5)
        assert found.chance[i] == pytest.approx(np.mean(np.delete(shares, i)), rel=1e-5)
    np.testing.assert_allclose(found.area, 36 / 24**2)


def test_maps_of_the_object_are_inside_and_no_others() -> None:
    masks = planted()
    right = inside(masks, masks, ("positive", "minmax"))
    np.testing.assert_allclose(right.share, 1)
    assert (right.chance < 0.5).all()
    assert right.p < 1e-3
    flat = inside(np.ones_like(masks), masks, ("max",))
    np.testing.assert_allclose(flat.share, flat.area, rtol=1e-5)
    assert flat.p == 1
    # In the middle, where the objects are: far above the mask's area, but not above chance.
    central = np.zeros_like(masks)
    central[:, 8:16, 8:16] = 1
    assert inside(central, masks, ("max",)).p == 1
    absent = inside(1 - masks, masks, ("max",))
    np.testing.assert_allclose(absent.share, 0)
    assert absent.p == 1


def test_by_chance_every_p_is_as_likely() -> None:
    masks = planted()
    found = [
        inside(RNG.random((12, 24, 24)).astype(np.float32), masks, ("max",), seed=i).p
        for i in range(60)
    ]
    assert 0.3 < np.mean(found) < 0.7
    assert np.mean(np.array(found) < 0.2) < 0.4


def test_a_p_value_counts_permutations() -> None:
    shares = RNG.random((4, 4))
    sums = [sum(shares[i, j] for i, j in enumerate(order)) for order in permutations(range(4))]
    exact = np.mean(np.array(sums) >= np.trace(shares) - 1e-12)
    assert permutation_p(shares, 0) == pytest.approx(exact, abs=0.02)
    assert np.isnan(permutation_p(np.ones((1, 1)), 0))


def test_maps_and_images_that_cannot_be_judged_are_left_out() -> None:
    masks = planted(5)
    maps = masks.copy()
    maps[0], maps[1, 0, 0], masks[2] = 0, np.nan, 0
    found = inside(maps, masks, ("max",))
    assert np.isnan(found.share).tolist() == [True, True, True, False, False]
    expected = inside(maps[3:], masks[3:], ("max",))
    np.testing.assert_array_equal(found.share[3:], expected.share)
    np.testing.assert_array_equal(found.chance[3:], expected.chance)


def test_a_mask_is_seen_through_the_geometry() -> None:
    mask = np.zeros((12, 20), bool)
    mask[2:6, 0:8] = True
    whole = seen_mask(mask, (0, 0, 20, 12), (12, 20))
    np.testing.assert_allclose(whole, mask, atol=1e-6)
    crop = seen_mask(mask, (4, 0, 16, 12), (12, 12))
    np.testing.assert_allclose(crop, mask[:, 4:16], atol=1e-6)
    # A border above and below, in which the object's outermost pixels do not go on.
    mask[0, 0] = True
    bordered = seen_mask(mask, (0, -4, 20, 16), (20, 20))
    np.testing.assert_allclose(bordered, np.pad(mask, ((4, 4), (0, 0))), atol=1e-6)
    half = seen_mask(mask, (0, 0, 20, 12), (6, 10))
    assert half[1, 1] == 0.875
    assert half[2, 0] == 0.875
    assert half[5, 9] == 0
    assert half.mean() == pytest.approx(mask.mean(), rel=0.1)


def test_objects_of_the_images_own_class_count(tmp_path: Path) -> None:
    left, right = np.zeros((2, 16, 16), bool)
    left[:, :4], right[:, 12:] = True, True
    pixels = png(np.zeros((16, 16, 3), np.uint8))
    objects = {
        "own": (("cat", None, left), ("dog", None, right)),
        "other": (("dog", (12, 0, 16, 16), None),),
        "unlabelled": (("", (12, 0, 16, 16), None), ("dog", None, left)),
    }
    entries = [Entry(name, "cat", pixels, f"{name}.png", found) for name, found in objects.items()]
    shards = [tmp_path / "000000-000001.zip", tmp_path / "000002-000002.zip"]
    write_shard(shards[0], entries[:2])
    write_shard(shards[1], entries[2:])
    classifier = Classifier(nn.Flatten(), Preprocessing((8, 8)))
    rows, images, masks = images_with_masks(classifier, shards, 3)
    assert [row.image_id for row in rows] == list(objects)
    assert images.shape == (3, 3, 8, 8)
    assert masks.shape == (3, 8, 8)
    np.testing.assert_allclose(masks.mean(axis=(1, 2)), [0.25, 0, 0.25], atol=0.03)
    assert masks[0, :, 0].min() == 1
    assert masks[2, :, 7].min() == 1
    assert len(images_with_masks(classifier, shards, 2)[0]) == 2


# --- Every method, on trained models ------------------------------------------------------------

MODELS = ("test_resnet", "test_vit")
# More images tell chance apart, fewer do for what is compared image by image.
MANY, FEW = 24, 6
# Not above chance with so few images, and why.
OUTSIDE = {
    ("eigencam", "test_vit"): "the first direction of tokens is what the background has in common",
    ("abscam_initial", "test_vit"): "weights without a sign, of tokens with values of either",
}


@dataclass(frozen=True)
class Trial:
    """A method with its maps of some images by a trained model."""

    explain: Explain
    classifier: Classifier
    images: Tensor
    targets: Tensor
    masks: np.ndarray
    maps: np.ndarray

    @property
    def few(self) -> tuple[Classifier, Tensor, Tensor, list[int]]:
        return self.classifier, self.images[:FEW], self.targets[:FEW], list(range(FEW))


@pytest.fixture(scope="module")
def trained() -> dict[str, tuple[Classifier, Tensor, Tensor]]:
    found = {}
    for name in MODELS:
        _, classifier = load_named({"name": f"zoo:{name}"}, "cpu")
        images, _ = classifier.preprocessing(
            [Image.fromarray(render(i).image) for i in range(MANY)]
        )
        images = rounded(images)
        found[name] = (classifier, images, classifier.scores(images).argmax(dim=1))
    return found


@pytest.fixture(scope="module")
def trials() -> dict[tuple[str, str], Trial | str]:
    """Filled by what asks for it; of a method that refuses a model it holds the reason."""
    return {}


@pytest.fixture(params=[(name, model) for name in CATALOGUE for model in MODELS], ids="-".join)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture
def trial(
    pair: tuple[str, str],
    trained: dict[str, tuple[Classifier, Tensor, Tensor]],
    trials: dict[tuple[str, str], Trial | str],
) -> Trial:
    if pair not in trials:
        name, model = pair
        explain = explainer(CATALOGUE[name].load(), quick_settings(name))
        try:
            maps = explain(*trained[model], list(range(MANY)))
            masks = np.stack([render(i).objects[0].mask for i in range(MANY)])
            trials[pair] = Trial(explain, *trained[model], masks.astype(np.float32), maps)
        except SightlineError as error:
            trials[pair] = str(error)
    found = trials[pair]
    if isinstance(found, str):
        pytest.skip(found)
    return found


def test_more_than_by_chance_is_inside_the_object(pair: tuple[str, str], trial: Trial) -> None:
    method = CATALOGUE[pair[0]]
    found = inside(trial.maps, trial.masks, method.scaling)
    if pair in OUTSIDE or (method.control and method.stochastic):
        assert found.p > 0.05
    elif not method.control:
        assert found.p < 0.05
        assert np.nanmean(found.share) > np.nanmean(found.chance)


def test_maps_change_with_the_weights(pair: tuple[str, str], trial: Trial) -> None:
    ((_, other),) = randomised(trial.classifier, 1, seed=1)
    seeds = list(range(100, 100 + FEW))
    maps, found = trial.maps[:FEW], trial.explain(other, *trial.few[1:3], seeds)
    alike = rank_correlation(np.abs(maps), np.abs(found))
    method = CATALOGUE[pair[0]]
    if method.control and not method.stochastic:
        np.testing.assert_allclose(alike[np.isfinite(alike)], 1)
    else:
        assert np.nanmean(alike) < ALIKE


def test_what_should_sums_to_the_change_of_the_logit(pair: tuple[str, str], trial: Trial) -> None:
    if not CATALOGUE[pair[0]].complete:
        return
    # Enough steps to tell the quadrature's error from a missing part.
    explain = explainer(CATALOGUE[pair[0]].load(), CATALOGUE[pair[0]].settings())
    how = [one[:3] if isinstance(one, Tensor | list) else one for one in trial.few]
    gap = completeness_gap(*how[:3], explain(*how))
    assert np.median(gap) < GAP


def test_maps_follow_what_is_moved(pair: tuple[str, str], trial: Trial) -> None:
    method = CATALOGUE[pair[0]]
    value = follows_shift(trial.explain, *trial.few, trial.maps[:FEW], method.scaling)
    if not method.control:
        assert np.nanmean(value) > 0


def test_maps_ignore_an_offset_where_they_are_declared_to(
    pair: tuple[str, str], trial: Trial
) -> None:
    change = offset_change(trial.explain, *trial.few, trial.maps[:FEW])
    if CATALOGUE[pair[0]].offset_invariant:
        assert np.nanmax(change) < CHANGE
    else:
        assert np.nanmax(change) > 1e-3


def test_stochastic_maps_agree_with_themselves_as_far_as_they_do(
    pair: tuple[str, str], trial: Trial
) -> None:
    method = CATALOGUE[pair[0]]
    how = {"scaling": method.scaling, "grid": 96}
    maps = trial.maps[:FEW]
    same = seed_agreement(trial.explain, *trial.few, maps, **how)
    known = np.isfinite(same["cosine"])
    assert known.any()
    np.testing.assert_allclose(same["cosine"][known], 1, atol=1e-4)
    if method.stochastic:
        others = [seed + 100 for seed in range(FEW)]
        other = seed_agreement(trial.explain, *trial.few[:3], others, maps, **how)
        assert np.nanmax(other["cosine"]) < 1 - 1e-5
        if not method.control:
            assert np.nanmean(other["cosine"]) > 0.2


# --- Verdicts -----------------------------------------------------------------------------------

USUAL = Declared(("max",), complete=True, offset_invariant=True, stochastic=True, control=False)


def measured(check: str, values: dict[str, list[float]], weights: Any = None) -> list[dict]:
    return [
        {
            **{"model": "m", "method": "k", "check": check, "measure": measure},
            **{"weights": weights, "image_id": str(i), "value": value},
        }
        for measure, found in values.items()
        for i, value in enumerate(found)
    ]


def test_checks_are_those_of_the_configuration() -> None:
    assert get_args(Check) == CHECKS


def test_verdicts() -> None:
    rows = [
        *measured("randomise", {"rank": [0.9], "rank_magnitude": [0.9, 0.8]}, 0.5),
        *measured("randomise", {"rank": [0.9], "rank_magnitude": [0.1, 0.3]}, 1.0),
        *measured("completeness", {"gap": [0.01, 0.02, 9.0, np.nan]}),
        *measured("shift", {"follows": [-0.2, 0.1]}),
        *measured("offset", {"change": [0.0, 0.0]}),
        *measured("inside", {"share": [0.5], "excess": [0.2, 0.1], "p": [0.3]}),
        *measured("seeds", {"cosine": [0.8, 0.6], "rank": [0.1, 0.1]}),
    ]
    found = judge(pd.DataFrame(rows), USUAL).set_index("check")
    np.testing.assert_allclose(found["value"], [0.2, 0.02, -0.05, 0, 0.15, 0.7])
    assert found["passed"].tolist() == [True, True, False, True, False, ""]
    assert found["n"].tolist() == [2, 3, 2, 2, 2, 2]
    assert found["expected"].tolist() == ["< 0.707", "< 0.05", "> 0", "< 0.01", "> 0", ""]
    assert found.loc["inside", "p"] == 0.3
    free = judge(pd.DataFrame(rows), replace(USUAL, offset_invariant=False)).set_index("check")
    assert free["passed"].tolist() == [True, True, False, "", False, ""]
    control = judge(pd.DataFrame(rows), replace(USUAL, control=True))
    assert set(control["passed"]) == {""}
    zero = judge(pd.DataFrame(measured("shift", {"follows": [np.nan, np.nan]})), USUAL)
    assert (zero["passed"].item(), zero["n"].item()) == ("", 0)
    assert not Expected("<", 1).met(np.nan)
    assert not Expected(">", 1).met(np.nan)
    assert [check for check in CHECKS if not replace(USUAL, complete=False).has(check)] == [
        "completeness"
    ]
    assert [check for check in CHECKS if not replace(USUAL, stochastic=False).has(check)] == [
        "seeds"
    ]


def test_tables_of_no_study_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "k.csv"
    pd.DataFrame(measured("shift", {"follows": [1.0]})).to_csv(file, index=False)
    with pytest.raises(SightlineError, match="of the method k, which the study has not"):
        merge_checks([file], {}, tmp_path / "sanity.csv")
    pd.DataFrame(measured("shift", {"follows": []}), columns=["method"]).to_csv(file, index=False)
    with pytest.raises(SightlineError, match="is defined for any method"):
        merge_checks([file], {}, tmp_path / "sanity.csv")


def test_the_figure_shows_who_passes() -> None:
    rows = [
        ("a", "saliency", "shift", 0.5, "True"),
        ("b", "saliency", "shift", -0.1, "False"),
        ("a", "saliency", "offset", 0.0, "True"),
        ("a", "kernelshap", "shift", 0.4, "True"),
        ("a", "kernelshap", "offset", 1.5, None),
    ]
    table = pd.DataFrame(rows, columns=["model", "method", "check", "value", "passed"])
    figure = sanity_figure(table, "viridis")
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert texts >= {"1/2\n0.2", "1/1\n0", "1/1\n0.4", "1.5"}
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["shift", "offset"]
    unjudged = sanity_figure(table.assign(check="seeds", passed=np.nan), "viridis")
    assert {text.get_text() for text in unjudged.axes[0].texts} == {"0.13", "0.95"}
    for one in (figure, unjudged):
        plt.close(one)


def test_ids_that_look_like_something_else_are_drawn_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for method in ("NA", "007"):
        rows = measured("shift", {"follows": [1.0, 0.5]})
        files.append(tmp_path / f"{method}.csv")
        pd.DataFrame(rows).assign(method=method, model="null").to_csv(files[-1], index=False)
    declared = asdict(USUAL)
    merge_checks(files, dict.fromkeys(("NA", "007"), declared), tmp_path / "sanity.csv")
    drawn: list[pd.DataFrame] = []

    def figure(table: pd.DataFrame, palette: str) -> Figure:
        drawn.append(table)
        return sanity_figure(table, palette)

    monkeypatch.setattr(figures, "sanity_figure", figure)
    figures.draw_sanity(tmp_path / "sanity.csv", tmp_path / "sanity.png", palette="viridis")
    assert drawn[0]["method"].tolist() == ["NA", "007"]
    assert drawn[0]["model"].tolist() == ["null", "null"]


# --- A study ------------------------------------------------------------------------------------


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_a_study_checks_its_explanations(tmp_path: Path) -> None:
    study = {
        "study": "tiny",
        "images": {"source": "shapes", "count": 6},
        "models": ["zoo:test_vit"],
        "methods": {"smoothgrad": {"samples": 3}},
        "sanity": {"images": 4, "stages": 2},
    }
    project = Project(tmp_path, study)
    files = ["results/tiny/tables/sanity.csv", "results/tiny/figures/sanity.svg"]
    done = project.run("--", *files)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / files[1]).stat().st_size
    with (tmp_path / files[0]).open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["check"] for row in found] == [one for one in CHECKS if one != "completeness"]
    assert {(row["model"], row["method"]) for row in found} == {("test_vit", "smoothgrad")}
    assert {row["n"] for row in found} == {"4"}
    rows = pd.read_csv(tmp_path / "results/tiny/sanity/test_vit/smoothgrad.csv")
    cascade = rows[rows["check"] == "randomise"]
    assert cascade["weights"].nunique() == 2
    assert cascade.groupby(["weights", "measure"])["image_id"].nunique().eq(4).all()
    # The maps are the study's own: the same draws, and images rounded by less than rounding.
    inside_rows = rows[(rows["check"] == "inside") & (rows["measure"] == "share")]
    assert len(inside_rows) == 4
    assert (rows["measure"] == "p").sum() == 1
