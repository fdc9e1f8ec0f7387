"""Write workflow/sightline/models/sizes.json: what a pass of each model takes.

Run by `make sizes` after timm or torchvision was renewed. A study's plan and its jobs' time and
memory are estimated from this table, without importing torch. Every name of timm, every classifier
of torchvision and every model of the zoo is built on the meta device and passes one image of its
own size, forward and as gradients at the image are made. What stands there is said by
`sightline.models.sizes.Size`. Of weights of timm's whose images are of another size than the
architecture's first ones, that side is kept too.

What was examined before stays unless ``--again``: a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow"))

from sightline.errors import SightlineError  # noqa: E402
from sightline.files import replacing  # noqa: E402
from sightline.models.names import parse_name, torchvision_names  # noqa: E402
from sightline.models.sources import make_module, timm_input  # noqa: E402
from sightline.models.state import frozen  # noqa: E402
from sightline.study.ids import canonical_json  # noqa: E402
from sightline.study.models import ZOO_MODELS, read_zoo_record  # noqa: E402

TABLE = ROOT / "workflow/sightline/models/sizes.json"
COLUMNS = ["side", "gmacs", "weights", "outputs", "kept"]
MILLION, BILLION = 1e6, 1e9
# Of torchvision, whose modules do not say what they take.
SIDES = {"inception_v3": 299, "vit_h_14": 224}


def asked() -> dict[str, tuple[str, dict[str, Any], int | None]]:
    """Of each key its model's name, arguments, and side where that is known before."""
    found: dict[str, tuple[str, dict[str, Any], int | None]] = {}
    for zoo in ZOO_MODELS:
        record = read_zoo_record(zoo, ROOT / "resources/zoo")
        key = f"{record['timm']} {canonical_json(record['args'])}"
        found[key] = (record["timm"], record["args"], record["input"]["size"][0])
    own = set(torchvision.models.list_models(module=torchvision.models))
    for name in sorted(own & torchvision_names().keys()):
        found[f"torchvision:{name}"] = (f"torchvision:{name}", {}, SIDES.get(name, 224))
    return found | {name: (name, {}, None) for name in timm.list_models()}


def examine(name: str, args: dict[str, Any], side: int | None) -> list[float]:
    """A row of the table."""
    module = on_meta(name, args)
    if side is None:
        own = timm_input(module)
        side = max(own.size) if own else 224
    image = torch.empty(1, 3, side, side, device="meta")
    with frozen(module):
        outputs = _count_outputs(module)
        with torch.no_grad(), FlopCounterMode(display=False) as flops:
            module(image)
        kept = kept_for_gradients(module, image)
    weights = sum(one.numel() for one in module.parameters())
    row = [
        flops.get_total_flops() / 2 / BILLION,
        weights / MILLION,
        outputs[0] / MILLION,
        kept / MILLION,
    ]
    return [side, *(float(f"{value:.3g}") for value in row)]


def on_meta(name: str, args: dict[str, Any]) -> nn.Module:
    """A model on the meta device."""
    try:
        with torch.device("meta"):
            module = make_module(parse_name(name), args, None)
    except SightlineError:  # RegNet computes its widths by tensors
        module = make_module(parse_name(name), args, None).to("meta")
    for child in module.modules():
        # Torchvision's Inception changes its input by weights that it never had.
        if hasattr(child, "transform_input"):
            child.transform_input = False
    return module.eval()


def _count_outputs(module: nn.Module) -> list[int]:
    """A count that grows by what each innermost module puts out in the next passes."""
    count = [0]

    def add(_: nn.Module, __: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            count[0] += output.numel()

    handles = [
        child.register_forward_hook(add)
        for child in module.modules()
        if not any(True for _ in child.children())
    ]

    def stop(*_: Any) -> None:
        for handle in handles:
            handle.remove()

    handles.append(module.register_forward_hook(stop))
    return count


def kept_for_gradients(module: nn.Module, image: Tensor) -> int:
    """Values, besides weights, that a forward pass keeps for the gradient at the image."""
    weights = {one.untyped_storage()._cdata for one in (*module.parameters(), *module.buffers())}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage()._cdata
        if place not in weights:
            kept[place] = tensor
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda one: one):
        module(image.clone().requires_grad_())
    return sum(one.untyped_storage().nbytes() // 4 for one in kept.values())


def other_sides(table: dict[str, list[float]]) -> dict[str, int]:
    """Sides of timm's weights, by tag, where they are not those of the architecture alone."""
    found = {}
    for name in timm.list_models(pretrained=True):
        config = timm.models.get_pretrained_cfg(name)
        side = max(config.input_size[-2:])
        base = name.partition(".")[0]
        if base in table and side != table[base][0] and not config.fixed_input_size:
            found[name] = side
    return found


def write(table: dict[str, list[float]], sides: dict[str, int]) -> None:
    """Write the table: a model a line."""
    rows = ",\n".join(f"  {json.dumps(key)}: {json.dumps(table[key])}" for key in sorted(table))
    others = json.dumps(dict(sorted(sides.items())), separators=(",", ":"))
    head = f'"columns": {json.dumps(COLUMNS)}'
    text = f'{{\n {head},\n "sides": {others},\n "models": {{\n{rows}\n }}\n}}\n'
    with replacing(TABLE) as temporary:
        temporary.write_text(text)


def main() -> None:
    """Examine what is asked for, small batches of it at a time."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--first", nargs="*", default=[], help="these models before all others")
    options.add_argument("--again", action="store_true", help="also what the table has")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    known = json.loads(TABLE.read_text()) if TABLE.exists() and not chosen.again else {}
    table: dict[str, list[float]] = known.get("models", {})
    models = asked()
    table = {key: row for key, row in table.items() if key in models}
    start = time.perf_counter()
    for number, key in enumerate(dict.fromkeys([*chosen.first, *models])):
        if key in table:
            continue
        try:
            table[key] = examine(*models[key])
        except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            print(f"{key} passes nothing on the meta device: {error}", flush=True)
        except SightlineError as error:
            print(f"{key} is not made: {error}", flush=True)
        gc.collect(0)
        if number % 20 == 0:
            print(f"{len(table)} of {len(models)}, {time.perf_counter() - start:.0f} s", flush=True)
            write(table, {})
    write(table, other_sides(table))


if __name__ == "__main__":
    main()
