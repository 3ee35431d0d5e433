"""The inventory of a network's parameters: names, shapes, kinds and initialisers, without a framework.

Each architecture lists its parameters with an `Inventory`, in the order PyTorch's `state_dict` has them and in
PyTorch's layouts. Backends are tested to have exactly this list; weight conversion and initialisation need no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from core.arch.activations import check_activation
from core.errors import WeightsError

Kind = Literal[
    "conv",
    "deconv",
    "linear",
    "embedding",
    "norm_scale",
    "norm_bias",
    "bias",
    "prelu",
    "scale",  # a learned factor or table of the network's own, by its own name (DANet's gamma)
    "running_mean",
    "running_var",
    "buffer",  # a fixed table that is stored: never learned, never changed by a forward pass
]
BUFFERS = ("running_mean", "running_var", "buffer")
Kernel = int | tuple[int, int]  # a square one, or (rows, columns)


@dataclass(frozen=True)
class Parameter:
    """One tensor of a network, in canonical name and layout.

    conv [out, in/groups, (kh,) kw], deconv [in, out/groups, kh, kw], linear [out, in]. `init` is an initialiser of
    core.initialize: a name, or `name(number)`; a fixed table stands in `value` instead.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind
    init: str
    value: np.ndarray | None = field(default=None, compare=False)

    @property
    def trainable(self) -> bool:
        return self.kind not in BUFFERS


@dataclass(frozen=True)
class Foldable:
    """A batch norm that sees nothing but the sum of these convolutions (or a linear layer), which nothing else sees.

    In inference it can be folded into them (core.fold). `layers` and `norm` are canonical paths.
    """

    layers: tuple[str, ...]
    norm: str
    eps: float


@dataclass(frozen=True)
class InitSpec:
    """Which initialiser each kind of weight gets; biases start at 0, norms at the identity, PReLU slopes at 0.25."""

    conv: str = "kaiming_normal_fan_out"
    classifier: str = "normal(0.01)"
    linear: str = "trunc_normal(0.02)"
    embedding: str = "trunc_normal(0.02)"


class Inventory:
    """Collects parameters; `with inventory.scope("head"):` prefixes names with `head.`.

    `eps`: of the batch norms that are added from now on (`with inventory.normalised(eps):`).
    """

    def __init__(self, init: InitSpec, eps: float = 1e-5) -> None:
        self.init, self.eps = init, eps
        self.parameters: list[Parameter] = []
        self.foldable: list[Foldable] = []
        self._prefix = ""

    @contextmanager
    def normalised(self, eps: float) -> Iterator[None]:
        """Batch norms that are added inside have this epsilon."""
        outer, self.eps = self.eps, eps
        try:
            yield
        finally:
            self.eps = outer

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
        kernel: Kernel,
        *,
        groups: int = 1,
        bias: bool = False,
        classifier: bool = False,
        axes: int = 2,
        init: str | None = None,
    ) -> None:
        """A convolution from `channels` to `width`; `axes=1` for Conv1d; `classifier`: it gives the logits.

        `init` where it is not the convolutions', or classifiers' (`zeros`, say).
        """
        init = init or (self.init.classifier if classifier else self.init.conv)
        sides = kernel if isinstance(kernel, tuple) else (kernel,) * axes
        self.add(f"{name}.weight", (width, channels // groups, *sides), "conv", init)
        if bias:
            self.add(f"{name}.bias", (width,), "bias", "zeros")

    def deconv(
        self,
        name: str,
        channels: int,
        width: int,
        kernel: Kernel,
        *,
        groups: int = 1,
        bias: bool = False,
        init: str | None = None,
    ) -> None:
        """A transposed convolution; `init` where it is not the convolutions' (`bilinear`, say)."""
        sides = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        self.add(f"{name}.weight", (channels, width // groups, *sides), "deconv", init or self.init.conv)
        if bias:
            self.add(f"{name}.bias", (width,), "bias", "zeros")

    def deformable_conv(self, name: str, channels: int, width: int, kernel: int, groups: int) -> None:
        """With bias; its offsets' own convolution starts at 0, so that it starts as a plain convolution."""
        self.conv(name, channels, width, kernel, bias=True)
        self.conv(f"{name}.offset", channels, 3 * groups * kernel * kernel, kernel, bias=True, init="zeros")

    def linear(self, name: str, features: int, width: int, *, bias: bool = True) -> None:
        self.add(f"{name}.weight", (width, features), "linear", self.init.linear)
        if bias:
            self.add(f"{name}.bias", (width,), "bias", "zeros")

    def embedding(self, name: str, shape: tuple[int, ...]) -> None:
        self.add(name, shape, "embedding", self.init.embedding)

    def batch_norm(self, name: str, width: int, *, after: str | Sequence[str] = ()) -> None:
        """after: the convolutions (paths in the present scope) whose sum is all that it sees (`Foldable`)."""
        if after:
            layers = (after,) if isinstance(after, str) else after
            paths = tuple(self._prefix + layer for layer in layers)
            self.foldable.append(Foldable(paths, self._prefix + name, self.eps))
        self.layer_norm(name, width)
        self.add(f"{name}.running_mean", (width,), "running_mean", "zeros")
        self.add(f"{name}.running_var", (width,), "running_var", "ones")

    def layer_norm(self, name: str, width: int) -> None:
        self.add(f"{name}.weight", (width,), "norm_scale", "ones")
        self.add(f"{name}.bias", (width,), "norm_bias", "zeros")

    def group_norm(self, name: str, width: int) -> None:
        self.layer_norm(name, width)

    def prelu(self, name: str, width: int) -> None:
        self.add(f"{name}.weight", (width,), "prelu", "constant(0.25)")

    def scale(self, name: str, shape: tuple[int, ...], init: str = "zeros") -> None:
        """A learned tensor that belongs to no layer."""
        self.add(name, shape, "scale", init)

    def buffer(self, name: str, value: np.ndarray) -> None:
        """A fixed table that checkpoints hold."""
        array = np.asarray(value, np.float32)
        self.parameters.append(Parameter(self._prefix + name, array.shape, "buffer", "fixed", array))

    def activation(self, name: str, act: str, width: int) -> None:
        """The slopes of `act`, if it has any. Raises ValueError for an activation that no backend knows."""
        check_activation(act)
        if act in ("prelu", "prelu_shared"):
            self.prelu(name, width if act == "prelu" else 1)

    def conv_norm_act(
        self,
        name: str,
        channels: int,
        width: int,
        kernel: Kernel,
        *,
        groups: int = 1,
        bias: bool = False,
        act: str = "relu",
    ) -> None:
        """The block `conv`, `bn`, `act` of every backend's layers."""
        with self.scope(name):
            self.conv("conv", channels, width, kernel, groups=groups, bias=bias)
            self.batch_norm("bn", width, after="conv")
            self.activation("act", act, width)

    def conv_act(
        self,
        name: str,
        channels: int,
        width: int,
        kernel: Kernel,
        *,
        groups: int = 1,
        bias: bool = False,
        act: str = "relu",
    ) -> None:
        """The block `conv`, `act`."""
        with self.scope(name):
            self.conv("conv", channels, width, kernel, groups=groups, bias=bias)
            self.activation("act", act, width)

    def norm_act_conv(self, name: str, channels: int, width: int, kernel: Kernel, *, act: str = "relu") -> None:
        """The block `bn`, `act`, `conv`, without a bias."""
        with self.scope(name):
            self.batch_norm("bn", channels)
            self.activation("act", act, channels)
            self.conv("conv", channels, width, kernel)

    def norm_act(self, name: str, width: int, *, act: str = "relu", after: str = "") -> None:
        """The block `bn`, `act`; `after`: the convolution that is all it sees, if it is one."""
        self.batch_norm(f"{name}.bn", width, after=after)
        self.activation(f"{name}.act", act, width)


def fold_parameters(parameters: Sequence[Parameter], folds: Sequence[Foldable]) -> list[Parameter]:
    """The parameters without the norms of `folds`; the first layer of each has a bias in any case."""
    gone = tuple(f"{fold.norm}." for fold in folds)
    biased = {fold.layers[0] for fold in folds}
    names = {parameter.name for parameter in parameters}
    found: list[Parameter] = []
    for parameter in parameters:
        if parameter.name.startswith(gone):
            continue
        found.append(parameter)
        layer, _, leaf = parameter.name.rpartition(".")
        if layer in biased and leaf == "weight" and f"{layer}.bias" not in names:
            found.append(Parameter(f"{layer}.bias", parameter.shape[:1], "bias", "zeros"))
    return found


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


def numbered(names: Iterable[str], pattern: str) -> int:
    """How many numbers the pattern's group takes among the names: `layer1\\.(\\d+)\\.` counts the blocks of layer1."""
    return len({found[1] for name in names if (found := re.match(pattern, name))})


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
