"""The base of all architecture specs, and the presets that name the published originals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from core.arch.golden import GoldenFile
from core.arch.inventory import Inventory, Parameter, count
from core.arch.parts import DropoutSpec, FCNHeadSpec
from core.errors import SpecError

S = TypeVar("S", bound="Spec")


@dataclass(frozen=True)
class Spec:
    """Every number that defines a network. Subclasses add their fields and list their parameters.

    `align_corners` is how the logits are resized to the picture. `auxiliary` heads come after the main one in what a
    model returns, in this order.
    """

    arch: ClassVar[str]

    num_classes: int = 19
    align_corners: bool = True
    auxiliary: tuple[FCNHeadSpec, ...] = ()

    def inventory(self) -> Inventory:
        raise NotImplementedError

    def parameters(self) -> list[Parameter]:
        """Names, shapes and kinds of all parameters and buffers, in canonical (PyTorch) names, layouts and order."""
        return self.inventory().parameters

    def parameter_count(self) -> int:
        """Number of learnable scalars."""
        return count(self.parameters())

    def check_input(self, height: int, width: int) -> None:
        """Raises SpecError if the network does not take pictures of that size."""
        require_sides(height, width, least=32)

    def check_batch(self, batch: int, height: int, width: int) -> None:
        """Raises SpecError if training on such a batch would normalise over a single value."""

    def for_inference(self: S) -> S:
        """The same network without its auxiliary heads."""
        return dataclasses.replace(self, auxiliary=())

    def without_dropout(self: S) -> S:
        """The same network with every dropout probability 0 (parity tests train so)."""
        return _replace_dropout(self)


def require_sides(height: int, width: int, *, least: int = 1, multiple: int = 1, why: str = "") -> None:
    """Raises SpecError unless both sides are at least `least` and multiples of `multiple`."""
    for side in (height, width):
        if side < least or side % multiple:
            nearby = max(round(side / multiple), -(-least // multiple), 1) * multiple
            rule = f"multiples of {multiple}" if multiple > 1 else f"at least {least}"
            raise SpecError(
                f"input of {height}x{width}: sides must be {rule}{why}; the nearest to {side} is {max(nearby, least)}"
            )


def _replace_dropout(value: Any) -> Any:
    if isinstance(value, DropoutSpec):
        return dataclasses.replace(value, p=0.0)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _replace_dropout(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    if isinstance(value, tuple):
        return tuple(_replace_dropout(item) for item in value)
    return value


@dataclass(frozen=True)
class Preset:
    """A named spec: one published original, or one configuration of a paper.

    `original` is repository and constructor call; `published_parameters` the learnable scalars in millions, auxiliary
    heads included, where the original's count is known; it holds for the spec changed by `published_at`. `golden`: the
    golden files that this network is checked against.
    """

    name: str
    spec: Spec
    paper: str
    original: str
    published_parameters: float | None = None
    published_at: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    golden: tuple[GoldenFile, ...] = ()
