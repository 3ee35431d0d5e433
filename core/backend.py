"""What a backend brings: the one contract between what no framework decides and a framework.

`backends/<name>/` holds, for everything that runs it by name:

    learner.py     Learner     a network with its loss and optimizer: training
    inference.py   Predictor   a network in inference mode: evaluation and prediction
    device.py      Devices     versions, devices by the names of the command line, a device's memory
    distributed.py connect     the processes of a run (core.shard.Processes), as the framework's launcher started them
    state.py       States      the canonical state in and out of the framework's network
    parity.py      Adapter     numpy in, numpy out: what the proof of equality asks for
    graphs.py      Graphs      networks as files for other runtimes

A runtime (`trains: false` in its description) has inference.py and device.py alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from core.arch import Spec
from core.config import Config
from core.data.pipeline import TrainingSamples
from core.export import ExportForm
from core.losses import Objective
from core.shard import ALONE, Processes

Batch = tuple[np.ndarray, np.ndarray]  # images float32 [N, 3, H, W], labels int64 [N, H, W]


class Predictor(Protocol):
    """A network in inference mode."""

    def logits(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> the main head's logits resized to `size`, float32 [N, C, *size]."""

    def labels(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 [N, 3, h, w] -> the most likely class at `size`, uint8 [N, *size]; lowest index on ties."""


# (spec, canonical state, device as on the command line) -> its network
PredictorType = Callable[[Spec, dict[str, np.ndarray], str], Predictor]


class MovingAverage(Protocol):
    """The average of a learner's weights and statistics (core.moving_average)."""

    def get_state(self) -> dict[str, np.ndarray]: ...

    def set_state(self, state: Mapping[str, np.ndarray]) -> None: ...


class Learner(Protocol):
    """A network with its loss and optimizer."""

    backend: ClassVar[str]

    def __init__(self, spec: Spec, config: Config, device: str) -> None:
        """Raises ConfigError for a device or a precision that the framework has not."""

    @property
    def average(self) -> MovingAverage | None:
        """Of the weights, where train.ema asks for one."""

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Weights and batch-norm statistics by canonical name; an average of them starts there."""

    def get_state(self) -> dict[str, np.ndarray]: ...

    def set_optimizer_state(self, state: Mapping[str, np.ndarray], steps: int) -> None:
        """The optimizer's tensors by `<slot>.<canonical name>`, and the number of steps done."""

    def get_optimizer_state(self) -> dict[str, np.ndarray]: ...

    def load_batches(self, samples: TrainingSamples, batch_size: int, workers: int) -> Iterator[Batch]:
        """Batches of `batch_size` consecutive samples, through the framework's own loader.

        What is wrong with a sample is raised as the samples raised it, with any number of workers.
        """

    def backward(self, images: Sequence[np.ndarray], objective: Objective, seed: int) -> list[float]:
        """The gradients of the whole batch, given in parts; each term's value, unweighted. Sets the random seed.

        images: of each part, float32 [N, 3, H, W]; `objective` has the parts' labels and what they cost. Of several
        processes each is given its share, and all have the whole batch's gradients and values afterwards.
        """

    def update(self, lr: float) -> None:
        """One optimizer step (with gradient clipping, if configured)."""

    def wait(self) -> None:
        """Returns when all that was asked for is done: frameworks queue work, MXNet even on a processor."""

    def predictor(self) -> Predictor:
        """The network as it is now, or its average where there is one, in inference mode."""


class Devices(Protocol):
    """The module `device.py`."""

    def version(self) -> str:
        """The framework and its version, "torch 2.4.0"."""

    def find_device(self, name: str) -> Any:
        """The framework's device for auto, cpu, gpu or gpu:N. Raises ConfigError for one that is not there."""

    def device_memory_mib(self, name: str) -> float | None:
        """The most memory that arrays have taken on that GPU so far, MiB; None where the framework cannot tell."""

    def is_gpu(self, name: str) -> bool:
        """Whether the name stands for a GPU here. Raises ConfigError for a device that is not there."""


@dataclass(frozen=True)
class Backend:
    """What the jobs need of a backend.

    stored: opens a network that was exported for the runtime (file, device), where the backend is one.
    """

    name: str
    learner: Callable[[Spec, Config, str], Learner]
    predictor: PredictorType
    devices: Devices
    connect: Callable[[], Processes] = lambda: ALONE  # the run's processes, by the launcher's environment variables
    stored: Callable[[Path, str], Predictor] | None = None


Runner = Callable[[np.ndarray], np.ndarray]  # what an exported network takes -> what it gives


class Graphs(Protocol):
    """The module `graphs.py`: networks as files that a runtime runs without this project."""

    def save(self, target: str, spec: Spec, state: Mapping[str, np.ndarray], form: ExportForm, path: Path) -> None:
        """Writes the network for `target`, complete or not at all. Raises ConfigError where something is missing."""

    def load(self, target: str, path: Path) -> Runner:
        """The file in its own runtime, on the processor."""


class QuantizingGraphs(Graphs, Protocol):
    """The module `graphs.py` of a backend that writes ONNX."""

    def quantize(self, source: Path, out: Path, inputs: Iterator[np.ndarray], metadata: Mapping[str, str]) -> None:
        """An 8-bit copy of the ONNX file `source`, calibrated with `inputs`, each what the network takes."""


class States(Protocol):
    """The module `state.py`; `model` is a network of the framework."""

    def set_state(self, model: Any, state: Mapping[str, np.ndarray]) -> None:
        """Every parameter and statistic of `state`, by canonical name."""

    def get_state(self, model: Any) -> dict[str, np.ndarray]: ...

    def names(self, model: Any) -> Any:
        """The canonical names in the network's own order."""


class Recorder(Protocol):
    """Who is told what submodules take and give."""

    def enter(self, name: str, array: np.ndarray | None) -> None: ...

    def leave(self, name: str, array: np.ndarray | None) -> None: ...


class Adapter(Protocol):
    """The module `parity.py`; `model` is a network of the framework, `learner` its Learner."""

    def build(self, spec: Spec, dtype: str) -> Any:
        """The network of `spec`, computing in `dtype` ("float32", "float64")."""

    def forward(self, model: Any, x: np.ndarray, train: bool) -> list[np.ndarray]:
        """The logits of `x` [N, 3, H, W] at the heads' own resolution; `train` normalises by the batch."""

    def resize(self, logits: np.ndarray, size: tuple[int, int], align_corners: bool) -> np.ndarray:
        """The framework's own bilinear resize, [N, C, h, w] -> [N, C, *size]."""

    def trace(self, model: Any, x: np.ndarray, train: bool, depth: int, recorder: Any) -> list[np.ndarray]:
        """Tells the Recorder what each submodule down to `depth` names takes and gives; returns the logits."""

    def mine(self, outputs: list[list[np.ndarray]], objective: Objective) -> None:
        """Settles which pixels are hard of all parts' outputs, before `loss` is asked for each part."""

    def loss(
        self, outputs: list[np.ndarray], objective: Objective, part: int = 0
    ) -> tuple[list[float], list[np.ndarray]]:
        """Each term's value for a part of the batch, and the gradients of their weighted sum at its outputs."""

    def gradients(self, learner: Any) -> dict[str, np.ndarray]:
        """By canonical name, of every learnable parameter; zeros where a parameter has none."""

    def set_gradients(self, learner: Any, given: Mapping[str, np.ndarray]) -> None:
        """Puts `given` where a backward pass would have left its gradients."""
