"""Which method to trust: ranks, Kendall's W, recommended methods, and what is said of them."""

from __future__ import annotations

import re
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape
from scipy.stats import friedmanchisquare, spearmanr

from evaluating import experiment
from sightline.evaluate.catalogue import EXPERIMENTS
from sightline.evaluate.ranking.agreement import concordance
from sightline.evaluate.ranking.judges import Significance, agreement_table, complete
from sightline.evaluate.ranking.recommend import recommend
from sightline.evaluate.ranking.summary import Ranking, summarise
from sightline.jobs.experiments.evaluation import summarise_evaluation
from sightline.jobs.figures.experiments import draw_evaluation, draw_experiment
from sightline.notebook.tables import Tables
from sightline.report.evaluation import evaluation_section
from sightline.report.page import Section, render
from sightline.tabular import read_table, write_table

HOW = Significance(permutations=9999, level=0.05, seed=0)

# --- Kendall's W --------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("judges", "things"), [(2, 3), (4, 3), (5, 7)])
def test_w_is_that_of_friedmans_test(judges: int, things: int, tied: bool) -> None:
    random = np.random.default_rng(judges)
    values = random.integers(0, 3, (judges, things)) if tied else random.random((judges, things))
    values[0, :2] = [0, 1]  # not all tied
    found = concordance(values.astype(float), permutations=99)
    chi2 = friedmanchisquare(*values.T).statistic
    assert found.chi2 == pytest.approx(chi2)
    assert found.w == pytest.approx(chi2 / (judges * (things - 1)))


def test_w_without_ties_is_the_mean_rank_correlation() -> None:
    values = np.random.default_rng(0).random((4, 6))
    pairs = [(i, j) for i in range(4) for j in range(i)]
    mean = np.mean([spearmanr(values[i], values[j]).statistic for i, j in pairs])
    assert concordance(values, 99).w == pytest.approx((1 + 3 * mean) / 4)


def test_w_by_hand() -> None:
    # Siegel and Castellan's way: rank sums 3, 6, 9 of three judges who agree.
    assert concordance(np.array([[1.0, 2, 3]] * 3), 9999).w == 1
    # Sums 4, 4, 4: S is 0.
    assert concordance(np.array([[1.0, 2, 3], [3, 2, 1], [2, 2, 2]]), 9999).w == 0
    # Ranks (1.5, 1.5, 3) and (1, 2, 3): sums 2.5, 3.5, 6; S = 6.5; 4 * 24 - 2 * 6 = 84.
    assert concordance(np.array([[5.0, 5, 9], [1, 2, 3]]), 9999).w == pytest.approx(12 * 6.5 / 84)


def test_p_is_the_share_of_all_combinations_of_orders() -> None:
    values = np.array([[1.0, 2, 3], [1, 3, 2], [1, 1, 2]])
    found = concordance(values, 9999)
    every = [
        concordance(np.array([values[i][list(order)] for i, order in enumerate(orders)]), 1).w
        for orders in product(permutations(range(3)), repeat=3)
    ]
    assert found.exact
    assert found.p == pytest.approx(np.mean(np.array(every) >= found.w - 1e-9))
    assert found.smallest_p == pytest.approx(np.mean(np.array(every) >= max(every) - 1e-9))


def test_drawn_orders_come_near_all_of_them() -> None:
    values = np.random.default_rng(3).random((4, 3))
    exact, drawn = concordance(values, 216), concordance(values, 215)
    assert (exact.exact, drawn.exact) == (True, False)
    many = concordance(np.random.default_rng(4).random((3, 6)), 4000, seed=1)
    again = concordance(np.random.default_rng(4).random((3, 6)), 4000, seed=2)
    assert not many.exact
    assert many.p == pytest.approx(again.p, abs=0.05)
    assert many.p != again.p


def test_w_of_nothing_to_agree_on() -> None:
    for values in (np.ones((3, 4)), np.ones((1, 4)) * np.arange(4), np.ones((3, 1))):
        found = concordance(values, 99)
        assert np.isnan([found.w, found.p, found.smallest_p]).all()


# --- Ranks --------------------------------------------------------------------------------------

BEST_FIRST = {"x": 0.9, "y": 0.5, "z": 0.2, "random": 0.4}
ONE = {"one": Ranking(["hit"])}


def summary_of(*tables: pd.DataFrame, **references: list[str]) -> pd.DataFrame:
    every = pd.concat(tables, ignore_index=True)
    rankings = {
        str(name): Ranking(list(dict.fromkeys(own["measure"])), references.get(str(name), ()))
        for name, own in every.groupby("experiment", sort=False)
    }
    named = {str(name): own for name, own in every.groupby("experiment", sort=False)}
    return summarise(named, rankings, "predicted")


def ranks(summary: pd.DataFrame, model: str = "a") -> dict[str, float]:
    own = summary[summary["model"] == model]
    return dict(zip(own["method"], own["rank"], strict=True))


@pytest.mark.parametrize(("better", "expected"), [("higher", [1, 2, 3]), ("lower", [3, 2, 1])])
def test_ranks_respect_the_direction_and_leave_controls_out(
    better: str, expected: list[int]
) -> None:
    summary = summary_of(experiment("hit", {"a": BEST_FIRST}, better=better))
    found = ranks(summary)
    assert [found[name] for name in "xyz"] == expected
    assert np.isnan(found["random"])


def test_ties_share_the_mean_of_their_places() -> None:
    found = ranks(summary_of(experiment("hit", {"a": {"x": 0.5, "y": 0.5, "z": 0.9, "w": np.nan}})))
    assert (found["z"], found["x"], found["y"]) == (1, 2.5, 2.5)
    assert np.isnan(found["w"])


def test_against_the_best_control() -> None:
    means = {"a": {"x": 0.9, "y": 0.41, "z": 0.2, "random": 0.4}}
    summary = summary_of(experiment("hit", means)).set_index("method")
    assert summary["beats_controls"].to_dict() == {
        **{"x": "yes", "y": "no evidence", "z": "worse", "random": ""}
    }
    lower = summary_of(experiment("hit", means, better="lower")).set_index("method")
    assert lower["beats_controls"]["x"] == "worse"
    assert lower["beats_controls"]["z"] == "yes"
    without = summary_of(experiment("hit", {"a": {"x": 0.9, "y": 0.4}}))
    assert (without["beats_controls"] == "").all()


def test_measures_that_controls_are_best_by_are_not_held_against_methods() -> None:
    table = experiment("change", {"a": {"x": 0.9, "y": 0.4, "random": 0.0}}, better="lower")
    rankings = {"one": Ranking(["change"], uncontrolled=["change"])}
    found = summarise({"one": table}, rankings, "predicted").set_index("method")
    assert found["rank"].dropna().to_dict() == {"x": 2, "y": 1}
    assert (found["beats_controls"] == "").all()
    assert (recommend(found.reset_index())["controlled"] == 0).all()


def test_methods_are_ranked_by_the_images_that_all_have() -> None:
    table = experiment("hit", {"a": {"x": 0.9, "y": 0.8}}).assign(common=[0.7, 0.8])
    assert ranks(summary_of(table)) == {"x": 2, "y": 1}


def test_a_model_of_which_only_controls_are_known_says_nothing() -> None:
    means = {"a": {"x": np.nan, "random": 0.4}, "b": {"x": 0.9, "random": 0.4}}
    found = summary_of(experiment("hit", means)).set_index(["model", "method"])
    assert found.loc[("a", "x"), ["best_control", "beats_controls"]].tolist() == ["", ""]
    assert found.loc[("b", "x"), "beats_controls"] == "yes"


def test_a_reference_has_no_rank() -> None:
    found = ranks(summary_of(experiment("hit", {"a": BEST_FIRST}), one=["x"]))
    assert np.isnan(found["x"])
    assert (found["y"], found["z"]) == (1, 2)


def test_variants_and_points_are_averaged_where_there_is_nothing_else() -> None:
    variants = [experiment("hit", {"a": {"x": 0.2 * k, "y": 0.5}}, variant=f"{k}") for k in (1, 2)]
    summary = summary_of(*variants).set_index("method")
    assert summary["mean"].to_dict() == pytest.approx({"x": 0.3, "y": 0.5})
    assert summary["low"].to_dict() == pytest.approx({"x": 0.29, "y": 0.49})
    plain = experiment("hit", {"a": {"x": 0.9, "y": 0.1}})
    points = experiment("hit", {"a": {"x": 0.0, "y": 1.0}}, x=0.5)
    other = experiment("hit", {"a": {"x": 0.0, "y": 1.0}}, role="label")
    summary = summary_of(plain, *variants, points, other).set_index("method")
    assert summary["mean"].to_dict() == {"x": 0.9, "y": 0.1}


def test_a_measure_that_is_missing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no miss of the role predicted"):
        summarise(
            {"one": experiment("hit", {"a": BEST_FIRST})}, {"one": Ranking(["miss"])}, "predicted"
        )


# --- Recommended --------------------------------------------------------------------------------


def three_measures(width: float = 0.01) -> list[pd.DataFrame]:
    """On a x is best by all, on b y by two of three."""
    down = {"x": 0.1, "y": 0.5, "z": 0.8, "random": 0.6}
    other = {"x": 0.5, "y": 0.9, "z": 0.2, "random": 0.4}
    return [
        experiment("hit", {"a": BEST_FIRST, "b": other}, width=width),
        experiment("miss", {"a": down, "b": down}, better="lower", width=width),
        experiment("iou", {"a": BEST_FIRST, "b": other}, name="two", width=width),
    ]


def test_the_method_with_the_best_mean_rank() -> None:
    found = recommend(summary_of(*three_measures()))
    found = found.set_index(["model", "method"])
    assert found.loc[("a", "x"), ["mean_rank", "place", "measures"]].tolist() == [1, 1, 3]
    assert found.loc[("a", "x"), ["next", "clear", "next_clear", "certain"]].tolist() == [
        *("y", 3, 0, True)
    ]
    assert found.loc[("b", "y"), "mean_rank"] == pytest.approx(4 / 3)
    # y leads by two of three measures, and x is clear of it by the third.
    assert found.loc[("b", "y"), ["clear", "next_clear", "certain"]].tolist() == [2, 1, False]
    assert found.loc[("", "x"), "mean_rank"] == pytest.approx((1 + 5 / 3) / 2)
    assert found.loc[("a", "z"), ["beats_controls", "worse_than_controls"]].tolist() == [0, 3]
    assert found.loc[("", "x"), ["controlled", "beats_controls"]].tolist() == [6, 6]


def test_overlapping_intervals_are_no_certain_lead() -> None:
    found = recommend(summary_of(*three_measures(width=0.5))).set_index(["model", "method"])
    assert found.loc[("a", "x"), "place"] == 1
    assert found.loc[("a", "x"), ["clear", "certain"]].tolist() == [0, False]


def test_equal_mean_ranks_share_a_place_and_no_lead() -> None:
    one = experiment("hit", {"a": {"x": 0.9, "y": 0.5}})
    other = experiment("miss", {"a": {"x": 0.9, "y": 0.5}}, better="lower")
    found = recommend(summary_of(one, other))
    assert found["place"].tolist() == [1, 1, 1, 1]
    assert not found["certain"].any()


def test_the_first_of_two_is_not_the_first_of_three() -> None:
    one = experiment("hit", {"a": {"x": 0.9, "y": 0.5, "z": 0.1}})
    two = experiment("hit", {"a": {"x": 0.9, "y": 0.5, "z": 0.1}}, name="two")
    found = recommend(summary_of(one, two, two=["x"]))
    own = found[found["model"] == "a"].set_index("method")["mean_rank"]
    # y: second of three, first of two, which is 1/2 + (1 - 1/2) 3/2 of three.
    assert own.to_dict() == pytest.approx({"x": 1, "y": (2 + 1.25) / 2, "z": (3 + 2.75) / 2})


# --- Agreement ----------------------------------------------------------------------------------


def test_measures_and_models_as_judges() -> None:
    table = agreement_table(summary_of(*three_measures()), HOW)
    measures = table[table["judges"] == "measures"].set_index("model")
    assert list(measures.index) == ["", "a", "b"]
    assert measures.loc["a", "w"] == 1
    expected = concordance(np.array([[2.0, 1, 3], [1, 2, 3], [2, 1, 3]]), 9999)
    assert measures.loc["b", "w"] == pytest.approx(expected.w)
    assert measures.loc["b", "p"] == pytest.approx(expected.p)
    assert measures.loc["a", "p_corrected"] == pytest.approx(2 * measures.loc["a", "p"])
    assert measures.loc["", "p_corrected"] == measures.loc["", "p"]
    models = table[table["judges"] == "models"].set_index(["experiment", "measure"])
    assert models.loc[("one", "miss"), "w"] == 1
    assert models.loc[("one", "hit"), "w"] == pytest.approx(0.75)
    # Two models order three methods alike by one chance in six.
    assert models["smallest_p"].tolist() == pytest.approx([1 / 6] * 3)
    assert set(models["answer"]) == {"cannot be decided"}


def test_many_judges_who_agree_and_who_do_not() -> None:
    random = np.random.default_rng(0)
    names = list("uvwxyz")
    alike = [
        experiment(f"m{k}", {"a": dict(zip(names, np.arange(6.0), strict=True))}) for k in range(6)
    ]
    table = agreement_table(summary_of(*alike), HOW)
    assert set(table.loc[table["judges"] == "measures", "answer"]) == {"yes"}
    drawn = [
        experiment(f"m{k}", {"a": dict(zip(names, random.random(6), strict=True))})
        for k in range(6)
    ]
    table = agreement_table(summary_of(*drawn), HOW)
    assert set(table.loc[table["judges"] == "measures", "answer"]) == {"no evidence"}


def test_what_is_left_out_so_that_every_judge_ranks_every_method() -> None:
    table = pd.DataFrame(
        [[1, 2, np.nan], [1, 2, 3], [3, 2, 1]], ["few", "all", "more"], ["x", "y", "z"]
    )
    kept, left_out = complete(table)
    assert left_out == ["few"]
    assert kept.shape == (2, 3)
    never = pd.DataFrame([[1, 2, np.nan]] * 4, list("abcd"), ["x", "y", "z"])
    assert complete(never)[1] == ["z"]


# --- Tables, figures, words ---------------------------------------------------------------------


def written(folder: Path, *tables: pd.DataFrame) -> dict[str, Path]:
    every = pd.concat(tables, ignore_index=True)
    files, rankings = {}, {}
    for name, own in every.groupby("experiment", sort=False):
        files[str(name)] = folder / f"evaluate/{name}.csv"
        files[str(name)].parent.mkdir(exist_ok=True, parents=True)
        write_table(files[str(name)], own)
        rankings[str(name)] = Ranking(list(dict.fromkeys(own["measure"])))
    outputs = {
        "summary": folder / "evaluation.csv",
        "methods": folder / "evaluation_methods.csv",
        "agreement": folder / "evaluation_agreement.csv",
    }
    summarise_evaluation(files, rankings, "predicted", HOW, outputs)
    return outputs


def section_of(outputs: dict[str, Path], **kinds: str) -> Section:
    """Of experiments whose kinds are as given, or use and place."""
    tables = [read_table(path) for path in outputs.values()]
    return evaluation_section(*tables, {"one": "use", "two": "place", "three": "place"} | kinds)


def words(outputs: dict[str, Path], **kinds: str) -> tuple[str, str]:
    section = section_of(outputs, **kinds)
    return " ".join(section.sentences), section.short


def test_what_the_page_says(tmp_path: Path) -> None:
    outputs = written(tmp_path, *three_measures())
    text, short = words(outputs)
    assert short == "x on 1 of 2 models, y on 1 of 2 models"
    assert "x has the best mean rank on 1 of 2 models (a); y on 1 of 2 models (b)." in text
    assert "The lead over the next is certain on 1 of 2 models." in text
    assert "Over all models and 3 measures x has a mean rank of 1.33 among 3 methods" in text
    assert "z beats the best control on no measure of any model." in text
    assert "Worse than the best control on some measure of some model: z (6 of 6)." in text
    assert "Kendall's W" in text
    assert "put the methods in one order? It cannot be decided by one hit (W 0.75" in text
    section = section_of(outputs)
    assert section.table.loc["a", "method"] == "x"
    assert section.table.loc["a", "lead certain"] == "yes"
    assert section.table.loc["b", "beats controls"] == "3 of 3"
    assert dict(section.details)["y"].startswith("mean rank 1.67, best by ")


def test_methods_that_share_the_first_place_do_not_lead_on_the_page(tmp_path: Path) -> None:
    means = {"x": 0.9, "y": 0.5, "z": 0.1}
    swapped = {"x": 0.5, "y": 0.9, "z": 0.1}
    tables = [experiment("hit", {"a": means}), experiment("hit", {"a": swapped}, name="two")]
    outputs = written(tmp_path, *tables)
    text, short = words(outputs)
    assert short == "x and y on the only model"
    assert "On no model is the lead over the next certain." in text
    table = section_of(outputs).table
    assert table.loc["a", ["next", "lead certain"]].tolist() == ["z 3.00", "no"]


def test_the_page_warns_of_a_first_that_beats_no_control(tmp_path: Path) -> None:
    means = {"a": {"x": 0.5, "y": 0.4, "random": 0.9}}
    text, short = words(written(tmp_path, experiment("hit", means)))
    assert short == "x on the only model"
    assert "On the only model the first beats the best control on no measure" in text
    assert "No method beats the best control on any measure of any model." in text


def test_the_page_warns_of_measures_of_one_kind(tmp_path: Path) -> None:
    means = {"a": {"x": 0.5, "y": 0.4, "random": 0.1}}
    two = [experiment("hit", means), experiment("iou", means, name="two")]
    outputs = written(tmp_path / "two", *two)
    assert "The order rests on" not in words(outputs)[0]
    section = section_of(outputs, one="place")
    assert (
        "rests only on measures of where the object is (one hit, two iou); none asks what the model"
        in (section.sentences[0])
    )
    assert "none asks whether a map finds the object" in words(outputs, two="use")[0]
    alone = written(tmp_path / "one", two[0])
    assert (
        "rests only on one measure of whether maps stay where the image hardly changes (one hit);"
        in (words(alone, one="steadiness")[0])
    )
    kinds = {one.name: one.kind for one in EXPERIMENTS.values()}
    ranks = {one.name for one in EXPERIMENTS.values() if any(m.ranked for m in one.measures)}
    assert {name for name, kind in kinds.items() if kind} == ranks


def test_no_p_is_shown_where_none_could_be_small(tmp_path: Path) -> None:
    """Two measures of two methods agree or not: half of all orders do as well."""
    few = {"a": {"x": 0.9, "y": 0.1, "random": 0.0}}
    tables = [experiment("hit", few), experiment("iou", few, name="two")]
    outputs = written(tmp_path / "few", *tables)
    draw_evaluation(*outputs.values(), tmp_path / "few.svg", palette="viridis")
    assert "W 1.00, cannot be decided" in (tmp_path / "few.svg").read_text()
    section = section_of(outputs)
    assert section.table.loc["a", "measures agree"] == "W 1.00, cannot be decided"
    assert "of 2 measures, 2 methods p cannot be below 0.5 (Kendall's W 1.00)" in (
        " ".join(section.sentences)
    )
    many = {"a": {f"x{number}": number / 10 for number in range(7)}}
    tables = [experiment("hit", many), experiment("iou", many, name="two")]
    outputs = written(tmp_path / "many", *tables)
    # Without controls none is beaten: no counts below the ranks.
    draw_evaluation(*outputs.values(), tmp_path / "many.svg", palette="viridis")
    assert not re.search(r">\d+/\d+<", (tmp_path / "many.svg").read_text())
    section = section_of(outputs)
    assert section.table.loc["a", "measures agree"].startswith("W 1.00, p 0.000")


def test_the_columns_are_explained_where_everyone_sees_it(tmp_path: Path) -> None:
    section = section_of(written(tmp_path, *three_measures()))
    assert set(section.columns) == set(section.table.columns) - {"method"}
    page = render("T", [section])
    visible = page[: page.index("<details>")]
    for name, meaning in section.columns.items():
        told = str(escape(meaning))
        assert f'<th title="{told}">{name}</th>' in visible
        assert f"<b>{name}</b>: {told}" in visible


def test_a_study_without_ranks_or_with_one_method(tmp_path: Path) -> None:
    one = written(tmp_path / "one", experiment("hit", {"a": {"x": 0.5}}))
    assert words(one)[1] == "there is one method"
    table = experiment("hit", {"a": BEST_FIRST})
    (tmp_path / "none").mkdir()
    write_table(tmp_path / "none/one.csv", table)
    outputs = {name: tmp_path / f"none/{name}.csv" for name in ("summary", "methods", "agreement")}
    files = {"one": tmp_path / "none/one.csv"}
    summarise_evaluation(files, {"one": Ranking([])}, "predicted", HOW, outputs)
    assert words(outputs)[1] == "not known"
    draw_evaluation(*outputs.values(), tmp_path / "none/figure.svg", palette="viridis")
    assert "no experiment of the study ranks" in (tmp_path / "none/figure.svg").read_text()


def test_figures_name_what_they_show(tmp_path: Path) -> None:
    curve = [
        experiment("along", {"a": BEST_FIRST, "b": BEST_FIRST}, x=x, name="two") for x in (0.0, 0.5)
    ]
    stages = [experiment("cosine", {"a": BEST_FIRST}, name="three", variant=f"{k}") for k in (1, 2)]
    outputs = written(tmp_path, *three_measures())
    draw_evaluation(*outputs.values(), tmp_path / "all.svg", palette="viridis")
    text = (tmp_path / "all.svg").read_text()
    for name in ("one hit", "one miss", "two iou", "mean rank", "1.33", "W 0.75"):
        assert f">{name}" in text, name
    over = {"hit": "", "miss": "", "along": "share removed", "cosine": ""}
    table = pd.concat([*three_measures()[:2], *curve, *stages])
    write_table(tmp_path / "table.csv", table)
    how = {"question": "Why?", "over": over, "role": "predicted", "palette": "viridis"}
    draw_experiment(tmp_path / "table.csv", tmp_path / "one.svg", **how)
    text = (tmp_path / "one.svg").read_text()
    names = ("Why?", "miss (lower is better)", "share removed", "cosine (higher is better)", "x")
    for name in (*names, "random"):
        assert f">{name}<" in text, name


def test_experiments_tables_are_read_by_their_names(tmp_path: Path) -> None:
    written(tmp_path, *three_measures())
    tables = Tables(tmp_path)
    assert {"evaluation", "evaluation_methods", "evaluate/one", "evaluate/two"} <= set(tables)
    assert len(tables["evaluate/two"]) == 8
    assert "evaluate/three" not in tables
