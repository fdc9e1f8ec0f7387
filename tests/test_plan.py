"""What a study takes: estimated by hand, measured from a run, and asked for by its jobs."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import median
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import timm
from snakemake.resources import GroupResources, Resources

from project import ROOT, Project
from sightline.errors import SightlineError
from sightline.jobs import explain
from sightline.models.classifier import BATCH_SIZES
from sightline.models.names import torchvision_names
from sightline.models.sizes import TABLE, UNKNOWN, Size, size_of
from sightline.study.estimates.bundles import ALLOCATING, LONGEST_BUNDLE
from sightline.study.estimates.cost import RUNNING, Costs, Work
from sightline.study.estimates.demand import (
    BATCH,
    CHUNKS,
    LARGEST,
    LAUNCHING,
    LONGEST,
    MORE_MEMORY,
    MORE_TIME,
    MOST_CORES,
    PROCESS,
    Demands,
    asked_megabytes,
    asked_minutes,
    cores,
    megabytes,
    probing_megabytes,
)
from sightline.study.estimates.expected import expected_jobs
from sightline.study.estimates.held import held_against
from sightline.study.estimates.plan import Plan, jobs_by_rule
from sightline.study.estimates.speeds import (
    PACES,
    START,
    STARTING,
    Speed,
    Speeds,
    estimated,
    model_key,
    read_speeds,
    write_speeds,
)
from sightline.study.estimates.speeds import TABLE as SPEEDS_TABLE
from sightline.study.estimates.storage import row_bytes
from sightline.study.resolve import ResolvedStudy

SIZES: dict[str, Any] = json.loads(TABLE.read_text())
FIRST = "000000-000031"


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sizes", ROOT / "tools/sizes.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def specification(name: str, size: Any = None, **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "input": {"size": size}}


def study(**given: Any) -> ResolvedStudy:
    return ResolvedStudy(
        {
            "study": "plan",
            "images": {"source": "shapes", "count": 32},
            "models": {
                "r": {"name": "resnet18", "pretrained": False},
                "z": {"name": "zoo:test_vit"},
            },
            "methods": {"gradcam": None, "integrated_gradients": {"steps": 40}},
        }
        | given
    )


# --- Sizes --------------------------------------------------------------------------------------


def test_the_table_has_every_model() -> None:
    assert set(SIZES["models"]) == set(tool().asked()), "run make sizes"
    assert len([one for one in torchvision_names() if f"torchvision:{one}" in SIZES["models"]]) > 70
    assert all(len(row) == len(SIZES["columns"]) for row in SIZES["models"].values())
    assert SIZES["sides"].keys() <= set(timm.list_models(pretrained=True))


@pytest.mark.parametrize(
    "name", ["resnet18", "deit_tiny_patch16_224", "torchvision:squeezenet1_1", "test_convnext"]
)
def test_the_table_says_what_a_pass_takes(name: str) -> None:
    sizes = tool()
    assert sizes.examine(*sizes.asked()[name]) == SIZES["models"][name]


def test_the_zoos_models_stand_there_with_their_arguments() -> None:
    sizes = tool()
    key = next(one for one in SIZES["models"] if one.startswith("test_resnet {"))
    assert sizes.examine(*sizes.asked()[key]) == SIZES["models"][key]
    record = json.loads((ROOT / "resources/zoo/test_resnet.json").read_text())
    found = size_of(specification("test_resnet", [96, 96], **record["args"]))
    assert found.known
    assert found.weights == pytest.approx(record["parameters"] / 1e6, rel=0.01)


def test_alexnets_multiplications_by_hand() -> None:
    convolutions = [
        *(64 * 55**2 * 3 * 11**2, 192 * 27**2 * 64 * 5**2, 384 * 13**2 * 192 * 3**2),
        *(256 * 13**2 * 384 * 3**2, 256 * 13**2 * 256 * 3**2),
    ]
    linear = [256 * 6 * 6 * 4096, 4096 * 4096, 4096 * 1000]
    found = size_of(specification("torchvision:alexnet"))
    assert found.gmacs == pytest.approx((sum(convolutions) + sum(linear)) / 1e9, rel=0.005)
    assert found.weights == pytest.approx(61.1, rel=0.005)


def test_a_studys_own_images_scale_the_passes_and_not_the_weights() -> None:
    own, double = (size_of(specification("resnet18", side)) for side in (None, [448, 448]))
    assert (own.height, own.width) == (224, 224)
    assert double.gmacs == pytest.approx(4 * own.gmacs)
    assert double.kept == pytest.approx(4 * own.kept)
    assert double.weights == own.weights
    half = size_of(specification("resnet18.a1_in1k", [224, 112]))
    assert half.gmacs == pytest.approx(own.gmacs / 2)
    larger = size_of(specification("deit_tiny_patch16_224", None, img_size=448))
    assert larger.gmacs == pytest.approx(4 * SIZES["models"]["deit_tiny_patch16_224"][1])
    assert larger.known


def test_weights_for_other_images_say_so_by_their_tag() -> None:
    name, side = next(iter(SIZES["sides"].items()))
    assert timm.models.get_pretrained_cfg(name).input_size[-1] == side
    assert size_of(specification(name)).height == side


@pytest.mark.parametrize("name", ["mine.models:make", "hf-hub:someone/something"])
def test_an_unknown_model_is_taken_for_a_large_one(name: str) -> None:
    found = size_of(specification(name, [112, 112]))
    assert not found.known
    assert found.gmacs == pytest.approx(UNKNOWN.gmacs / 4)
    assert found.weights == UNKNOWN.weights


def test_a_repository_is_known_by_its_architecture_once_it_was_fetched() -> None:
    spec = specification("hf-hub:someone/something")
    assert size_of(spec, "resnet18.a1_in1k") == size_of(specification("resnet18"))


def test_arguments_that_change_a_model_make_its_size_a_guess() -> None:
    assert not size_of(specification("densenet121", growth_rate=12)).known
    assert size_of(specification("densenet121", num_classes=3)).known


# --- Passes -------------------------------------------------------------------------------------


def test_passes_of_the_studys_own_maps_by_hand() -> None:
    costs = Costs(study(roles=["predicted", "top2"]))
    # What is explained: one forward pass an image. Grad-CAM at the last layer: one a role.
    assert costs.explain("gradcam", 8) == Work(8, 8 * (1 + 2 * 1), gradients=True)
    # 40 steps and both ends forward, 40 backward that count twice.
    assert costs.explain("integrated_gradients", 8) == Work(8, 8 * (1 + 2 * (42 + 80)), True)
    assert costs.predict(8) == Work(8, 8)


def test_passes_of_experiments_by_hand() -> None:
    costs = Costs(
        study(
            evaluate={
                "confidence_change": None,
                "max_sensitivity": {"samples": 4},
                "attack": {"attacks": ["pgd"], "epsilons": [0.05], "steps": 5},
            },
            sanity={"images": 4, "stages": 3},
        )
    )
    assert costs.evaluate_model("confidence_change", "gradcam", 8) == Work(8, 8 * (1 + 2))
    # Itself and four copies explained.
    sensitivity = costs.evaluate_model("max_sensitivity", "integrated_gradients", 2)
    assert sensitivity == Work(2, 2 * (1 + 5 * 122), gradients=True)
    # Explained as without the attack; seen once more; five steps forward and backward.
    attacked = costs.explain_variant("attack.pgd-0.05", "gradcam", 8)
    assert attacked == Work(8, 8 * (1 + 1) + 8 * (1 + 5 * 3), gradients=True)
    # Three stages and five further explanations, each with a pass beside it.
    assert costs.sanity("gradcam") == Work(4, 4 * 8 * 2, gradients=True)


# --- Time and memory ----------------------------------------------------------------------------


def test_time_by_hand() -> None:
    size = Size(224, 224, gmacs=2.0, weights=10, outputs=12, kept=6)
    assert estimated(size, "cpu") == pytest.approx(2.0 / 20 + 12 / 1_200)
    resolved = study()
    found = Demands(resolved, Speeds(), "cpu").job(
        "explain", {"model": "r", "method": "integrated_gradients", "range": FIRST}
    )
    size = size_of(specification("resnet18"))
    each = size.gmacs / PACES["cpu"].gmacs + size.outputs / PACES["cpu"].values
    assert found.passes == 32 * 123
    assert found.seconds == pytest.approx(START + 32 * PACES["cpu"].image + 32 * 123 * each)
    assert found.computing == pytest.approx(found.seconds - START)


def test_memory_by_hand() -> None:
    size = Size(100, 100, gmacs=1, weights=50, outputs=20, kept=8)
    # The process, weights twice, chunks of images; a batch of 16: a quarter of the outputs, the
    # image twice, and what gradients need.
    held = 1_200 + 2 * 4 * 50 + 536
    assert megabytes(size, Work(1, 1), "cpu") == pytest.approx(held + 16 * 4 * (5 + 0.06))
    with_gradients = megabytes(size, Work(1, 1, gradients=True), "cpu")
    assert with_gradients == pytest.approx(held + 16 * 4 * (5 + 8 + 0.06))
    assert megabytes(size, Work(1, 1), "cuda") == 4_000 + 400 + 536


# Peak MB and processor seconds of `sightline find-layers` on random weights, one thread.
FINDING_LAYERS = {
    "resnet18": (870, 0.7),
    "resnet50": (1_060, 1.9),
    "vit_base_patch16_224": (1_390, 13.4),
    "convnext_base": (1_470, 6.4),
    "vit_base_patch16_384": (1_790, 37.5),
    "swin_base_patch4_window7_224": (1_580, 6.9),
    "efficientnet_b7": (10_364, 37.5),
    "vit_large_patch16_224": (3_053, 43.9),
}


def test_jobs_that_find_layers_ask_for_more_than_was_measured() -> None:
    models = {name: {"name": name, "pretrained": False} for name in FINDING_LAYERS}
    resolved = study(models=models)
    on_gpus, on_processors = (Demands(resolved, Speeds(), one) for one in ("cuda", "cpu"))
    for name, (most, seconds) in FINDING_LAYERS.items():
        found = on_gpus.job("layers", {"model": name})
        assert found == on_processors.job("layers", {"model": name})
        assert most <= found.megabytes < 2.1 * most + 200, name
        assert seconds <= found.seconds - START, name
        assert found.cores == 1
    # Two images with gradients, without a range's images.
    size = Size(100, 100, gmacs=1, weights=50, outputs=20, kept=8)
    expected = 1_200 + 2 * 4 * 50 + 2 * 4 * (5 + 8 + 0.06)
    assert probing_megabytes(size, Work(2, 9, gradients=True)) == pytest.approx(expected)


def test_the_plan_says_what_finding_layers_takes() -> None:
    models = {name: {"name": name, "pretrained": False} for name in ("resnet18", "efficientnet_b7")}
    resolved = study(models=models, methods=["gradcam"])
    demands = Demands(resolved, Speeds(), "cuda")
    made = Plan(resolved, demands)
    line = next(one for one in made.others() if one.rule == "layers")
    asked = [demands.memory("layers", {"model": name}, 1) for name in models]
    assert (line.jobs, line.megabytes) == (2, max(asked))
    assert line.longest[0] == "layers/efficientnet_b7.json"
    found = made.most_asked(1)
    assert found is not None
    assert found[1] == (max(asked), "layers")
    # They are no GPU's.
    assert "layers" not in {one.rule for one in made.running()}


def test_processors_by_hand() -> None:
    size = Size(224, 224, gmacs=4.0, weights=25, outputs=20, kept=10)
    # On a GPU a pass takes 4 + 1 ms and an image is decoded in 50.
    assert [cores(size, Work(64, 64 * each), "cuda") for each in (1, 3, 4, 5, 9, 10, 99)] == [
        *(4, 4, 3, 2, 2, 1, 1)
    ]
    assert cores(size, Work(64, 64), "cpu") == 1


def test_a_job_that_is_tried_again_asks_for_more_up_to_a_limit() -> None:
    assert [asked_minutes(600, attempt) for attempt in (1, 2, 3)] == [25, 50, 75]
    assert asked_minutes(1, 1) == 10
    assert asked_minutes(1e7, 3) == LONGEST
    assert [asked_megabytes(2_000, attempt) for attempt in (1, 2, 3)] == [3_500, 7_000, 10_500]
    assert asked_megabytes(1, 1) == 2_000
    assert asked_megabytes(1e6, 1) == LARGEST


# --- Speeds -------------------------------------------------------------------------------------


def row(model: str, method: str, **figures: float) -> Speed:
    given = {"jobs": 1, "passes": 100, "seconds": 0.5, "slowest": 1.0, "estimated": 1.0} | figures
    return Speed(model, method, "cpu", **given)


def test_what_was_measured_replaces_the_estimate() -> None:
    resolved = study()
    size = size_of(resolved.models["r"].spec)
    key = model_key(resolved.models["r"].spec, size)
    wildcards = {"model": "r", "method": "integrated_gradients", "range": FIRST}
    passes = 32 * 123
    exact = Demands(
        resolved,
        Speeds([row("", STARTING, seconds=4, slowest=4), row(key, "integrated_gradients")]),
        "cpu",
    )
    assert exact.job("explain", wildcards).seconds == pytest.approx(4 + passes * 0.5)
    # Jobs ask for the pace of the slowest.
    assert exact.minutes("explain", wildcards, 1) == asked_minutes(4 + passes * 1.0, 1)
    alike = Demands(resolved, Speeds([row(key, "rise")]), "cpu")
    images = 32 * PACES["cpu"].image
    assert alike.job("explain", wildcards).seconds == pytest.approx(START + images + passes * 0.5)
    # Few passes an image tell of decoding, an experiment of its own work.
    for other in (row(key, "gradcam", passes=2), row(key, "road")):
        kept = Demands(resolved, Speeds([other]), "cpu").job("explain", wildcards)
        assert kept == Demands(resolved, Speeds(), "cpu").job("explain", wildcards)


def test_other_models_tell_how_fast_a_machine_is() -> None:
    resolved = study()
    wildcards = {"model": "r", "method": "integrated_gradients", "range": FIRST}
    before = Demands(resolved, Speeds(), "cpu").job("explain", wildcards)
    rows = [row(one, "rise", seconds=ratio) for one, ratio in (("a", 0.1), ("b", 0.2), ("c", 0.9))]
    after = Demands(resolved, Speeds(rows), "cpu").job("explain", wildcards)
    images = 32 * PACES["cpu"].image
    assert after.seconds - START - images == pytest.approx(0.2 * (before.seconds - START - images))
    assert after.slowest == pytest.approx(before.seconds)


def test_a_table_of_speeds_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [row("b", "rise"), row("", STARTING, seconds=4, slowest=4, estimated=0)]
    write_speeds(rows, tmp_path / "speeds.csv")
    assert (
        sorted(read_speeds(tmp_path / "speeds.csv").rows, key=lambda one: one.model) == rows[::-1]
    )
    assert read_speeds(tmp_path / "none.csv").rows == []


@pytest.mark.parametrize("broken", ["model,method\na,b\n", "nan,slow", "-1,1"])
def test_a_broken_table_of_speeds_is_refused(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "speeds.csv"
    if not broken.startswith("model"):
        seconds, slowest = broken.split(",")
        heads = "model,method,device,jobs,passes,seconds,slowest,estimated"
        broken = f"{heads}\na,rise,cpu,1,9,{seconds},{slowest},1\n"
    path.write_text(broken)
    with pytest.raises(SightlineError, match=r"no table of speeds.*Delete it"):
        read_speeds(path)


def test_a_folder_is_no_table_of_speeds(tmp_path: Path) -> None:
    with pytest.raises(SightlineError, match=r"cannot be read: Is a directory"):
        read_speeds(tmp_path)


# --- The plan -----------------------------------------------------------------------------------


def test_a_group_of_bundled_jobs_asks_for_the_time_of_all_and_the_memory_of_the_largest() -> None:
    def job(**resources: int) -> Any:
        return SimpleNamespace(
            resources={"_cores": 1, "bundle": 1, "gpu": 1, **resources}, pipe_group=None
        )

    found = GroupResources.basic_layered(
        toposorted_jobs=[[job(runtime=10, mem_mb=3000), job(runtime=25, mem_mb=7000)]],
        constraints=Resources.from_mapping({"bundle": 1}),
        run_local=False,
    )
    told = {name: found[name] for name in ("runtime", "mem_mb", "gpu", "_cores")}
    assert told == {"runtime": 35, "mem_mb": 7000, "gpu": 1, "_cores": 1}


def test_what_is_to_do_and_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = study()
    monkeypatch.chdir(tmp_path)
    plan = Plan(resolved, Demands(resolved, Speeds(), "cpu"))
    lines = {one.rule: one for one in plan.running()}
    assert (lines["explain"].jobs, lines["explain"].done) == (4, 0)
    assert lines["explain"].passes == 2 * 32 * (2 + 123)
    cam, full = (resolved.methods[one].method for one in ("gradcam", "integrated_gradients"))
    rows = [row_bytes(method, size) for method in (cam, full) for size in sizes(resolved)]
    assert rows[:3] == [230 + 2 * 14 * 14, 230 + 2 * 6 * 6, 230 + 2 * 224 * 224]
    assert plan.storage()["maps"] == pytest.approx(32 * sum(rows))

    made = resolved.results / f"maps/original/r/gradcam/{FIRST}.h5"
    made.parent.mkdir(parents=True)
    made.write_bytes(b"x" * 1000)
    again = Plan(resolved, Demands(resolved, Speeds(), "cpu"))
    line = next(one for one in again.running() if one.rule == "explain")
    assert (line.jobs, line.done, line.left) == (4, 1, 3)
    assert line.passes == 32 * (2 + 2 * 123)
    assert again.storage()["maps"] == pytest.approx(1000 + 32 * sum(rows[1:]))


def sizes(resolved: ResolvedStudy) -> list[Size]:
    return list(Demands(resolved, Speeds(), "cpu").sizes.values())


def test_an_archive_that_is_not_there_is_to_be_prefetched(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "study: far\n"
        "images: {source: archive, url: 'https://example.org/a.zip', digest: 'md5:"
        + "0"
        * 32
        + "'}\n"
        "models: {r: {name: resnet18, pretrained: false}}\n"
        "methods: [gradcam]\n"
    )
    done = sightline(tmp_path, "plan", "study.yaml")
    assert done.returncode == 1
    assert "prefetch" in done.stderr
    assert "Traceback" not in done.stderr
    # What is wrong with a study says in which file.
    text = (tmp_path / "study.yaml").read_text()
    (tmp_path / "study.yaml").write_text(f"{text}evaluate: {{bias: {{fils: [mean]}}}}\n")
    done = sightline(tmp_path, "plan", "study.yaml")
    assert "Error: study.yaml: evaluate.bias.fils: Unknown key 'fils'." in done.stderr


def sightline(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sightline", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        text=True,
        capture_output=True,
        check=False,
    )


# --- With Snakemake -----------------------------------------------------------------------------

ALL = {
    "study": "every",
    "images": {"source": "shapes", "count": 6},
    "models": {"r": {"name": "test_resnet", "pretrained": False}, "z": {"name": "zoo:test_vit"}},
    "methods": {"gradcam": None, "kernelshap": {"samples": 40, "segments": 8}},
    "roles": ["predicted", "top2"],
    "compare": {"second_seed": 4},
    "evaluate": {
        "pointing": None,
        "fidelity": {"images": 4},
        "randomisation": {"images": 4, "stages": 2},
    },
    "sanity": {"images": 4},
}


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
@pytest.mark.parametrize("models", [["r", "z"], ["z"]])
def test_the_plan_counts_the_jobs_that_snakemake_would_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: list[str]
) -> None:
    given = ALL | {"models": {name: ALL["models"][name] for name in models}}
    project = Project(tmp_path, given)
    monkeypatch.chdir(tmp_path)
    expected = Counter(one.rule for one in expected_jobs(ResolvedStudy(given)))
    planned = project.planned()
    assert {rule: planned[rule] for rule in expected} == expected
    # What is not counted is light.
    assert not set(RUNNING) & (planned.keys() - expected.keys())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A study whose maps were made."""
    project = Project(
        tmp_path_factory.mktemp("planned"),
        {
            "study": "tiny",
            "device": "cpu",
            "images": {"source": "shapes", "count": 4},
            "models": {name: {"name": f"zoo:{name}"} for name in ("test_resnet", "test_vit")},
            "methods": {"gradcam": None, "rise": {"masks": 100}},
        },
    )
    done = project.run("--until", "predict", "explain")
    assert done.returncode == 0, done.stdout
    return project


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_jobs_ask_for_what_they_are_expected_to_take(
    finished: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.folder)
    wanted = {"model": "test_resnet", "method": "rise", "range": "000000-000003"}
    file = f"{finished.study['study']}/maps/original/test_resnet/rise/000000-000003.h5"
    for device, more in (("cpu", []), ("cuda", ["--set-resources", "explain:gpu=1"])):
        told = finished.study | {"device": "auto"}
        finished.study, own = told, finished.study
        done = finished.run("--dry-run", "--force", *more, "--", f"results/{file}")
        finished.study = own
        demands = Demands(ResolvedStudy(told), Speeds(), device)
        asked = f"mem_mb={demands.memory('explain', wanted, 1)}"
        assert asked in done.stdout
        assert f"runtime={demands.minutes('explain', wanted, 1)}" in done.stdout
        assert demands.job("explain", wanted).cores == {"cpu": 1, "cuda": 4}[device]
        # Snakemake was given two.
        threads = re.findall(r"^    threads: (\d+)$", done.stdout, re.MULTILINE)
        assert threads == {"cpu": [], "cuda": ["2"]}[device]


def benchmarks(folder: Path) -> dict[str, Path]:
    """The benchmark files of a run, by their rule, model and method."""
    files = (folder / "results/tiny/benchmarks").rglob("*.tsv")
    return {
        one.parent.relative_to(folder / "results/tiny/benchmarks").as_posix(): one for one in files
    }


def took(path: Path) -> float:
    with path.open() as file:
        return float(next(csv.DictReader(file, delimiter="\t"))["s"])


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_a_run_teaches_its_speeds_and_nothing_runs_again(
    finished: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.folder)
    before = finished.planned()
    assert not {"explain", "predict"} & before.keys()
    files = benchmarks(finished.folder)
    assert len(files) == 6
    # So few passes take no time to speak of beside the start: say that some took hours.
    slow = files["explain/test_vit/rise"]
    start = median(took(one) for name, one in files.items() if not name.endswith("rise"))
    slow.write_text(slow.read_text().replace(f"{took(slow):.2f}\t", f"{start + 9999:.2f}\t", 1))
    # What a killed job leaves is no map file.
    maps = finished.folder / "results/tiny/maps/original/test_vit/rise"
    (maps / ".000000-000003.node.1.0a1b2c3d.h5").write_bytes(b"half")

    resolved = ResolvedStudy(finished.study)
    wanted = {"model": "test_resnet", "method": "rise", "range": "000000-000003"}
    other = Demands(resolved, Speeds(), "cpu").timed("explain", wanted)
    write_speeds([row(*other, seconds=77, slowest=77), row("elsewhere", "rise")])

    done = sightline(finished.folder, "speeds", "study.yaml")
    assert done.returncode == 0, done.stderr
    assert "1 rows kept" in done.stdout
    speeds = read_speeds()
    assert speeds.exact("elsewhere", "rise", "cpu") is not None
    # Learned from jobs that have run anew, whether they tell anything or not.
    assert 77 not in {one.seconds for one in speeds.rows}
    assert speeds.start("cpu") == pytest.approx(start, rel=1e-3)
    demands = Demands(resolved, speeds, "cpu")
    wanted = {"model": "test_vit", "method": "rise", "range": "000000-000003"}
    found = speeds.exact(*demands.timed("explain", wanted), "cpu")
    assert found is not None
    # One pass says what is explained, 100 are the masks'.
    assert found.seconds == pytest.approx(9999 / (4 * 101), rel=1e-3)
    expected = demands.job("explain", wanted).seconds
    assert expected == pytest.approx(start + 9999, rel=1e-3)
    held = {one.rule: one for one in held_against(resolved, jobs_by_rule(resolved), speeds)}
    assert (held["explain"].device, held["explain"].jobs, held["predict"].jobs) == ("cpu", 4, 2)
    assert held["explain"].took == pytest.approx(
        sum(took(one) for name, one in files.items() if name.startswith("explain"))
    )
    assert held["explain"].measured is not None
    assert held["explain"].sizes < expected < held["explain"].measured

    # Ranges, and what runs, know nothing of it.
    names = resolved.ranges("rise")
    assert finished.planned() == before
    write_speeds([replace(one, seconds=1e4, slowest=1e4) for one in speeds.rows])
    assert ResolvedStudy(finished.study).ranges("rise") == names
    assert finished.planned() == before


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_the_plan_tells_a_person_what_a_study_takes(finished: Project) -> None:
    finished.command()
    write_speeds([row("elsewhere", "rise")], finished.folder / SPEEDS_TABLE)
    done = sightline(finished.folder, "plan", "study.yaml", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "Study tiny: 2 models, 2 methods, 4 images; each job on a CPU core." in done.stdout
    assert [
        line.split()[:3] for line in done.stdout.splitlines() if line.startswith("explain")
    ] == [["explain", "0", "4"]]
    assert "explain: 4 jobs on CPUs took" in done.stdout
    assert re.search(r"On disk about .*: images .* maps .* figures", done.stdout, re.DOTALL)
    # Of what is measured on CPUs alone; then of what a person asks for.
    assert "with measured speeds" in done.stdout
    cuda = sightline(finished.folder, "plan", "study.yaml", "--device", "cuda")
    assert "each job on a GPU" in cuda.stdout
    assert "No speeds were measured on a GPU yet" in cuda.stdout
    assert "explain: 4 jobs on CPUs took" in cuda.stdout
    wrong = sightline(finished.folder, "plan", "study.yaml", "--device", "tpu")
    assert wrong.returncode == 1
    assert "expected cpu, cuda or auto" in wrong.stderr


# --- The page -----------------------------------------------------------------------------------


def test_the_page_names_the_figures_that_are_used() -> None:
    page = " ".join((ROOT / "docs/plan.md").read_text().split())
    cpu, cuda = PACES["cpu"], PACES["cuda"]
    for told in (
        f"multiplications at {cpu.gmacs:g}e9 a second on a CPU core and 1e12 on a GPU",
        "at 1.2e9 and 2e10 values a second",
        f"Each image takes {cpu.image} s besides, each job {START:.0f} s to start",
        f"({PROCESS['cpu'] / 1000} GB; {PROCESS['cuda'] / 1000:.0f} GB with CUDA)",
        f"two chunks of images ({CHUNKS} MB)",
        f"a batch of {BATCH}",
        f"{LAUNCHING} MB for Snakemake",
        f"{MOST_CORES} at most",
        f"an allocation takes {ALLOCATING:.0f} s until its first job starts",
        "take more than twelve hours",
    ):
        assert told in page, told
    assert (cuda.gmacs, cpu.values, cuda.values) == (1e3, 1.2e3, 2e4)
    assert (MORE_TIME, MORE_MEMORY, LONGEST_BUNDLE) == (2, 1.5, 12 * 3600)


def test_memory_is_estimated_by_the_batches_and_chunks_of_the_jobs() -> None:
    """The Snakefile may not import torch, and so has these figures of its own."""
    assert BATCH_SIZES["cpu"] == BATCH
    assert 2 * (explain._CHUNK_BYTES // 10**6) == CHUNKS
