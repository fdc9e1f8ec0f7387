"""One value a pixel from a gradient's three colours."""

from __future__ import annotations

from torch import Tensor


def over_colours(gradients: Tensor, colours: str) -> Tensor:
    """Maps (n, H, W) of gradients (n, 3, H, W).

    Parameters
    ----------
    colours
        ``sum``, with its sign, or ``largest``: the largest magnitude. (The value
        of the largest magnitude would change its sign where two are alike.)
    """
    return gradients.abs().amax(dim=1) if colours == "largest" else gradients.sum(dim=1)
