"""Measure: `python -m backends.torch.benchmark --preset pspnet_resnet50_gald --mode train`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from backends.torch.inference import Predictor
from backends.torch.train import Learner
from core.benchmarking import benchmark_job
from core.cli import benchmark_parser, run


def main(arguments: Sequence[str] | None = None) -> int:
    options = benchmark_parser("torch").parse_args(arguments)
    return run(lambda parsed: benchmark_job(parsed, "torch", Learner, Predictor), options)


if __name__ == "__main__":
    sys.exit(main())
