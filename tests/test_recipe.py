"""The published batch of a recipe: what differs is said, and the rate follows where that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config import load_config
from core.errors import ConfigError
from core.shard import Shard
from core.split import describe_recipe

ROOT = Path(__file__).resolve().parents[1]
DABNET = ROOT / "configs/cityscapes/dabnet_resnet18.yaml"  # 32 pictures on 4 devices, SGD 0.025


def test_the_published_batch_says_nothing() -> None:
    assert describe_recipe(Shard(), load_config(DABNET)) == []
    assert describe_recipe(Shard(), load_config(overrides=["train.batch_size=3"])) == []


def test_another_batch_is_told_and_its_rate_offered() -> None:
    rate, norm = describe_recipe(Shard(), load_config(DABNET, ["train.batch_size=8"]))
    assert "32 pictures an iteration on 4 devices, this run has 8" in rate
    assert "train.scale_lr=true makes it 0.00625" in rate
    assert norm == "batch norm saw 32 pictures at a time (synchronised), here it sees 8"


@pytest.mark.parametrize(
    ("settings", "processes", "sees"),
    [
        (["train.accumulation=4"], 1, 8),  # batch norm sees a part at a time
        (["train.sync_batch_norm=false"], 4, 8),
    ],
)
def test_what_batch_norm_sees(settings: list[str], processes: int, sees: int) -> None:
    (norm,) = describe_recipe(Shard(0, processes), load_config(DABNET, settings))
    assert norm.endswith(f"here it sees {sees}")


def test_batch_norms_of_each_device() -> None:
    settings = ["recipe.sync_batch_norm=false", "train.accumulation=4"]
    assert describe_recipe(Shard(), load_config(DABNET, settings)) == []  # 8 pictures there, 8 here


@pytest.mark.parametrize(("optimizer", "factor"), [("sgd", 0.25), ("adamw", 0.5)])
def test_the_scaled_rate(optimizer: str, factor: float) -> None:
    """Linear for SGD, by the root for AdamW; the whole course is scaled, its end too."""
    settings = ["recipe.batch_size=32", f"optimizer.name={optimizer}", "optimizer.lr=0.02", "schedule.end_lr=0.001"]
    plain = load_config(overrides=[*settings, "train.batch_size=8"])
    scaled = load_config(overrides=[*settings, "train.batch_size=8", "train.scale_lr=true"])
    for iteration in (0, 500, 1000):
        assert scaled.learning_rate()(iteration) == pytest.approx(factor * plain.learning_rate()(iteration))
    assert "is scaled to" in describe_recipe(Shard(), scaled)[0]


def test_scaling_needs_the_published_batch() -> None:
    with pytest.raises(ConfigError, match=r"train\.scale_lr: scaled from which batch\? Set recipe\.batch_size"):
        load_config(overrides=["train.scale_lr=true"])
