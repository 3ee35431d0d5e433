"""What a resumed run may change, and that it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.checkpoint import RunDirectory
from core.config import Config, dump_config, load_config
from core.errors import ConfigError
from core.resume import adjustable, changes, check_length, resumed_config, store_config

TEXT = "seed: 3\nmodel: {preset: fast_scnn_tiny}\ntrain: {batch_size: 2, iterations: 40}\n"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    directory.config.write_text(dump_config(load_config(text=TEXT)))
    return directory


def test_nothing_given_changes_nothing(run: RunDirectory) -> None:
    before = directory_state(run)
    config = resumed_config(run, None, [])
    store_config(run, config)
    assert config == load_config(text=TEXT)
    assert directory_state(run) == before


def directory_state(run: RunDirectory) -> list[tuple[str, str, int]]:
    return [(path.name, path.read_text(), path.stat().st_ino) for path in sorted(run.path.iterdir())]


def test_what_may_change_is_kept_for_the_next_time(run: RunDirectory, tmp_path: Path) -> None:
    edited = tmp_path / "edited.yaml"
    edited.write_text(TEXT.replace("40", "60") + "data: {workers: 2}\noptimizer: {lr: 0.001}\n")
    store_config(run, resumed_config(run, edited, ["train.clip_norm=5"]))
    again = resumed_config(run, None, [])
    assert (again.train.iterations, again.data.workers) == (60, 2)
    assert (again.optimizer.lr, again.train.clip_norm) == (0.001, 5.0)
    assert load_config(run.config) == again
    assert [path.name for path in run.path.iterdir()] == ["config.yaml"]


def test_the_rest_is_refused_by_name(run: RunDirectory, tmp_path: Path) -> None:
    edited = tmp_path / "edited.yaml"
    edited.write_text(TEXT.replace("batch_size: 2", "batch_size: 4") + "transform: {crop: [64, 64]}\n")
    before = run.config.read_text()
    with pytest.raises(ConfigError) as error:
        resumed_config(run, edited, ["seed=4", "model.overrides.dropout.p=0", "train.iterations=50"])
    message = str(error.value)
    for expected in (
        "seed (3 -> 4)",
        "train.batch_size (2 -> 4)",
        "transform.crop ([512, 512] -> [64, 64])",
        "model.overrides.dropout.p (not set -> 0)",
        "what may change: ",
    ):
        assert expected in message
    assert "train.iterations (40 -> 50)" not in message
    assert "{}" not in message
    assert run.config.read_text() == before


def test_only_what_leaves_the_run_itself_may_change() -> None:
    allowed = set(adjustable())
    assert {"train.iterations", "data.root", "data.workers", "logging.tensorboard", "optimizer.lr"} <= allowed
    for section in ("seed", "model", "transform", "loss", "schedule", "metrics"):
        assert not any(path.partition(".")[0] == section for path in allowed)
    assert changes(Config(), Config(seed=1)) == {"seed": "seed (0 -> 1)"}


def test_a_run_is_not_cut_below_where_it_stands() -> None:
    config = load_config(text=TEXT)
    check_length(config, 40, "run")
    with pytest.raises(
        ConfigError, match=r"run: stands at iteration 41, train\.iterations is 40; set it to 41 or more"
    ):
        check_length(config, 41, "run")
