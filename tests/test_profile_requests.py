"""What a profile lets jobs ask for: GPUs, the most time and memory, bundles."""

from __future__ import annotations

import re
from functools import partial

import pytest
import yaml

from project import ROOT, Project
from sightline.cli.plan import plan
from sightline.errors import SightlineError
from sightline.study.estimates.bundles import fitting
from sightline.study.estimates.demand import (
    LEAST_SHARE,
    LONGEST,
    SHORTEST,
    SPARE,
    Demands,
    asked_minutes,
)
from sightline.study.estimates.merging import Merging
from sightline.study.estimates.speeds import Speeds
from sightline.study.profile import Profile, bundled, device_of, on_processors, with_gpu
from sightline.study.resolve import ResolvedStudy

RANGE = "000000-000007"
SLURM = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())


# --- GPUs ---------------------------------------------------------------------------------------


def test_models_run_on_gpus_where_the_profile_asks_for_them() -> None:
    asked = {
        "a": {"gpu": 1},
        "b": {"gres": "gpu:a100:1"},
        "c": {"gpu": 0, "mem_mb": 5},
        "d": {"gres": "lscratch:10"},
    }
    assert with_gpu(asked) == ["a", "b"]
    assert with_gpu(SLURM["set-resources"]) == sorted(SLURM["set-resources"])
    assert device_of("auto", ["a"]) == device_of("cuda", []) == device_of("cuda", ["a"]) == "cuda"
    assert device_of("auto", []) == device_of("cpu", []) == "cpu"


def test_gpus_that_no_job_would_use_are_refused() -> None:
    with pytest.raises(SightlineError, match=r"`device: cpu`.* a GPU for a, b: .*`set-resources`"):
        device_of("cpu", ["a", "b"])


def test_models_that_would_run_on_processors_of_a_cluster_are_told() -> None:
    running = sorted(SLURM["set-resources"])
    for quiet in (("cpu", []), ("auto", running), ("cuda", ["every rule"])):
        assert on_processors(*quiet) == ""
    assert "explain, explain_variant, predict" in on_processors("auto", ["evaluate_model"])
    told = on_processors("auto", [])
    assert told.startswith(f"Jobs of {', '.join(running)} ask for no GPU: they run")
    assert "`set-resources` of the profile" in told


# --- Limits -------------------------------------------------------------------------------------


def test_jobs_of_a_bundle_share_what_is_asked_for_besides() -> None:
    for count in (2, 3, 8, 17, 400):
        shared = [asked_minutes(0.1, 1, count)] * count
        # Little more than a single job asks for, or the least of each.
        assert SHORTEST <= sum(shared) <= max(SHORTEST + count, LEAST_SHARE * count)
        long = sum([asked_minutes(600, 1, count)] * count)
        assert 20 * count < long <= 20 * count + SPARE + count
    # Of twelve seconds each, as of the altered images of config/studies/full.yaml.
    assert (17 * asked_minutes(12, 1), 17 * asked_minutes(12, 1, 17)) == (170, 34)
    assert [asked_minutes(12, attempt, 17) for attempt in (2, 3)] == [4, 6]
    assert 8 * asked_minutes(1e9, 3, 8) == LONGEST


def test_of_limits_is_told_what_they_cut_off() -> None:
    said: list[str] = []
    profile = Profile(minutes=100, megabytes=8_000, warn=said.append)

    def minutes(rule: str, asked: int, attempt: int, together: int = 1) -> int:
        return profile.allowed_minutes(rule, lambda _: asked, attempt, together)

    assert [minutes("a", asked, 1) for asked in (99, 100)] == [99, 100]
    assert minutes("b", 12, 1, 8) == 12
    # More of both when tried again is what a profile cuts off without a word.
    assert minutes("b", 36, 3, 8) == 12
    assert minutes("a", 300, 3) == 300
    profile.check_megabytes("a", 24_000, 3)
    profile.check_megabytes("a", 8_000, 1)
    assert not said
    # What one job asks for Snakemake cuts off; of a bundle it knows no part.
    assert [minutes("a", asked, 1) for asked in (101, 200)] == [101, 200]
    assert 8 * minutes("b", 13, 1, 8) == 96
    profile.check_megabytes("b", 9_000, 1)
    first, second, third = said
    assert first.startswith("A job of a asks for 101 minutes, but an allocation may have 100 (`run")
    assert "13 minutes, but an allocation may have 100, and 8 jobs share that: 7 of them" in second
    assert third.startswith("A job of b asks for 9,000 MB, but may have 8,000 (`mem_mb` of")


def test_the_number_of_jobs_that_fit_is_the_largest_that_brings_no_warning() -> None:
    for seconds in (0.1, 60, 600, 3000):
        for most in (4, 30, 60, 240, 1440):
            found = fitting(partial(asked_minutes, seconds, 1), most, 50)
            fit = [n for n in range(1, 51) if asked_minutes(seconds, 1, n) <= most // n]
            assert found == max(fit, default=0)
            profile = Profile(minutes=most, megabytes=None, warn=pytest.fail)
            if found:
                profile.allowed_minutes("a", partial(asked_minutes, seconds, 1), 1, found)
    assert fitting(partial(asked_minutes, 3000, 1), 30, 50) == 0
    assert 240 // fitting(partial(asked_minutes, 600, 1), 240, 50) >= 20


def test_without_a_limit_jobs_ask_for_what_they_need() -> None:
    profile = Profile(minutes=None, megabytes=None, warn=pytest.fail)
    assert profile.allowed_minutes("a", lambda _: 10_000, 1) == 10_000
    profile.check_megabytes("a", 10**6, 1)


def test_bundles_are_those_of_the_groups() -> None:
    groups = {"a": "a-{model}", "b": "b-{model}", "c": "a-{model}"}
    assert bundled(groups, {"a-{model}": 8}) == {"a": 8, "b": 1, "c": 8}


def test_the_plan_says_the_most_that_jobs_ask_for(tmp_path, monkeypatch, capsys) -> None:
    given = {"study": "s", "images": {"source": "shapes", "count": 8}, "methods": ["gradcam"]}
    given["models"] = ["zoo:test_vit"]
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(given))
    monkeypatch.chdir(ROOT)  # where the zoo is
    plan(tmp_path / "study.yaml", device="cuda", speeds=None, most_minutes=4)
    study = ResolvedStudy(given)
    demands, merging = Demands(study, Speeds(), "cuda"), Merging(study)
    words = {"model": "test_vit", "method": "gradcam", "range": RANGE}
    jobs = [(demands, "predict"), (demands, "explain"), (merging, "consensus")]
    jobs.append((merging, "variance"))
    told = re.search(
        r"asks for at most ([\d,]+) minutes \(\w+\) and ([\d,]+) MB \(\w+\); tried a third time, "
        r"for ([\d,]+) minutes and ([\d,]+) MB\.",
        capsys.readouterr().out,
    )
    assert told is not None
    assert [int(one.replace(",", "")) for one in told.groups()] == [
        max(getattr(of, what)(rule, words, attempt) for of, rule in jobs)
        for attempt in (1, 3)
        for what in ("minutes", "memory")
    ]


# --- With Snakemake -----------------------------------------------------------------------------


def requested(said: str, rule: str) -> list[tuple[int, int]]:
    """Memory and minutes of each job of a rule, of a dry run."""
    jobs = re.findall(rf"^ *rule {rule}:\n((?: +.*\n)+)", said, re.MULTILINE)
    found = [re.search(r"mem_mb=(\d+).*runtime=(\d+)", job) for job in jobs]
    return [(int(one[1]), int(one[2])) for one in found if one]


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_snakemake_asks_for_what_the_profile_allows(tmp_path) -> None:
    study = {
        "study": "tiny",
        "images": {"source": "shapes", "count": 8},
        # The layers of the second are not shipped.
        "models": {
            "v": {"name": "zoo:test_vit"},
            "e": {"name": "efficientnet_b7", "pretrained": False},
        },
        "methods": {"gradcam": {}, "saliency": {}},
    }
    project = Project(tmp_path, study)
    demands = Demands(ResolvedStudy(study), Speeds(), "cuda")
    base = ("--profile", "profiles/slurm", "--dry-run", "--until", "merge")
    plain = project.run(*base)
    assert plain.returncode == 0, plain.stdout
    memory = demands.memory("explain", {"model": "v", "method": "gradcam", "range": RANGE}, 1)
    assert (memory, SHORTEST) in requested(plain.stdout, "explain")
    layers = demands.memory("layers", {"model": "e"}, 1)
    assert requested(plain.stdout, "layers") == [
        (layers, demands.minutes("layers", {"model": "e"}, 1))
    ]
    assert layers > 15_000
    (merging,) = {*requested(plain.stdout, "merge")}
    assert "asks for" not in plain.stdout

    grouped = ("--groups", "explain=explain-{model}", "--group-components", "explain-{model}=2")
    limited = ("--resources", "bundle=1", "mem_mb=4500", "runtime=7")
    bundles = project.run(*base, *grouped, *limited)
    assert {*requested(bundles.stdout, "explain")} == {(4500, 3)}, bundles.stdout
    assert {*requested(bundles.stdout, "merge")} == {(min(merging[0], 4500), 7)}
    told = [line for line in bundles.stdout.splitlines() if line.startswith("A job of")]
    assert len([line for line in told if line.startswith("A job of explain")]) == 2
    assert re.search(r"A job of explain asks for [78],\d00 MB, but may have 4,500", bundles.stdout)
    assert f"A job of layers asks for {layers:,} MB, but may have 4,500" in bundles.stdout

    # The command line's take the place of the profile's, GPUs too: no job asks for one now.
    assert "ask for no GPU" not in plain.stdout + bundles.stdout
    replaced = project.run(*base, "--set-resources", "explain:mem_mb=20000")
    assert replaced.stdout.count("predict, redraw, sanity ask for no GPU") == 1
    assert "gpu=1" not in replaced.stdout
    assert "ask for no GPU" not in project.run("--dry-run", "--until", "predict").stdout

    project.study = study | {"device": "cpu"}
    refused = project.run(*base)
    assert refused.returncode == 1
    assert "The study says `device: cpu`, but this run asks for a GPU for evaluate_model" in (
        refused.stdout
    )
