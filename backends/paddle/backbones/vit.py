"""Vision transformer (Dosovitskiy et al., arXiv:2010.11929); numbers in core/arch/backbones/vit.py."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.layers import Backbone, Side, dropout, multiply_sides, resize
from core.arch.backbones.vit import CUBIC, ViTSpec


def _cubic_matrix(source: int, target: Side) -> Tensor:
    """[H, h] float64, cubic convolution along one side with half-pixel centres; places outside repeat the border.

    From `source` = h to `target` = H places (Keys, 1981).
    """
    a = CUBIC
    position = (paddle.arange(target, dtype="float64") + 0.5) * source / target - 0.5
    base = position.floor()
    matrix = 0
    for offset in (-1, 0, 1, 2):
        d = (position - base - offset).abs()
        if offset in (0, 1):  # d <= 1
            weight = ((a + 2) * d - (a + 3)) * d * d + 1
        else:  # 1 <= d <= 2
            weight = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        place = (base + offset).clip(0, source - 1)
        chosen = place.unsqueeze(1) == paddle.arange(source, dtype="float64")
        matrix = matrix + weight.unsqueeze(1) * chosen.astype("float64")
    return matrix


class Attention(nn.Layer):
    """Multi-head self-attention of [N, L, C]; queries, keys and values in one projection, in that order."""

    def __init__(self, spec: ViTSpec) -> None:
        super().__init__()
        self.heads, self.head_width = spec.heads, spec.width // spec.heads
        self.qkv = nn.Linear(spec.width, 3 * spec.width)
        self.proj = nn.Linear(spec.width, spec.width)
        self.dropout = dropout(spec.dropout)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).reshape([0, 0, 3, self.heads, self.head_width])
        q, k, v = qkv.unbind(axis=2)  # each [N, L, heads, C / heads], the order Paddle's attention takes
        x = F.scaled_dot_product_attention(q, k, v)  # softmax(q k^T / sqrt(C / heads)) v
        return self.dropout(self.proj(x.flatten(2)))


class MLP(nn.Layer):
    def __init__(self, spec: ViTSpec) -> None:
        super().__init__()
        self.fc1 = nn.Linear(spec.width, spec.width * spec.mlp_ratio)
        self.fc2 = nn.Linear(spec.width * spec.mlp_ratio, spec.width)
        self.dropout = dropout(spec.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(F.gelu(self.fc1(x), approximate=False))
        return self.dropout(self.fc2(x))


class Block(nn.Layer):
    """Pre-norm transformer block."""

    def __init__(self, spec: ViTSpec) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(spec.width, epsilon=spec.norm_eps)
        self.attn = Attention(spec)
        self.norm2 = nn.LayerNorm(spec.width, epsilon=spec.norm_eps)
        self.mlp = MLP(spec)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(Backbone):
    """The tokens [N, h * w, C] after the tapped blocks, class token dropped, and the patch map [N, C, h, w]."""

    spec: ViTSpec

    def __init__(self, spec: ViTSpec) -> None:
        super().__init__(spec)
        # Not the spec: paddle.jit reads no properties and calls no methods of a dataclass.
        self.grid, self.position_resize, self.class_token = spec.grid, spec.position_resize, spec.class_token
        token = spec.class_token != "none"
        if token:
            self.cls_token = self.create_parameter([1, 1, spec.width])
        self.pos_embed = self.create_parameter([1, spec.grid[0] * spec.grid[1] + token, spec.width])
        self.patch_embed = nn.Conv2D(spec.in_channels, spec.width, spec.patch, stride=spec.patch)
        self.blocks = nn.LayerList(Block(spec) for _ in range(spec.depth))

    def _positions(self, grid: Sequence[Side]) -> Tensor:
        """The position table [1, h * w, C], resized to `grid` (on its own grid it stays what it is)."""
        table = self.pos_embed[:, 1:] if self.class_token != "none" else self.pos_embed
        table = table.transpose([0, 2, 1]).reshape([1, -1, *self.grid])
        if self.position_resize == "bilinear":
            table = resize(table, grid, align_corners=False)
        else:
            table = multiply_sides(table, *(_cubic_matrix(*sides) for sides in zip(self.grid, grid)))
        return table.flatten(2).transpose([0, 2, 1])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.patch_embed(x)  # [N, C, h, w]
        features = {"patches": x}
        x = x.flatten(2).transpose([0, 2, 1]) + self._positions(x.shape[2:])  # [N, h * w, C]
        used = self.class_token == "used"
        if used:
            token = self.cls_token + self.pos_embed[:, :1]
            x = paddle.concat([token.expand([x.shape[0], -1, -1]), x], axis=1)
        for i, block in enumerate(self.blocks):  # paddle.jit knows no `start`
            x = block(x)
            name = "block" + str(i + 1)
            if name in self.stages:
                features[name] = x[:, 1:] if used else x
        return features
