"""Devices by the names every backend takes: auto, cpu, gpu, gpu:N."""

from __future__ import annotations

import torch

from backends.torch.distributed import local_rank
from core.errors import ConfigError


def version() -> str:
    return f"torch {torch.__version__}"


def find_device(name: str) -> torch.device:
    """Raises ConfigError for an unknown name, or a GPU that is not there."""
    if name == "auto":
        name = "gpu" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind not in ("gpu", "cuda") or (index and not index.isdigit()):
        raise ConfigError(f"--device {name}: expected auto, cpu, gpu or gpu:N")
    number = int(index) if index else local_rank()
    if number >= torch.cuda.device_count():
        raise ConfigError(f"--device {name}: PyTorch sees {torch.cuda.device_count()} GPUs")
    device = torch.device("cuda", number)
    if index == "":
        torch.cuda.set_device(device)  # where NCCL works
    return device


def is_gpu(name: str) -> bool:
    return find_device(name).type == "cuda"


def device_memory_mib(name: str) -> float | None:
    """The most memory that tensors have taken on the GPU so far, MiB."""
    return torch.cuda.max_memory_allocated(find_device(name)) / 2**20


def find_low_precision(name: str, device: torch.device) -> torch.dtype | None:
    """What autocast computes in under `train.precision`, or None. Raises ConfigError where the device cannot."""
    if name == "fp16":
        if device.type == "cpu":
            raise ConfigError("train.precision: fp16 needs a GPU, the device is cpu; bf16 works there")
        return torch.float16
    if name == "bf16":
        if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise ConfigError(f"train.precision: {torch.cuda.get_device_name(device)} has no bf16; fp16 works there")
        return torch.bfloat16
    return None
