"""Devices by the names every backend takes: auto, cpu, gpu, gpu:N."""

from __future__ import annotations

import paddle

from backends.paddle.distributed import local_rank
from core.errors import ConfigError


def version() -> str:
    return f"paddle {paddle.__version__}"


def find_device(name: str) -> str:
    """Makes the device Paddle's current one and returns Paddle's name for it.

    Raises ConfigError for an unknown name, or a GPU that is not there.
    """
    count = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    if name == "auto":
        name = "gpu" if count else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "gpu", "cuda") or (index and not index.isdigit()) or (kind == "cpu" and index):
        raise ConfigError(f"--device {name}: expected auto, cpu, gpu or gpu:N")
    number = int(index) if index else local_rank()
    if kind != "cpu" and number >= count:
        raise ConfigError(f"--device {name}: Paddle sees {count} GPUs")
    paddle.device.set_device("cpu" if kind == "cpu" else f"gpu:{number}")
    return paddle.device.get_device()


def is_gpu(name: str) -> bool:
    return find_device(name).startswith("gpu")


def device_memory_mib(name: str) -> float | None:
    """The most memory that tensors have taken on the GPU so far, MiB."""
    return paddle.device.cuda.max_memory_allocated(find_device(name)) / 2**20


def find_low_precision(name: str, device: str) -> str | None:
    """What autocast computes in under `train.precision`, or None. Raises ConfigError where the device cannot."""
    low = {"bf16": "bfloat16", "fp16": "float16"}.get(name)
    if low is None:
        return None
    if not device.startswith("gpu"):
        raise ConfigError(f"train.precision: Paddle's {name} needs a GPU, the device is {device}; leave it at float32")
    if low == "bfloat16" and not paddle.amp.is_bfloat16_supported():
        raise ConfigError("train.precision: this GPU has no bf16; fp16 works there")
    return low
