"""Devices by the names every backend takes: auto, cpu, gpu, gpu:N."""

from __future__ import annotations

import onnxruntime

from core.errors import ConfigError


def version() -> str:
    return f"onnxruntime {onnxruntime.__version__}"


def find_device(name: str) -> list[str | tuple[str, dict[str, int]]]:
    """ONNX Runtime's execution providers for the device. Raises ConfigError for one that is not there."""
    has_gpu = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if name == "cpu" or (name == "auto" and not has_gpu):
        return ["CPUExecutionProvider"]
    kind, _, index = name.partition(":")
    if kind not in ("auto", "gpu", "cuda") or (index and not index.isdigit()):
        raise ConfigError(f"--device {name}: expected auto, cpu, gpu or gpu:N")
    if not has_gpu:
        raise ConfigError(f"--device {name}: this ONNX Runtime has no CUDA; onnxruntime-gpu has")
    return [("CUDAExecutionProvider", {"device_id": int(index or 0)}), "CPUExecutionProvider"]


def is_gpu(name: str) -> bool:
    return len(find_device(name)) > 1


def device_memory_mib(name: str) -> float | None:
    """ONNX Runtime does not tell."""
    return None
