"""Convolutions with what follows them."""

from __future__ import annotations

from torch import Tensor, nn

from backends.torch.layers.activation import activation
from backends.torch.layers.norm import BatchNorm
from core.arch.inventory import Kernel
from core.arch.parts import NormSpec, same_padding


class ConvNormAct(nn.Module):
    """Convolution - batch norm - activation. Padding keeps the size at stride 1 unless given."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: Kernel,
        norm: NormSpec,
        *,
        stride: int = 1,
        padding: int | tuple[int, int] | None = None,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        act: str = "relu",
    ) -> None:
        super().__init__()
        if padding is None:
            padding = same_padding(kernel, dilation)
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding, dilation, groups, bias)
        self.bn = BatchNorm(width, norm)
        self.act = activation(act, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class NormAct(nn.Module):
    """Batch norm - activation."""

    def __init__(self, channels: int, norm: NormSpec, *, act: str = "relu") -> None:
        super().__init__()
        self.bn = BatchNorm(channels, norm)
        self.act = activation(act, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class ConvNorm1d(nn.Module):
    """Bias-free pointwise convolution of [N, C, L] - batch norm."""

    def __init__(self, channels: int, width: int, norm: NormSpec) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, width, 1, bias=False)
        self.bn = BatchNorm(width, norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))
