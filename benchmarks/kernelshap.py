"""KernelSHAP's error at equal passes, beside captum, shap, shapiq and permutation sampling.

Every clean model of resources/zoo, 20 held-out images, 12 segments (a grid of 4 x 3), hidden
segments zero in normalised space, explained score the logit of the predicted class. A model first
values all 4,096 coalitions of every image; exact Shapley values and all estimates then come from
that table, so an estimate costs no forward pass, and each is checked to look up no more values
than its budget.

The figure is the mean squared error over the variance of the exact values, mean over images and
seeds. Run from the repository:

    PYTHONPATH=workflow python benchmarks/kernelshap.py

The tables take up to two minutes a model and core, and are kept (results/bench) until the
weights, the images or the grid change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import captum.attr
import numpy as np
import pandas as pd
import shap
import shapiq
import torch
from PIL import Image
from scipy.stats import gmean
from tqdm import tqdm

from sightline.images.shapes import SIZE, render
from sightline.methods.perturbations.shapley import Coalitions, draw_coalitions, shapley_values
from sightline.methods.perturbations.shapley_error import standard_error
from sightline.models.load import load_classifier

ROOT = Path(__file__).resolve().parents[1]
ROWS, COLUMNS = 4, 3
PLAYERS = ROWS * COLUMNS
BUDGETS = (50, 100, 350)
AS_IT_IS = {
    "classes": None,
    "seed": 0,
    "layer": None,
    "geometry": "squash",
}  # the rest of a model's specification
MASKS = (np.arange(2**PLAYERS)[:, None] >> np.arange(PLAYERS) & 1).astype(bool)
# Our error as the share of another's, geometric mean over models, at each budget.
TARGETS = {
    "independent pairs": 1.0,
    "captum": 0.1,
    "shap": 1.05,
    "shapiq": 1.0,
    "shapiq, pairs": 1.0,
    "permutation": 1.0,
}


class Game:
    """All values of one game, looked up by mask; counts the look-ups."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.passes = 0

    def __call__(self, masks: np.ndarray) -> np.ndarray:
        """Values of the rows of `masks`, bool or 0 and 1."""
        masks = np.atleast_2d(np.asarray(masks, bool))
        self.passes += len(masks)
        return self.values[masks @ (1 << np.arange(PLAYERS))]


def ours(game: Game, budget: int, seed: int) -> np.ndarray:
    drawn = draw_coalitions(PLAYERS, budget, np.random.default_rng(seed))
    empty, full = game(MASKS[[0, -1]])
    return shapley_values(drawn, game(drawn.masks), empty, full)


def independent_pairs(game: Game, budget: int, seed: int) -> np.ndarray:
    """Covert and Lee (2021): sizes from the kernel, each coalition with its complement.

    One that comes again counts again, without another pass.
    """
    rng = np.random.default_rng(seed)
    k = np.arange(1, PLAYERS)
    share = 1 / (k * (PLAYERS - k))
    counts: dict[bytes, int] = {}
    while len(counts) < budget - 2:
        mask = rng.permutation(PLAYERS) < rng.choice(k, p=share / share.sum())
        for one in (mask, ~mask):
            counts[one.tobytes()] = counts.get(one.tobytes(), 0) + 1
    masks = np.array([np.frombuffer(one, bool) for one in counts])
    drawn = Coalitions(masks, np.array(list(counts.values()), float))
    empty, full = game(MASKS[[0, -1]])
    return shapley_values(drawn, game(masks), empty, full)


def by_captum(game: Game, budget: int, seed: int) -> np.ndarray:
    torch.manual_seed(seed)
    method = captum.attr.KernelShap(lambda shown: torch.from_numpy(game(shown.numpy())))
    full = torch.ones(1, PLAYERS)
    found = method.attribute(full, 0 * full, n_samples=budget, perturbations_per_eval=budget)
    return found[0].numpy()


def by_shap(game: Game, budget: int, seed: int) -> np.ndarray:
    np.random.seed(seed)  # shap draws from the global state
    method = shap.KernelExplainer(game, np.zeros((1, PLAYERS)))
    # Its own count leaves out the empty and the full coalition.
    return method.shap_values(np.ones(PLAYERS), nsamples=budget - 2, l1_reg=0, silent=True)


def by_shapiq(game: Game, budget: int, seed: int) -> np.ndarray:
    method = shapiq.KernelSHAP(PLAYERS, random_state=seed)
    return method.approximate(budget, game).get_n_order_values(1)


def by_shapiq_pairs(game: Game, budget: int, seed: int) -> np.ndarray:
    method = shapiq.KernelSHAP(PLAYERS, pairing_trick=True, random_state=seed)
    return method.approximate(budget, game).get_n_order_values(1)


def by_permutation(game: Game, budget: int, seed: int) -> np.ndarray:
    method = shapiq.PermutationSamplingSV(PLAYERS, random_state=seed)
    return method.approximate(budget, game).get_n_order_values(1)


METHODS: dict[str, Callable[[Game, int, int], np.ndarray]] = {
    "ours": ours,
    "independent pairs": independent_pairs,
    "captum": by_captum,
    "shap": by_shap,
    "shapiq": by_shapiq,
    "shapiq, pairs": by_shapiq_pairs,
    "permutation": by_permutation,
}


def exact_values(tables: np.ndarray) -> np.ndarray:
    """Shapley values (..., players) by their definition, from all values (..., 4096)."""
    size = MASKS.sum(1)
    orders = np.array([math.factorial(k) * math.factorial(PLAYERS - 1 - k) for k in range(PLAYERS)])
    phi = np.empty((*tables.shape[:-1], PLAYERS))
    for player in range(PLAYERS):
        without = np.flatnonzero(~MASKS[:, player])
        gain = tables[..., without | 1 << player] - tables[..., without]
        phi[..., player] = gain @ (orders[size[without]] / math.factorial(PLAYERS))
    return phi


def loss(estimate: np.ndarray, exact: np.ndarray) -> float:
    """Mean squared error over the variance of the exact values."""
    return float(((estimate - exact) ** 2).mean() / exact.var())


def coalition_tables(record: Path, images: list[np.ndarray], folder: Path) -> np.ndarray:
    """Logit of the predicted class for every image and coalition, (images, 4096) float64."""
    weights = record.with_suffix(".safetensors")
    digest = hashlib.sha256(weights.read_bytes() + np.stack(images).tobytes() + bytes((ROWS,)))
    kept = folder / f"{record.stem}-{digest.hexdigest()[:16]}.npy"
    if kept.exists():
        return np.load(kept)
    facts = json.loads(record.read_text())
    spec = {key: facts[key] for key in ("args", "input")} | {"name": facts["timm"], **AS_IT_IS}
    classifier = load_classifier(spec, weights, device="auto", batch_size=64)
    rows, columns = np.arange(SIZE) * ROWS // SIZE, np.arange(SIZE) * COLUMNS // SIZE
    shown = torch.from_numpy(MASKS)[:, rows[:, None] * COLUMNS + columns]
    normalised, _ = classifier.preprocessing([Image.fromarray(image) for image in images])
    targets = classifier.scores(normalised).argmax(1)
    tables = np.empty((len(images), len(MASKS)))
    for i, x in enumerate(tqdm(normalised, desc=record.stem, unit="image")):
        parts = [classifier.scores(x * part[:, None]) for part in shown.split(512)]
        tables[i] = torch.cat(parts)[:, targets[i]]
    folder.mkdir(parents=True, exist_ok=True)
    np.save(kept, tables)
    return tables


def measure(tables: np.ndarray, seeds: int) -> pd.DataFrame:
    """Error of every method (rows) at every budget (columns)."""
    exact = exact_values(tables)
    losses = pd.DataFrame(index=pd.Index(METHODS), columns=pd.Index(BUDGETS), dtype=float)
    for name, method in METHODS.items():
        for budget in BUDGETS:
            found = []
            for i, table in enumerate(tables):
                for seed in range(seeds):
                    game = Game(table)
                    estimate = method(game, budget, 1000 * seed + i)
                    if game.passes > budget:
                        sys.exit(f"{name} took {game.passes} passes of {budget}: not comparable.")
                    found.append(loss(estimate, exact[i]))
            losses.loc[name, budget] = np.mean(found)
    return losses


def passes_for(tables: np.ndarray, wanted: float, seeds: int) -> int:
    """The fewest passes, in steps of a pair, with which our error is at most `wanted`."""
    exact = exact_values(tables)
    for budget in range(2 * PLAYERS, max(BUDGETS) + 1, 2):
        found = [
            loss(ours(Game(table), budget, 1000 * seed + i), exact[i])
            for i, table in enumerate(tables)
            for seed in range(seeds)
        ]
        if np.mean(found) <= wanted:
            return budget
    return max(BUDGETS)


def calibration(tables: np.ndarray, budget: int, seeds: int) -> float:
    """Our standard error over the true one, median over images and seeds."""
    exact, ratios = exact_values(tables), []
    for i, table in enumerate(tables):
        said, squares = [], []
        for seed in range(seeds):
            drawn = draw_coalitions(PLAYERS, budget, np.random.default_rng(1000 * seed + i))
            found, (empty, full) = Game(table)(drawn.masks), table[[0, -1]]
            said.append(standard_error(drawn, found, empty, full))
            phi = shapley_values(drawn, found, empty, full)
            squares.append(((phi - exact[i]) ** 2).mean())
        ratios.extend(np.array(said) / math.sqrt(np.mean(squares)))
    return float(np.median(ratios))


def geometric_mean(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Cell by cell, over tables of one shape."""
    return pd.concat(tables).groupby(level=0, sort=False).agg(gmean)


def clean_models(zoo: Path, names: list[str] | None) -> list[Path]:
    """Training records of the zoo's models without planted bias."""
    records = [
        path
        for path in sorted(zoo.glob("*.json"))
        if not path.stem.endswith("-biased") and path.with_suffix(".safetensors").exists()
    ]
    if names is not None:
        records = [path for path in records if path.stem in names]
    if not records or (names is not None and len(records) < len(names)):
        wanted = "" if names is None else f" called {', '.join(names)}"
        sys.exit(
            f"Expected trained models{wanted} (<id>.json beside <id>.safetensors) in {zoo}, found "
            f"{[path.stem for path in records]}. They are shipped with the repository; train them "
            "with `snakemake zoo`."
        )
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", help="ids in the zoo (default: all without bias)")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--zoo", type=Path, default=ROOT / "resources" / "zoo")
    parser.add_argument("--tables", type=Path, default=ROOT / "results" / "bench" / "kernelshap")
    args = parser.parse_args()
    logging.getLogger("shap").setLevel(logging.WARNING)
    records = clean_models(args.zoo, args.models)
    images = [render(i, seed=1, split="held-out").image for i in range(args.images)]

    losses: dict[str, pd.DataFrame] = {}
    for record in records:
        tables = coalition_tables(record, images, args.tables)
        started = time.monotonic()
        losses[record.stem] = table = measure(tables, args.seeds)
        equal = {
            other: passes_for(tables, float(table[max(BUDGETS)][other]), args.seeds)
            for other in ("captum", "shap")
        }
        print(f"\n{record.stem}: error at {', '.join(map(str, BUDGETS))} passes")
        print(table.to_string(float_format=lambda v: f"{v:.2g}"))
        said = (f"{calibration(tables, budget, args.seeds):.2f}" for budget in BUDGETS)
        print(f"standard error, estimated over true: {', '.join(said)}")
        print(
            f"passes for {max(BUDGETS)} of captum's: {equal['captum']}, of shap's: "
            f"{equal['shap']}   ({time.monotonic() - started:.0f} s)",
            flush=True,
        )

    ratio = geometric_mean([table.loc["ours"] / table.drop("ours") for table in losses.values()])
    ratio["at most"] = pd.Series(TARGETS)
    print(f"\nour error / theirs, geometric mean over {len(losses)} models")
    print(ratio.to_string(float_format=lambda v: f"{v:.3g}"))
    missed = ratio.index[(ratio[list(BUDGETS)].gt(ratio["at most"], axis=0)).any(axis=1)]
    if len(missed):
        sys.exit(f"Missed against {', '.join(missed)}.")


if __name__ == "__main__":
    main()
