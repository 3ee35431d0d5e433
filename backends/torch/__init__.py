"""The zoo in PyTorch."""

from core.description import require_framework

require_framework(__name__)
