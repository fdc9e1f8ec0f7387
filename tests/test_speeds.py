"""Speeds that finished jobs tell, and on which device they ran."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mapfiles import write_maps
from sightline.cli.planned import chosen_device
from sightline.errors import SightlineError
from sightline.study.estimates.expected import Expected
from sightline.study.estimates.held import LOOKED, held_against
from sightline.study.estimates.measured import measured_speeds
from sightline.study.estimates.plan import jobs_by_rule
from sightline.study.estimates.ran import Finished, Ran
from sightline.study.estimates.speeds import START, STARTING, Speed, Speeds
from sightline.study.resolve import ResolvedStudy


def ran(method: str, seconds: float, each: float = 1, images: int = 10) -> Ran:
    return Ran("m", method, "cpu", images, each * images, seconds, 0.001)


def told(*jobs: Ran) -> dict[str, Speed]:
    return {one.method: one for one in measured_speeds(jobs)}


def test_speeds_by_hand() -> None:
    found = told(
        *(ran("predict", seconds) for seconds in (3, 4, 5)),
        *(ran("rise", seconds, 100) for seconds in (6, 14, 24)),
    )
    assert found[STARTING] == Speed("", STARTING, "cpu", 3, 0, 4, 5, 0)
    assert found["rise"] == Speed("m", "rise", "cpu", 3, 100, 0.01, 0.02, 0.001)


def test_the_noise_of_starts_is_no_speed() -> None:
    # Starts of a busy machine, between 10 and 35 s.
    starts = [10.4, 11.4, 14.3, 19.2, 19.9, 21.6, 23.5, 24.9, 26.3, 31.2, 31.9]
    short = [ran("gradcam", seconds, 2) for seconds in starts]
    # Forty passes an image, in truth 1 ms each.
    found = told(*short, *(ran("lime", seconds + 0.4, 40) for seconds in starts[5:]))
    assert found.keys() == {STARTING}
    assert found[STARTING].seconds == 21.6
    # What takes minutes tells its speed there too.
    found = told(*short, *(ran("lime", seconds + 400, 4000) for seconds in starts))
    assert found["lime"].seconds == pytest.approx(400 / 40_000, rel=0.01)


def test_few_passes_an_image_tell_no_speed_however_long_they_take() -> None:
    found = told(ran("predict", 4), ran("predict", 5), ran("gradcam", 600, 2, 10_000))
    assert found.keys() == {STARTING}
    kept = Speeds([Speed("m", "gradcam", "cpu", 1, 2, 0.03, 0.03, 0.01)])
    assert kept.exact("m", "gradcam", "cpu") is None


def test_without_short_jobs_no_start_is_told() -> None:
    found = told(ran("rise", 400, 1000), ran("rise", 600, 1000))
    assert found.keys() == {"rise"}
    assert found["rise"].seconds == pytest.approx((500 - START) / 10_000)
    assert told(ran("rise", 8, 1000)) == {}


STUDY = {
    "study": "ran",
    "images": {"source": "shapes", "count": 2},
    "models": {
        "r": {"name": "resnet18", "pretrained": False},
        "z": {"name": "resnet34", "pretrained": False},
    },
    "methods": {"gradcam": None, "saliency": None},
}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResolvedStudy:
    """Two models, two methods; all has run, r on a CPU, z's Grad-CAM on a GPU."""
    monkeypatch.chdir(tmp_path)
    found = ResolvedStudy(STUDY)
    for one in jobs_by_rule(found)["explain"]:
        gpu = one.wildcards["model"] == "z" and one.wildcards["method"] == "gradcam"
        finish(found, one, "cuda:0" if gpu else "cpu", 20)
    for one in jobs_by_rule(found)["predict"]:
        finish(found, one, None, 5)
    return found


def finish(study: ResolvedStudy, one: Expected, device: str | None, seconds: float) -> None:
    file, benchmark = study.results / one.file, study.results / one.benchmark
    for path in (file, benchmark):
        path.parent.mkdir(parents=True, exist_ok=True)
    benchmark.write_text(f"s\n{seconds}\n")
    if device is None:
        file.touch()
    else:
        write_maps(file, np.ones((2, 7, 7)), attributes={"device": device})


def test_each_map_file_says_where_it_was_made(study: ResolvedStudy) -> None:
    finished = Finished(study, jobs_by_rule(study))
    timed, count = finished.of("explain")
    assert count == 4
    devices = [(*list(one.job.wildcards.values())[:2], one.device) for one in timed]
    assert sorted(devices) == [
        ("r", "gradcam", "cpu"), ("r", "saliency", "cpu"),
        ("z", "gradcam", "cuda"), ("z", "saliency", "cpu"),
    ]  # fmt: skip
    # Predictions say nothing: they ran where all maps of the model were made, if that is one.
    timed, count = finished.of("predict")
    assert [(one.job.wildcards["model"], one.device) for one in timed] == [("r", "cpu")]
    assert count == 2


def test_jobs_are_held_against_what_was_expected_where_they_ran(study: ResolvedStudy) -> None:
    speeds = Speeds([Speed("", STARTING, "cpu", 3, 0, 7, 7, 0)])
    held = held_against(study, jobs_by_rule(study), speeds)
    told = {(one.rule, one.device): (one.jobs, one.took) for one in held}
    assert told == {
        ("explain", "cpu"): (3, 60), ("explain", "cuda"): (1, 20), ("predict", "cpu"): (1, 5),
    }  # fmt: skip
    for one in held:
        # Of a GPU nothing was measured.
        assert (one.measured is None) == (one.device == "cuda")
        if one.measured is not None:
            assert one.sizes - one.measured == pytest.approx(one.jobs * (START - 7))


def test_of_many_jobs_some_are_looked_at(study: ResolvedStudy) -> None:
    jobs = jobs_by_rule(study)
    many = {"explain": jobs["explain"] * 15}
    timed, count = Finished(study, many).of("explain", LOOKED)
    assert (len(timed), count) == (LOOKED, 60)
    assert len(Finished(study, many).of("explain")[0]) == 60


def test_a_damaged_map_file_is_named(study: ResolvedStudy) -> None:
    file = study.results / jobs_by_rule(study)["explain"][0].file
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(SightlineError, match=f"{file} is damaged"):
        held_against(study, jobs_by_rule(study), Speeds())


def test_the_device_of_a_plan(study: ResolvedStudy) -> None:
    cpu, cuda = (Speed("", STARTING, one, 3, 0, 7, 7, 0) for one in ("cpu", "cuda"))
    for given, rows, expected, reason in (
        ("auto", [], "cuda", "--device cpu"),
        ("auto", [cpu], "cpu", "--device cuda"),
        ("auto", [cpu, cuda], "cuda", "--device cpu"),
        ("cpu", [cuda], "cpu", ""),
        ("cuda", [cpu], "cuda", ""),
    ):
        device, why = chosen_device(given, study, Speeds(rows))
        assert device == expected
        assert reason in why
        assert bool(why) == bool(reason)
    said = ResolvedStudy(STUDY | {"device": "cpu"})
    assert chosen_device("auto", said, Speeds([cuda])) == ("cpu", "")
    with pytest.raises(SightlineError, match="expected cpu, cuda or auto"):
        chosen_device("tpu", study, Speeds())
