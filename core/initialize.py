"""Initial weights in numpy: a function of (seed, name, shape, initialiser) alone, so identical in every framework.

Each tensor has its own random stream, keyed by its name: adding or removing a layer changes no other layer's values.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from core.arch.inventory import Parameter
from core.errors import ConfigError

_CALL = re.compile(r"(\w+)(?:\(([-+.\deE]+)\))?")


def fans(parameter: Parameter) -> tuple[int, int]:
    """(fan in, fan out) of a weight, as PyTorch counts them: [out, in, *kernel], and [in, out, *kernel] for deconv."""
    out, channels, *kernel = parameter.shape
    if parameter.kind == "deconv":
        out, channels = channels, out
    field = int(np.prod(kernel))
    return channels * field, out * field


def initial_value(parameter: Parameter, seed: int) -> np.ndarray:
    """float32 array of the parameter's shape. Raises ConfigError for an unknown initialiser.

    `bilinear`: a transposed convolution that enlarges each channel by linear interpolation (Long et al., FCN).
    kaiming_*: He et al., arXiv:1502.01852 (gain for ReLU); xavier_*: Glorot and Bengio, 2010; trunc_normal(std):
    normal, redrawn beyond two deviations.
    """
    if parameter.value is not None:
        return parameter.value.copy()
    if parameter.init == "bilinear":
        return _bilinear(parameter.shape)
    match = _CALL.fullmatch(parameter.init)
    name, argument = match.groups() if match else (parameter.init, None)
    shape = parameter.shape
    rng = np.random.default_rng([seed, zlib.crc32(parameter.name.encode())])
    if name in ("zeros", "ones", "constant"):
        value = np.full(shape, {"zeros": 0.0, "ones": 1.0}.get(name) if argument is None else float(argument))
    elif name in ("normal", "trunc_normal") and argument is not None:
        value = _normal(rng, shape, truncated=name == "trunc_normal") * float(argument)
    elif name.startswith(("kaiming", "xavier")) and argument is None:
        value = _scaled(name, rng, parameter)
    else:
        raise ConfigError(
            f"unknown initialiser {parameter.init!r} of {parameter.name}: zeros, ones, constant(v), normal(std), "
            "trunc_normal(std), kaiming_normal_fan_in, kaiming_normal_fan_out, kaiming_uniform_fan_in, "
            "kaiming_uniform_fan_out, xavier_normal, xavier_uniform"
        )
    return value.astype(np.float32)


def _scaled(name: str, rng: np.random.Generator, parameter: Parameter) -> np.ndarray:
    fan_in, fan_out = fans(parameter)
    variances = {
        "kaiming_normal_fan_in": 2 / fan_in,
        "kaiming_normal_fan_out": 2 / fan_out,
        "kaiming_uniform_fan_in": 2 / fan_in,
        "kaiming_uniform_fan_out": 2 / fan_out,
        "xavier_normal": 2 / (fan_in + fan_out),
        "xavier_uniform": 2 / (fan_in + fan_out),
    }
    if name not in variances:
        raise ConfigError(f"unknown initialiser {name!r} of {parameter.name}: one of {', '.join(variances)}")
    deviation = np.sqrt(variances[name])
    if "uniform" in name:
        return rng.uniform(-1, 1, parameter.shape) * (np.sqrt(3) * deviation)
    return rng.standard_normal(parameter.shape) * deviation


def _bilinear(shape: tuple[int, ...]) -> np.ndarray:
    """[in, out / groups, kh, kw]: the tent of each side, in the places that keep a channel to itself."""
    rows, columns = (1 - np.abs((np.arange(k) - (k - 1) / 2) / ((k + 1) // 2)) for k in shape[2:])
    value = np.zeros(shape, np.float32)
    for i in range(shape[0]):
        value[i, i % shape[1]] = np.outer(rows, columns)
    return value


def _normal(rng: np.random.Generator, shape: tuple[int, ...], truncated: bool) -> np.ndarray:
    value = rng.standard_normal(shape)
    while truncated and (outside := np.abs(value) > 2).any():
        value[outside] = rng.standard_normal(int(outside.sum()))
    return value


def initial_state(parameters: Sequence[Parameter], seed: int) -> dict[str, np.ndarray]:
    """{canonical name: float32 array} of every parameter and buffer."""
    return {parameter.name: initial_value(parameter, seed) for parameter in parameters}


def one_ulp(state: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Every value moved to one of its neighbours of its own type, up or down at random; zeros and statistics stay."""
    rng = np.random.default_rng([seed, 3])
    moved = {}
    for name, array in state.items():
        up = np.where(rng.random(array.shape) < 0.5, np.inf, -np.inf).astype(array.dtype)
        still = (array == 0) | name.endswith(("running_mean", "running_var"))
        moved[name] = np.where(still, array, np.nextafter(array, up))
    return moved
