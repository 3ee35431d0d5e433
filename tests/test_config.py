"""The configuration: every shipped file loads; every mistake is named with file, key and the nearest valid key."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import Config, dump_config, load_config
from core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = sorted(ROOT.glob("configs/**/*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_shipped_file_loads_and_says_how_to_run_it(path: Path) -> None:
    config = load_config(path)
    config.spec(19).check_input(*config.transform.crop)
    assert re.match(r"(#.*\n)*#.*python -m backends\.", path.read_text())
    assert path.parent.name in (config.data.dataset, "_base")


def test_there_are_shipped_files() -> None:
    assert len(SHIPPED) >= 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer: {momentun: 0.9}", r"optimizer\.momentun'\. Did you mean 'momentum'"),
        ("optimizr: {}", r"'optimizr'\. Did you mean 'optimizer'"),
        ("train: {batch_size: many}", r"train\.batch_size: expected int, got 'many'"),
        ("train: {batch_size: 2.5}", r"train\.batch_size: expected int, got 2\.5"),
        ("train: {precision: float16}", r"train\.precision: 'float16' is not one of 'float32'"),
        ("optimizer: {nesterov: 1}", r"optimizer\.nesterov: expected bool"),
        ("train: {batch_size: 3, accumulation: 2}", r"train: batch_size 3 must be a multiple"),
        ("transform: {crop: [512]}", r"transform\.crop: expected 2 values, got 1"),
        ("transform: {crop: 512}", r"transform\.crop: expected a list"),
        ("transform: {normalize: imagenett}", r"imagenett"),
        ("schedule: {policy: polly}", r"schedule\.policy: 'polly' is not one of 'poly'"),
        ("schedule: {warmup_iterations: 5000}", r"warmup_iterations"),
        ("evaluation: {stride: 0.5}", r"evaluation: .*window"),
        ("model: {preset: fast_scn}", r"unknown preset 'fast_scn'\. Did you mean 'fast_scnn'"),
        ("model: {overrides: {dropot: {p: 0}}}", r"dropot'\. Did you mean 'dropout'"),
        ("seed: null", r"seed: may not be empty"),
        ("[1, 2]", r"expected keys and values"),
        ("a: [", r"not valid YAML"),
    ],
)
def test_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        load_config(file)
    assert str(file) in str(error.value)


def test_base_is_changed_by_the_file_and_that_by_overrides(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("seed: 1\ntrain: {batch_size: 2, iterations: 7}\n")
    (tmp_path / "run.yaml").write_text("base: base.yaml\ntrain: {batch_size: 4}\n")
    config = load_config(tmp_path / "run.yaml", ["train.iterations=9", "optimizer.lr=1e-3", "data.root=/x=y"])
    assert (config.seed, config.train.batch_size, config.train.iterations) == (1, 4, 9)
    assert (config.optimizer.lr, config.data.root) == (0.001, "/x=y")


def test_a_normalisation_can_be_written_out(tmp_path: Path) -> None:
    config = load_config(None, text="transform: {normalize: {mean: [1, 2, 3], channel_order: bgr}}")
    normalize = config.eval_transform().normalize
    assert (normalize.mean, normalize.std, normalize.channel_order) == ((1, 2, 3), (1, 1, 1), "bgr")
    assert load_config(None, text=dump_config(config)) == config
    for text, message in (
        ("{std: [1, 1, 1]}", r"transform\.normalize: lacks mean"),
        ("{mean: [1, 2, 3], men: 1}", r"transform\.normalize\.men'\. Did you mean 'mean'"),
        ("{mean: [1, 2, 3], channel_order: gbr}", r"transform\.normalize: .*'gbr'"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_config(None, text=f"transform: {{normalize: {text}}}")


def test_a_base_has_no_base(tmp_path: Path) -> None:
    for name, base in (("a", "b"), ("b", "c"), ("c", None)):
        (tmp_path / f"{name}.yaml").write_text(f"base: {base}.yaml\n" if base else "seed: 1\n")
    with pytest.raises(ConfigError, match=r"b\.yaml.*may not have a base"):
        load_config(tmp_path / "a.yaml")


def test_missing_file_and_malformed_override() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such"):
        load_config("nowhere.yaml")
    with pytest.raises(ConfigError, match=r"--set seed: expected key"):
        load_config(None, ["seed"])
    with pytest.raises(ConfigError, match=r"--set train\.x=1: unknown key 'train\.x'"):
        load_config(None, ["train.x=1"])


def test_resolved_config_reads_back(tmp_path: Path) -> None:
    config = load_config(SHIPPED[0], ["evaluation.scales=[0.5, 1.0]", "evaluation.flip=true"])
    (tmp_path / "resolved.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "resolved.yaml") == config
    assert load_config(None, text=dump_config(config)) == config


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["seed", "train", "data", "transform"]), st.text("abcdefgh_.=", max_size=8))
def test_any_override_gives_a_config_or_a_config_error(key: str, rest: str) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(load_config(None, [f"{key}.{rest}"]), Config)
