"""Several processes: MXNet's kvstore `dist_sync` through ps-lite. One scheduler, servers and workers, by environment.

The scheduler and the servers run the same command as the workers: importing MXNet makes them what they are.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence

import mxnet as mx
import numpy as np
from mxnet import nd
from mxnet.ndarray import NDArray

import backends.mxnet as package
from core.bond import Member
from core.shard import ALONE, Processes, Shard

Arrays = list[NDArray]


class MXNetProcesses:
    """core.shard.Processes. A key of the store is a sum that the server makes when all workers have sent theirs."""

    def __init__(self, shard: Shard) -> None:
        self._store = mx.kv.create("dist_sync")
        self._lock = threading.Lock()
        self._keys: dict[tuple[object, ...], int] = {}
        self.shard = Shard(self._store.rank, shard.world)

    def key(self, size: int, dtype: str, *use: object) -> int:
        """The key of a sum of `size` values for some `use`; a new one is made by all processes in the same order."""
        name = (size, dtype, *use)
        if name not in self._keys:
            self._keys[name] = len(self._keys)
            length = size if dtype == "float32" else 3 * self.shard.world * size
            self._store.init(self._keys[name], nd.zeros((length,)))
        return self._keys[name]

    def exchange(self, key: int, own: np.ndarray) -> np.ndarray:
        """The sum of all processes' arrays [n] under a key; waits for it. From any thread.

        The server adds up float32 whatever it is sent. So float64 goes in three pieces of 24 bits, each process's in a
        place of its own where the others have zeros, and is added up here.
        """
        if own.dtype == np.float32:
            return self._through_server(key, own)
        pieces = np.zeros((3, self.shard.world, own.size), np.float32)
        rest = own.astype(np.float64)
        for piece in pieces[:, self.shard.rank]:
            piece[:] = rest
            rest = rest - piece
        found = self._through_server(key, pieces.ravel()).reshape(pieces.shape).astype(np.float64)
        return np.asarray((found[2] + found[1] + found[0]).sum(axis=0))

    def _through_server(self, key: int, own: np.ndarray) -> np.ndarray:
        found = nd.empty(own.shape)
        with self._lock:
            self._store.push(key, nd.array(own))
            self._store.pull(key, out=found)
        return np.asarray(found.asnumpy())

    def sum(self, array: np.ndarray) -> np.ndarray:
        flat = array.astype(np.float64).ravel()
        return self.exchange(self.key(flat.size, "float64"), flat).reshape(array.shape).astype(array.dtype)

    def gather(self, array: np.ndarray) -> list[np.ndarray]:
        sizes = self.sum(np.eye(self.shard.world, dtype=np.int64)[self.shard.rank] * array.size)
        rows = np.zeros((self.shard.world, max(int(sizes.max()), 1)), array.dtype)
        rows[self.shard.rank, : array.size] = array
        return [row[: int(size)] for row, size in zip(self.sum(rows), sizes)]

    def leave(self) -> None:
        if isinstance(package.BOND, Member):
            package.BOND.leave()

    def sum_arrays(self, arrays: Sequence[NDArray]) -> None:
        """The sum over all processes, in place and in one piece."""
        flat = np.concatenate([array.asnumpy().ravel() for array in arrays])
        summed = self.exchange(self.key(flat.size, str(flat.dtype), "arrays"), flat)
        start = 0
        for array in arrays:
            array[:] = summed[start : start + array.size].reshape(array.shape)
            start += array.size


@functools.cache
def connect() -> Processes:
    """This run's processes, by ps-lite's environment variables."""
    return MXNetProcesses(Shard(0, package.WORKERS)) if package.WORKERS > 1 else ALONE


@mx.operator.register("synchronised_norm")
class _Prop(mx.operator.CustomOpProp):
    """Arguments x, gamma, beta; outputs y, and the mean and biased variance of all processes' values."""

    def __init__(self, layer: str, eps: str) -> None:
        super().__init__(need_top_grad=True)
        self.layer, self.eps = layer, float(eps)

    def list_arguments(self) -> list[str]:
        return ["x", "gamma", "beta"]

    def list_outputs(self) -> list[str]:
        return ["y", "mean", "variance"]

    def infer_shape(self, shapes: list[list[int]]) -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
        channels = [shapes[0][1]]
        return [shapes[0], channels, channels], [shapes[0], channels, channels], []

    def create_operator(self, device: object, shapes: object, dtypes: object) -> mx.operator.CustomOp:
        processes = connect()
        assert isinstance(processes, MXNetProcesses)
        return _SynchronisedNorm(self.layer, self.eps, processes)


class _SynchronisedNorm(mx.operator.CustomOp):
    """Batch norm over the values of all processes, in numpy: MXNet's own SyncBatchNorm is of one process's devices.

    Means and squared deviations of the processes are put together as Chan et al. (1979) do: no square of a mean is
    subtracted from a mean of squares.
    """

    def __init__(self, layer: str, eps: float, processes: MXNetProcesses) -> None:
        super().__init__()
        self.layer, self.eps, self.processes = layer, eps, processes

    def forward(self, is_train: bool, req: list[str], in_data: Arrays, out_data: Arrays, aux: Arrays) -> None:
        x, gamma, beta = (array.asnumpy() for array in in_data)
        axes, shape = (0, *range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
        mean = x.mean(axis=axes)
        variance = np.square(x - mean.reshape(shape)).mean(axis=axes)
        rows = np.zeros((self.processes.shard.world, 2 * len(mean) + 1), x.dtype)
        rows[self.processes.shard.rank] = np.concatenate([mean, variance, [x.size // x.shape[1]]])
        key = self.processes.key(rows.size, str(x.dtype), self.layer, "forward")
        found = self.processes.exchange(key, rows.ravel()).reshape(rows.shape)
        counts, means = found[:, -1:], found[:, : len(mean)]
        share = counts / counts.sum()
        mean = (means * share).sum(axis=0)
        variance = ((found[:, len(mean) : -1] + np.square(means - mean)) * share).sum(axis=0)
        self.scale, self.count = 1 / np.sqrt(variance + x.dtype.type(self.eps)), counts.sum()
        self.normal = (x - mean.reshape(shape)) * self.scale.reshape(shape)
        y = self.normal * gamma.reshape(shape) + beta.reshape(shape)
        for output, how, value in zip(out_data, req, (y, mean, variance)):
            self.assign(output, how, nd.array(value, dtype=value.dtype))

    def backward(
        self, req: list[str], out_grad: Arrays, in_data: Arrays, out_data: Arrays, in_grad: Arrays, aux: Arrays
    ) -> None:
        slope, gamma = out_grad[0].asnumpy(), in_data[1].asnumpy()
        axes, shape = (0, *range(2, slope.ndim)), (1, -1) + (1,) * (slope.ndim - 2)
        of_beta, of_gamma = slope.sum(axis=axes), (slope * self.normal).sum(axis=axes)
        key = self.processes.key(2 * len(gamma), str(slope.dtype), self.layer, "backward")
        summed = self.processes.exchange(key, np.concatenate([of_beta, of_gamma])) / self.count
        mean, along = (part.reshape(shape) for part in np.split(summed, 2))
        at_x = (slope - mean - self.normal * along) * (gamma * self.scale).reshape(shape)
        for gradient, how, value in zip(in_grad, req, (at_x, of_gamma, of_beta)):
            self.assign(gradient, how, nd.array(value, dtype=slope.dtype))
