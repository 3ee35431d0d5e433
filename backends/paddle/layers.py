"""Building blocks, with every default written out that differs between frameworks."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from core.arch.parts import DropoutSpec, NormSpec, PyramidSpec

Side = int | Tensor  # of a map: a scalar tensor in a static graph that is made for any size


class Network(nn.Layer):
    """A whole network: [N, 3, H, W] -> logits, main head first. Subclasses set `spec`."""

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """Checks the size, which a static graph made for any size (`paddle.jit`) could not, and calls `forward`."""
        self.spec.check_input(*x.shape[2:])
        if self.training:
            self.spec.check_batch(x.shape[0], *x.shape[2:])
        return super().__call__(x)


class BatchNorm(nn.BatchNorm2D):
    """Batch norm over [N, C, ...]; Paddle's `momentum` is the share the old statistics keep.

    Its running variance is the biased one, as the contract asks. A batch of one value per channel, which PyTorch
    refuses, would get a variance of zero: refused here too, where the size is known.
    """

    def __init__(self, channels: int, spec: NormSpec) -> None:
        super().__init__(channels, momentum=1 - spec.momentum, epsilon=spec.eps, data_format="NCHW")

    def forward(self, x: Tensor) -> Tensor:
        if self.training and paddle.in_dynamic_mode() and x.size == x.shape[1]:
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


def multiply_sides(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[N, C, h, w] to [N, C, H, W] by the matrices `rows` [H, h] and `columns` [W, w], of any floating type."""
    across = paddle.matmul(x, columns.astype(x.dtype), transpose_y=True)  # [N, C, h, W]
    return paddle.matmul(rows.astype(x.dtype), across)


def interpolation_matrix(source: Side, target: Side, align_corners: bool) -> Tensor:
    """[H, h] float64, core.losses.interpolation_matrix where a side may be a tensor."""
    if align_corners:
        position = paddle.linspace(0, source - 1, target, dtype="float64")
    else:
        position = (paddle.arange(target, dtype="float64") + 0.5) * source / target - 0.5
        position = position.clip(0, source - 1)
    distance = position.unsqueeze(1) - paddle.arange(source, dtype="float64")
    return F.relu(1 - distance.abs())


def resize(x: Tensor, size: Sequence[Side], align_corners: bool) -> Tensor:
    """Bilinear resize of [N, C, h, w] to [N, C, *size]; half-pixel centres unless `align_corners`.

    Two matrix products: exact in float64, where Paddle's own kernel works out where to sample in float32, right for
    sides of 1, where it is not, and on a processor about twice as fast.
    """
    return multiply_sides(x, *(interpolation_matrix(*sides, align_corners) for sides in zip(x.shape[2:], size)))


def _adaptive_bins(side: Side, bins: int) -> Tensor:
    """[bins, h]: true inside each bin, floor(i * side / bins) to ceil((i + 1) * side / bins)."""
    place, i = paddle.arange(side), paddle.arange(bins).unsqueeze(1)
    return (place >= i * side // bins) & (place < ((i + 1) * side + bins - 1) // bins)


def _strided_bins(side: Side, bins: int) -> Tensor:
    """[bins, h]: true inside each window of k = side // bins + 1, with k * bins - side places missing in front."""
    kernel = side // bins + 1
    return (paddle.arange(side) + (kernel * bins - side)) // kernel == paddle.arange(bins).unsqueeze(1)


def _mean_matrix(inside: Tensor) -> Tensor:
    """[bins, h] float64: the mean over the places inside each bin."""
    inside = inside.astype("float64")
    return inside / inside.sum(axis=1, keepdim=True)


def adaptive_pool(x: Tensor, bins: int) -> Tensor:
    """Mean over bins x bins adaptive bins; exact in float64, where Paddle's gradient is rounded to float32."""
    if x.dtype == paddle.float64:
        return multiply_sides(x, *(_mean_matrix(_adaptive_bins(side, bins)) for side in x.shape[2:]))
    return F.adaptive_avg_pool2d(x, (bins, bins))


def strided_pool(x: Tensor, bins: int) -> Tensor:
    """[N, C, bins, bins]: means over windows of side // bins + 1, the first cut short in front (SemSegPaddle)."""
    return multiply_sides(x, *(_mean_matrix(_strided_bins(side, bins)) for side in x.shape[2:]))


class PyramidPooling(nn.Layer):
    """Pooled, convolved and resized copies of the input, concatenated with it (core.arch.parts.PyramidSpec)."""

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
