"""Evaluate: `python -m backends.mxnet.eval --run runs/fast_scnn-mxnet`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from backends.mxnet.inference import Predictor
from core.cli import eval_parser, run
from core.evaluation import evaluation_job


def main(arguments: Sequence[str] | None = None) -> int:
    options = eval_parser("mxnet").parse_args(arguments)
    return run(lambda parsed: evaluation_job(parsed, "mxnet", Predictor), options)


if __name__ == "__main__":
    sys.exit(main())
