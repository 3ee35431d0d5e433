"""Every setting has its range, on loading as on construction, and a setting that nothing reads is an error."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest

from core.config import Config, TrainConfig, dump_config, load_config
from core.data import open_dataset
from core.data.normalization import Normalize
from core.data.transforms import TrainTransform
from core.errors import ConfigError, DataError
from core.evaluation.protocol import EvaluationProtocol
from core.optim import OptimizerConfig
from core.ranges import Checked, Range, When, condition, field_hints


def _numbers(hint: Any, path: str, ranged: bool = False) -> Iterator[tuple[str, bool]]:
    """Every number an annotation holds, and whether it has a range."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        for name, inner in field_hints(hint).items():
            yield from _numbers(inner, f"{path}.{name}" if path else name)
    elif typing.get_origin(hint) is Annotated:
        inner, *items = typing.get_args(hint)
        yield from _numbers(inner, path, any(isinstance(item, Range) for item in items))
    elif typing.get_args(hint):
        union = typing.get_origin(hint) in (typing.Union, types.UnionType)  # a range of a union is one of its numbers
        for inner in typing.get_args(hint):
            yield from _numbers(inner, path, ranged and union)
    elif hint in (int, float):
        yield path, ranged


def test_every_number_of_the_configuration_has_a_range() -> None:
    numbers = list(_numbers(Config, ""))
    assert len(numbers) > 40
    assert [path for path, ranged in numbers if not ranged] == []


def _sections(hint: Any) -> Iterator[Any]:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
        for inner in field_hints(hint).values():
            yield from _sections(inner)
    for inner in typing.get_args(hint):
        yield from _sections(inner)


def test_every_section_is_checked_on_construction_too() -> None:
    assert [section for section in _sections(Config) if not issubclass(section, Checked)] == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("seed: -1", "seed"),
        ("model: {num_classes: 0}", r"model\.num_classes"),
        ("data: {workers: -1}", r"data\.workers"),
        ("data: {options: {size: 5}}", "size: expected a list"),
        ("data: {options: {size: [8, 64]}}", r"size\[0\]"),
        ("data: {options: {train: 0}}", "train"),
        ("data: {options: {sise: [64, 64]}}", "did you mean 'size'"),
        ("transform: {crop: [0, 5]}", r"transform\.crop\[0\]"),
        ("transform: {scale: [2.0, 0.5]}", r"transform\.scale"),
        ("transform: {brightness: -3}", r"transform\.brightness"),
        ("transform: {flip: 1.5}", r"transform\.flip"),
        ("transform: {normalize: {mean: [1, 2, .nan]}}", r"transform\.normalize\.mean\[2\]"),
        ("train: {clip_norm: 0}", r"train\.clip_norm: 0\.0 is out of range: above 0"),
        ("train: {log_interval: -1}", r"train\.log_interval"),
        ("train: {sample_predictions: -1}", r"train\.sample_predictions"),
        ("optimizer: {momentum: 5}", r"optimizer\.momentum: 5\.0 is out of range: at least 0 and below 1"),
        ("optimizer: {lr: .inf}", r"optimizer\.lr"),
        ("optimizer: {name: adam, betas: [0.9, 1.0]}", r"optimizer\.betas\[1\]"),
        ("optimizer: {weight_decay: -1}", r"optimizer\.weight_decay"),
        ("schedule: {policy: step, milestones: [5, 3]}", r"schedule\.milestones: \[5, 3\].*increasing"),
        ("schedule: {end_lr: 1}", "end_lr 1.0 must not be above"),
        ("loss: {auxiliary_weight: -5}", r"loss\.auxiliary_weight"),
        ("loss: {class_weights: [1, -1]}", r"loss\.class_weights\[1\]"),
        ("loss: {kind: ohem, threshold: 7}", r"loss\.threshold"),
        ("evaluation: {scales: []}", r"evaluation\.scales: .*at least 1 value"),
        ("evaluation: {window: [8, 8], stride: 2.0}", r"evaluation\.stride: 2\.0 is out of range"),
        ("evaluation: {batch: 0}", r"evaluation\.batch"),
        ("metrics: {mean_over: []}", r"metrics\.mean_over: \[\] is out of range: at least 1 value"),
        ("metrics: {mean_over: [-1]}", r"metrics\.mean_over\[0\]"),
    ],
)
def test_a_value_outside_its_range_is_named_with_file_and_key(tmp_path: Path, text: str, key: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=key) as error:
        load_config(file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrainConfig(iterations=0), r"TrainConfig\.iterations: 0"),
        (lambda: TrainConfig(precision="float16"), r"TrainConfig\.precision: 'float16' is not one of"),
        (lambda: OptimizerConfig(momentum=5), r"OptimizerConfig\.momentum"),
        (lambda: TrainTransform(hue=0.7), r"TrainTransform\.hue"),
        (lambda: Normalize((0, 0)), r"Normalize\.mean: expected 3 values"),
        (lambda: EvaluationProtocol(scales=(0.0,)), r"EvaluationProtocol\.scales\[0\]"),
    ],
)
def test_construction_is_checked(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_subclass_is_checked_before_its_own_rules() -> None:
    @dataclasses.dataclass(frozen=True)
    class Halves(Checked):
        whole: Annotated[int, Range(1)] = 1

        def __post_init__(self) -> None:
            assert 1 // self.whole <= 1

    with pytest.raises(ConfigError, match=r"Halves\.whole: 0 is out of range: at least 1"):
        Halves(0)


def test_options_of_a_data_set_are_checked_where_it_is_opened() -> None:
    with pytest.raises(DataError, match="'roadscape': size: expected a list, got 5"):
        open_dataset("roadscape", "val", size=5)
    assert open_dataset("roadscape", "val", size=[64, 80]).size == (64, 80)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer: {name: adam, momentum: 0.8}", r"optimizer\.momentum: nothing reads it.*optimizer\.name is sgd"),
        ("optimizer: {betas: [0.8, 0.9]}", r"optimizer\.betas: nothing reads it"),
        ("schedule: {milestones: [10]}", r"schedule\.milestones: nothing reads it.*schedule\.policy is step"),
        ("schedule: {warmup_ratio: 0.5}", r"warmup_ratio.*schedule\.warmup_iterations is set"),
        ("transform: {scales: [1.0], scale: [1.0, 1.5]}", r"transform\.scale: .*transform\.scales is empty"),
        ("transform: {jitter_probability: 0.1}", r"jitter_probability: nothing reads it"),
        ("loss: {threshold: 0.6}", r"loss\.threshold: nothing reads it"),
        ("evaluation: {edge: pad}", r"evaluation\.edge: .*evaluation\.window is set"),
        ("data: {root: /data}", r"data\.root: nothing reads it: data set 'roadscape' has no files; set data\.dataset"),
        ("data: {options: {void_class: true}}", "'roadscape' has no option 'void_class'"),
    ],
)
def test_a_setting_that_nothing_reads_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        load_config(file)
    assert str(error.value).startswith(str(file))


def test_settings_go_with_a_choice_that_is_changed_later(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("optimizer: {name: sgd, momentum: 0.8, lr: 0.5}\n")
    (tmp_path / "run.yaml").write_text("base: base.yaml\noptimizer: {name: adam}\n")
    optimizer = load_config(tmp_path / "run.yaml").optimizer
    assert optimizer == OptimizerConfig(name="adam", lr=0.5)
    with pytest.raises(ConfigError, match=r"^--set optimizer\.momentum=0\.7: optimizer\.momentum: nothing reads it"):
        load_config(tmp_path / "run.yaml", ["optimizer.momentum=0.7"])


def test_every_condition_names_a_neighbour_and_the_resolved_configuration_loads() -> None:
    conditions = 0
    for section in _sections(Config):
        for name, hint in field_hints(section).items():
            when = condition(hint)
            if isinstance(when, When):
                conditions += 1
                assert set(when.fields) <= set(field_hints(section)) - {name}
    assert conditions > 10
    config = load_config(text="optimizer: {name: adam}\nschedule: {policy: step, milestones: [4]}")
    assert load_config(text=dump_config(config)) == config
