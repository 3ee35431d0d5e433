"""Predict: `python -m backends.torch.predict --run runs/fast_scnn-torch pictures/ --out segmented/`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from backends.torch.inference import Predictor
from core.cli import predict_parser, run
from core.prediction import prediction_job


def main(arguments: Sequence[str] | None = None) -> int:
    options = predict_parser("torch").parse_args(arguments)
    return run(lambda parsed: prediction_job(parsed, "torch", Predictor), options)


if __name__ == "__main__":
    sys.exit(main())
