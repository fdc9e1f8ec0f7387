"""`methods.shapley` against the definition of Shapley values, on games small enough for it."""

from __future__ import annotations

from itertools import combinations, permutations
from math import comb

import numpy as np
import pytest

from sightline.methods.perturbations.shapley import (
    Coalitions,
    draw_coalitions,
    extend_coalitions,
    shapley_values,
)
from sightline.methods.perturbations.shapley_error import standard_error


def by_definition(values: np.ndarray, players: int) -> np.ndarray:
    """Mean gain of each player over all orders of joining; `values` is indexed by bit mask."""
    orders = list(permutations(range(players)))
    phi = np.zeros(players)
    for order in orders:
        inside = 0
        for player in order:
            phi[player] += values[inside | 1 << player] - values[inside]
            inside |= 1 << player
    return phi / len(orders)


def at(masks: np.ndarray) -> np.ndarray:
    """Bit masks of the rows."""
    return masks @ (1 << np.arange(masks.shape[1]))


def solve(drawn: Coalitions, values: np.ndarray) -> np.ndarray:
    return shapley_values(drawn, values[..., at(drawn.masks)], values[..., 0], values[..., -1])


def estimate(values: np.ndarray, players: int, budget: int, seed: int = 0) -> np.ndarray:
    return solve(draw_coalitions(players, budget, np.random.default_rng(seed)), values)


def interacting_game(players: int, degree: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Values and Shapley values of a sum of unanimity games of `degree` or fewer players.

    A unanimity game pays when all its members are in, and its members share the pay equally.
    """
    rng = np.random.default_rng(seed)
    masks = np.arange(2**players)[:, None] >> np.arange(players) & 1
    values, phi = np.zeros(2**players), np.zeros(players)
    for _ in range(6 * players):
        members = rng.choice(players, rng.integers(1, degree + 1), replace=False)
        pay = rng.normal()
        values += pay * masks[:, members].all(axis=1)
        phi[members] += pay / len(members)
    return values, phi


@pytest.mark.parametrize("players", [1, 2, 3, 4, 5, 6])
def test_full_enumeration_is_exact(players: int) -> None:
    values = np.random.default_rng(players).normal(size=2**players)
    found = estimate(values, players, budget=2**players)
    np.testing.assert_allclose(found, by_definition(values, players), atol=1e-12)


@pytest.mark.parametrize("players", [2, 3, 6, 7])
def test_full_enumeration_has_each_coalition_once_with_the_kernels_weight(players: int) -> None:
    drawn = draw_coalitions(players, 2**players + 5, np.random.default_rng(0))
    assert sorted(at(drawn.masks)) == list(range(1, 2**players - 1))
    size = drawn.masks.sum(1)
    kernel = [(players - 1) / (comb(players, k) * k * (players - k)) for k in size]
    np.testing.assert_allclose(drawn.weights, kernel)


def test_symmetric_players_get_the_same_and_a_dummy_nothing() -> None:
    masks = np.arange(32)[:, None] >> np.arange(5) & 1
    # Players 0 and 1 are interchangeable, 4 never matters, 2 helps only without 3.
    values = np.sqrt(masks[:, 0] + masks[:, 1]) + 2.0 * masks[:, 2] * (1 - masks[:, 3])
    phi = estimate(values, 5, budget=32)
    assert phi[0] == pytest.approx(phi[1], abs=1e-12)
    assert phi[4] == pytest.approx(0, abs=1e-12)
    assert phi[2] == pytest.approx(1, abs=1e-12)
    assert phi[3] == pytest.approx(-1, abs=1e-12)


CASES = [(2, 4), (3, 6), (3, 7), (8, 4), (8, 9), (9, 20), (9, 21), (12, 50), (12, 350), (50, 350)]
CASES += [(9, 510), (9, 511), (8, 254), (7, 126)]


@pytest.mark.parametrize(("players", "budget"), CASES)
def test_coalitions_fill_the_budget_with_different_complementary_pairs(
    players: int, budget: int
) -> None:
    drawn = draw_coalitions(players, budget, np.random.default_rng(1))
    masks, weights = drawn.masks, drawn.weights
    assert len(masks) == len(weights) == budget - 2 - budget % 2
    assert masks.dtype == bool
    assert len(np.unique(masks, axis=0)) == len(masks)
    half = len(masks) // 2
    np.testing.assert_array_equal(masks[half:], ~masks[:half])
    np.testing.assert_array_equal(weights[half:], weights[:half])
    assert masks.any(axis=1).all()
    assert not masks.all(axis=1).any()
    assert (weights > 0).all()


def counts(players: int, budget: int, seed: int = 0) -> list[int]:
    """Number of pairs drawn for each size of their smaller half, from 1 on."""
    masks = draw_coalitions(players, budget, np.random.default_rng(seed)).masks
    size = masks[: len(masks) // 2].sum(1)
    return np.bincount(np.minimum(size, players - size), minlength=players // 2 + 1)[1:].tolist()


def test_single_players_are_taken_whole_as_soon_as_they_fit() -> None:
    assert counts(12, 25)[0] < 12
    assert counts(12, 26) == [12, 0, 0, 0, 0, 0]
    assert counts(50, 102)[0] == 50


def test_other_sizes_are_taken_whole_when_their_share_covers_them() -> None:
    assert counts(12, 350)[:2] != [12, 66]
    assert counts(12, 600)[:2] == [12, 66]
    assert counts(12, 2500)[:3] == [12, 66, 220]


def test_the_middle_stands_for_the_rest_when_passes_are_few() -> None:
    assert counts(12, 50) == [12, 0, 0, 0, 0, 12]
    assert counts(7, 20) == [7, 0, 2]


@pytest.mark.parametrize(("players", "budget"), [(12, 22), (50, 90), (12, 1200)])
def test_sizes_come_as_often_as_the_kernel_says_within_one(players: int, budget: int) -> None:
    """Without single players to lean on, and with more to draw than the middle has."""
    k = np.arange(1, players // 2 + 1)
    share = 1 / (k * (players - k)) * np.where(2 * k == players, 0.5, 1)
    for seed in range(5):
        drawn = np.array(counts(players, budget, seed))
        whole = drawn == [comb(players, int(i)) for i in k]
        expected = drawn[~whole].sum() * share[~whole] / share[~whole].sum()
        assert (np.abs(drawn[~whole] - expected) < 1).all()


def test_the_more_passes_the_less_is_left_to_the_middle() -> None:
    shares = [counts(20, budget)[-1] / (budget / 2 - 21) for budget in (100, 160, 400, 1500)]
    assert shares[0] == shares[1] == 1
    assert 1 > shares[2] > shares[3]


@pytest.mark.parametrize(("players", "middle"), [(6, 10), (7, 35), (8, 35)])
def test_the_middle_stands_exactly_for_up_to_four_interacting_players(
    players: int, middle: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightline.methods.perturbations.shapley._SIMPSON_PAIRS", 100)
    budget = 2 * (players + middle) + 2
    drawn = counts(players, budget)
    assert (drawn[0], drawn[-1], sum(drawn)) == (players, middle, players + middle)
    four, phi_four = interacting_game(players, degree=4)
    np.testing.assert_allclose(estimate(four, players, budget), phi_four, atol=1e-10)
    five, phi_five = interacting_game(players, degree=5)
    assert np.abs(estimate(five, players, budget) - phi_five).max() > 1e-3


def test_every_player_is_drawn_alike() -> None:
    masks = [draw_coalitions(6, 12, np.random.default_rng(s)).masks[:5] for s in range(1000)]
    inside = np.concatenate(masks).mean(0)
    # Five standard errors of a mean over 5,000 coalitions.
    np.testing.assert_allclose(inside, inside.mean(), atol=0.035)


@pytest.mark.parametrize(("players", "budget"), [(3, 9), (9, 40), (12, 50), (50, 350)])
def test_an_additive_game_is_recovered_once_determined(players: int, budget: int) -> None:
    strength = np.random.default_rng(3).normal(size=players)
    drawn = draw_coalitions(players, budget, np.random.default_rng(4))
    found = shapley_values(drawn, 7 + drawn.masks @ strength, 7.0, 7 + strength.sum())
    np.testing.assert_allclose(found, strength, atol=1e-10)


def test_even_interactions_cancel_in_pairs() -> None:
    values, phi = interacting_game(9, degree=2)
    np.testing.assert_allclose(estimate(values, 9, budget=60), phi, atol=1e-10)


def test_error_falls_with_the_budget() -> None:
    values, phi = interacting_game(10, degree=6)
    errors = [
        np.mean([((estimate(values, 10, budget, seed) - phi) ** 2).mean() for seed in range(20)])
        for budget in (30, 80, 250, 1000)
    ]
    assert (np.diff(errors) < 0).all()
    assert errors[-1] < 1e-3 * errors[0]
    np.testing.assert_allclose(estimate(values, 10, 1024), phi, atol=1e-10)


def test_spreading_beats_independent_draws_of_the_same_sizes() -> None:
    values, phi = interacting_game(12, degree=4)
    ours, independent = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        drawn = draw_coalitions(12, 100, rng)
        half = drawn.masks[: len(drawn.masks) // 2].copy()
        half[12:] = rng.permuted(half[12:], axis=1)  # the first twelve are the single players
        shuffled = Coalitions(np.concatenate([half, ~half]), drawn.weights)
        ours.append(((solve(drawn, values) - phi) ** 2).mean())
        independent.append(((solve(shuffled, values) - phi) ** 2).mean())
    assert np.mean(ours) < 0.5 * np.mean(independent)


def test_estimates_scatter_around_the_truth() -> None:
    values, phi = interacting_game(8, degree=4)
    error = np.array([estimate(values, 8, 60, seed) for seed in range(200)]) - phi
    # Least squares over drawn coalitions is unbiased only to first order; 200 seeds add .005.
    assert 0 < (error.mean(0) ** 2).mean() < 0.02 * (error**2).mean()


def test_bias_fades_with_the_budget_where_more_players_interact() -> None:
    values, phi = interacting_game(10, degree=6)
    share = []
    for budget in (60, 400):
        error = np.array([estimate(values, 10, budget, seed) for seed in range(100)]) - phi
        share.append((error.mean(0) ** 2).mean() / (error**2).mean())
    assert 0.05 < share[0] < 0.3
    assert share[-1] < 0.03  # of which 100 seeds make .01


@pytest.mark.parametrize("budget", [40, 61, 200])
def test_the_fit_is_the_best(budget: int) -> None:
    values, _ = interacting_game(12, degree=3)
    drawn = draw_coalitions(12, budget, np.random.default_rng(0))
    residual = values[at(drawn.masks)] - values[0] - drawn.masks @ solve(drawn, values)
    # Moving value from one player to another changes the weighted squares to first order 0.
    slope = (drawn.weights * residual) @ drawn.masks
    np.testing.assert_allclose(slope, slope.mean(), atol=1e-9)


@pytest.mark.parametrize("budget", [4, 5, 9, 13, 23])
def test_what_no_coalition_tells_keeps_an_equal_split(budget: int) -> None:
    values, _ = interacting_game(12, degree=3)
    drawn = draw_coalitions(12, budget, np.random.default_rng(0))
    phi = solve(drawn, values)
    told = np.vstack([np.where(drawn.masks, 1.0, -1.0), np.ones(12)])
    assert np.linalg.matrix_rank(told) < 12
    np.testing.assert_allclose(np.linalg.pinv(told) @ told @ phi, phi, atol=1e-9)


@pytest.mark.parametrize("budget", [4, 20, 36, 38, 40, 42, 44, 50, 60])
def test_no_budget_is_worse_than_an_equal_split(budget: int) -> None:
    players, found = 20, []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        strength, trio = rng.normal(size=players), rng.choice(players, (20, 3))
        pay = rng.normal(size=20)
        phi = strength.copy()
        for members, amount in zip(trio, pay, strict=True):
            unique = np.unique(members)
            phi[unique] += amount / len(unique)
        drawn = draw_coalitions(players, budget, rng)
        values = drawn.masks @ strength + drawn.masks[:, trio].all(axis=2) @ pay
        full = strength.sum() + pay.sum()
        estimated = shapley_values(drawn, values, 0.0, full)
        found.append(((estimated - phi) ** 2).mean() / phi.var())
    assert np.mean(found) < 1


def test_efficiency_holds_for_any_budget_and_shape() -> None:
    values = np.random.default_rng(5).normal(size=(2, 3, 256)) * 1e3
    for budget in (4, 11, 30, 100, 256):
        phi = estimate(values, 8, budget)
        assert phi.shape == (2, 3, 8)
        np.testing.assert_allclose(phi.sum(-1), values[..., -1] - values[..., 0], rtol=1e-10)
        one = estimate(values[1, 2], 8, budget)
        np.testing.assert_allclose(phi[1, 2], one, rtol=1e-9, atol=1e-9)


def test_values_may_be_float32_without_losing_precision_in_the_solution() -> None:
    values, phi = interacting_game(8, degree=2)
    drawn = draw_coalitions(8, 256, np.random.default_rng(0))
    found = solve(drawn, values.astype(np.float32))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, phi, atol=1e-5)


def test_no_game_at_all() -> None:
    assert estimate(np.zeros((0, 16)), 4, 10).shape == (0, 4)


def test_the_generator_alone_decides() -> None:
    def draw(seed: int) -> np.ndarray:
        return draw_coalitions(20, 100, np.random.default_rng(seed)).masks

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()


def test_draws_stay_what_they_were() -> None:
    """Golden: ``at(draw_coalitions(8, 20, default_rng(0)).masks)``, first halves, numpy 2."""
    drawn = draw_coalitions(8, 20, np.random.default_rng(0))
    assert at(drawn.masks[:9]).tolist() == GOLDEN


GOLDEN = [1, 2, 4, 8, 16, 32, 64, 128, 71]


def test_a_numpy_integer_is_as_good_as_an_int() -> None:
    wide = draw_coalitions(np.int64(70), 200, np.random.default_rng(0))  # type: ignore[arg-type]
    assert wide.masks.shape == (198, 70)


@pytest.mark.parametrize(
    ("players", "budget", "message"),
    [
        (0, 50, "at least 1 player"),
        (-2, 50, "at least 1 player"),
        (12, 3, "at least 4 forward passes for 12 players.*got 3.*From 26 on"),
        (1, 1, "at least 2 forward passes"),
    ],
)
def test_impossible_draws_are_refused(players: int, budget: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_coalitions(players, budget, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("values", "empty", "full"),
    [
        (np.zeros(9), 0.0, 0.0),
        (np.zeros((3, 8)), np.zeros(2), np.zeros(3)),
        (np.zeros((3, 8)), np.zeros(3), 0.0),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    values: np.ndarray, empty: np.ndarray, full: np.ndarray
) -> None:
    drawn = draw_coalitions(6, 10, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"Expected values \(\.\.\., 8\)"):
        shapley_values(drawn, values, empty, full)


# --- Coalitions drawn in stages -----------------------------------------------------------------


def in_stages(players: int, budgets: list[int], seed: int) -> list[Coalitions]:
    rng = np.random.default_rng(seed)
    drawn = [draw_coalitions(players, budgets[0], rng)]
    for budget in budgets[1:]:
        drawn.append(extend_coalitions(drawn[-1], budget, rng))
    return drawn


STAGES = [(4, [10, 12, 16]), (9, [27, 34, 60, 200, 510, 511, 512]), (12, [36, 45, 600, 2500])]
STAGES += [(50, [150, 188, 234, 350]), (3, [8]), (7, [16, 17, 18, 30, 126, 128])]


@pytest.mark.parametrize(("players", "budgets"), STAGES)
def test_stages_keep_what_is_held_and_fill_the_budget(players: int, budgets: list[int]) -> None:
    held: np.ndarray = np.zeros((0, players), bool)
    for budget, drawn in zip(budgets, in_stages(players, budgets, seed=1), strict=True):
        masks, half = drawn.masks, len(drawn.masks) // 2
        assert len(masks) == min(budget - budget % 2, 2**players) - 2
        assert len(np.unique(masks, axis=0)) == len(masks)
        assert masks.any(axis=1).all()
        np.testing.assert_array_equal(masks[half:], ~masks[:half])
        np.testing.assert_array_equal(masks[: len(held)], held)
        np.testing.assert_array_equal(drawn.weights[half:], drawn.weights[:half])
        assert (drawn.weights > 0).all()
        held = masks[:half]


def test_stages_end_exact_with_all_coalitions() -> None:
    values, phi = interacting_game(9, degree=6)
    last = in_stages(9, [27, 60, 200, 512], seed=0)[-1]
    np.testing.assert_allclose(solve(last, values), phi, atol=1e-10)
    whole = draw_coalitions(9, 512, np.random.default_rng(0))
    order, wanted = at(last.masks).argsort(), at(whole.masks).argsort()
    np.testing.assert_allclose(last.weights[order], whole.weights[wanted])


def test_stages_err_little_more_than_one_draw() -> None:
    found = []
    for degree in (3, 6):
        values, phi = interacting_game(12, degree)
        for budgets in ([36, 45, 56, 70], [36, 60, 100, 200]):
            staged, at_once = (
                np.mean([((solve(one, values) - phi) ** 2).mean() for one in drawn])
                for drawn in (
                    [in_stages(12, budgets, seed)[-1] for seed in range(20)],
                    [in_stages(12, budgets[-1:], seed)[-1] for seed in range(20)],
                )
            )
            found.append(staged / at_once)
    assert np.exp(np.mean(np.log(found))) < 1.2


# --- Standard errors ----------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [40, 60, 100, 200, 400])
def test_standard_errors_are_those_seen(budget: int) -> None:
    """Of games of its model up to five players: random interactions, smaller the more take part."""
    rng = np.random.default_rng(0)
    masks = np.arange(2**10)[:, None] >> np.arange(10) & 1
    signs = 2.0 * masks - 1
    ratios = []
    for _ in range(12):
        values, phi = np.zeros(2**10), np.zeros(10)
        for degree in (1, 2, 3, 4, 5):
            for members in combinations(range(10), degree):
                pay = rng.normal() * 10 ** (-degree / 2)
                values += pay * signs[:, members].prod(axis=1)
                if degree % 2:
                    phi[list(members)] += 2 * pay / degree
        errors, found = [], []
        for seed in range(8):
            drawn = draw_coalitions(10, budget, np.random.default_rng(seed))
            errors.append(((solve(drawn, values) - phi) ** 2).mean())
            error = standard_error(drawn, values[at(drawn.masks)], values[0], values[-1])
            assert error is not None
            found.append(error)
        ratios.append(np.mean(np.square(found)) / np.mean(errors))
    assert 0.8 < np.sqrt(np.median(ratios)) < 1.25


def test_no_error_where_nothing_is_left_out_or_interacts() -> None:
    values, _ = interacting_game(6, degree=5)
    drawn = draw_coalitions(6, 64, np.random.default_rng(0))
    assert standard_error(drawn, values[at(drawn.masks)], values[0], values[-1]) == 0
    pairs, _ = interacting_game(9, degree=2)
    drawn = draw_coalitions(9, 60, np.random.default_rng(0))
    error = standard_error(drawn, pairs[at(drawn.masks)], pairs[0], pairs[-1])
    assert error == pytest.approx(0, abs=1e-9)


def test_no_error_is_made_up_where_values_are_not_determined() -> None:
    values, _ = interacting_game(9, degree=3)
    for budget in (4, 19):
        drawn = draw_coalitions(9, budget, np.random.default_rng(0))
        assert standard_error(drawn, values[at(drawn.masks)], values[0], values[-1]) is None


def test_the_unit_of_values_is_that_of_errors() -> None:
    values, _ = interacting_game(9, degree=4)
    drawn = draw_coalitions(9, 60, np.random.default_rng(0))
    one = standard_error(drawn, values[at(drawn.masks)], values[0], values[-1])
    shifted = 7 + 3 * values
    three = standard_error(drawn, shifted[at(drawn.masks)], shifted[0], shifted[-1])
    assert one is not None
    assert three == pytest.approx(3 * one, rel=1e-6)


def test_of_many_pairs_some_say_how_sure_the_values_are(monkeypatch: pytest.MonkeyPatch) -> None:
    values, _ = interacting_game(12, degree=5)
    drawn = draw_coalitions(12, 900, np.random.default_rng(0))

    def error() -> float | None:
        return standard_error(drawn, values[at(drawn.masks)], values[0], values[-1])

    of_all = error()
    monkeypatch.setattr("sightline.methods.perturbations.shapley_error._PAIRS", 200)
    monkeypatch.setattr("sightline.methods.perturbations.shapley_error._AT_ONCE", 10_000)
    assert error() == pytest.approx(of_all, rel=0.3)
    assert error() != of_all
