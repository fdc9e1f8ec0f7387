"""All benchmarks, one after the other; run by `make bench`."""

from __future__ import annotations

import platform

import torch

import comparison
import gradcam
import jobs
import kernelshap
import memory
import methods
import rise
import thesis


def main() -> None:
    """Run them and say on what."""
    print(f"{platform.platform()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    gradcam.main()
    methods.main(["--write"])
    comparison.main()
    jobs.main()
    memory.main()
    kernelshap.main()
    rise.main()
    thesis.main()


if __name__ == "__main__":
    main()
