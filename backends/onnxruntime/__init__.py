"""ONNX Runtime: runs the zoo's networks, or a file that `python -m backends.torch.export --to onnx` made."""

from core.description import require_framework

require_framework(__name__)
