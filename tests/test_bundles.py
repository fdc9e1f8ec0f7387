"""How many jobs of a model share an allocation, estimated by hand, and the lines of a profile."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
import yaml

from project import ROOT
from sightline.cli.planned import told_bundles
from sightline.study.estimates.bundles import LONGEST_BUNDLE, bundle
from sightline.study.estimates.demand import Demand, asked_minutes


def jobs(count: int, computing: float, start: float = 10) -> Sequence[Demand]:
    return [Demand(1, start, start + computing, start + computing, 1, 1)] * count


@pytest.mark.parametrize(
    ("count", "computing", "wanted", "share"),
    [
        (3, 390, 1, 390 / 410),  # 10 s of an allocation, 10 s of a job, 390 s of work
        (4, 290, 2, 580 / 610),
        (4, 90, 2, 180 / 210),  # starts alone take a tenth: the allocation's share is kept small
        (38, 0, 19, 0),
        (3, 0, 3, 0),
    ],
)
def test_how_many_jobs_of_a_model_by_hand(
    count: int, computing: float, wanted: int, share: float
) -> None:
    found = bundle({"m": jobs(count, computing)})
    assert found.jobs == wanted
    assert found.share == found.least[1] == pytest.approx(share)
    assert found.starting == computing / (computing + 10)
    assert found.longest == ("m", 10 + wanted * (computing + 10))


def test_each_model_computes_enough_of_its_own_time() -> None:
    # Their mean, 2,450 s, would ask for no bundle at all.
    small, large = jobs(20, 290), jobs(20, 4610)
    found = bundle({"large": large, "small": small})
    assert found.jobs == bundle({"small": small}).jobs == 2
    assert found.least == ("small", pytest.approx(580 / 610))
    assert found.share > found.least[1] >= 0.95
    assert found.longest == ("large", 10 + 2 * 4620)


def test_the_longest_jobs_of_any_model_end_in_half_a_day() -> None:
    small = jobs(1000, 230, start=11)
    alone = bundle({"small": small})
    mixed = [*jobs(3, 20_000), *jobs(997, 30)]
    both = bundle({"small": small, "mixed": mixed})
    # Two of the longest, whatever the mean is.
    assert both.jobs == 2 < alone.jobs
    assert both.longest[0] == "mixed"
    assert both.longest[1] <= LONGEST_BUNDLE < 3 * 20_010
    assert bundle({"one": jobs(5, 80_000), "small": small}).jobs == 1


def test_bundles_ask_for_no_more_than_an_allocation_may_have() -> None:
    small = jobs(1000, 230, start=11)
    free = bundle({"small": small}).jobs
    # Twelve hours that are expected are a day that is asked for.
    for minutes in (240, 720, 1440):
        limited = bundle({"small": small}, minutes).jobs
        assert 1 < limited <= free
        assert limited * asked_minutes(241, 1, limited) <= minutes
        assert limited == free or asked_minutes(241, 1, limited + 1) > minutes // (limited + 1)
    assert bundle({"small": small}, 5).jobs == 1
    # The longest job of any model counts.
    large = [*small, *jobs(1, 3600)]
    assert bundle({"large": large}, 240).jobs == 1
    (_, last) = told_bundles({"explain": bundle({"large": large}, 240)}, 240)
    assert "too long to share one of 240 minutes" in last


# What docs/plan.md and the plan say is to be added to a profile, to one with limits filled in.
FILLED = (
    (ROOT / "profiles/slurm/config.yaml")
    .read_text()
    .replace("# runtime: 1440 ", "runtime: 1440 ")
    .replace("# mem_mb: 250000 ", "mem_mb: 250000 ")
)
PAGE = [
    block
    for block in re.findall(r"^```\w*\n(.*?)^```", (ROOT / "docs/plan.md").read_text(), re.M | re.S)
    if "group-components:" in block
]


@pytest.mark.parametrize("lines", PAGE)
def test_the_lines_of_the_page_take_nothing_from_a_profile(lines: str) -> None:
    before = yaml.safe_load(FILLED)
    assert before["resources"] == {"bundle": 1, "runtime": 1440, "mem_mb": 250000}
    added = lines[lines.index("groups:") :]
    after = yaml.safe_load(f"{FILLED}\n{added}")
    assert {key: after[key] for key in before} == before
    assert after.keys() - before.keys() == {"groups", "group-components"}


def test_the_lines_for_a_profile_are_whole() -> None:
    found = {
        "explain": bundle({"m": jobs(20, 290)}),
        "redraw": bundle({"m": jobs(20, 9999)}),
        "sanity": bundle({"m": jobs(20, 90)}),
    }
    text = "\n".join(told_bundles(found))
    assert (
        yaml.safe_load(FILLED).items()
        <= yaml.safe_load(f"{FILLED}\n{text[text.index('groups:') :]}").items()
    )
    given = yaml.safe_load(text[text.index("groups:") :])
    assert given == {
        "groups": ["explain=explain-{model}", "sanity=sanity-{model}"],
        "group-components": ["explain-{model}=2", "sanity-{model}=2"],
    }
    assert "80% of m" not in text.partition("sanity")[0]
    # What another profile lacks.
    added = yaml.safe_load(text[text.index("# resources") :].replace("# ", ""))
    assert added == {"resources": {"bundle": 1}, "set-resource-scopes": {"bundle": "local"}}
    assert list(told_bundles({"redraw": found["redraw"]}))[-1].endswith("an allocation each.")
    assert list(told_bundles({})) == []
