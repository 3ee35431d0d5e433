"""Vision transformer backbones (Dosovitskiy et al., arXiv:2010.11929), as SETR uses them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from core.arch.backbones.base import BackboneSpec
from core.arch.inventory import Inventory
from core.arch.parts import DropoutSpec

CUBIC = -0.75  # the constant of PyTorch's and OpenCV's cubic convolution, for position tables


@dataclass(frozen=True)
class ViTSpec(BackboneSpec):
    """Patches, positions, `depth` pre-norm blocks; no final norm.

    taps: the blocks (1-based, ascending) whose tokens [N, h * w, C] are returned, as stages `block<n>`; beside them
    a backend's network returns the patch map [N, C, h, w] as `patches`.

    image_size: the picture the position table is laid out for; another one gets it resized (half-pixel centres).
    class_token: `none`; `used`: a token in front goes through the blocks and is dropped from the features; `unused`:
    token and position exist but are dropped before the blocks (mmseg's `with_cls_token=False`).
    dropout: after the attention's projection and both layers of the MLP.
    """

    family: ClassVar[str] = "vit"
    tokens: ClassVar[bool] = True

    image_size: tuple[int, int] = (768, 768)
    patch: int = 16
    width: int = 1024
    depth: int = 24
    taps: tuple[int, ...] = (24,)
    heads: int = 16
    mlp_ratio: int = 4
    norm_eps: float = 1e-6
    class_token: Literal["none", "used", "unused"] = "none"
    position_resize: Literal["bilinear", "bicubic"] = "bilinear"
    dropout: DropoutSpec = DropoutSpec(p=0.1)

    def __post_init__(self) -> None:
        if list(self.taps) != sorted(set(self.taps)) or not self.taps or self.taps[0] < 1 or self.taps[-1] > self.depth:
            raise ValueError(f"taps {self.taps} must ascend and stay within the {self.depth} blocks")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.image_size[0] % self.patch or self.image_size[1] % self.patch:
            raise ValueError(f"image_size {self.image_size} is not a multiple of patch {self.patch}")

    def stages(self) -> tuple[str, ...]:
        return tuple(f"block{n}" for n in self.taps)

    def channels(self, stage: str) -> int:
        self._require(stage)
        return self.width

    def stride(self, stage: str) -> int:
        self._require(stage)
        return self.patch

    def map_size(self, side: int, stage: str) -> int:
        return side // self.stride(stage)

    @property
    def multiple(self) -> int:
        return self.patch

    def narrow(self) -> ViTSpec:
        return dataclasses.replace(
            self,
            image_size=(4 * self.patch, 4 * self.patch),
            width=16,
            depth=4,
            heads=2,
            taps=(1, 2, 3, 4)[-len(self.taps) :],
        )

    def infer(self, shapes: Mapping[str, tuple[int, ...]], name: str = "backbone") -> dict[str, Any]:
        """Whether there is a class token, and the picture of the position table; published tables are square."""
        table = shapes.get(f"{name}.pos_embed", ())
        if len(table) != 3:
            return {}
        new = self.class_token == "none" and f"{name}.cls_token" in shapes
        found: dict[str, Any] = {"class_token": "used"} if new else {}
        places = table[1] - (new or self.class_token != "none")
        side = math.isqrt(max(places, 0))
        if places != self.grid[0] * self.grid[1] and side * side == places and side > 0:
            found["image_size"] = [side * self.patch, side * self.patch]
        return found

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the position table."""
        return self.image_size[0] // self.patch, self.image_size[1] // self.patch

    def inventory(self, out: Inventory, name: str = "backbone") -> None:
        width, hidden = self.width, self.width * self.mlp_ratio
        token = self.class_token != "none"
        with out.scope(name):
            if token:
                out.embedding("cls_token", (1, 1, width))
            out.embedding("pos_embed", (1, self.grid[0] * self.grid[1] + token, width))
            out.conv("patch_embed", self.in_channels, width, self.patch, bias=True)
            for i in range(self.depth):
                with out.scope(f"blocks.{i}"):
                    out.layer_norm("norm1", width)
                    out.linear("attn.qkv", width, 3 * width)
                    out.linear("attn.proj", width, width)
                    out.layer_norm("norm2", width)
                    out.linear("mlp.fc1", width, hidden)
                    out.linear("mlp.fc2", hidden, width)
