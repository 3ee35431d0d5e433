"""The configuration: every shipped file loads; every mistake is named with file, key and the nearest valid key."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import Config, dump_config, load_config
from core.errors import ConfigError, DataError

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = sorted(ROOT.glob("configs/**/*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_shipped_file_loads_and_says_how_to_run_it(path: Path) -> None:
    config = load_config(path)
    config.spec(19).check_input(*config.transform.crop)
    assert re.match(r"(#.*\n)*#.*python -m backends\.", path.read_text())
    assert path.parent.name in (config.data.dataset, "_base")


def test_a_classifier_segments_nothing() -> None:
    config = load_config(overrides=["model.preset=classifier_tiny"])
    with pytest.raises(ConfigError, match=r"model\.preset: classifier_tiny labels pictures"):
        config.segmenter(11)


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
    config = load_config(
        tmp_path / "run.yaml", ["train.iterations=9", "optimizer.lr=1e-3", "logging.wandb_project=x=y"]
    )
    assert (config.seed, config.train.batch_size, config.train.iterations) == (1, 4, 9)
    assert (config.optimizer.lr, config.logging.wandb_project) == (0.001, "x=y")


def test_a_normalisation_can_be_written_out(tmp_path: Path) -> None:
    config = load_config(None, text="transform: {normalize: {mean: [1, 2, 3], channel_order: bgr}}")
    normalize = config.eval_transform().normalize
    assert (normalize.mean, normalize.std, normalize.channel_order) == ((1, 2, 3), (1, 1, 1), "bgr")
    assert load_config(None, text=dump_config(config)) == config
    for text, message in (
        ("{std: [1, 1, 1]}", r"transform\.normalize: lacks mean"),
        ("{mean: [1, 2, 3], men: 1}", r"transform\.normalize\.men'\. Did you mean 'mean'"),
        ("{mean: [1, 2, 3], channel_order: gbr}", r"transform\.normalize\.channel_order: 'gbr' is not one of"),
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


def test_nested_mappings_merge_and_lists_replace(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "model: {preset: setr_pup_tiny, overrides: {width: 32, backbone: {width: 96, image_size: [96, 128]}}}\n"
    )
    config = load_config(file, ["model.overrides.backbone.depth=5", "model.overrides.backbone.image_size=[64, 64]"])
    assert config.model.overrides == {"width": 32, "backbone": {"width": 96, "image_size": [64, 64], "depth": 5}}
    spec = config.spec(11)
    assert (spec.backbone.width, spec.backbone.depth) == (96, 5)  # type: ignore[attr-defined]

    child = tmp_path / "child.yaml"
    child.write_text("base: run.yaml\nmodel: {overrides: {backbone: {depth: 6}}}\n")
    assert load_config(child).model.overrides["backbone"] == {"width": 96, "image_size": [96, 128], "depth": 6}


def test_a_mapping_can_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("data: {options: {size: [64, 64], train: 4}}\n")
    config = load_config(file, ["data.options=!replace {val: 2}", "data.options.seed=3"])
    assert config.data.options == {"val": 2, "seed": 3}
    assert load_config(text=dump_config(config)) == config
    with pytest.raises(ConfigError, match="!replace stands before a mapping"):
        load_config(file, ["data.options=!replace 3"])


def test_the_order_of_overrides_does_not_matter_where_only_their_sum_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("train: {batch_size: 8, accumulation: 4}\n")
    config = load_config(file, ["train.batch_size=6", "train.accumulation=3"])
    assert (config.train.batch_size, config.train.accumulation) == (6, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\ntrain: {iterations: 7}\nseed: 2\n", r"line 3: the key 'seed' stands in line 1 already"),
        ("train:\n  iterations: 7\n  batch_size: 2\n  iterations: 9\n", r"line 4: the key 'iterations'.*line 2"),
        ("model: {overrides: {backbone: {depth: 50, depth: 101}}}\n", r"line 1: the key 'depth'"),
    ],
)
def test_a_key_given_twice_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        load_config(file)
    assert str(error.value).startswith(str(file))
    with pytest.raises(ConfigError, match=r"^--set data\.options=\{seed: 1, seed: 2\}: line 1: the key 'seed'"):
        load_config(None, ["data.options={seed: 1, seed: 2}"])


def test_an_error_names_the_file_or_option_that_set_the_key(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("train: {iterations: 0}\n")
    (tmp_path / "run.yaml").write_text("base: base.yaml\nseed: 1\n")
    with pytest.raises(ConfigError, match=r"^\S*base\.yaml: train\.iterations: 0"):
        load_config(tmp_path / "run.yaml", ["seed=2"])
    with pytest.raises(ConfigError, match=r"^--set seed=-2: seed: -2"):
        load_config(tmp_path / "run.yaml", ["seed=-2", "train.iterations=4"])


def test_a_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "camvid").mkdir()
    config = load_config(text="data: {dataset: camvid, root: ~/camvid}")
    with pytest.raises(DataError, match=re.escape(f"{tmp_path}/camvid: split 'train' of data set 'camvid'")):
        config.open_dataset("train")
    (tmp_path / "base.yaml").write_text("seed: 5\n")
    (tmp_path / "run.yaml").write_text("base: ~/base.yaml\n")
    assert load_config(tmp_path / "run.yaml").seed == 5


def test_options_of_the_data_set_decide_the_classes() -> None:
    config = load_config(text="data: {dataset: camvid, options: {void_class: true}}")
    space = config.label_space()
    assert (space.num_classes, space.classes[-1], space.palette.shape) == (12, "Void", (12, 3))
    assert load_config(text="data: {dataset: camvid}").label_space().num_classes == 11
