"""ONNX Runtime runs networks and does not train them; who asks is told so."""

from __future__ import annotations

import sys


def main() -> int:
    print(
        "error: backends.onnxruntime only runs networks (eval, predict, benchmark); train with "
        "`python -m backends.torch.train`, or paddle or mxnet, and give the run as --run",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
