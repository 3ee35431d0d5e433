"""Vision transformer (Dosovitskiy et al., arXiv:2010.11929); numbers in core/arch/backbones/vit.py."""

from __future__ import annotations

from types import ModuleType

from mxnet import init
from mxnet.gluon import HybridBlock, nn

from backends.mxnet.layers import GELU, Backbone, Tensor, concat, dropout, interpolation_matrix, multiply_sides
from core.arch.backbones.vit import CUBIC, ViTSpec


def _cubic_matrix(F: ModuleType, source: Tensor, target: Tensor) -> Tensor:
    """[H, h], cubic convolution along one side with half-pixel centres; places outside repeat the border.

    `source` is the vector 0, 1, … h - 1, `target` 0, 1, … H - 1 (Keys, 1981).
    """
    size, new_size, a = F.max(source) + 1, F.max(target) + 1, CUBIC
    position = F.broadcast_mul(target + 0.5, F.broadcast_div(size, new_size)) - 0.5
    base = F.floor(position)
    matrix = 0
    for offset in (-1, 0, 1, 2):
        d = F.abs(position - base - offset)
        if offset in (0, 1):  # d <= 1
            weight = ((a + 2) * d - (a + 3)) * d * d + 1
        else:  # 1 <= d <= 2
            weight = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        place = F.broadcast_minimum(F.maximum(base + offset, 0), size - 1)
        chosen = F.broadcast_equal(F.expand_dims(place, axis=1), F.expand_dims(source, axis=0))
        matrix = matrix + F.broadcast_mul(F.expand_dims(weight, axis=1), chosen)
    return matrix


class Attention(HybridBlock):
    """Multi-head self-attention of [N, L, C]; queries, keys and values in one projection, in that order."""

    def __init__(self, spec: ViTSpec) -> None:
        super().__init__()
        self.heads, self.head_width = spec.heads, spec.width // spec.heads
        self.qkv = _dense(spec.width, 3 * spec.width)
        self.proj = _dense(spec.width, spec.width)
        self.dropout = dropout(spec.dropout)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        qkv = F.reshape(self.qkv(x), (0, 0, 3, self.heads, self.head_width))
        qkv = F.reshape(F.transpose(qkv, (2, 0, 3, 1, 4)), (0, -3, 0, 0))  # [3, N * heads, L, C / heads]
        q, k, v = F.split(qkv, num_outputs=3, axis=0, squeeze_axis=True)
        scores = F.batch_dot(q * self.head_width**-0.5, k, transpose_b=True)
        x = F.batch_dot(F.softmax(scores, axis=-1), v)  # [N * heads, L, C / heads]
        x = F.transpose(F.reshape(x, (-4, -1, self.heads, 0, 0)), (0, 2, 1, 3))  # [N, L, heads, C / heads]
        return self.dropout(self.proj(F.reshape(x, (0, 0, -3))))


def _dense(features: int, width: int) -> nn.Dense:
    return nn.Dense(width, flatten=False, use_bias=True, in_units=features)


class MLP(HybridBlock):
    def __init__(self, spec: ViTSpec) -> None:
        super().__init__()
        self.fc1 = _dense(spec.width, spec.width * spec.mlp_ratio)
        self.fc2 = _dense(spec.width * spec.mlp_ratio, spec.width)
        self.gelu = GELU()
        self.dropout = dropout(spec.dropout)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        x = self.dropout(self.gelu(self.fc1(x)))
        return self.dropout(self.fc2(x))


class Block(HybridBlock):
    """Pre-norm transformer block."""

    def __init__(self, spec: ViTSpec) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(axis=-1, epsilon=spec.norm_eps, in_channels=spec.width)
        self.attn = Attention(spec)
        self.norm2 = nn.LayerNorm(axis=-1, epsilon=spec.norm_eps, in_channels=spec.width)
        self.mlp = MLP(spec)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(Backbone):
    """The tokens [N, h * w, C] after the tapped blocks, class token dropped, and the patch map [N, C, h, w]."""

    spec: ViTSpec

    def __init__(self, spec: ViTSpec) -> None:
        super().__init__(spec)
        self.stages = ("patches", *self.stages)
        token = spec.class_token != "none"
        if token:
            self.cls_token = self.params.get("cls_token", shape=(1, 1, spec.width), init=init.Zero())
        length = spec.grid[0] * spec.grid[1] + token
        self.pos_embed = self.params.get("pos_embed", shape=(1, length, spec.width), init=init.Zero())
        self.patch_embed = nn.Conv2D(
            spec.width, spec.patch, strides=spec.patch, use_bias=True, in_channels=spec.in_channels
        )
        self.blocks = nn.HybridSequential()
        self.blocks.add(*[Block(spec) for _ in range(spec.depth)])

    def _positions(self, F: ModuleType, pos_embed: Tensor, patches: Tensor) -> Tensor:
        """The position table [1, h * w, C], resized to the grid of `patches` (on its own grid it stays what it is)."""
        if self.spec.class_token != "none":
            pos_embed = F.slice_axis(pos_embed, axis=1, begin=1, end=None)
        table = F.reshape(F.transpose(pos_embed, (0, 2, 1)), (1, -1, *self.spec.grid))
        matrices = []
        for axis in (2, 3):
            sides = F.contrib.arange_like(table, axis=axis), F.contrib.arange_like(patches, axis=axis)
            if self.spec.position_resize == "bilinear":
                matrices.append(interpolation_matrix(F, *sides, align_corners=False))
            else:
                matrices.append(_cubic_matrix(F, *sides))
        table = multiply_sides(F, table, *matrices)
        return F.transpose(F.reshape(table, (0, 0, -1)), (0, 2, 1))

    def hybrid_forward(
        self, F: ModuleType, x: Tensor, pos_embed: Tensor, cls_token: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        patches = self.patch_embed(x)  # [N, C, h, w]
        x = F.transpose(F.reshape(patches, (0, 0, -1)), (0, 2, 1))  # [N, h * w, C]
        x = F.broadcast_add(x, self._positions(F, pos_embed, patches))
        used = self.spec.class_token == "used"
        if used:
            token = cls_token + F.slice_axis(pos_embed, axis=1, begin=0, end=1)
            x = concat(F, F.broadcast_like(token, x, lhs_axes=(0,), rhs_axes=(0,)), x)
        features = []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in self.spec.taps:
                features.append(F.slice_axis(x, axis=1, begin=1, end=None) if used else x)
        return patches, *features
