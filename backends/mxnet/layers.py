"""Building blocks, with every default written out that differs between frameworks.

A hybridized block is a graph for every input size: nothing here asks an array for its shape. Sizes come from index
vectors (`arange_like`), and what depends on them (interpolation, strided pooling) is a product with matrices made of
them. `F` is `mxnet.ndarray` or `mxnet.symbol`.
"""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
from mxnet import autograd
from mxnet.gluon import HybridBlock, nn
from mxnet.gluon.contrib.nn import Identity
from mxnet.ndarray import NDArray
from mxnet.symbol import Symbol

from core.arch.parts import DropoutSpec, NormSpec, PyramidSpec

Tensor = NDArray | Symbol


class Network(HybridBlock):
    """A whole network: [N, 3, H, W] -> logits, main head first. Subclasses set `spec`."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Checks the size, which the graph could not, and returns a tuple whether hybridized or not."""
        if isinstance(x, NDArray):
            self.spec.check_input(*x.shape[2:])
            if autograd.is_training():
                self.spec.check_batch(x.shape[0], *x.shape[2:])
        outputs = super().forward(x)
        return tuple(outputs) if isinstance(outputs, list | tuple) else (outputs,)


class BatchNorm(nn.BatchNorm):
    """Batch norm over [N, C, ...].

    MXNet's momentum is the share the old statistics keep, its running variance the biased one; both statistics change
    in the backward pass, not in the forward.
    """

    def __init__(self, channels: int, spec: NormSpec) -> None:
        # scale=True: without it MXNet fixes the scale at 1 (`fix_gamma`).
        super().__init__(
            axis=1, momentum=1 - spec.momentum, epsilon=spec.eps, center=True, scale=True, in_channels=channels
        )


class PReLU(nn.PReLU):
    """A slope per channel of [N, C, H, W]. MXNet's own operator rounds the slope to float32."""

    def __init__(self, channels: int) -> None:
        super().__init__(in_channels=channels)

    def hybrid_forward(self, F: ModuleType, x: Tensor, alpha: Tensor) -> Tensor:
        return F.relu(x) - F.broadcast_mul(F.relu(-x), F.reshape(alpha, (1, -1, 1, 1)))


class GELU(HybridBlock):
    """x * Phi(x) with the normal distribution itself, no approximation.

    The fused operator, eight times as fast on a processor, keeps its constants in float32; in float64 the formula is
    written out. There, the derivative of MXNet's erf takes the root of pi in float32 too: the last term is 0 and
    brings its gradient to the right slope.
    """

    ERF_SLOPE_ERROR = float(np.sqrt(np.float32(np.pi))) / math.sqrt(math.pi) - 1

    def __init__(self) -> None:
        super().__init__()
        self.double = False

    def cast(self, dtype: str | type) -> None:
        self.double = np.dtype(dtype) == np.float64
        super().cast(dtype)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        if not self.double:
            return F.LeakyReLU(x, act_type="gelu")
        erf = F.erf(x * math.sqrt(0.5))
        erf = erf + self.ERF_SLOPE_ERROR * (erf - F.stop_gradient(erf))
        return 0.5 * x * (1 + erf)


def activation(name: str, channels: int) -> HybridBlock:
    """`relu`, `prelu` (a slope per channel) or `none`."""
    if name == "relu":
        return nn.Activation("relu")
    if name == "prelu":
        return PReLU(channels)
    return Identity()


class ConvNormAct(HybridBlock):
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
        self.conv = nn.Conv2D(width, kernel, stride, padding, dilation, groups, use_bias=bias, in_channels=channels)
        self.bn = BatchNorm(width, norm)
        self.act = activation(act, width)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class NormAct(HybridBlock):
    """Batch norm - activation."""

    def __init__(self, channels: int, norm: NormSpec, *, act: str = "relu") -> None:
        super().__init__()
        self.bn = BatchNorm(channels, norm)
        self.act = activation(act, channels)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class ConvNorm1d(HybridBlock):
    """Bias-free pointwise convolution of [N, C, L] - batch norm."""

    def __init__(self, channels: int, width: int, norm: NormSpec) -> None:
        super().__init__()
        self.conv = nn.Conv1D(width, 1, use_bias=False, in_channels=channels)
        self.bn = BatchNorm(width, norm)

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        # MXNet's float32 batch norm fails on the [N, C, L] that a Conv1D leaves, hence the fourth axis.
        return F.squeeze(self.bn(F.expand_dims(self.conv(x), axis=3)), axis=3)


class ScaledInInference(HybridBlock):
    """Dropout that leaves kept values as they are in training and multiplies by 1 - p in inference."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        return F.Dropout(x, p=self.p) * (1 - self.p)  # the operator divides by 1 - p in training alone


def dropout(spec: DropoutSpec) -> HybridBlock:
    if spec.p == 0:
        return Identity()
    if spec.scale == "inference":
        return ScaledInInference(spec.p)
    return nn.Dropout(spec.p, axes=(2, 3) if spec.unit == "channel" else ())


def concat(F: ModuleType, *maps: Tensor) -> Tensor:
    """[N, C1, ...], [N, C2, ...], ... to [N, C1 + C2 + ..., ...]. Networks use this, never `F.concat`.

    MXNet hands float32 arrays of two and four axes to oneDNN, whose backward pass takes slices of the gradient as it
    lies in memory. A convolution leaves it in blocks of 16 or 8 channels; a slice that begins or ends within a block
    ends the process (SIGFPE) or raises "could not construct a sub-memory". A further axis keeps every array plain.
    """
    plain = [F.expand_dims(x, axis=2) for x in maps]
    return F.squeeze(F.concat(*plain, dim=1), axis=2)


def multiply_sides(F: ModuleType, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[N, C, h, w] to [N, C, H, W] by the matrices `rows` [H, h] and `columns` [W, w]."""
    x = F.transpose(x, (2, 0, 1, 3))  # [h, N, C, w]: the transpositions are of the smaller maps
    x = F.transpose(F.dot(rows, x), (1, 2, 0, 3))  # [N, C, H, w]
    return F.dot(x, columns, transpose_b=True)


def interpolation_matrix(F: ModuleType, source: Tensor, target: Tensor, align_corners: bool) -> Tensor:
    """[H, h], linear interpolation along one side: `source` is the vector 0, 1, … h - 1, `target` 0, 1, … H - 1."""
    size, new_size = F.max(source) + 1, F.max(target) + 1
    if align_corners:
        position = F.broadcast_mul(target, F.broadcast_div(size - 1, F.maximum(new_size - 1, 1)))
    else:
        position = F.broadcast_mul(target + 0.5, F.broadcast_div(size, new_size)) - 0.5
    position = F.broadcast_minimum(F.maximum(position, 0), size - 1)
    distance = F.broadcast_sub(F.expand_dims(position, axis=1), F.expand_dims(source, axis=0))
    return F.relu(1 - F.abs(distance))


def resize(F: ModuleType, x: Tensor, like: Tensor, align_corners: bool) -> Tensor:
    """Bilinear resize of [N, C, h, w] to the sides of `like` [., ., H, W]; half-pixel centres unless `align_corners`.

    Two matrix products: exact in float64, where MXNet's own operator (BilinearResize2D) works in float32, right for
    sides of 1, where it is not, and several times as fast in the backward pass.
    """
    rows, columns = (
        interpolation_matrix(
            F, F.contrib.arange_like(x, axis=axis), F.contrib.arange_like(like, axis=axis), align_corners
        )
        for axis in (2, 3)
    )
    return multiply_sides(F, x, rows, columns)


def enlarge(F: ModuleType, x: Tensor, factor: int, align_corners: bool) -> Tensor:
    """Bilinear resize of [N, C, h, w] to [N, C, factor * h, factor * w]."""
    if factor == 1:
        return x
    matrices = []
    for axis in (2, 3):
        source = F.contrib.arange_like(x, axis=axis)
        target = F.reshape(F.stack(*[factor * source + i for i in range(factor)], axis=1), (-1,))
        matrices.append(interpolation_matrix(F, source, target, align_corners))
    return multiply_sides(F, x, *matrices)


def _strided_pool_matrix(F: ModuleType, x: Tensor, axis: int, bins: int) -> Tensor:
    """[bins, h]: the mean over windows of k = h // bins + 1, with k * bins - h places missing in front."""
    place = F.contrib.arange_like(x, axis=axis)
    size = F.max(place) + 1
    kernel = F.floor(size / bins) + 1
    window = F.floor(F.broadcast_div(F.broadcast_add(place, kernel * bins - size), kernel))  # [h]: which one holds it
    rows = F.stack(*[window == i for i in range(bins)], axis=0)
    return F.broadcast_div(rows, F.sum(rows, axis=1, keepdims=True))


def strided_pool(F: ModuleType, x: Tensor, bins: int) -> Tensor:
    """Mean over windows of side // bins + 1, the first cut short in front (SemSegPaddle): [N, C, bins, bins]."""
    rows, columns = (_strided_pool_matrix(F, x, axis, bins) for axis in (2, 3))
    return multiply_sides(F, x, rows, columns)


def adaptive_pool(F: ModuleType, x: Tensor, bins: int) -> Tensor:
    """Mean over bins x bins adaptive bins: [N, C, bins, bins]."""
    return F.contrib.AdaptiveAvgPooling2D(x, output_size=bins)


class PyramidPooling(HybridBlock):
    """Pooled, convolved and resized copies of the input, concatenated with it (core.arch.parts.PyramidSpec)."""

    def __init__(self, channels: int, spec: PyramidSpec, norm: NormSpec) -> None:
        super().__init__()
        self.spec = spec
        self.branches = nn.HybridSequential()
        self.branches.add(
            *[ConvNormAct(channels, spec.width, 1, norm, bias=spec.bias, act=spec.act) for _ in spec.bins]
        )

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> Tensor:
        pool = adaptive_pool if self.spec.pooling == "adaptive" else strided_pool
        pooled = [
            resize(F, branch(pool(F, x, bins)), x, self.spec.align_corners)
            for branch, bins in zip(self.branches, self.spec.bins)
        ]
        return concat(F, *([x, *pooled] if self.spec.input_first else [*pooled, x]))
