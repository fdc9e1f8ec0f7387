"""The command that lists the methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill, wrap
from typing import Annotated

import typer

from sightline.cli.options import MODEL_HELP, Weights, untrained
from sightline.methods.catalogue import CATALOGUE
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
    """What the catalogue says of methods: a line each, and one for its reference."""
    rows = [("method", "forward", "backward", "map"), *map(_row, listed)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    starts = [
        "".join(f"{cell:{width}}  " for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    yield f"{starts[0]}needs"
    for start, method in zip(starts[1:], listed, strict=True):
        needs = fill(
            ", ".join(method.needs) or "nothing",
            _WIDTH,
            initial_indent=start,
            subsequent_indent=" " * len(start),
        )
        yield from needs.splitlines()
        yield from wrap(method.reference, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    yield ""
    yield from wrap(_NOTE, _WIDTH)


def _row(method: Method) -> tuple[str, str, str, str]:
    shown = "signed" if method.signed else "unsigned"
    return (
        method.name,
        method.cost.forward,
        method.cost.backward,
        shown + (", seeded" if method.stochastic else ""),
    )
