"""The configuration of a run: a typed schema, YAML files with at most one `base:`, and `--set a.b=c` overrides.

Everything is checked before anything else starts: an unknown key, a wrong type or a wrong value is a ConfigError that
names the file, the key's path and the nearest valid key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from core.arch import Spec, build
from core.data import Dataset, open_dataset
from core.data.transforms import EvalTransform, Normalize, TrainTransform, find_normalization
from core.errors import ConfigError, DataError
from core.evaluation.protocol import EvaluationProtocol
from core.losses import LossConfig
from core.optim import OptimizerConfig
from core.schedule import Schedule
from core.schema import to_plain, update

Size = tuple[int, int]


@dataclass(frozen=True)
class ModelConfig:
    """`preset` of core.arch and what differs from it; `num_classes` is the data set's unless given."""

    preset: str = "fast_scnn"
    num_classes: int | None = None
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataConfig:
    """Data set, where it lies, its splits for training and validation; `options` are those of the data set's class."""

    dataset: str = "roadscape"
    root: str | None = None
    train: str = "train"
    val: str = "val"
    options: dict[str, Any] = field(default_factory=dict)
    workers: int = 0


@dataclass(frozen=True)
class TransformConfig:
    """How pictures become network inputs; see core.data.transforms.TrainTransform. Sizes are (height, width)."""

    normalize: str | Normalize = "imagenet"
    resize: Size | None = None
    scale: tuple[float, float] = (0.5, 2.0)
    scales: tuple[float, ...] = ()
    crop: Size = (512, 512)
    cat_max_ratio: float | None = None
    flip: float = 0.5
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    jitter_probability: float = 0.5
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 1.5)


@dataclass(frozen=True)
class TrainConfig:
    """Length and bookkeeping of a run, counted in iterations (optimizer steps).

    batch_size pictures make an iteration, run in `accumulation` parts of equal size. Intervals of 0 mean only at the
    end. clip_norm: largest global norm of the gradient. precision: what the network computes in; `mixed` (bfloat16
    where it does no harm, weights in float32) where the device has it; `float64`, thrice as slow, to tell rounding
    from error.
    """

    batch_size: int = 8
    accumulation: int = 1
    iterations: int = 1000
    log_interval: int = 10
    eval_interval: int = 0
    checkpoint_interval: int = 100
    sample_predictions: int = 2
    clip_norm: float | None = None
    precision: Literal["float32", "float64", "mixed"] = "float32"

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.accumulation < 1 or self.batch_size % self.accumulation:
            raise ValueError(
                f"batch_size {self.batch_size} must be a multiple of accumulation {self.accumulation}, both at least 1"
            )
        if self.iterations < 1 or min(self.log_interval, self.eval_interval, self.checkpoint_interval) < 0:
            raise ValueError("iterations must be at least 1 and intervals not negative")

    @property
    def dtype(self) -> str:
        """Of the weights and of what goes into the network."""
        return "float64" if self.precision == "float64" else "float32"


@dataclass(frozen=True)
class ScheduleConfig:
    """The learning rate's course; the formulas stand in core/schedule.py."""

    policy: Literal["poly", "cosine", "step", "constant"] = "poly"
    power: float = 0.9
    end_lr: float = 0.0
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    last_is_end: bool = False
    warmup: Literal["linear", "constant"] = "linear"
    warmup_iterations: int = 0
    warmup_ratio: float = 0.1


@dataclass(frozen=True)
class MetricsConfig:
    """How counts become scores.

    absent: a class neither labelled nor predicted is left out of the mean (`skip`, as Cityscapes does) or counts as 0
    (`zero`, MXNetSeg). mean_over: the class numbers the means are taken over; all by default.
    """

    absent: Literal["skip", "zero"] = "skip"
    mean_over: tuple[int, ...] | None = None


@dataclass(frozen=True)
class LoggingConfig:
    """Beside metrics.jsonl: TensorBoard event files in the run directory, Weights & Biases under a project's name."""

    tensorboard: bool = False
    wandb_project: str | None = None


@dataclass(frozen=True)
class Config:
    """All that decides a run. The same config and seed give the same run in every framework."""

    seed: int = 0
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    transform: TransformConfig = field(default_factory=TransformConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    evaluation: EvaluationProtocol = field(default_factory=EvaluationProtocol)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)

    def open_dataset(self, split: str, **options: Any) -> Dataset:
        return open_dataset(self.data.dataset, split, root=self.data.root, **{**self.data.options, **options})

    def spec(self, num_classes: int) -> Spec:
        """The network's spec for a data set of `num_classes`."""
        return build(self.model.preset, self.model.num_classes or num_classes, self.model.overrides)

    def learning_rate(self) -> Schedule:
        options = to_plain(self.schedule)
        policy = options.pop("policy")
        return Schedule(policy, self.optimizer.lr, self.train.iterations, **options)

    def train_transform(self) -> TrainTransform:
        options = {name: getattr(self.transform, name) for name in self.transform.__dataclass_fields__}
        return TrainTransform(**options)

    def eval_transform(self) -> EvalTransform:
        return EvalTransform(normalize=self.transform.normalize)


def load_config(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    text: str | None = None,
    where: str = "configuration",
) -> Config:
    """The defaults, changed by the YAML file at `path` (and its base), changed by `key.path=value` overrides.

    `text` is YAML instead of a file; `where` names it in errors.
    """
    config = Config()
    if path is not None:
        where = str(path)
        for file, values in _read_chain(Path(path)):
            config = update(config, values, str(file))
    elif text is not None:
        config = update(config, _parse(text, where), where)
    for override in overrides:
        config = update(config, _parse_override(override), f"--set {override}")
    _check(config, where)
    return config


def dump_config(config: Config) -> str:
    """The whole resolved configuration as YAML, which `load_config` reads back to the same value."""
    return yaml.safe_dump(to_plain(config), sort_keys=False, default_flow_style=None, width=100)


def _read_chain(path: Path) -> list[tuple[Path, Mapping[str, Any]]]:
    """The file, after its base if it has one; a base has none of its own."""
    values = _read_yaml(path)
    base = values.pop("base", None)
    if base is None:
        return [(path, values)]
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base: expected the path of a YAML file, got {base!r}")
    base_path = path.parent / base
    base_values = _read_yaml(base_path)
    if "base" in base_values:
        raise ConfigError(f"{base_path}: is the base of {path} and may not have a base of its own")
    return [(base_path, base_values), (path, values)]


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        return _parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: is not valid YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: expected keys and values at the top level")
    return values


def _parse_override(text: str) -> dict[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"--set {text}: expected key.path=value")
    try:
        nested: Any = yaml.safe_load(value) if value else None
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not valid YAML: {error}") from error
    for part in reversed(key.strip().split(".")):
        nested = {part: nested}
    return nested


def _check(config: Config, where: str) -> None:
    """What a single field cannot tell: names of presets, data sets and normalisations, and how fields go together."""
    try:
        find_normalization(config.transform.normalize)
        config.train_transform()
        config.learning_rate()
    except (ConfigError, DataError) as error:
        raise ConfigError(f"{where}: {error}") from error
    build(config.model.preset, config.model.num_classes, config.model.overrides, where=where)
