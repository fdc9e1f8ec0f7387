"""All methods: what each is called, takes, costs and needs.

To add a method, write a function in a module of `sightline.methods` and a
`Method` in the module here that holds its kind. The workflow reads this table
each time it parses, so nothing here imports torch; the function is imported
when it runs. A map's job depends on the function's module and on the settings
as resolved here, not on these files: another method's line reruns nothing.
"""

from __future__ import annotations

from sightline.errors import unknown
from sightline.methods.catalogue import attention, cams, controls, gradients, perturbations
from sightline.methods.catalogue.entry import Method

_METHODS = (
    *cams.METHODS,
    *gradients.METHODS,
    *attention.METHODS,
    *perturbations.METHODS,
    *controls.METHODS,
)

CATALOGUE = {method.name: method for method in _METHODS}
if len(CATALOGUE) != len(_METHODS):
    raise RuntimeError("two methods of the catalogue have one name")


def find_method(name: str) -> Method:
    """The catalogue's entry of a name.

    Raises
    ------
    SightlineError
        For an unknown name, with the nearest known one.
    """
    if name not in CATALOGUE:
        raise unknown("method", name, CATALOGUE)
    return CATALOGUE[name]
