"""All alterations: what is done to images or weights before they are explained again.

To add one, write a module here with a function ``prepare``, see
`sightline.evaluate.alterations.seen`, and a line below. The workflow reads this table
each time it parses, so nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from sightline.errors import unknown


@dataclass(frozen=True)
class Altering:
    """An alteration's entry.

    Attributes
    ----------
    name
        As variants name it; its module is ``sightline.evaluate.alterations.<name>``.
    own_draws
        Whether methods draw anew on what is altered: with other weights, as for any two
        models. Altered images are compared with their originals, model by model, and are
        explained by the same draws.
    climbs
        Whether it takes the gradient at the image, at each of its ``steps``; at one where its
        settings name none.
    """

    name: str
    own_draws: bool = False
    climbs: bool = False

    @property
    def module(self) -> str:
        """Where its function is."""
        return f"sightline.evaluate.alterations.{self.name}"


ALTERATIONS = {
    one.name: one
    for one in (
        Altering("attacked", climbs=True),
        Altering("corrupted"),
        Altering("randomised", own_draws=True),
        Altering("taken_out"),
        Altering("transforms"),
    )
}


def find_alteration(name: str) -> Altering:
    """The entry of a name."""
    if name not in ALTERATIONS:
        raise unknown("alteration", name, ALTERATIONS)
    return ALTERATIONS[name]
