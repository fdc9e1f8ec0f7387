"""Small changes: contrastivity, one pixel, infidelity, sensitivity, agreement with occlusion."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity
from captum.metrics import sensitivity_max
from scipy.stats import spearmanr
from torch import Tensor, nn

from explaining import linear
from mapfiles import write_maps
from sightline.evaluate.alike import on_grid, rank_correlation
from sightline.evaluate.catalogue import EXPERIMENTS
from sightline.evaluate.catalogue.faithfulness import OcclusionAgreement
from sightline.evaluate.catalogue.sensitivity import (
    Contrastivity,
    Infidelity,
    MaxSensitivity,
    OnePixel,
)
from sightline.evaluate.experiments import (
    contrastivity,
    infidelity,
    max_sensitivity,
    occlusion_agreement,
    one_pixel,
)
from sightline.evaluate.experiments.perturbed import perturbing
from sightline.evaluate.explain import Explain
from sightline.evaluate.pixels import from_pixels, to_pixels
from sightline.evaluate.protocol import Case, Curve, Evidence
from sightline.jobs.experiments.evaluate_maps import MapsJob, evaluate_maps
from sightline.maps.store import MapSet, read_maps
from sightline.methods.sampling import Batch
from sightline.models.classifier import Classifier
from sightline.models.preprocessing import Preprocessing
from sightline.tabular import read_table

RNG = np.random.default_rng(0)
SIZE = (8, 8)


def slopes(classifier: Classifier, images: Tensor, targets: Tensor, _: Sequence[int]) -> np.ndarray:
    return classifier.input_gradients(images, targets)[1].sum(dim=1).numpy()


def shares(classifier: Classifier, images: Tensor, targets: Tensor, _: Sequence[int]) -> np.ndarray:
    return (classifier.input_gradients(images, targets)[1] * images).sum(dim=1).numpy()


def same_spot(
    classifier: Classifier, images: Tensor, targets: Tensor, _: Sequence[int]
) -> np.ndarray:
    found = np.zeros((len(images), *images.shape[2:]), np.float32)
    found[:, 2, 3] = 1
    return found


def case(
    classifier: Classifier,
    images: Tensor,
    explain: Explain = slopes,
    *,
    targets: Tensor | None = None,
    maps: np.ndarray | None = None,
    scaling: tuple[str, ...] = ("abs",),
    names: Sequence[int] | None = None,
) -> Case:
    """Rows whose draws depend on their names: on their place unless given."""
    names = range(len(images)) if names is None else names
    targets = classifier.scores(images).argmax(dim=1) if targets is None else targets
    seeds = [100 + name for name in names]
    return Case(
        classifier=classifier,
        images=images,
        targets=targets,
        maps=explain(classifier, images, targets, seeds) if maps is None else maps,
        scaling=scaling,
        draws=lambda: [7000 + name for name in names],
        explain=explain,
        seeds=seeds,
    )


def two_classes() -> Classifier:
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(2, 3, *SIZE, generator=generator)
    return linear(weights, torch.tensor([0.3, -0.2]))


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 3, *SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def photos() -> Tensor:
    return torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(1)).clamp(-1.8, 1.8)


# --- Agreement with occlusion -------------------------------------------------------------------


def evidence(folder: Path, of: dict[str, np.ndarray] | None = None, **rows: Any) -> Evidence:
    found = {
        name: read_maps(write_maps(folder / f"{name}.h5", maps, **rows))
        for name, maps in (of or {}).items()
    }
    first: MapSet = next(iter(found.values()))
    return Evidence(first, ("abs",), found.__getitem__)


def test_agreement_with_occlusion_is_scipys_spearman_with_ties(tmp_path: Path) -> None:
    own = RNG.integers(-3, 4, (4, 14, 14)).astype(np.float32)
    other = RNG.integers(-9, 10, (4, 14, 14)).astype(np.float32)
    given = evidence(tmp_path, {"own": own, "occlusion": other})
    found = occlusion_agreement.measure(given, OcclusionAgreement())["spearman"]
    own, other = given.maps.maps, given.of("occlusion").maps
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(own, other, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    # The order of positions, argsort, in place of their ranks is another number.
    orders = [np.argsort(maps.reshape(4, -1), axis=1, kind="stable") for maps in (own, other)]
    mistaken = [np.corrcoef(a, b)[0, 1] for a, b in zip(*orders, strict=True)]
    assert (np.abs(found - np.array(mistaken)) > 0.02).any()


def test_argsort_is_no_rank() -> None:
    one = np.array([[[3.0, 1.0, 2.0, 4.0]]], np.float32)
    other = np.array([[[1.0, 3.0, 2.0, 4.0]]], np.float32)
    rho = rank_correlation(one, other)[0]
    assert rho == pytest.approx(0.2)  # 1 - 6 (2^2 + 2^2) / (4 * 15)
    # Where the values lie in order: 1 2 0 3 and 0 2 1 3.
    orders = np.argsort(one.ravel()), np.argsort(other.ravel())
    assert np.corrcoef(*orders)[0, 1] == pytest.approx(0.8)


def test_maps_that_are_nothing_agree_with_nothing(tmp_path: Path) -> None:
    own, other = RNG.normal(size=(2, 5, 7, 7)).astype(np.float32)
    own[0], other[1] = 0, 0
    own[2, 0, 0], other[3, 0, 0] = np.nan, np.inf
    given = evidence(tmp_path, {"own": own, "occlusion": other})
    found = occlusion_agreement.measure(given, OcclusionAgreement())["spearman"]
    assert np.isnan(found).tolist() == [True, True, True, True, False]


def test_the_reference_is_not_held_against_itself(tmp_path: Path) -> None:
    maps = RNG.normal(size=(2, 7, 7)).astype(np.float32)
    given = evidence(tmp_path, {"occlusion": maps})
    found = occlusion_agreement.measure(given, OcclusionAgreement())["spearman"]
    assert np.isnan(found).all()


def test_maps_are_held_against_each_other_at_the_coarse_grid(tmp_path: Path) -> None:
    own = RNG.normal(size=(2, 7, 7)).astype(np.float32)
    other = RNG.normal(size=(2, 56, 56)).astype(np.float32)
    given = evidence(tmp_path, {"own": own, "occlusion": other})
    found = occlusion_agreement.measure(given, OcclusionAgreement(grid=7))["spearman"]
    # Triangles of twice a cell's width: torch's antialiased bilinear.
    coarse = torch.nn.functional.interpolate(
        torch.from_numpy(given.of("occlusion").maps)[None], 7, mode="bilinear", antialias=True
    )[0]
    pairs = zip(given.maps.maps, coarse.numpy(), strict=True)
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in pairs]
    np.testing.assert_allclose(found, expected, atol=0.01)


# --- Contrastivity ------------------------------------------------------------------------------


def contrast(folder: Path, maps: np.ndarray, **rows: Any) -> Any:
    percentiles = rows.pop("percentiles", [50])
    given = evidence(folder, {"own": maps}, **rows)
    return contrastivity.measure(given, Contrastivity(percentiles=percentiles))


def test_contrastivity_of_masks_that_are_counted_by_hand(tmp_path: Path) -> None:
    # The upper half of four positive values: two positions each.
    one = [[4, 3, 1, 2], [0, 0, -9, -9]]
    other = [[4, 1, 3, 2], [0, -9, 0, 0]]  # one of two in common: 2 / 3
    apart = [[0, 0, -1, -1], [4, 3, 2, 1]]  # none in common: 1
    found = contrast(
        tmp_path,
        np.array([one, other, apart], np.float32),
        image_ids=["a"] * 3,
        role=["predicted", "top2", "top3"],
        targets=[0, 1, 2],
    )
    np.testing.assert_allclose(found["contrastivity"], [5 / 6, 5 / 6, 1])
    # 2 of 8 each: half a position in common by chance, (4 - 1) / (4 - 0.5).
    np.testing.assert_allclose(found["independent"], 6 / 7)


def test_contrastivity_is_the_jaccard_distance_at_every_percentile(tmp_path: Path) -> None:
    maps = RNG.normal(size=(6, 9, 9)).astype(np.float32)
    rows = {
        "image_ids": ["a", "b", "a", "b", "b", "a"],
        "role": ["predicted", "predicted", "top2", "top2", "top3", "top3"],
        "targets": [0, 1, 2, 3, 4, 5],
    }
    found = contrast(tmp_path, maps, percentiles=[90, 20, 60], **rows)
    curve = found["contrastivity_at"]
    assert isinstance(curve, Curve)
    assert curve.x.tolist() == [20, 60, 90]
    stored = evidence(tmp_path, {"again": maps}, **rows).maps.maps
    for k, percentile in enumerate(curve.x):
        taken = [set(np.flatnonzero(m >= np.percentile(m[m > 0], percentile))) for m in stored]
        for row, image in enumerate(rows["image_ids"]):
            others = [j for j in range(6) if rows["image_ids"][j] == image and j != row]
            expected = np.mean(
                [len(taken[row] ^ taken[j]) / len(taken[row] | taken[j]) for j in others]
            )
            assert curve.values[row, k] == pytest.approx(expected)
    np.testing.assert_allclose(found["contrastivity"], curve.values.mean(axis=1))


def test_roles_of_one_class_and_maps_without_evidence_are_left_out(tmp_path: Path) -> None:
    maps = RNG.normal(size=(4, 6, 6)).astype(np.float32)
    rows = {"image_ids": ["a"] * 4, "role": ["predicted", "label", "top2", "top3"]}
    maps[3] = -np.abs(maps[3])
    found = contrast(tmp_path, maps, targets=[5, 5, 1, 2], **rows)["contrastivity"]
    assert np.isnan(found).tolist() == [False, False, False, True]
    pair = contrast(
        tmp_path, maps[[0, 2]], targets=[5, 1], image_ids=["a"] * 2, role=["predicted", "top2"]
    )
    assert found[0] == pair["contrastivity"][0]
    alone = contrast(tmp_path, maps[:2], targets=[5, 5], image_ids=["a"] * 2, role=["p", "label"])
    assert np.isnan(alone["contrastivity"]).all()


def test_random_maps_are_as_contrastive_as_independent_ones(tmp_path: Path) -> None:
    maps = RNG.random((400, 14, 14)).astype(np.float32)
    found = contrast(
        tmp_path,
        maps,
        percentiles=[50, 75, 90, 95],
        image_ids=[f"{i // 2}" for i in range(400)],
        role=["predicted", "top2"] * 200,
        targets=[0, 1] * 200,
    )
    assert found["contrastivity"].mean() == pytest.approx(found["independent"].mean(), abs=0.01)


def test_contrastivity_by_its_job(tmp_path: Path) -> None:
    maps = RNG.random((4, 7, 7)).astype(np.float32)
    path = write_maps(
        tmp_path / "maps.h5",
        maps,
        image_ids=["a", "b", "a", "b"],
        role=["predicted", "predicted", "top2", "top2"],
    )
    entry = EXPERIMENTS["contrastivity"]
    job = MapsJob("m", entry.path, entry.settings(), {"own": ("abs",)}, 2, 0)
    evaluate_maps(job, {"own": [path]}, [], tmp_path / "rows.parquet")
    rows = read_table(tmp_path / "rows.parquet")
    assert set(rows["measure"]) == {one.name for one in entry.measures}
    assert rows["value"].notna().all()
    curve = rows[rows["measure"] == "contrastivity_at"]
    assert sorted(set(curve["x"])) == [50, 75, 90, 95]
    assert entry.settings().fewest_roles == 2


# --- One pixel ----------------------------------------------------------------------------------

PLACE = (5, 2)


def one_pixel_model(gain: float = 20.0) -> Classifier:
    """Logits that depend on the red of one pixel alone: more of it flips the answer."""
    weights = torch.zeros(2, 3, *SIZE)
    weights[1, 0, *PLACE] = gain
    return linear(weights, torch.tensor([0.0, -gain / 4]))


def spot(where: tuple[int, int], rest: float = 0.0) -> np.ndarray:
    found = np.full((1, *SIZE), rest, np.float32)
    found[0, *where] = 1
    return found


def test_the_attack_finds_the_only_pixel_that_matters() -> None:
    classifier = one_pixel_model()
    image = -torch.ones(1, 3, *SIZE)
    given = case(classifier, image, maps=spot(PLACE, rest=0.25))
    found = one_pixel.measure(given, OnePixel())
    assert found["success"].tolist() == [1]
    assert found["percentile"].tolist() == [1]
    assert found["at_pixel"].tolist() == [1]
    assert found["nonzero"].tolist() == [1]
    np.testing.assert_allclose(found["ratio"], 4)
    attack = one_pixel.find_pixel(classifier, image[0], 0, OnePixel(), given.draws()[0])
    assert (attack.row, attack.column) == PLACE
    red = float(attack.image[0, *PLACE])
    assert 0.25 < red <= 1  # where the margin turns; white is 1 in the normalised space
    expected = torch.tensor([0, 20 * red - 5]).softmax(0)
    before = torch.tensor([0.0, -25]).softmax(0)
    np.testing.assert_allclose(found["confidence_drop"], float(before[0] - expected[0]), rtol=1e-5)


def test_a_map_that_shows_other_pixels_does_not_show_the_attacked() -> None:
    classifier, image = one_pixel_model(), -torch.ones(1, 3, *SIZE)
    found = one_pixel.measure(case(classifier, image, maps=spot((0, 0))), OnePixel())
    assert found["at_pixel"].tolist() == [0]
    assert found["nonzero"].tolist() == [1 / 64]
    assert found["ratio"].tolist() == [0]
    # Below one pixel, level with 62 of 63.
    np.testing.assert_allclose(found["percentile"], 31 / 63)
    nothing = one_pixel.measure(case(classifier, image, maps=0 * spot((0, 0))), OnePixel())
    assert nothing["success"].tolist() == [1]
    assert np.isnan([nothing[name][0] for name in ("percentile", "at_pixel", "ratio")]).all()


def test_only_one_pixel_changes_and_it_stays_a_colour(classifiers: dict[str, Classifier]) -> None:
    classifier = classifiers["cnn"]
    pixels = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    image = from_pixels(pixels, classifier.preprocessing)[0]
    target = int(classifier.scores(image[None]).argmax())
    settings = OnePixel(iterations=2, population=20)
    attack = one_pixel.find_pixel(classifier, image, target, settings, seed=1)
    changed = (attack.image != image).any(dim=0)
    assert changed.sum() == 1
    assert changed[attack.row, attack.column]
    colour = to_pixels(attack.image[None], classifier.preprocessing)[0, :, changed]
    assert ((colour >= -1e-6) & (colour <= 1 + 1e-6)).all()
    again = one_pixel.find_pixel(classifier, image, target, settings, seed=1)
    assert torch.equal(attack.image, again.image)
    other = one_pixel.find_pixel(classifier, image, target, settings, seed=2)
    assert not torch.equal(attack.image, other.image)
    # Never worse than the best of its candidates, and a longer search is no worse.
    longer = one_pixel.find_pixel(
        classifier, image, target, OnePixel(iterations=8, population=20), seed=1
    )
    before, short, long = one_pixel.margin(
        classifier.scores(torch.stack([image, attack.image, longer.image])), target
    )
    assert before > short >= long


def test_the_attack_ends_when_the_answer_flips(unchanged: Callable[[nn.Module], Any]) -> None:
    passes = 0

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = one_pixel_model(gain=0.0).module

        def forward(self, images: Tensor) -> Tensor:
            nonlocal passes
            passes += len(images)
            # Any pixel whose red is high flips it.
            return self.inner(images) + torch.stack(
                [torch.zeros(len(images)), images[:, 0].amax(dim=(1, 2)) - 0.2], dim=1
            )

    classifier = Classifier(Counting(), Preprocessing(SIZE), name="counting")
    settings = OnePixel(iterations=50, population=20)
    with unchanged(classifier.module):
        attack = one_pixel.find_pixel(classifier, -torch.ones(3, *SIZE), 0, settings, seed=0)
    assert attack.flipped
    assert passes == 2 * 20  # the first candidates and one generation


def test_only_the_answer_is_attacked_and_every_image_by_itself() -> None:
    classifier = one_pixel_model(gain=3.0)
    images = torch.rand(3, 3, *SIZE, generator=torch.Generator().manual_seed(5)) - 1
    answers = classifier.scores(images).argmax(dim=1)
    assert answers.tolist() == [0, 0, 0]
    targets = torch.tensor([0, 1, 0])
    maps = RNG.random((3, 4, 4)).astype(np.float32)
    settings = OnePixel(iterations=3, population=20)
    found = one_pixel.measure(case(classifier, images, targets=targets, maps=maps), settings)
    for name, values in found.items():
        assert np.isnan(values).tolist() == [False, True, False], name
    alone = one_pixel.measure(
        case(classifier, images[2:], targets=targets[2:], maps=maps[2:], names=[2]), settings
    )
    for name, values in found.items():
        np.testing.assert_allclose(alone[name][0], values[2], rtol=1e-5)


def test_of_several_classes_an_image_the_explained_one_is_attacked() -> None:
    """More red in the pixel takes the second class away, which the first never outweighs."""
    weights = torch.zeros(2, 3, *SIZE)
    weights[1, 0, *PLACE] = -20.0
    classifier = replace(linear(weights, torch.tensor([30.0, 5.0])), task="multilabel")
    image = -torch.ones(3, 3, *SIZE)
    image[2, 0, *PLACE] = 1  # there it is not answered
    targets = torch.tensor([1, 0, 1])
    maps = np.repeat(spot(PLACE), 3, axis=0)
    found = one_pixel.measure(case(classifier, image, targets=targets, maps=maps), OnePixel())
    np.testing.assert_array_equal(found["success"], [1, 0, np.nan])
    assert found["at_pixel"][0] == 1
    assert found["confidence_drop"][0] > 0.5
    np.testing.assert_allclose(found["confidence_drop"][1], 0, atol=1e-6)


# --- Infidelity ---------------------------------------------------------------------------------

LITERAL = {"normalise": False, "samples": 20}


def test_exact_attributions_of_a_linear_model_have_no_infidelity(images: Tensor) -> None:
    classifier = two_classes()
    exact = {"square": shares, "noise": slopes}
    for perturbation, explain in exact.items():
        settings = Infidelity(perturbation=perturbation, **LITERAL)
        found = infidelity.measure(case(classifier, images, explain), settings)
        np.testing.assert_allclose(found["infidelity"], 0, atol=1e-9)
        np.testing.assert_allclose(found["unexplained"], 0, atol=1e-9)


def test_the_scale_of_a_map_matters_unless_normalised(images: Tensor) -> None:
    classifier = two_classes()
    exact = case(classifier, images, shares).maps
    doubled, turned = (case(classifier, images, maps=k * exact) for k in (2, -1))
    _, _, change = infidelity.moments(doubled, Infidelity(**LITERAL))
    literal = infidelity.measure(doubled, Infidelity(**LITERAL))
    # (2 I.M - change)^2 with I.M the change.
    np.testing.assert_allclose(literal["infidelity"], change, rtol=1e-5)
    scaled = infidelity.measure(doubled, Infidelity(samples=20))
    np.testing.assert_allclose(scaled["infidelity"], 0, atol=1e-9)
    # The best factor of a map that says the opposite is -1, but it explains nothing.
    opposite = infidelity.measure(turned, Infidelity(samples=20))
    np.testing.assert_allclose(opposite["infidelity"], 0, atol=1e-9)
    np.testing.assert_allclose(opposite["unexplained"], 1)


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("perturbation", ["square", "noise"])
@pytest.mark.parametrize("score", ["logit", "probability"])
def test_infidelity_is_captums_on_the_same_perturbations(
    classifiers: dict[str, Classifier],
    photos: Tensor,
    perturbation: str,
    normalise: bool,
    score: str,
) -> None:
    classifier = classifiers["cnn"]
    settings = Infidelity(
        perturbation=perturbation, normalise=normalise, score=score, samples=6, sigma=0.3
    )
    given = case(classifier, photos)
    perturb = perturbing(given.maps, (96, 96), given.draws(), settings)
    batch = Batch(np.repeat(np.arange(3), 6), np.tile(np.arange(6), 3))
    keep, less, _ = perturb(batch)

    def perturbed(inputs: Tensor) -> tuple[Tensor, Tensor]:
        after = inputs * keep - less
        change = inputs - after
        # Of attributions that hold the input's share captum wants I over the input.
        shown = (1 - keep).expand_as(inputs) if perturbation == "square" else change
        return shown, after

    def scores(inputs: Tensor) -> Tensor:
        found = classifier.module(inputs)
        return found if score == "logit" else found.softmax(dim=1)

    expected = captum_infidelity(
        scores,
        perturbed,
        photos,
        # The sum over channels, spread over them.
        torch.from_numpy(given.maps)[:, None].expand(-1, 3, -1, -1) / 3,
        target=given.targets,
        n_perturb_samples=6,
        normalize=normalise,
    )
    found = infidelity.measure(given, settings)["infidelity"]
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-3)


def test_unexplained_is_the_residual_of_a_line_through_zero(
    classifiers: dict[str, Classifier], photos: Tensor
) -> None:
    given = case(classifiers["cnn"], photos, shares)
    settings = Infidelity(samples=12, side=0.4)
    batch = Batch(np.repeat(np.arange(3), 12), np.tile(np.arange(12), 3))
    keep, _, foretold = perturbing(given.maps, (96, 96), given.draws(), settings)(batch)
    copies = photos.repeat_interleave(12, 0) * keep
    chosen = given.targets.repeat_interleave(12)[:, None]
    change = given.classifier.scores(photos).gather(1, given.targets[:, None]).repeat_interleave(12)
    change = change - given.classifier.scores(copies).gather(1, chosen)[:, 0]
    found = infidelity.measure(given, settings)
    for i in range(3):
        rows = slice(12 * i, 12 * i + 12)
        x, y = foretold[rows], change[rows].double().numpy()
        slope, residual, *_ = np.linalg.lstsq(x[:, None], y, rcond=None)
        assert found["infidelity"][i] == pytest.approx(residual[0] / 12, rel=1e-4)
        expected = residual[0] / (y @ y) if slope[0] > 0 else 1
        assert found["unexplained"][i] == pytest.approx(expected, rel=1e-4)


def test_upsampling_keeps_a_maps_sum() -> None:
    coarse = RNG.random((1, 4, 4)).astype(np.float32)
    settings = Infidelity(side=0.99, samples=2)
    _, _, foretold = perturbing(coarse, SIZE, [0], settings)(
        Batch(np.zeros(1, int), np.zeros(1, int))
    )
    assert foretold[0] == pytest.approx(on_grid(coarse, SIZE).sum() / 4, rel=1e-5)
    np.testing.assert_allclose(on_grid(coarse, SIZE).mean(), coarse.mean(), rtol=0.1)


def test_squares_lie_inside_and_are_put_to_zero() -> None:
    settings = Infidelity(side=0.5)
    batch = Batch(np.zeros(200, int), np.arange(200))
    keep, less, foretold = perturbing(np.ones((1, 6, 10), np.float32), (6, 10), [3], settings)(
        batch
    )
    assert (keep == 0).sum(dim=(1, 2, 3)).tolist() == [9] * 200
    assert (less == 0).all()
    np.testing.assert_allclose(foretold, 9)
    hidden = (keep[:, 0] == 0).any(dim=0)
    assert hidden.all()  # every place may be drawn


def test_infidelity_of_maps_that_show_nothing_and_of_scores_that_never_change(
    images: Tensor,
) -> None:
    classifier = two_classes()
    maps = case(classifier, images, shares).maps
    maps[1] = 0
    found = infidelity.measure(case(classifier, images, maps=maps), Infidelity(samples=5))
    assert np.isnan(found["infidelity"]).tolist() == [False, True, False]
    assert np.isnan(found["unexplained"]).tolist() == [False, True, False]
    still = linear(torch.zeros(2, 3, *SIZE), torch.tensor([1.0, 0.0]))
    unmoved = infidelity.measure(case(still, images, maps=maps), Infidelity(samples=5))
    assert unmoved["infidelity"][0] == 0
    assert np.isnan(unmoved["unexplained"]).all()


@pytest.mark.parametrize("perturbation", ["square", "noise"])
def test_infidelity_depends_on_no_batch_and_no_neighbour(
    classifiers: dict[str, Classifier], photos: Tensor, perturbation: str
) -> None:
    classifier = classifiers["cnn"]
    settings = Infidelity(perturbation=perturbation, samples=5)
    whole = infidelity.measure(case(classifier, photos, shares), settings)
    small = copy.copy(classifier)
    small.batch_size = 3
    order = [2, 0]
    part = infidelity.measure(case(small, photos[order], shares, names=order), settings)
    for name, values in whole.items():
        np.testing.assert_allclose(part[name], values[order], rtol=1e-3)


# --- Maximum sensitivity ------------------------------------------------------------------------


def test_an_explanation_that_never_changes_has_no_sensitivity(images: Tensor) -> None:
    found = max_sensitivity.measure(case(two_classes(), images, same_spot), MaxSensitivity())
    assert found["max_sensitivity"].tolist() == [0, 0, 0]
    # The slopes of a linear model are the same everywhere.
    still = max_sensitivity.measure(case(two_classes(), images, slopes), MaxSensitivity())
    np.testing.assert_allclose(still["max_sensitivity"], 0, atol=1e-6)


def test_maximum_sensitivity_is_captums_on_the_same_images(
    classifiers: dict[str, Classifier], photos: Tensor
) -> None:
    classifier = classifiers["cnn"]
    given = case(classifier, photos, shares)
    settings = MaxSensitivity(samples=4, radius=0.05)
    pixels = to_pixels(photos, classifier.preprocessing)

    def perturbed(expanded: Tensor) -> Tensor:
        # captum hands over each image four times in a row.
        noise = [
            (2 * np.random.default_rng((seed, k)).random((3, 96, 96), np.float32) - 1) * 0.05
            for seed in given.draws()
            for k in range(4)
        ]
        return (expanded + torch.from_numpy(np.stack(noise))).clamp(0, 1)

    def explained(inputs: Any, target: Tensor) -> Any:
        if isinstance(inputs, tuple):  # captum's first call
            return (explained(inputs[0], target),)
        with torch.enable_grad():
            leaf = from_pixels(inputs, classifier.preprocessing).detach().requires_grad_()
            chosen = classifier.module(leaf).gather(1, target[:, None]).sum()
            (gradient,) = torch.autograd.grad(chosen, leaf)
        return (gradient * leaf).sum(dim=1).detach()

    expected = sensitivity_max(
        explained,
        pixels,
        perturbed,
        n_perturb_samples=4,
        target=given.targets,
    )
    found = max_sensitivity.measure(given, settings)["max_sensitivity"]
    assert (found > 0.01).all()
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3)


def test_a_methods_own_noise_is_not_counted(images: Tensor) -> None:
    def drawn(
        classifier: Classifier, images: Tensor, targets: Tensor, seeds: Sequence[int]
    ) -> np.ndarray:
        return np.stack([np.random.default_rng(seed).random(SIZE) for seed in seeds]).astype("f4")

    found = max_sensitivity.measure(case(two_classes(), images, drawn), MaxSensitivity())
    assert found["max_sensitivity"].tolist() == [0, 0, 0]


def test_maximum_sensitivity_of_maps_that_are_nothing(images: Tensor) -> None:
    calls = 0

    def odd(
        classifier: Classifier, images: Tensor, targets: Tensor, seeds: Sequence[int]
    ) -> np.ndarray:
        nonlocal calls
        calls += 1
        found = np.ones((len(images), *SIZE), np.float32)
        found[0] = 0
        if calls == 3:
            found[1, 0, 0] = np.nan
        return found

    given = case(two_classes(), images, maps=np.ones((3, *SIZE), np.float32))
    given = Case(**{**vars(given), "explain": odd})
    found = max_sensitivity.measure(given, MaxSensitivity(samples=4))["max_sensitivity"]
    assert calls == 5
    assert np.isnan(found).tolist() == [True, True, False]
    assert found[2] == 0


def test_images_stay_within_the_radius_and_are_colours(images: Tensor) -> None:
    classifier = two_classes()
    seen: list[Tensor] = []

    def watching(
        classifier: Classifier, images: Tensor, targets: Tensor, seeds: Sequence[int]
    ) -> np.ndarray:
        seen.append(to_pixels(images, classifier.preprocessing))
        return slopes(classifier, images, targets, seeds)

    # Half of the colours at the edge of what is one.
    images = images.sign()
    given = case(classifier, images, watching)
    seen.clear()
    max_sensitivity.measure(given, MaxSensitivity(samples=3, radius=0.1))
    first, *others = seen
    for one in others:
        change = (one - first).abs()
        assert one.min() >= -1e-6
        assert one.max() <= 1 + 1e-6
        assert 0.05 < change.max() <= 0.1 + 1e-6
    assert not torch.equal(others[0], others[1])
    assert not torch.equal(others[0][0] - first[0], others[0][1] - first[1])
