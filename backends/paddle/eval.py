"""Evaluate: `python -m backends.paddle.eval --run runs/fast_scnn-paddle`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from backends.paddle.inference import Predictor
from core.cli import eval_parser, run
from core.evaluation import evaluation_job


def main(arguments: Sequence[str] | None = None) -> int:
    options = eval_parser("paddle").parse_args(arguments)
    return run(lambda parsed: evaluation_job(parsed, "paddle", Predictor), options)


if __name__ == "__main__":
    sys.exit(main())
