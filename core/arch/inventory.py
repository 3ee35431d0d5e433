"""The inventory of a network's parameters: names, shapes, kinds and initialisers, without a framework.

Each architecture lists its parameters with an `Inventory`, in the order PyTorch's `state_dict` has them and in
PyTorch's layouts. Backends are tested to have exactly this list; weight conversion and initialisation need no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from core.errors import WeightsError

Kind = Literal[
    "conv", "deconv", "linear", "embedding", "norm_scale", "norm_bias", "bias", "prelu", "running_mean", "running_var"
]
BUFFERS = ("running_mean", "running_var")


@dataclass(frozen=True)
class Parameter:
    """One tensor of a network, in canonical name and layout.

    conv [out, in/groups, (kh,) kw], deconv [in, out/groups, kh, kw], linear [out, in]. `init` is an initialiser of
    core.initialize: a name, or `name(number)`.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind
    init: str

    @property
    def trainable(self) -> bool:
        return self.kind not in BUFFERS


@dataclass(frozen=True)
class InitSpec:
    """Which initialiser each kind of weight gets; biases start at 0, norms at the identity, PReLU slopes at 0.25."""

    conv: str = "kaiming_normal_fan_out"
    classifier: str = "normal(0.01)"
    linear: str = "trunc_normal(0.02)"
    embedding: str = "trunc_normal(0.02)"


class Inventory:
    """Collects parameters; `with inventory.scope("head"):` prefixes names with `head.`."""

    def __init__(self, init: InitSpec) -> None:
        self.init = init
        self.parameters: list[Parameter] = []
        self._prefix = ""

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        outer, self._prefix = self._prefix, f"{self._prefix}{name}."
        try:
            yield
        finally:
            self._prefix = outer

    def add(self, name: str, shape: tuple[int, ...], kind: Kind, init: str) -> None:
        self.parameters.append(Parameter(self._prefix + name, shape, kind, init))

    def conv(
        self,
        name: str,
        channels: int,
        width: int,
        kernel: int,
        *,
        groups: int = 1,
        bias: bool = False,
        classifier: bool = False,
        axes: int = 2,
    ) -> None:
        """A convolution from `channels` to `width`; `axes=1` for Conv1d; `classifier`: it gives the logits."""
        init = self.init.classifier if classifier else self.init.conv
        self.add(f"{name}.weight", (width, channels // groups, *[kernel] * axes), "conv", init)
        if bias:
            self.add(f"{name}.bias", (width,), "bias", "zeros")

    def deconv(self, name: str, channels: int, width: int, kernel: int) -> None:
        """A bias-free transposed convolution."""
        self.add(f"{name}.weight", (channels, width, kernel, kernel), "deconv", self.init.conv)

    def linear(self, name: str, features: int, width: int, *, bias: bool = True) -> None:
        self.add(f"{name}.weight", (width, features), "linear", self.init.linear)
        if bias:
            self.add(f"{name}.bias", (width,), "bias", "zeros")

    def embedding(self, name: str, shape: tuple[int, ...]) -> None:
        self.add(name, shape, "embedding", self.init.embedding)

    def batch_norm(self, name: str, width: int) -> None:
        self.layer_norm(name, width)
        self.add(f"{name}.running_mean", (width,), "running_mean", "zeros")
        self.add(f"{name}.running_var", (width,), "running_var", "ones")

    def layer_norm(self, name: str, width: int) -> None:
        self.add(f"{name}.weight", (width,), "norm_scale", "ones")
        self.add(f"{name}.bias", (width,), "norm_bias", "zeros")

    def prelu(self, name: str, width: int) -> None:
        self.add(f"{name}.weight", (width,), "prelu", "constant(0.25)")

    def conv_norm_act(
        self,
        name: str,
        channels: int,
        width: int,
        kernel: int,
        *,
        groups: int = 1,
        bias: bool = False,
        act: str = "relu",
    ) -> None:
        """The block `conv`, `bn`, `act` of every backend's layers.py."""
        with self.scope(name):
            self.conv("conv", channels, width, kernel, groups=groups, bias=bias)
            self.batch_norm("bn", width)
            if act == "prelu":
                self.prelu("act", width)

    def norm_act(self, name: str, width: int, *, act: str = "relu") -> None:
        """The block `bn`, `act`."""
        with self.scope(name):
            self.batch_norm("bn", width)
            if act == "prelu":
                self.prelu("act", width)


def count(parameters: Sequence[Parameter], *, buffers: bool = False) -> int:
    """Number of learnable scalars (with `buffers`, the batch-norm statistics too)."""
    total = 0
    for parameter in parameters:
        if parameter.trainable or buffers:
            size = 1
            for side in parameter.shape:
                size *= side
            total += size
    return total


def check_state(parameters: Sequence[Parameter], state: Mapping[str, Any], where: str = "state") -> None:
    """Raises WeightsError unless `state` holds exactly these names, each an array of the right shape."""
    shapes = {parameter.name: parameter.shape for parameter in parameters}
    problems = [f"missing: {name} {shapes[name]}" for name in shapes if name not in state]
    problems += [f"unexpected: {name} {tuple(state[name].shape)}" for name in state if name not in shapes]
    problems += [
        f"shape: {name} is {tuple(state[name].shape)}, expected {shape}"
        for name, shape in shapes.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    if problems:
        shown = problems[:20] + ([f"… and {len(problems) - 20} more"] if len(problems) > 20 else [])
        raise WeightsError(f"{where} does not fit the network:\n  " + "\n  ".join(shown))
