"""Tables of experiments, as their jobs write them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

CONTROLS = ("random",)


def experiment(
    measure: str,
    means: Mapping[str, Mapping[str, float]],
    *,
    better: str = "higher",
    name: str = "one",
    width: float = 0.01,
    variant: str = "",
    role: str = "predicted",
    x: float = np.nan,
) -> pd.DataFrame:
    """Means of each model and method, with intervals as wide to both sides."""
    return pd.DataFrame(
        [
            {
                **{"experiment": name, "model": model, "method": method, "variant": variant},
                **{"role": role, "measure": measure, "x": x, "mean": mean, "common": mean},
                **{"low": mean - width, "high": mean + width, "images": 30, "left_out": 0},
                **{"chance": np.nan, "control": method in CONTROLS, "better": better},
            }
            for model, own in means.items()
            for method, mean in own.items()
        ]
    )
