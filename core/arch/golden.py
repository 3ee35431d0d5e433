"""Golden files: what an original computed from known parameters and a known input, declared by the preset it is.

An output is said in words: `main`, `auxiliary.0`, … are what the network returns; any other name is a submodule, whose
output it is (`context.refine`), or with `:in` its input. `@picture` behind it: resized to the picture, as the logits
are; `@1/8`: to an eighth of its sides; `@x4`: to four times its own.
`log_softmax(main)@1/8`: the function over the channels first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import SpecError

_NAME = r"[\w.]+(?::in)?"
_OUTPUT = re.compile(
    rf"(?:(?P<function>log_softmax|softmax)\((?P<inner>{_NAME})\)|(?P<name>{_NAME}))(?:@(?P<size>picture|1/[1-9]\d*|x[2-9]))?"
)


@dataclass(frozen=True)
class Output:
    """One recorded output: what of the network it is, the function over its channels, and the size it is resized to."""

    name: str
    function: str = ""
    divisor: int | None = None  # of the picture's sides; None: as the network gives it
    factor: int = 1  # of its own sides

    @classmethod
    def read(cls, text: str) -> Output:
        """Raises SpecError for a text that says no output."""
        found = _OUTPUT.fullmatch(text)
        if found is None:
            raise SpecError(f"golden output {text!r}: expected main, auxiliary.0, … or a submodule, e.g. main@picture")
        size = found["size"]
        name, function = found["inner"] or found["name"], found["function"] or ""
        if size is not None and size.startswith("x"):
            return cls(name, function, factor=int(size[1:]))
        divisor = None if size is None else 1 if size == "picture" else int(size.removeprefix("1/"))
        return cls(name, function, divisor)

    @property
    def returned(self) -> bool:
        """Whether the network returns it; else it is a submodule's."""
        return re.fullmatch(r"main|auxiliary\.\d+", self.name) is not None

    def size(self, height: int, width: int, *, own: Sequence[int] | None = None) -> tuple[int, int] | None:
        """Rows and columns of the output of such a picture; None: as the network gives them, or `own` not known."""
        if self.factor > 1:
            return None if own is None else (self.factor * own[0], self.factor * own[1])
        return None if self.divisor is None else (-(-height // self.divisor), -(-width // self.divisor))


@dataclass(frozen=True)
class GoldenFile:
    """A golden file that belongs to a preset. `source` and `model` as its metadata have them.

    overrides: how the network in the file differs from the preset (a small ViT, …), in fields that shapes do not show.
    eval, train: what its outputs are, in its order, where that is not told by the origin (`Recording`): the network's
    outputs in order.
    """

    source: str
    model: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    eval: tuple[str, ...] | None = None
    train: tuple[str, ...] | None = None


def golden_files(*names: str) -> tuple[GoldenFile, ...]:
    """Files without anything to add, as `source/model`."""
    return tuple(GoldenFile(source, model) for source, _, model in (name.partition("/") for name in names))
