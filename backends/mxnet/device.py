"""Devices by the names every backend takes: auto, cpu, gpu, gpu:N."""

from __future__ import annotations

import mxnet as mx

from core.errors import ConfigError


def version() -> str:
    return f"mxnet {mx.__version__}"


def find_device(name: str) -> mx.Context:
    """Raises ConfigError for an unknown name, or a GPU that is not there."""
    count = mx.context.num_gpus()
    if name == "auto":
        return mx.gpu(0) if count else mx.cpu()
    if name == "cpu":
        return mx.cpu()
    kind, _, index = name.partition(":")
    if kind not in ("gpu", "cuda") or (index and not index.isdigit()):
        raise ConfigError(f"--device {name}: expected auto, cpu, gpu or gpu:N")
    if int(index or 0) >= count:
        raise ConfigError(f"--device {name}: MXNet sees {count} GPUs")
    return mx.gpu(int(index or 0))


def is_gpu(name: str) -> bool:
    return find_device(name).device_type == "gpu"


def device_memory_mib(name: str) -> float | None:
    """None: MXNet tells what is free on a GPU, not what its own arrays take."""
    return None


def find_low_precision(name: str, device: mx.Context) -> None:
    """Raises ConfigError for a `train.precision` below float32: MXNet 1.9's autocast trains none of these networks.

    On a processor oneDNN refuses bfloat16's backward passes ("could not execute a primitive"), GPUs have none at all,
    and for float16 `contrib.amp` replaces operators of the whole process, with no way back for the validation.
    """
    if name in ("bf16", "fp16"):
        raise ConfigError(f"train.precision: MXNet 1.9 trains these networks in no {name}; leave it at float32")
