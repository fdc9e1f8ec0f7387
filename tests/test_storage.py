"""Results on object storage: an S3-compatible server on this machine, and a local run beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from project import Project, assert_equal_maps, assert_equal_results

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

STUDY = {
    "study": "tiny",
    "images": {"source": "shapes", "count": 4},
    "models": {"resnet": {"name": "zoo:test_resnet"}, "vit": {"name": "zoo:test_vit"}},
    "methods": {"gradcam": {}},
}
# Experiments on maps, variants and the model, and checks: rules of all sorts.
WHOLE = {
    **STUDY,
    "sanity": {"images": 2, "checks": ["shift", "offset"]},
    "evaluate": {
        "localisation": {},
        "insertion_deletion": {"images": 2, "steps": 4},
        "attack": {"images": 2, "epsilons": [0.05], "steps": 2},
    },
}
# By way of patterns in commands (compare, merge, predictions) and of inputs (the others).
TARGETS = ["results/tiny/tables/similarity.csv", "results/tiny/tables/accuracy.csv"]
KEYS = {"ACCESS_KEY": "someone", "SECRET_KEY": "secret"}
STORED = ["--default-storage-provider", "s3", "--default-storage-prefix", "s3://studies/mine"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty server with one bucket; as a person would, its address is set in the environment."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {"ENDPOINT_URL": address, **KEYS}.items():
        monkeypatch.setenv(f"SNAKEMAKE_STORAGE_S3_{name}", value)
    client = connect(address)
    client.create_bucket(Bucket="studies")
    client.close()
    yield address
    server.stop()


def connect(address: str) -> Any:
    """A client of the server."""
    return boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=KEYS["ACCESS_KEY"],
        aws_secret_access_key=KEYS["SECRET_KEY"],
    )


def fetch_all(address: str, folder: Path) -> set[str]:
    """Put all that is stored below mine/ into a folder; the names."""
    client = connect(address)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="studies", Prefix="mine/")
    names = {one["Key"].removeprefix("mine/") for page in pages for one in page["Contents"]}
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        client.download_file("studies", f"mine/{name}", str(folder / name))
    client.close()
    return names


def test_results_on_object_storage_are_those_of_a_local_run(server: str, tmp_path: Path) -> None:
    local = Project(tmp_path / "local", STUDY)
    done = local.run("--", *TARGETS)
    assert done.returncode == 0, done.stdout

    stored = Project(tmp_path / "stored", STUDY)
    done = stored.run(*STORED, "--", *TARGETS)
    assert done.returncode == 0, done.stdout
    # What the study is stays beside the project, its results do not; nor do weights leave.
    kept = {path.name for path in (stored.folder / "results/tiny").iterdir()}
    assert kept == {"counts.json", "study.json"}
    names = fetch_all(server, stored.folder)
    assert not any(name.startswith("resources") for name in names)

    assert_equal_maps(local, stored)
    for table in TARGETS:
        assert (stored.folder / table).read_text() == (local.folder / table).read_text()
    again = stored.run(*STORED, "--dry-run", "--", *TARGETS)
    assert "Nothing to be done" in again.stdout, again.stdout


@pytest.mark.storage
def test_a_whole_study_on_object_storage_is_that_of_a_local_run(
    server: str, tmp_path: Path
) -> None:
    local, stored = Project(tmp_path / "local", WHOLE), Project(tmp_path / "stored", WHOLE)
    local.complete(timeout=7200)
    done = stored.run(*STORED, timeout=7200)
    assert done.returncode == 0, done.stdout
    again = stored.run(*STORED, "--dry-run")
    assert "Nothing to be done" in again.stdout, again.stdout
    fetch_all(server, stored.folder)
    assert_equal_results(local, stored)
