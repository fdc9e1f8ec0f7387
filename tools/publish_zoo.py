"""Put newly trained models of results/zoo into resources/zoo, with their digests.

Run by `make zoo-publish`. The workflow trains into results/zoo; were it to write
resources/zoo itself, a fresh clone would train again.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "workflow"))

from sightline.jobs.layers import write_layers  # noqa: E402
from sightline.jobs.named import load_named  # noqa: E402
from sightline.models.digest import write_digest  # noqa: E402

MOST_BYTES = 25_000_000


def main() -> None:
    """Copy every model, or stop before the first if all are too large."""
    trained = sorted((ROOT / "results/zoo").glob("*.safetensors"))
    size = sum(path.stat().st_size for path in trained)
    if not trained or size > MOST_BYTES:
        raise SystemExit(f"results/zoo holds {len(trained)} models of {size} bytes: not published.")
    published = ROOT / "resources/zoo"
    published.mkdir(parents=True, exist_ok=True)
    for weights in trained:
        for path in (weights, weights.with_suffix(".json")):
            shutil.copyfile(path, published / path.name)
        write_digest(weights, published / f"{weights.name}.sha256")
        publish_layers(weights.stem)
    print(f"{len(trained)} models, {size / 1e6:.1f} MB, are now in resources/zoo.")


def publish_layers(name: str) -> None:
    """Find the layers of a published model again."""
    _, classifier = load_named({"name": f"zoo:{name}"}, "cpu")
    classifier.known_layers = ()
    write_layers(classifier, ROOT / "resources/layers" / f"{name}.json")


if __name__ == "__main__":
    main()
