"""Vision transformer (Dosovitskiy et al., arXiv:2010.11929); numbers in core/arch/backbones/vit.py."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch.layers import Backbone, dropout
from core.arch.backbones.vit import ViTSpec


class Attention(nn.Module):
    """Multi-head self-attention of [N, L, C]; queries, keys and values in one projection, in that order."""

    def __init__(self, spec: ViTSpec) -> None:
        super().__init__()
        self.heads = spec.heads
        self.qkv = nn.Linear(spec.width, 3 * spec.width)
        self.proj = nn.Linear(spec.width, spec.width)
        self.dropout = dropout(spec.dropout)

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        qkv = self.qkv(x).reshape(n, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [N, heads, L, C / heads]
        x = F.scaled_dot_product_attention(q, k, v)  # softmax(q k^T / sqrt(C / heads)) v
        return self.dropout(self.proj(x.transpose(1, 2).reshape(n, length, width)))


class MLP(nn.Module):
    def __init__(self, spec: ViTSpec) -> None:
        super().__init__()
        self.fc1 = nn.Linear(spec.width, spec.width * spec.mlp_ratio)
        self.fc2 = nn.Linear(spec.width * spec.mlp_ratio, spec.width)
        self.dropout = dropout(spec.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(F.gelu(self.fc1(x), approximate="none"))
        return self.dropout(self.fc2(x))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, spec: ViTSpec) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.attn = Attention(spec)
        self.norm2 = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.mlp = MLP(spec)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(Backbone):
    """The tokens [N, h * w, C] after the tapped blocks, class token dropped, and the patch map [N, C, h, w]."""

    spec: ViTSpec

    def __init__(self, spec: ViTSpec) -> None:
        super().__init__(spec)
        token = spec.class_token != "none"
        if token:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, spec.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, spec.grid[0] * spec.grid[1] + token, spec.width))
        self.patch_embed = nn.Conv2d(spec.in_channels, spec.width, spec.patch, stride=spec.patch)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.depth))

    def _positions(self, grid: tuple[int, int]) -> Tensor:
        """The position table [1, h * w, C], resized to `grid` (on its own grid it stays what it is)."""
        table = self.pos_embed[:, 1:] if self.spec.class_token != "none" else self.pos_embed
        table = table.transpose(1, 2).reshape(1, -1, *self.spec.grid)
        table = F.interpolate(table, size=grid, mode=self.spec.position_resize, align_corners=False)
        return table.flatten(2).transpose(1, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.patch_embed(x)  # [N, C, h, w]
        features = {"patches": x}
        grid = (x.shape[2], x.shape[3])
        x = x.flatten(2).transpose(1, 2) + self._positions(grid)  # [N, h * w, C]
        used = self.spec.class_token == "used"
        if used:
            token = self.cls_token + self.pos_embed[:, :1]
            x = torch.cat([token.expand(len(x), -1, -1), x], dim=1)
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if f"block{number}" in self.stages:
                features[f"block{number}"] = x[:, 1:] if used else x
        return features
