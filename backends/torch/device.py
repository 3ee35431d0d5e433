"""Devices by the names every backend takes: auto, cpu, gpu, gpu:N."""

from __future__ import annotations

import torch

from core.errors import ConfigError


def find_device(name: str) -> torch.device:
    """Raises ConfigError for an unknown name, or a GPU that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind not in ("gpu", "cuda") or (index and not index.isdigit()):
        raise ConfigError(f"--device {name}: expected auto, cpu, gpu or gpu:N")
    number = int(index or 0)
    if number >= torch.cuda.device_count():
        raise ConfigError(f"--device {name}: PyTorch sees {torch.cuda.device_count()} GPUs")
    return torch.device("cuda", number)
