"""Measure: `python -m backends.paddle.benchmark --preset pspnet_resnet50_gald --mode train`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from backends.paddle.inference import Predictor
from backends.paddle.train import Learner
from core.benchmarking import benchmark_job
from core.cli import benchmark_parser, run


def main(arguments: Sequence[str] | None = None) -> int:
    options = benchmark_parser("paddle").parse_args(arguments)
    return run(lambda parsed: benchmark_job(parsed, "paddle", Learner, Predictor), options)


if __name__ == "__main__":
    sys.exit(main())
