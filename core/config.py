"""The configuration of a run: a typed schema, YAML files with at most one `base:`, and `--set a.b=c` overrides.

Everything is checked before anything else starts: an unknown key, a wrong type or a wrong value is a ConfigError that
names the file, the key's path and the nearest valid key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml

from core.arch import Spec, build
from core.data import DATASETS, Dataset, LabelSpace, label_space, open_dataset
from core.data.augmentations import PRESETS as AUGMENTATIONS
from core.data.cache import Kind as CacheKind
from core.data.cache import cached
from core.data.sampler import Sampling
from core.data.transforms import EvalTransform, TrainTransform
from core.errors import ConfigError, DataError
from core.evaluation.protocol import EvaluationProtocol
from core.losses import LossConfig
from core.optim import OptimizerConfig
from core.ranges import Adjustable, Checked, Length, Range, When
from core.recipe import RecipeConfig
from core.schedule import Schedule, ScheduleConfig
from core.schema import at, to_plain, update
from core.settings import Layer, Origins, merge_layers, parse_setting, parse_text, read_layers, settle_unread

Count = Annotated[int, Range(1)]
Interval = Annotated[int, Range(0), Adjustable()]  # 0: never but at the end


@dataclass(frozen=True)
class ModelConfig(Checked):
    """`preset` of core.arch and what differs from it; `num_classes` is the data set's unless given."""

    preset: str = "fast_scnn"
    num_classes: Annotated[int, Range(1, 256)] | None = None
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataConfig(Checked):
    """Data set, where it lies, its splits for training and validation; `options` are those of the data set's class.

    sampling: which samples an epoch shows (core.data.sampler). cache: whether decoded training samples are kept, up to
    cache_gib GiB, in shared memory as long as the run lasts or on a disk for the next one (core.data.cache).
    unreadable: a training picture that cannot be read, or does not fit its label map, ends the run (`stop`), or the
    next one is taken for it (`skip`) and it is noted in the run's skipped.txt; validation stops in any case.
    """

    dataset: str = "roadscape"
    root: Annotated[str | None, Adjustable()] = None
    train: str = "train"
    val: str = "val"
    options: dict[str, Any] = field(default_factory=dict)
    workers: Annotated[int, Range(0), Adjustable()] = 0
    sampling: Sampling = field(default_factory=Sampling)
    cache: Annotated[CacheKind, Adjustable()] = "none"
    cache_dir: Annotated[str | None, When("cache", "disk"), Adjustable()] = None
    cache_gib: Annotated[float, Range(above=0), When("cache", "memory", "disk"), Adjustable()] = 8.0
    unreadable: Annotated[Literal["stop", "skip"], Adjustable()] = "stop"

    @property
    def skips(self) -> bool:
        """Whether training pictures that cannot be read are left out."""
        return self.unreadable == "skip"


@dataclass(frozen=True)
class TrainConfig(Checked):
    """Length and bookkeeping of a run, counted in iterations (optimizer steps).

    batch_size pictures make an iteration, run in `accumulation` parts of equal size. Intervals of 0 mean only at the
    end. scale_lr: the rate is made that of this batch by the rule of core.recipe, given the published one's
    (`recipe.batch_size`). worst_pictures: of each validation, kept with their label maps. clip_norm: largest global
    norm of the gradient.
    ema: decay of a moving average of the weights, which is what is scored (core.moving_average). freeze_bn: batch norms
    keep their statistics, as pretrained; scales and shifts learn. precision: what the network computes in; `bf16` and
    `fp16` are the framework's autocast (weights, norms and losses stay float32; fp16 with a loss scale,
    core.loss_scale) and are refused where framework or device have none; `float64`, thrice as slow, to tell rounding
    from error. compile: one graph for the size of the crop (torch.compile, Paddle's to_static, Gluon with static
    shapes). channels_last: PyTorch alone, which is up to 1.3 times as fast so on a processor. checkpoint_stages:
    blocks of the backbone keep their inputs alone and are computed again in the backward pass: less memory, more time
    (PyTorch, Paddle). sync_batch_norm: of
    several processes: batch norm over the pictures of all of them (in one process it is batch norm); without it each
    has its own, and the running statistics are the processes' mean.
    """

    batch_size: Count = 8
    accumulation: Count = 1
    iterations: Annotated[int, Range(1), Adjustable()] = 1000
    log_interval: Interval = 10
    eval_interval: Interval = 0
    checkpoint_interval: Interval = 100
    sample_predictions: Annotated[int, Range(0), Adjustable()] = 2
    worst_pictures: Annotated[int, Range(0), Adjustable()] = 4
    clip_norm: Annotated[Annotated[float, Range(above=0)] | None, Adjustable()] = None
    precision: Literal["float32", "float64", "bf16", "fp16"] = "float32"
    compile: Annotated[bool, Adjustable()] = False
    channels_last: Annotated[bool, Adjustable()] = False
    checkpoint_stages: Annotated[bool, Adjustable()] = False
    scale_lr: bool = False
    ema: Annotated[float, Range(0, below=1)] | None = None
    freeze_bn: bool = False
    sync_batch_norm: bool = True

    def __post_init__(self) -> None:
        if self.batch_size % self.accumulation:
            raise ConfigError(f"batch_size {self.batch_size} must be a multiple of accumulation {self.accumulation}")
        if self.compile and self.checkpoint_stages:
            raise ConfigError("compile and checkpoint_stages exclude each other: a graph plans its own memory")

    @property
    def part_size(self) -> int:
        """Pictures of a part of the batch, over all processes."""
        return self.batch_size // self.accumulation

    @property
    def dtype(self) -> str:
        """Of the weights and of what goes into the network."""
        return "float64" if self.precision == "float64" else "float32"


@dataclass(frozen=True)
class MetricsConfig(Checked):
    """How counts become scores.

    absent: a class neither labelled nor predicted is left out of the mean (`skip`, as Cityscapes does) or counts as 0
    (`zero`, MXNetSeg). mean_over: the class numbers the means are taken over; all by default.
    """

    absent: Literal["skip", "zero"] = "skip"
    mean_over: Annotated[tuple[Annotated[int, Range(0, 255)], ...], Length(1)] | None = None


@dataclass(frozen=True)
class LoggingConfig(Checked):
    """Beside metrics.jsonl: TensorBoard event files in the run directory, Weights & Biases under a project's name."""

    tensorboard: Annotated[bool, Adjustable()] = False
    wandb_project: Annotated[str | None, Adjustable()] = None


@dataclass(frozen=True)
class Config(Checked):
    """All that decides a run. The same config and seed give the same run in every framework."""

    seed: Annotated[int, Range(0, below=2**63)] = 0
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    transform: TrainTransform = field(default_factory=TrainTransform)
    train: TrainConfig = field(default_factory=TrainConfig)
    recipe: RecipeConfig = field(default_factory=RecipeConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    evaluation: EvaluationProtocol = field(default_factory=EvaluationProtocol)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)

    def open_dataset(self, split: str, **options: Any) -> Dataset:
        return open_dataset(self.data.dataset, split, root=self.data.root, **{**self.data.options, **options})

    def open_training_set(self) -> Dataset:
        """The training split, its decoded samples kept as `data.cache` says."""
        return cached(
            self.open_dataset(self.data.train),
            self.data.cache,
            self.data.cache_dir,
            self.data.cache_gib,
            self.data.options,
        )

    def label_space(self) -> LabelSpace:
        """Classes and colours of the data set with its options, told without its files."""
        return label_space(self.data.dataset, self.data.options)

    def spec(self, num_classes: int) -> Spec:
        """The network's spec for a data set of `num_classes`."""
        return build(self.model.preset, self.model.num_classes or num_classes, self.model.overrides)

    def segmenter(self, num_classes: int) -> Spec:
        """The same for a network that labels pixels. Raises ConfigError for one that labels pictures."""
        spec = self.spec(num_classes)
        if not spec.segments:
            raise ConfigError(
                f"model.preset: {self.model.preset} labels pictures, not their pixels: its weights convert, and their "
                "backbone starts a segmentation network (--weights)"
            )
        return spec

    def learning_rate(self) -> Schedule:
        """The rate of each iteration; scaled to the batch where `train.scale_lr` asks for it."""
        factor = 1.0
        if self.train.scale_lr:
            factor = self.recipe.factor(self.train.batch_size, self.optimizer.name)
        schedule = replace(self.schedule, end_lr=self.schedule.end_lr * factor)
        return Schedule(schedule, self.optimizer.lr * factor, self.train.iterations)

    def train_transform(self) -> TrainTransform:
        return self.transform

    def eval_transform(self) -> EvalTransform:
        return EvalTransform(self.transform.normalize)


def load_config(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    text: str | None = None,
    where: str = "configuration",
) -> Config:
    """The defaults, changed by the YAML file at `path` (and its base), changed by `key.path=value` overrides.

    Nested mappings merge, lists replace. `text` is YAML instead of a file; `where` names it in errors. Raises
    ConfigError.
    """
    layers: list[Layer] = []
    if path is not None:
        where = str(path)
        layers = read_layers(Path(path))
    elif text is not None:
        layers = [Layer(where, parse_text(text, where))]
    layers += [parse_setting(override) for override in overrides]
    return load_layers(layers, where)


def load_layers(layers: Sequence[Layer], where: str) -> Config:
    """The defaults, changed by the layers in order; `where` is what errors name that belong to none of them."""
    layers = [below for layer in layers for below in (*_preset_below(layer), layer)]
    origins = Origins(layers, where)
    config = update(Config(), merge_layers(layers), origins)
    config = settle_unread(config, origins)
    _check(config, origins)
    return config


def _preset_below(layer: Layer) -> list[Layer]:
    """What `transform.preset` in a layer stands for: settings before the layer's own."""
    transform = layer.values.get("transform")
    name = transform.get("preset") if isinstance(transform, Mapping) else None
    if not isinstance(name, str) or name not in AUGMENTATIONS:  # the schema says what is wrong with it
        return []
    reset = {key: value for key, value in to_plain(TrainTransform()).items() if key != "preset"}
    return [Layer(f"transform.preset {name}", {"transform": {**reset, **AUGMENTATIONS[name]}})]


def dump_config(config: Config) -> str:
    """The whole resolved configuration as YAML, which `load_config` reads back to the same value."""
    return yaml.safe_dump(to_plain(config), sort_keys=False, default_flow_style=None, width=100)


def _check(config: Config, origins: Origins) -> None:
    """What one section cannot tell alone: the network's own settings, the schedule's length, the data set's needs."""
    model = config.model
    build(model.preset, model.num_classes, model.overrides, where=lambda path: origins(f"model.{path}"))
    for path, check in (("schedule", config.learning_rate), ("data.options", config.label_space)):
        try:
            check()
        except (ConfigError, DataError) as error:
            raise ConfigError(f"{origins(path)}: {error}") from error
    if config.train.scale_lr and config.recipe.batch_size is None:
        raise ConfigError(
            f"{at(origins, 'train.scale_lr')}: scaled from which batch? Set recipe.batch_size to that of optimizer.lr"
        )
    if config.data.root is not None and not DATASETS[config.data.dataset].reads_root:
        with_files = ", ".join(name for name, dataset in DATASETS.items() if dataset.reads_root)
        raise ConfigError(
            f"{at(origins, 'data.root')}: nothing reads it: data set {config.data.dataset!r} has no files; "
            f"set data.dataset ({with_files}) or leave the root out"
        )
