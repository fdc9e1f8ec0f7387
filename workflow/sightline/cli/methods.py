"""The command that lists the methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill, wrap
from typing import TYPE_CHECKING, Annotated

import typer

from sightline.cli.options import MODEL_HELP, Weights, untrained

if TYPE_CHECKING:
    from sightline.methods.catalogue.entry import Method

_WIDTH = 100
_NOTE = (
    "Passes forward and backward are those of an image; names are settings, and what holds "
    "(depth < 1) counts 1, what does not 0. Unsigned maps hold nothing against the class; seeded "
    "ones depend on the seed. With --model: which methods explain a model, and why others cannot."
)


def methods(
    model: Annotated[str | None, typer.Option(help=f"Which fit it? {MODEL_HELP}")] = None,
    weights: Weights = None,
    pretrained: Annotated[
        bool, typer.Option(help="On: with pretrained weights, downloaded if need be.")
    ] = False,
) -> None:
    """List the methods; of a model, those that cannot explain it, and why."""
    from sightline.methods.catalogue import CATALOGUE

    if model is None:
        print("\n".join(method_table(list(CATALOGUE.values()))))
        return
    from sightline.jobs.fits import misfits
    from sightline.jobs.named import load_named

    _, classifier = load_named(untrained(model, weights, pretrained), "cpu")
    reasons = misfits(classifier)
    fitting = ", ".join(name for name in CATALOGUE if name not in reasons)
    print(fill(f"{classifier.name} can be explained by {fitting}.", _WIDTH))
    if reasons:
        print("\nNot by\n")
    for name, reason in reasons.items():
        print(fill(f"{name}: {reason}", _WIDTH, subsequent_indent="    "))


def method_table(listed: Sequence[Method]) -> Iterator[str]:
    """What the catalogue says of methods: three lines each."""
    name_width = max(len(one.name) for one in listed)
    map_width = max(len(_map(one)) for one in listed)
    for method in listed:
        needs = f"needs {', '.join(method.needs)}" if method.needs else ""
        line = f"{method.name:{name_width}}  {_map(method):{map_width}}  {needs}"
        yield line.rstrip()
        yield f"    {method.cost}"
        yield from wrap(method.reference, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    yield ""
    yield from wrap(_NOTE, _WIDTH)


def _map(method: Method) -> str:
    return ("signed" if method.signed else "unsigned") + (", seeded" if method.stochastic else "")
