"""What every backbone tells of itself, whatever its family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from core.arch.inventory import Inventory
from core.arch.parts import NormSpec
from core.errors import SpecError
from core.schema import Tagged

B = TypeVar("B", bound="BackboneSpec")


@dataclass(frozen=True)
class BackboneSpec(Tagged):
    """Every number of a backbone. In YAML the `family` tells which one: `backbone: {family: resnet, depth: 50}`.

    A backend's network of it (backends/<name>/backbones/<family>.py) returns {stage: map [N, C, h, w]}. Members name
    their stages, shallowest first, and list their parameters; `norm` is that of the heads on top as well.
    """

    TAG: ClassVar[str] = "family"
    family: ClassVar[str]
    tokens: ClassVar[bool] = False  # its stages are sequences [N, h * w, C] instead of maps

    in_channels: int = 3
    norm: NormSpec = NormSpec()

    def stages(self) -> tuple[str, ...]:
        """Names of the maps that are returned, shallowest first."""
        raise NotImplementedError

    def channels(self, stage: str) -> int:
        """Channels of a stage's map."""
        raise NotImplementedError

    def stride(self, stage: str) -> int:
        """Pixels of the picture for one place of a stage's map."""
        raise NotImplementedError

    @property
    def half_channels(self) -> int:
        """Channels of the map at half the picture's sides that `half` of a backend's network gives."""
        raise SpecError(f"backbone {self.family} does not give its map at 1/2")

    def inventory(self, out: Inventory, name: str = "backbone") -> None:
        """Adds the parameters under `name`."""
        raise NotImplementedError

    def map_size(self, side: int, stage: str) -> int:
        """Side of a stage's map for a picture of that side; this one holds where every halving rounds up."""
        stride = self.stride(stage)
        while stride > 1:
            side, stride = -(-side // 2), stride // 2
        return side

    def smallest_normalised(self, height: int, width: int) -> tuple[int, int]:
        """(rows, columns) of the smallest map that a batch norm sees of such a picture: that of a stage."""
        sizes = [(self.map_size(height, stage), self.map_size(width, stage)) for stage in self.stages()]
        return min(sizes, key=lambda size: size[0] * size[1])

    @property
    def multiple(self) -> int:
        """What the sides of a picture must be multiples of."""
        return 1

    @property
    def deepest(self) -> str:
        """The last stage."""
        return self.stages()[-1]

    def narrow(self: B) -> B:
        """A small network with every switch as it is, for tests."""
        raise NotImplementedError

    def infer(self, shapes: Mapping[str, tuple[int, ...]], name: str = "backbone") -> dict[str, Any]:
        """Fields, as overrides, that the shapes of a checkpoint's tensors show to be different."""
        return {}

    def _require(self, stage: str) -> str:
        """`stage`, or SpecError if the backbone has none of that name."""
        if stage not in self.stages():
            raise SpecError(f"backbone {self.family} has no stage {stage!r}: {', '.join(self.stages())}")
        return stage
