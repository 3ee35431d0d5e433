"""Building blocks, with every default written out that differs between frameworks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from core.arch.layers import DropoutSpec, NormSpec, PyramidSpec
from core.losses import interpolation_matrix


class BatchNorm(nn.BatchNorm2D):
    """Batch norm over [N, C, ...]; Paddle's `momentum` is the share the old statistics keep.

    Its running variance is the biased one, as the contract asks. A batch of one value per channel, which PyTorch
    refuses, would get a variance of zero: refused here too.
    """

    def __init__(self, channels: int, spec: NormSpec) -> None:
        super().__init__(channels, momentum=1 - spec.momentum, epsilon=spec.eps, data_format="NCHW")

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.size == x.shape[1]:
            raise ValueError(f"batch norm cannot train on one value per channel: {list(x.shape)}")
        return F.batch_norm(
            x,
            self._mean,
            self._variance,
            self.weight,
            self.bias,
            training=self.training,
            momentum=self._momentum,
            epsilon=self._epsilon,
            data_format="NCHW",  # of [N, C, L] as well
            use_global_stats=None,
        )


def activation(name: str, channels: int) -> nn.Layer:
    """`relu`, `prelu` (a slope per channel) or `none`."""
    if name == "relu":
        return nn.ReLU()
    if name == "prelu":
        return nn.PReLU(num_parameters=channels, data_format="NCHW")
    return nn.Identity()


class ConvNormAct(nn.Layer):
    """Convolution - batch norm - activation. Padding keeps the size at stride 1 unless given."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        norm: NormSpec,
        *,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        act: str = "relu",
    ) -> None:
        super().__init__()
        if padding is None:
            padding = dilation * (kernel // 2)
        self.conv = nn.Conv2D(
            channels, width, kernel, stride, padding, dilation, groups, bias_attr=None if bias else False
        )
        self.bn = BatchNorm(width, norm)
        self.act = activation(act, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class NormAct(nn.Layer):
    """Batch norm - activation."""

    def __init__(self, channels: int, norm: NormSpec, *, act: str = "relu") -> None:
        super().__init__()
        self.bn = BatchNorm(channels, norm)
        self.act = activation(act, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class ConvNorm1d(nn.Layer):
    """Bias-free pointwise convolution of [N, C, L] - batch norm."""

    def __init__(self, channels: int, width: int, norm: NormSpec) -> None:
        super().__init__()
        self.conv = nn.Conv1D(channels, width, 1, bias_attr=False)
        self.bn = BatchNorm(width, norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


def dropout(spec: DropoutSpec) -> nn.Layer:
    if spec.p == 0:
        return nn.Identity()
    if spec.scale == "inference":
        return nn.Dropout(spec.p, mode="downscale_in_infer")
    return nn.Dropout2D(spec.p) if spec.unit == "channel" else nn.Dropout(spec.p, mode="upscale_in_train")


def _separable(x: Tensor, rows: np.ndarray, columns: np.ndarray) -> Tensor:
    """[N, C, h, w] to [N, C, H, W] by `rows` [H, h] and `columns` [W, w]."""
    down = paddle.matmul(paddle.to_tensor(rows, dtype=x.dtype), x)
    return paddle.matmul(down, paddle.to_tensor(columns, dtype=x.dtype), transpose_y=True)


def resize(x: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """Bilinear resize of [N, C, h, w] to [N, C, *size]; half-pixel centres unless `align_corners`.

    Paddle's kernel works out where to sample in float32 even for float64 maps, and samples place 0 where one row or
    column is asked for: these two cases go through the interpolation matrices.
    """
    size = tuple(size)
    if tuple(x.shape[2:]) == size:
        return x
    if x.dtype == paddle.float64 or 1 in size:
        rows, columns = (interpolation_matrix(*sides, align_corners) for sides in zip(x.shape[2:], size))
        return _separable(x, rows, columns)
    # align_mode 0: half-pixel centres; Paddle ignores it where corners are aligned.
    return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners, align_mode=0, data_format="NCHW")


def _bin_matrix(side: int, bins: int) -> np.ndarray:
    """[bins, side]: the mean over each adaptive bin, floor(i * side / bins) to ceil((i + 1) * side / bins)."""
    matrix = np.zeros((bins, side))
    for i in range(bins):
        start, end = i * side // bins, -(-(i + 1) * side // bins)
        matrix[i, start:end] = 1 / (end - start)
    return matrix


def adaptive_pool(x: Tensor, bins: int) -> Tensor:
    """Mean over bins x bins adaptive bins; exact in float64, where Paddle's gradient is rounded to float32."""
    if x.dtype == paddle.float64:
        return _separable(x, _bin_matrix(x.shape[2], bins), _bin_matrix(x.shape[3], bins))
    return F.adaptive_avg_pool2d(x, bins)


def strided_pool(x: Tensor, bins: int) -> Tensor:
    """[N, C, bins, bins]: means over windows of side // bins + 1, the first cut short in front (SemSegPaddle)."""
    kernel = [side // bins + 1 for side in x.shape[2:]]
    pad = [k * bins - side for k, side in zip(kernel, x.shape[2:])]
    padding = [pad[0], 0, pad[1], 0]  # top, bottom, left, right
    return F.avg_pool2d(x, kernel, stride=kernel, padding=padding, ceil_mode=False, exclusive=True)


class PyramidPooling(nn.Layer):
    """Pooled, convolved and resized copies of the input, concatenated with it (core.arch.layers.PyramidSpec)."""

    def __init__(self, channels: int, spec: PyramidSpec, norm: NormSpec) -> None:
        super().__init__()
        self.spec = spec
        self.branches = nn.LayerList(
            [ConvNormAct(channels, spec.width, 1, norm, bias=spec.bias, act=spec.act) for _ in spec.bins]
        )

    def forward(self, x: Tensor) -> Tensor:
        pool = adaptive_pool if self.spec.pooling == "adaptive" else strided_pool
        pooled = [
            resize(branch(pool(x, bins)), x.shape[2:], self.spec.align_corners)
            for branch, bins in zip(self.branches, self.spec.bins)
        ]
        return paddle.concat([x, *pooled] if self.spec.input_first else [*pooled, x], axis=1)
