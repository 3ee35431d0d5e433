"""Predict: `python -m backends.mxnet.predict --run runs/fast_scnn-mxnet pictures/ --out segmented/`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from backends.mxnet.inference import Predictor
from core.cli import predict_parser, run
from core.prediction import prediction_job


def main(arguments: Sequence[str] | None = None) -> int:
    options = predict_parser("mxnet").parse_args(arguments)
    return run(lambda parsed: prediction_job(parsed, "mxnet", Predictor), options)


if __name__ == "__main__":
    sys.exit(main())
