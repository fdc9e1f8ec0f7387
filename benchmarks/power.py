"""What the tests of architecture find in simulated studies; write docs/power.csv.

    make power

Of families without effect a test should reject a share of studies equal to its level,
of families with one as many as it can. ``--page`` only writes the tables of
docs/comparison.md. About half an hour on one core.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pandas as pd

from sightline.compare.groups.column import Factor, read_factor
from sightline.compare.groups.factor import GROUP_TESTS, NUMBER_TESTS, examine_factor
from sightline.compare.groups.verdict import DECIDING
from sightline.files import replacing
from studies import Truth, simulate, simulate_number

DOCS = Path(__file__).resolve().parent.parent / "docs"
TABLE = DOCS / "power.csv"
PAGE = DOCS / "comparison.md"
LEVEL = 0.05
PERMUTATIONS = 9999
# Standard error at the level 0.7 percent, of a power of one half 3 percent.
STUDIES = {"level": 1000, "power": 200}
LAYOUTS = [
    ((4, 4), (1, 1)),
    ((4, 4), (1, 2)),
    ((7, 7), (1, 1)),
    ((7, 7), (1, 2)),
    ((9, 5), (1, 1)),
    ((9, 5), (1, 2)),
    ((9, 5), (2, 1)),
]
DATA = get_args(get_type_hints(Truth)["data"])
SHIFTS = (0, 1, 2, 3)
MODELS = (7, 14)
SLOPES = (0.0, 0.5, 1.0, 2.0)
KEY = ["data", "models", "spreads"]
COLUMNS = ["data", "models", "spreads", "effect", "studies", "test", "rejected"]
# A family effect is claimed by the first; the second does not keep the level.
RULES = ("claim", "permanova_unless_permdisp")


def p_values(matrix: pd.DataFrame, factor: Factor, seed: int) -> dict[str, float]:
    """The p-value of each test of one study."""
    tests = examine_factor(matrix, factor, permutations=PERMUTATIONS, seed=seed)
    return {one.test: one.p for one in tests}


def decisions(p: dict[str, float]) -> dict[str, bool]:
    """What is rejected, and what the two rules claim."""
    found = {test: value <= LEVEL for test, value in p.items()}
    if "permanova" in found:
        found["claim"] = all(found[test] for test in DECIDING["groups"])
        found["permanova_unless_permdisp"] = found["permanova"] and (
            not found["permdisp"] or found["welch"]
        )
    return found


def of_families(truth: Truth, studies: int) -> Iterator[dict[str, bool]]:
    """Decisions of simulated studies of families."""
    first = simulate(truth, 0)
    factor = read_factor(pd.Series(truth.families, first.index, name="family"), first)
    for seed in range(studies):
        yield decisions(p_values(simulate(truth, seed), factor, seed))


def of_numbers(models: int, slope: float, studies: int) -> Iterator[dict[str, bool]]:
    """Decisions of simulated studies of a number."""
    for seed in range(studies):
        matrix, column = simulate_number(models, slope, seed)
        yield decisions(p_values(matrix, read_factor(column, matrix), seed))


def rows() -> Iterator[dict[str, Any]]:
    """The table, row by row."""
    for data in DATA:
        for sizes, spreads in LAYOUTS:
            for shift in SHIFTS:
                count = STUDIES["power" if shift else "level"]
                found = pd.DataFrame(of_families(Truth(sizes, spreads, shift, data), count))
                key = [data, "+".join(map(str, sizes)), ":".join(map(str, spreads)), shift, count]
                for test in (*RULES, *GROUP_TESTS):
                    yield dict(zip(COLUMNS, [*key, test, f"{found[test].mean():.4g}"], strict=True))
    for models in MODELS:
        for slope in SLOPES:
            count = STUDIES["power" if slope else "level"]
            found = pd.DataFrame(of_numbers(models, slope, count))
            for test in NUMBER_TESTS:
                key = ["number", str(models), "", slope, count, test]
                yield dict(zip(COLUMNS, [*key, f"{found[test].mean():.4g}"], strict=True))


def read() -> pd.DataFrame:
    """The table as it was written."""
    return pd.read_csv(TABLE, dtype={"models": str, "spreads": str})


def page(text: str, table: pd.DataFrame) -> str:
    """The page with its tables made anew."""
    families = table[table["data"] != "number"]
    parts = {
        "level": _level(families[families["effect"] == 0]),
        "power": _power(families[families["effect"] > 0]),
        "numbers": _numbers(table[table["data"] == "number"]),
    }
    for mark, made in parts.items():
        filled = f"<!-- {mark} -->\n{made}<!-- end -->"
        marked = rf"<!-- {mark} -->\n.*?<!-- end -->"
        text = re.sub(marked, lambda _, filled=filled: filled, text, flags=re.DOTALL)
    return text


def _level(rows: pd.DataFrame) -> str:
    wide = rows.pivot_table("rejected", KEY, "test", sort=False)
    return _markdown(wide[[*RULES, *GROUP_TESTS]], KEY)


def _power(rows: pd.DataFrame) -> str:
    chosen = rows[rows["test"].isin(["claim", "permanova"])]
    wide = chosen.pivot_table("rejected", KEY, ["test", "effect"], sort=False)
    wide = wide[["claim", "permanova"]]
    wide.columns = [f"{test} {effect:g}" for test, effect in wide.columns]
    return _markdown(wide, KEY)


def _numbers(rows: pd.DataFrame) -> str:
    wide = rows.pivot_table("rejected", ["models", "test"], "effect", sort=False)
    wide.columns = [f"{effect:g}" for effect in wide.columns]
    return _markdown(wide, ["models", "test"])


def _markdown(table: pd.DataFrame, keys: list[str]) -> str:
    names = [{"spreads": "spread"}.get(key, key) for key in keys]
    lines = [
        "| " + " | ".join([*names, *(f"`{name}`" for name in table.columns)]) + " |",
        "|" + "---|" * len(names) + "--:|" * len(table.columns),
    ]
    for key, row in zip(table.index, table.to_numpy(), strict=True):
        cells = [*key, *(f"{value:.3f}".removeprefix("0") for value in row)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Simulate, and write the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--page", action="store_true", help="only write docs/comparison.md")
    if not options.parse_args().page:
        with replacing(TABLE) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for row in rows():
                writer.writerow(row)
                print(*row.values(), flush=True)
    PAGE.write_text(page(PAGE.read_text(), read()))


if __name__ == "__main__":
    main()
