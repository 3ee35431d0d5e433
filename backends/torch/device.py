"""Devices by the names every backend takes: auto, cpu, gpu, gpu:N."""

from __future__ import annotations

import torch

from core.errors import ConfigError


def version() -> str:
    return f"torch {torch.__version__}"


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


def is_gpu(name: str) -> bool:
    return find_device(name).type == "cuda"


def device_memory_mib(name: str) -> float | None:
    """The most memory that tensors have taken on the GPU so far, MiB."""
    return torch.cuda.max_memory_allocated(find_device(name)) / 2**20
