"""The command line as a person and the rules use it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from skimage import data
from torch import nn
from typer.main import get_command

from project import ROOT, rules
from sightline.cli import app
from sightline.methods.catalogue import CATALOGUE

COMMANDS = get_command(app).commands


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sightline", *map(str, arguments)],
        cwd=ROOT,
        env={"PYTHONPATH": "workflow", "PATH": "", "OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """The command failed with one message that says these words."""
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("Error: ") or "\nError: " in done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def rule_commands() -> list[tuple[str, str, set[str]]]:
    """Rule, command and options of every shell line of the workflow."""
    found = []
    for rule, (path, body) in rules().items():
        if path.name == "Snakefile":
            continue  # targets
        shell = "".join(re.findall(r'"(.*?)"\n', body.partition("shell:")[2]))
        command = re.match(r"sightline ([a-z-]+)", shell)
        assert command, f"rule {rule} runs no command of the command line"
        found.append((rule, command.group(1), set(re.findall(r"(--[a-z0-9-]+)", shell))))
    return found


@pytest.mark.parametrize(("rule", "command", "options"), rule_commands())
def test_rules_call_commands_that_exist(rule: str, command: str, options: set[str]) -> None:
    assert command in COMMANDS
    known = {name for one in COMMANDS[command].params for name in one.opts}
    assert options <= known


def test_every_command_is_a_rules_or_a_persons() -> None:
    by_rules = {command for _, command, _ in rule_commands()}
    assert COMMANDS.keys() - by_rules == {
        *("explain", "layers", "methods", "plan", "speeds", "verify"),
    }


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    Image.fromarray(data.chelsea()).save(path)
    return path


def test_explain_writes_an_overlay(photo: Path, tmp_path: Path) -> None:
    output = tmp_path / "overlay.png"
    done = call(
        *("explain", photo, "--model", "resnet10t", "--no-pretrained"),
        *("--method", "gradcam@0.5", "--output", output),
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"resnet10t gives output \d+ a probability of [\d.]+%", done.stdout)
    shown = np.asarray(Image.open(output).convert("RGB"), float)
    half = shown.shape[1] // 2
    height = round(half * 300 / 451)
    original = np.asarray(Image.open(photo).resize((half, height)), float)
    # On the left the photograph as it is, on the right coloured by the map, a caption below.
    shown, caption = shown[:height], shown[height:]
    assert 0 < (caption < 128).mean() < 0.2
    assert np.abs(shown[:, :half] - original).mean() < 8
    assert np.abs(shown[:, half:] - original).mean() > 15


def test_explain_takes_a_role(photo: Path, tmp_path: Path) -> None:
    weights = tmp_path / "own.safetensors"
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        module = timm.create_model("test_resnet", num_classes=1000)
        module.fc.bias.copy_(torch.arange(1000) / 10)  # the best is 999, the second 998
    save_file(module.state_dict(), weights)
    how = ("--model", "test_resnet", "--weights", weights, "--output", tmp_path / "out.png")
    how += ("--method", "kernelshap", "--settings", '{"samples": 8}')
    for role, output in (("top2", 998), ("class:3", 3)):
        done = call("explain", photo, *how, "--role", role)
        assert f"test_resnet gives output {output} a probability" in done.stdout, done.stderr
    refused(call("explain", photo, *how, "--role", "class:1000"), "outputs 0 to 999, not 1000")


def test_a_model_may_be_a_specification(photo: Path, tmp_path: Path) -> None:
    spec = {
        "name": "timm.models:test_resnet",
        "args": {"num_classes": 3},
        "input": {"size": [64, 96], "mean": [0.5] * 3, "std": [0.2] * 3},
        "classes": ["a", "b", "the third"],
    }
    done = call("layers", json.dumps(spec))
    assert "timm.models:test_resnet, images of 64 x 96 pixels" in done.stdout, done.stderr
    timms = {"name": "test_resnet", "input": {"size": [64, 96]}}  # not downloaded
    done = call("layers", json.dumps(timms))
    assert "test_resnet, images of 64 x 96 pixels" in done.stdout, done.stderr
    how = ("--model", json.dumps(spec), "--role", "the third", "--output", tmp_path / "out.png")
    done = call("explain", photo, *how, "--method", "kernelshap", "--settings", '{"samples": 8}')
    assert "timm.models:test_resnet gives the third a probability of" in done.stdout, done.stderr
    for wrong, words in (
        ("{", "MODEL is no JSON"),
        ('{"name": "test_resnet", "imput": 1}', "Did you mean 'input'"),
        ("{}", "is no model's name"),
    ):
        refused(call("layers", wrong), words)


def test_a_map_of_nothing_is_said_and_leaves_nothing(photo: Path, tmp_path: Path) -> None:
    weights = tmp_path / "own.safetensors"
    module = timm.create_model("test_resnet")
    nn.init.zeros_(module.fc.weight)
    save_file(module.state_dict(), weights)
    output = tmp_path / "out" / "cat.png"
    how = ("--model", "test_resnet", "--weights", weights, "--output", output)
    done = call("explain", photo, *how, "--method", "kernelshap", "--settings", '{"samples": 8}')
    refused(done, "kernelshap of test_resnet gives a zero map")
    assert not output.parent.exists()


def test_methods_are_listed() -> None:
    done = call("methods")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    told = re.sub(r"\s+", " ", done.stdout)
    for name, method in CATALOGUE.items():
        (at,) = (i for i, one in enumerate(lines) if one.split()[:1] == [name])
        assert (" signed" in lines[at]) == method.signed
        assert ("seeded" in lines[at]) == method.stochastic
        for need in method.needs:
            assert need in lines[at]
        passes = lines[at + 1]
        assert passes.strip().startswith(
            "no passes" if method.control else f"{method.cost.forward} forward"
        )
        assert passes.endswith(" backward") == (method.cost.backward != "0")
        assert method.reference in told
        assert bool(method.needs_also) == bool(method.fits)
    assert re.search(
        r"smoothgrad +signed, seeded +needs gradients\n    samples forward, samples ba", done.stdout
    )
    assert re.search(r"gradient_attention +unsigned +needs gradients, attention\n", done.stdout)


def test_methods_of_a_model_say_which_fit() -> None:
    done = call("methods", "--model", "test_resnet")
    assert done.returncode == 0, done.stderr
    fitting, _, others = done.stdout.partition("Not by")
    assert "guided_backprop" in fitting
    assert "attention_rollout" not in fitting
    assert max(map(len, done.stdout.splitlines())) <= 100
    said = re.sub(r"\s+", " ", others)
    assert "attention_rollout: Model test_resnet cannot be explained by its attention" in said
    refused(call("methods", "--model", "resnet81"), "Did you mean")


def test_a_method_that_does_not_fit_is_refused_without_a_traceback(
    photo: Path, shard: Path, tmp_path: Path
) -> None:
    words = "Model test_resnet cannot be explained by its attention", "Choose a method"
    how = ("--model", "test_resnet", "--no-pretrained", "--method", "attention_rollout")
    refused(call("explain", photo, *how), *words)
    spec = {"name": "test_resnet", "args": {}, "seed": 0, "input": {}, "geometry": "squash"}
    method = {"method": "attention_rollout", "settings": {"heads": "mean", "discard": 0}}
    done = call(
        *("explain-range", "--model-id", "m", "--method-id", "a", "--images", shard),
        *("--model", json.dumps(spec | {"layer": None, "classes": None})),
        *("--method", json.dumps(method), "--output", tmp_path / "out" / "0.h5"),
    )
    refused(done, *words)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "resnet81"], ["timm model 'resnet81'", "Did you mean"]),
        (["--model", "zoo:test_resnt"], ["Did you mean 'test_resnet'"]),
        (["--model", "resnet18", "--method", "gradcan"], ["'gradcan'", "Did you mean 'gradcam'"]),
        (["--model", "resnet18", "--method", "gradcam@deep"], ["a depth is expected", "'deep'"]),
        (["--model", "resnet18", "--settings", '{"reluu": true}'], ["Did you mean 'relu'"]),
        (["--model", "resnet18", "--settings", "{"], ["--settings is no JSON"]),
        (["--model", "resnet81", "--output", "x.xyz"], ["x.xyz: no figure", "'.xyz'", ".png"]),
        (["--model", "resnet18", "--weights", "none.safetensors"], ["none.safetensors", "exist"]),
    ],
)
def test_wrong_arguments_are_one_message(
    photo: Path, arguments: list[str], words: list[str]
) -> None:
    refused(call("explain", photo, *arguments), *words)
    assert list(photo.parent.iterdir()) == [photo]


def test_unreadable_image_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:40])
    source = f'{{"source": "folder", "path": "{folder}"}}'
    output = tmp_path / "out" / "000000-000001.zip"
    done = call("shard", "--source", source, "--range", "000000-000001", "--output", output)
    refused(done, "b.png", "cannot be read")
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize("digest", ["foo", "sha1:00", "sha256:", "md5:" + "g" * 32])
def test_a_digest_that_is_none_is_said(tmp_path: Path, digest: str) -> None:
    output = tmp_path / "set.txt"
    done = call("unpack", "file:///none.tar", "--digest", digest, "--output", output)
    refused(done, repr(digest), "expected sha256:", "md5:")
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_the_weights_leaves_nothing(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    torch.save({"head.weight": torch.zeros(3)}, weights)
    spec = (
        '{"name": "test_vit", "args": {}, "seed": 0, "input": {}, "geometry": "squash", '
        '"layer": null, "classes": null}'
    )
    done = call(
        *("predict", "--model-id", "m", "--model", spec, "--weights", weights),
        *("--images", tmp_path / "none.zip", "--output", tmp_path / "out.csv"),
    )
    refused(done, "test_vit", "keys are missing", "shapes differ: head.weight")
    assert not (tmp_path / "out.csv").exists()
