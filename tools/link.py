"""Let the environment that runs this find the library where it lies.

`python -m sightline` and `sightline` then work in it, and a command copied
from Snakemake's output runs as it stands.
"""

import sys
import sysconfig
from pathlib import Path

WORKFLOW = Path(__file__).resolve().parent.parent / "workflow"
SCRIPT = f"""#!{sys.executable}
from sightline.cli import main

main()
"""


def main() -> None:
    """Write a path file and a script."""
    Path(sysconfig.get_path("purelib"), "sightline.pth").write_text(f"{WORKFLOW}\n")
    script = Path(sysconfig.get_path("scripts"), "sightline")
    script.write_text(SCRIPT)
    script.chmod(0o755)


if __name__ == "__main__":
    main()
