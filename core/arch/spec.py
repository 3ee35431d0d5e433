"""The base of all architecture specs, and the presets that name the published originals.

All that is known of an architecture stands in its spec: numbers, parameters, which sizes it takes, how it is made small
for tests, what a checkpoint's shapes tell of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal, TypeVar

from core.arch.backbones.base import BackboneSpec
from core.arch.golden import GoldenFile
from core.arch.inventory import Foldable, InitSpec, Inventory, Parameter, count, fold_parameters
from core.arch.parts import DropoutSpec, FCNHeadSpec, NormSpec
from core.errors import SpecError

S = TypeVar("S", bound="Spec")
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class OutputSpec:
    """One of the maps a network returns in training, by the name that a configuration's loss terms use.

    kind: logits of `classes` [N, C, h, w], their `log_probabilities`, or one logit of a `boundary` [N, 1, h, w].
    weight: of its cost where the configuration says nothing.
    """

    name: str
    kind: Literal["classes", "log_probabilities", "boundary"] = "classes"
    weight: float = 1.0


@dataclass(frozen=True)
class Spec:
    """Every number that defines a network. Subclasses add their fields and list their parameters.

    `align_corners` is how the logits are resized to the picture. `auxiliary` heads come after the main output(s) in
    what a model returns, in this order. `classifiers`: names of the weights whose first side is the number of classes;
    the first that a checkpoint has tells it. `folded_norms`: batch norms that are folded into the convolutions before
    them (`core.fold`), patterns of their canonical paths: `backbone.*`, or `*` for all that can be.
    """

    arch: ClassVar[str]
    segments: ClassVar[bool] = True  # False: it labels pictures, not their pixels
    classifiers: ClassVar[tuple[str, ...]] = ("head.classifier.weight",)

    num_classes: int = 19
    align_corners: bool = True
    auxiliary: tuple[FCNHeadSpec, ...] = ()
    folded_norms: tuple[str, ...] = ()

    def inventory(self) -> Inventory:
        raise NotImplementedError

    def parameters(self) -> list[Parameter]:
        """Names, shapes and kinds of all parameters and buffers, in canonical (PyTorch) names, layouts and order."""
        inventory = self.inventory()
        return (
            fold_parameters(inventory.parameters, self._chosen(inventory))
            if self.folded_norms
            else (inventory.parameters)
        )

    def folds(self) -> list[Foldable]:
        """The batch norms that this network has no more: `folded_norms`."""
        return self._chosen(self.inventory()) if self.folded_norms else []

    def _chosen(self, inventory: Inventory) -> list[Foldable]:
        foldable = inventory.foldable
        for pattern in self.folded_norms:
            if pattern != "*" and not any(fnmatchcase(fold.norm, pattern) for fold in foldable):
                raise SpecError(
                    f"folded_norms: no batch norm that can be folded into a convolution is called {pattern!r}; "
                    "'*' stands for all of them"
                )
        return [fold for fold in foldable if any(fnmatchcase(fold.norm, pattern) for pattern in self.folded_norms)]

    def parameter_count(self) -> int:
        """Number of learnable scalars."""
        return count(self.parameters())

    def inference_values(self) -> int:
        """Number of scalars, batch-norm statistics too, that inference needs: MXNetSeg's way of counting."""
        return count(self.for_inference().parameters(), buffers=True)

    def outputs(self) -> tuple[OutputSpec, ...]:
        """What the network returns in training, in this order, the one that is evaluated first."""
        heads = (OutputSpec(f"auxiliary.{i}", weight=head.loss_weight) for i, head in enumerate(self.auxiliary))
        return (OutputSpec("main"), *heads)

    @property
    def head_norm(self) -> NormSpec:
        """Batch norm of the heads."""
        return NormSpec()

    def tap_channels(self, tap: str) -> int:
        """Channels of the map an auxiliary head taps."""
        raise SpecError(f"{self.arch} has no map {tap!r} for an auxiliary head")

    # Sizes

    @property
    def least(self) -> int:
        """The smallest side of a picture."""
        return 32

    @property
    def multiple(self) -> int:
        """What the sides of a picture must be multiples of."""
        return 1

    def check_input(self, height: int, width: int) -> None:
        """Raises SpecError if the network does not take pictures of that size."""
        require_sides(height, width, least=self.least, multiple=self.multiple)

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        """(rows, columns) of the smallest map that a batch norm sees of such a picture; None without batch norms."""
        return None

    def check_batch(self, batch: int, height: int, width: int) -> None:
        """Raises SpecError if training on such a batch would normalise over a single value per channel."""
        smallest = self.smallest_normalised(height, width)
        if smallest is not None and batch * smallest[0] * smallest[1] < 2:
            pooled = " (it pools to one place)" if self.smallest_normalised(4096, 4096) == (1, 1) else ""
            raise SpecError(
                f"batch of {batch} at {height}x{width}: the network's smallest map is {smallest[0]}x{smallest[1]}"
                f"{pooled}, which gives batch norm one value per channel; train with at least 2 pictures"
            )

    def size_at_least(self, height: int, width: int) -> tuple[int, int]:
        """The smallest sides, none below the given ones, that the network takes."""
        return self._side_at_least(height), self._side_at_least(width)

    def _side_at_least(self, side: int) -> int:
        first = -(-max(side, self.least) // self.multiple) * self.multiple
        for candidate in range(first, first + 1024, self.multiple):
            try:
                self.check_input(candidate, candidate)
            except SpecError:
                continue
            return candidate
        raise SpecError(f"{self.arch}: takes no side from {side} to {first + 1024}")

    # Variants

    def for_inference(self: S) -> S:
        """The same network without what only training needs: its auxiliary heads."""
        return dataclasses.replace(self, auxiliary=())

    def folded(self: S) -> S:
        """The same network with its batch norms folded into the convolutions before them, where they can be.

        `core.fold.fold_state` makes the weights.
        """
        return dataclasses.replace(self, folded_norms=("*",))

    def without_dropout(self: S) -> S:
        """The same network with every dropout probability 0 (parity tests train so)."""
        return _replace_dropout(self)

    def narrow(self: S) -> S:
        """A small and shallow network with every switch of this one as it is, for tests."""
        raise NotImplementedError

    def infer(self, shapes: Shapes) -> dict[str, Any]:
        """Fields, as overrides, that the shapes of a checkpoint's canonical tensors show to be different."""
        found: dict[str, Any] = {}
        if self.auxiliary and not any(name.startswith("auxiliary.") for name in shapes):
            found["auxiliary"] = []
        if self.folded_norms:
            return found
        foldable = (self.for_inference() if "auxiliary" in found else self).inventory().foldable
        for pattern in ("*", "backbone.*"):
            chosen = [fold for fold in foldable if fnmatchcase(fold.norm, pattern)]
            if chosen and all(f"{f.norm}.weight" not in shapes and f"{f.layers[0]}.weight" in shapes for f in chosen):
                return found | {"folded_norms": [pattern]}
        return found

    def infer_classes(self, shapes: Shapes) -> int | None:
        """The number of classes that the shapes of a checkpoint's canonical tensors tell; None if they do not."""
        return next((shapes[name][0] for name in self.classifiers if shapes.get(name)), None)


@dataclass(frozen=True)
class EncoderDecoderSpec(Spec):
    """A backbone, what stands on it, and auxiliary heads on the backbone's (or the decoder's) maps.

    Canonical order: backbone, auxiliary heads, the rest. takes_tokens: whether the backbone may give sequences.
    """

    takes_tokens: ClassVar[bool] = False

    backbone: BackboneSpec = dataclasses.field(default_factory=BackboneSpec)
    init: InitSpec = dataclasses.field(default_factory=InitSpec)

    def inventory(self) -> Inventory:
        if self.backbone.tokens and not self.takes_tokens:
            raise SpecError(f"{self.arch} stands on maps, and backbone {self.backbone.family} gives tokens")
        out = Inventory(self.init, self.head_norm.eps)
        with out.normalised(self.backbone.norm.eps):
            self.backbone.inventory(out)
        for i, head in enumerate(self.auxiliary):
            head.inventory(out, f"auxiliary.{i}", self.tap_channels(head.tap), self.num_classes)
        self.decoder_inventory(out)
        return out

    def decoder_inventory(self, out: Inventory) -> None:
        """Adds the parameters of all that stands on the backbone but the auxiliary heads."""
        raise NotImplementedError

    @property
    def head_norm(self) -> NormSpec:
        return self.backbone.norm

    def tap_channels(self, tap: str) -> int:
        """Channels of the map an auxiliary head taps: a stage of the backbone, or one that the decoder adds.

        Raises SpecError for a tap that is neither, as after `backbone: {family: …}` alone.
        """
        if tap not in self.backbone.stages():
            raise SpecError(
                f"an auxiliary head taps {tap!r}, and backbone {self.backbone.family} has the stages "
                f"{', '.join(self.backbone.stages())}; say `auxiliary: [{{tap: {self.backbone.deepest}}}]`, or `[]`"
            )
        return self.backbone.channels(tap)

    @property
    def least(self) -> int:
        return 16

    @property
    def multiple(self) -> int:
        return self.backbone.multiple

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int] | None:
        return self.backbone.smallest_normalised(height, width)

    def infer(self, shapes: Shapes) -> dict[str, Any]:
        found = super().infer(shapes)
        backbone = self.backbone.infer(shapes)
        return found | ({"backbone": backbone} if backbone else {})


def narrow_heads(heads: tuple[FCNHeadSpec, ...], taps: Mapping[str, str] | None = None) -> tuple[FCNHeadSpec, ...]:
    """The heads with few channels; `taps` renames what they tap."""
    return tuple(head.narrow(taps=taps) for head in heads)


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
    heads included, where the original's count is known; it holds for the spec changed by `published_at`, and so does
    `published_mxnetseg`, the count as MXNetSeg's README gives it (`Spec.inference_values`). `golden`: the golden files
    that this network is checked against.
    """

    name: str
    spec: Spec
    paper: str
    original: str
    published_parameters: float | None = None
    published_at: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    golden: tuple[GoldenFile, ...] = ()
    published_mxnetseg: float | None = None
